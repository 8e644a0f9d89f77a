"""A training that is killed at random moments, as a program: training_kills.py FOLDER KILLS.

It prints how many processes it killed, and how many of those while they were at work on files.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from tiny_model import TinyModel, pairs

from vecsearch.training.checkpoint import Checkpoints
from vecsearch.training.contrastive import ContrastiveSettings, ContrastiveTask
from vecsearch.training.loop import Fitted, Schedule, fit
from vecsearch.training.loop import _identity as identity_of

SCHEDULE = Schedule(steps=60, learning_rate=0.05, evaluate_every=1)


def a_task() -> ContrastiveTask:
    settings = ContrastiveSettings(batch=5, temperature=0.2)
    return ContrastiveTask(TinyModel(dim=256, dropout=0.3), pairs(12), settings)


def train(folder: Path, told: int | None = None) -> tuple[Fitted, dict[str, torch.Tensor]]:
    task = a_task()

    def tell(progress: object) -> None:
        if told is not None:
            os.write(told, b".")

    def score(encoder: object) -> float:
        return float(task.module.layer.weight.detach().sum())  # type: ignore[union-attr, operator]

    done = fit(task, SCHEDULE, folder, validate=score, resume=True, on_step=tell)
    return done, task.module.state_dict()


def kill_one(folder: Path, chance: random.Random) -> bool:
    """Start a training, kill it; return whether it left a file that it was writing."""
    there, told = os.pipe()
    child = os.fork()
    if not child:
        try:
            train(folder, told)
        finally:
            os._exit(0)
    os.close(told)
    for _ in range(chance.randrange(4)):
        os.read(there, 1)
    time.sleep(chance.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(there)
    return any(folder.glob("*.new"))


def main(work: Path, kills: int) -> None:
    torch.set_num_threads(1)
    wanted, weights = train(work / "whole")
    chance = random.Random(0)
    checkpoints = Checkpoints(
        work / "killed", identity_of(a_task(), SCHEDULE, validated=True), disk=None
    )  # type: ignore[arg-type]
    writing, seen = 0, []
    for _ in range(kills):
        writing += kill_one(work / "killed", chance)
        last, best = checkpoints.read_last(), checkpoints.read_best()
        if last is not None:
            seen.append(last.curve.steps)
            assert last.curve.points == wanted.curve.points[: last.curve.steps]
            assert best is not None
            if last.curve.steps:  # before the first step there is no choice
                assert best.score >= last.curve.best.score  # type: ignore[union-attr]
    assert seen == sorted(seen)
    assert len(set(seen)) > 3, seen
    done, ours = train(work / "killed")
    assert done.curve == wanted.curve
    assert done.best == wanted.best
    assert all(torch.equal(ours[name], each) for name, each in weights.items())
    assert {each.name for each in (work / "killed").iterdir()} <= {
        "last.safetensors",
        "best.safetensors",
    }
    sys.stdout.write(f"{kills} {writing} {len(set(seen))}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

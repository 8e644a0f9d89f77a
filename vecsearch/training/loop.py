"""The loop of every training: step, evaluate, remember; and go on after any interruption.

What a step does follows from the settings and its number. The loop keeps its side of that: torch's
random numbers are seeded for each step anew, and a checkpoint holds all that one step leaves to the
next. So a training that was interrupted, by whatever, ends with the same weights and the same curve
as one that wasn't, bit for bit where sums are made in the same order (on one thread they are).
"""

from __future__ import annotations

import hashlib
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from vecsearch.encoders.base import Encoder
from vecsearch.errors import EncoderError, TrainingDiverged, UsageError
from vecsearch.store.files import Disk
from vecsearch.training.base import Task
from vecsearch.training.checkpoint import Best, Checkpoints, Last
from vecsearch.training.curve import Curve, DevScore, Point
from vecsearch.training.optimizer import Optimizer
from vecsearch.training.schedule import Schedule

__all__ = ["Described", "Fitted", "Schedule", "StepProgress", "fit"]

Ending: TypeAlias = Literal["finished", "stopped early", "interrupted"]

_WINDOW: Final = 20
"""Steps whose mean loss says where a training stands."""

_REHEARSED: Final = 12
"""Steps that are timed where minutes are given."""


@runtime_checkable
class Described(Protocol):
    """A task that says what its steps depend on, and how many examples one has.

    Of one that doesn't, a checkpoint remembers the schedule and the shapes of the weights alone.
    """

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides about the steps, by a name for each: settings, digests of data."""
        ...

    @property
    def batch(self) -> int:
        """How many examples a step learns from."""
        ...


class StepProgress(NamedTuple):
    """What is known after a step.

    step: how many steps are done; 0 when the model was evaluated before the first.
    steps: how many there are to be.
    loss: of this step; None for step 0.
    learning_rate: of this step, for step 0 that of the first.
    examples_per_second: of this step; None for step 0, and for a task that isn't `Described`.
    dev: the score of the evaluation after this step; None where there was none.
    """

    step: int
    steps: int
    loss: float | None
    learning_rate: float
    examples_per_second: float | None
    dev: float | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a training ended; the task holds the weights after step `best`.

    ended: "interrupted" by KeyboardInterrupt, and may be resumed; "stopped early" as nothing new
        came for `Schedule.patience` evaluations.
    steps: how many there were to be; `curve.steps` are done.
    best: the step after which the dev score was highest, and the score; what was before the first
        step doesn't count. None without validation: then the weights are those after the last
        step, or that of the last checkpoint if the training was interrupted.
    seconds: how long it took, up to the last checkpoint and since then.
    """

    ended: Ending
    steps: int
    curve: Curve
    best: DevScore | None
    seconds: float


def fit(
    task: Task,
    schedule: Schedule,
    folder: Path,
    *,
    validate: Callable[[Encoder], float] | None = None,
    resume: bool = False,
    on_step: Callable[[StepProgress], None] | None = None,
) -> Fitted:
    """Train until the schedule ends; leave the best weights in the task, checkpoints in a folder.

    folder: of this training alone; it is made if need be.
    validate: scores an encoder, higher being better, before the first step and at every
        evaluation. Without it the last weights are kept.
    resume: go on from the checkpoint in the folder, if there is one; else it is removed first.
    on_step: is told of every step.

    KeyboardInterrupt, wherever it comes, ends the training as `Fitted` says; what was done since
    the last checkpoint is done again by one that resumes.

    Raise TrainingDiverged for a loss or a gradient that isn't finite, and for a mean loss of 20
    steps that is by 1 above twice that of the first 20; CheckpointError for a checkpoint that can't
    be written or read, or is of another training.
    """
    run = _Run(task, schedule, folder, validate, on_step or (lambda progress: None))
    devices = [run.device] if run.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            run.begin(resume=resume)
            ended = run.go_on()
        except KeyboardInterrupt:
            ended = "interrupted"
        return run.end(ended)


class _Run:
    """One call of `fit`: what changes while it lasts."""

    def __init__(
        self,
        task: Task,
        schedule: Schedule,
        folder: Path,
        validate: Callable[[Encoder], float] | None,
        on_step: Callable[[StepProgress], None],
    ) -> None:
        self._task = task
        self._schedule = schedule
        self._validate = validate
        self._on_step = on_step
        identity = _identity(task, schedule, validated=validate is not None)
        self._checkpoints = Checkpoints(folder, identity, Disk())
        self._optimizer = Optimizer(task.module, schedule)
        self._curve = Curve()
        self._steps = schedule.steps or 0
        self._started = time.perf_counter()
        self._begun = False
        self._resuming = False
        self._batch = task.batch if isinstance(task, Described) else None
        self.device = next(task.module.parameters()).device

    def begin(self, *, resume: bool) -> None:
        """Take up the checkpoint, or make the first one."""
        self._resuming = resume
        last = self._checkpoints.read_last() if resume else None
        if last is not None:
            self._take_up(last)
            return
        self._checkpoints.clear()
        self._begun = True
        if not self._steps:
            self._steps = self._rehearsed()
        dev = self._evaluated()
        rate = self._schedule.rate(0, self._steps)
        self._on_step(StepProgress(0, self._steps, None, rate, None, dev))

    def go_on(self) -> Ending:
        """Do the steps that are left."""
        interval = self._schedule.interval(self._steps)
        while self._curve.steps < self._steps:
            if self._exhausted():
                return "stopped early"
            started = time.perf_counter()
            loss, rate = self._step(self._curve.steps)
            seconds = time.perf_counter() - started
            speed = self._batch / seconds if self._batch and seconds else None
            self._curve.points.append(Point(loss, rate))
            done = self._curve.steps
            due = done % interval == 0 or done == self._steps
            dev = self._evaluated() if due else None
            self._on_step(StepProgress(done, self._steps, loss, rate, speed, dev))
        return "finished"

    def end(self, ended: Ending) -> Fitted:
        """Load the best weights, and say how it went."""
        best = self._checkpoints.read_best() if self._begun or self._resuming else None
        if best is not None:
            self._load(best.model)
        elif ended == "interrupted" and self._begun:
            last = self._checkpoints.read_last()  # the weights may be those of half a step
            if last is not None:
                self._load(last.model)
        self._task.module.eval()
        return Fitted(
            ended,
            self._steps,
            self._curve,
            None if best is None else DevScore(best.step, best.score),
            time.perf_counter() - self._started,
        )

    def _take_up(self, last: Last) -> None:
        if last.curve.best is not None:
            self._checkpoints.require_best()
        self._begun = True
        self._steps, self._curve = last.steps, last.curve
        self._started -= last.seconds
        self._load(last.model)
        self._optimizer.load(last.optimizer)

    def _load(self, model: Mapping[str, Tensor]) -> None:
        self._task.module.load_state_dict(model)

    def _step(self, step: int) -> tuple[float, float]:
        """Do a step, counted from 0; return its loss and learning rate."""
        rate = self._schedule.rate(step, self._steps)
        loss = self._gradient(step)
        length = self._optimizer.shorten()
        if problem := _divergence(self._curve.points, loss, length):
            raise TrainingDiverged(step + 1, loss, rate, problem)
        self._optimizer.step(rate)
        return loss, rate

    def _gradient(self, step: int) -> float:
        self._task.module.train()
        self._optimizer.clear()
        torch.manual_seed(_seed(self._schedule.seed, step))
        return self._task.backward(step)

    def _evaluated(self) -> float | None:
        """Score the model and write checkpoints; None where nothing says how to score."""
        self._require_finite()
        score = self._score()
        if score is not None:
            self._curve.dev.append(DevScore(self._curve.steps, score))
            if self._curve.best is self._curve.dev[-1]:
                model = self._task.module.state_dict()
                self._checkpoints.write_best(Best(self._curve.steps, score, model))
        self._checkpoints.write_last(
            Last(
                self._steps,
                time.perf_counter() - self._started,
                self._curve,
                self._task.module.state_dict(),
                self._optimizer.state(),
            )
        )
        return score

    def _require_finite(self) -> None:
        """Raise TrainingDiverged, with the latest step, for weights that aren't finite."""
        finite = (torch.isfinite(each).all() for each in self._task.module.parameters())
        if self._curve.points and not all(finite):
            loss, rate = self._curve.points[-1]
            problem = "the weights aren't finite any more"
            raise TrainingDiverged(self._curve.steps, loss, rate, problem)

    def _score(self) -> float | None:
        if self._validate is None:
            return None
        self._task.module.eval()
        try:
            score = float(self._validate(self._task.encoder()))
        except EncoderError as error:
            if not self._curve.points:
                raise
            loss, rate = self._curve.points[-1]  # finite weights may give vectors that aren't
            problem = f"what it learnt can't encode any more: {error}"
            raise TrainingDiverged(self._curve.steps, loss, rate, problem) from error
        if not math.isfinite(score):
            raise UsageError(f"An evaluation gave the score {score}; a finite number is wanted.")
        return score

    def _exhausted(self) -> bool:
        """Whether the latest evaluations, as many as patience says, were no better than before."""
        best, patience = self._curve.best, self._schedule.patience
        if best is None or patience is None:
            return False
        return len(self._curve.dev) - 1 - self._curve.dev.index(best) >= patience

    def _rehearsed(self) -> int:
        """Do a few steps and an evaluation to see how long they take, and undo them.

        Return how many steps fit into the schedule's minutes.
        """
        assert self._schedule.minutes is not None  # there are no steps
        given = 60 * self._schedule.minutes
        before = {name: each.clone() for name, each in self._task.module.state_dict().items()}
        times = []
        try:
            for step in range(_REHEARSED):
                started = time.perf_counter()
                self._gradient(step)
                self._optimizer.shorten()
                self._optimizer.step(self._schedule.learning_rate / 1000)
                times.append(time.perf_counter() - started)
                if sum(times) > given / 20 and step:
                    break
        finally:
            self._load(before)
            self._optimizer = Optimizer(self._task.module, self._schedule)
        started = time.perf_counter()
        self._score()
        evaluation = time.perf_counter() - started
        left = given - (time.perf_counter() - self._started) - evaluation
        each = statistics.median(times[1:])  # the first is slower than any other
        if self._schedule.evaluate_every:
            return max(1, int(left / (each + evaluation / self._schedule.evaluate_every)))
        return max(1, int((left - evaluation * self._schedule.evaluations) / each))


def _divergence(points: Sequence[Point], loss: float, length: float) -> str:
    """Say in what way a training went astray at a step after others; "" where it didn't."""
    if not math.isfinite(loss):
        return "the loss is no finite number"
    if not math.isfinite(length):
        return "the gradient is no finite number"
    if len(points) + 1 < 2 * _WINDOW:
        return ""
    first = sum(each.loss for each in points[:_WINDOW]) / _WINDOW
    now = (sum(each.loss for each in points[-_WINDOW + 1 :]) + loss) / _WINDOW
    if now > 2 * first + 1:
        return (
            f"the mean loss of the last {_WINDOW} steps is {now:.4g}, at first it was {first:.4g}"
        )
    return ""


def _seed(seed: int, step: int) -> int:
    """Return a step's own seed, as unlike that of the next as that of any other."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0])


def _identity(task: Task, schedule: Schedule, *, validated: bool) -> Mapping[str, str]:
    shapes = {
        name: (list(each.shape), str(each.dtype)) for name, each in task.module.state_dict().items()
    }
    own = task.identity if isinstance(task, Described) else {}
    return {
        **schedule.identity,
        **{f"task.{name}": value for name, value in own.items()},
        "weights": hashlib.sha256(repr(sorted(shapes.items())).encode()).hexdigest(),
        "validated": "yes" if validated else "no",
    }

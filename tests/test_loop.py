"""The loop: what it learns, how it goes on after any interruption, how it ends, what it tells."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import TinyModel, pairs

from vecsearch.errors import CheckpointError, TrainingDiverged, UsageError, VecsearchError
from vecsearch.training import loop
from vecsearch.training.contrastive import ContrastiveSettings, ContrastiveTask
from vecsearch.training.loop import Schedule, fit
from vecsearch.training.optimizer import Optimizer

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = pairs(12)
SCHEDULE = Schedule(steps=8, learning_rate=0.05, evaluate_every=3)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def a_task(**changed):
    chosen = {"batch": 5, "chunk": 4, "temperature": 0.2, **changed}
    return ContrastiveTask(TinyModel(dropout=0.3), EXAMPLES, ContrastiveSettings(**chosen))


def accuracy(encoder):
    """The mean cosine of the pairs less that of strangers: rises as a training goes on."""
    asks = encoder.encode([each.query for each in EXAMPLES], "query")
    answers = encoder.encode([each.document for each in EXAMPLES], "document")
    cosines = -asks @ answers.T
    return float(np.trace(cosines) / len(cosines) - cosines.mean())


def weights(task):
    return {name: each.clone() for name, each in task.module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# ---- Learning


def test_a_training_learns_and_leaves_the_best_weights(tmp_path):
    task, seen = a_task(), []
    before = weights(task)
    done = fit(
        task,
        Schedule(steps=40, learning_rate=0.05),
        tmp_path / "a" / "b",
        validate=accuracy,
        on_step=seen.append,
    )
    assert done.ended == "finished"
    assert done.steps == done.curve.steps == 40
    assert not task.module.training
    losses = [each.loss for each in done.curve.points]
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10])
    assert [each.step for each in done.curve.dev] == [0, *range(2, 41, 2)]
    assert done.best == max(done.curve.dev, key=lambda each: each.score)
    assert accuracy(task.encoder()) == done.best.score > done.curve.dev[0].score + 0.2
    assert not same(before, weights(task))
    assert [each.step for each in seen] == list(range(41))
    assert seen[0].loss is seen[0].examples_per_second is None
    assert {each.steps for each in seen} == {40}
    assert [(each.loss, each.learning_rate) for each in seen[1:]] == done.curve.points
    assert [each.dev for each in seen if each.dev is not None] == [s for _, s in done.curve.dev]
    assert all(each.examples_per_second > 0 for each in seen[1:])
    assert {each.name for each in (tmp_path / "a" / "b").iterdir()} == {
        "last.safetensors",
        "best.safetensors",
    }
    assert 0 < done.seconds < 60


def test_steps_are_adamw_written_out(tmp_path):
    """Three steps against the formulas, with clipping, warm-up and decay of matrices alone."""
    schedule = Schedule(steps=3, learning_rate=0.1, warm_up=0.5, weight_decay=0.2, clip=0.01)
    model = TinyModel(double=True)
    task = ContrastiveTask(model, EXAMPLES, ContrastiveSettings(batch=5))
    fit(task, schedule, tmp_path)
    other = TinyModel(double=True)
    oracle = ContrastiveTask(other, EXAMPLES, ContrastiveSettings(batch=5))
    moments = {name: (0.0, 0.0) for name, _ in other.module.named_parameters()}
    for step, rate in enumerate([0.05, 0.1, 0.1]):  # two steps up, and the fall's first
        other.module.zero_grad()
        oracle.backward(step)
        named = dict(other.module.named_parameters())
        length = math.sqrt(sum(float((p.grad**2).sum()) for p in named.values()))
        assert length > 0.01
        with torch.no_grad():
            for name, p in named.items():
                gradient = p.grad * (0.01 / (length + 1e-6))
                first, second = moments[name]
                first = 0.9 * first + 0.1 * gradient
                second = 0.999 * second + 0.001 * gradient**2
                moments[name] = first, second
                if p.ndim == 2:
                    p -= rate * 0.2 * p
                corrected = first / (1 - 0.9 ** (step + 1))
                spread = (second / (1 - 0.999 ** (step + 1))) ** 0.5
                p -= rate * corrected / (spread + 1e-8)
    for name, p in other.module.named_parameters():
        assert torch.allclose(p, dict(model.module.named_parameters())[name], atol=1e-9), name


@given(
    steps=st.integers(1, 300),
    warm_up=st.floats(0, 1),
    decay=st.sampled_from(["linear", "cosine"]),
)
@settings(max_examples=100)
def test_learning_rates_rise_evenly_and_fall(steps, warm_up, decay):
    schedule = Schedule(steps=steps, learning_rate=2.0, warm_up=warm_up, decay=decay)
    rates = [schedule.rate(step, steps) for step in range(steps)]
    warm = round(warm_up * steps)
    assert rates[:warm] == pytest.approx([2.0 * (n + 1) / warm for n in range(warm)])
    rest = rates[warm:]
    assert rest == sorted(rest, reverse=True)
    assert all(0 < rate <= 2.0 for rate in rates)
    if rest:
        assert rest[0] == 2.0
    for n, rate in enumerate(rest):
        part = n / len(rest)
        wanted = 1 - part if decay == "linear" else math.cos(math.pi * part / 2) ** 2
        assert rate == pytest.approx(2.0 * wanted)


def test_steps_from_minutes_are_kept_when_a_training_is_resumed(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    class Slow(ContrastiveTask):
        def backward(self, step):
            clock[0] += pace[0]
            return super().backward(step)

    def slow(encoder):
        clock[0] += 3.0
        return accuracy(encoder)

    def interrupted(progress):
        if progress.step == 7:
            raise KeyboardInterrupt

    def task():
        return Slow(TinyModel(dropout=0.3), EXAMPLES, ContrastiveSettings(batch=5))

    pace, limited = [0.5], Schedule(minutes=1, learning_rate=0.05, evaluate_every=5)
    first = fit(task(), limited, tmp_path / "a", validate=slow, on_step=interrupted)
    # 60 s less 7 rehearsed steps and two evaluations; 5 steps and an evaluation take 5.5 s.
    assert first.ended == "interrupted"
    assert first.steps == int((60 - 7 * 0.5 - 2 * 3) / (0.5 + 3 / 5))
    pace[0] = 5.0
    resumed = fit(task(), limited, tmp_path / "a", validate=slow, resume=True)
    assert resumed.steps == resumed.curve.steps == first.steps
    pace[0] = 0.5
    clock[0] = 0.0
    whole = fit(task(), limited, tmp_path / "b", validate=slow)
    assert whole.curve == resumed.curve
    assert 55 <= whole.seconds <= 60
    usual = fit(task(), Schedule(minutes=3), tmp_path / "c", validate=slow)
    assert usual.steps == int((180 - 12 * 0.5 - 2 * 3 - 20 * 3) / 0.5)
    short = fit(task(), Schedule(minutes=0.01), tmp_path / "d")
    assert short.steps == 1


def test_a_training_of_minutes_begins_with_the_weights_it_was_given(tmp_path, monkeypatch):
    task, scored = a_task(), []
    before = weights(task)
    kept = {}
    fit(
        task,
        Schedule(minutes=0.003),
        tmp_path,
        validate=lambda e: scored.append(e) or 0.0,
        on_step=lambda p: kept.update({p.step: weights(task)}),
    )
    assert same(kept[0], before)
    again, steps = a_task(), len(scored)
    assert steps >= 3  # rehearsal, step 0, and the end

    def refuse(encoder):
        raise KeyboardInterrupt

    done = fit(again, Schedule(minutes=0.003), tmp_path / "x", validate=refuse)
    assert done.ended == "interrupted"
    assert done.curve.steps == 0
    assert same(weights(again), before)


# ---- Interruptions


class Interrupter:
    """Raises at the n-th time that something is called, before it is done or after."""

    def __init__(self, work, at, late, error=KeyboardInterrupt):
        self.work, self.at, self.late, self.error = work, at, late, error

    def __call__(self, *given, **named):
        self.at -= 1
        if not self.at and not self.late:
            raise self.error
        done = self.work(*given, **named)
        if not self.at:
            raise self.error
        return done


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same training without interruption: its curve, and its last and best weights."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    kept, task = {}, a_task()
    done = fit(
        task,
        SCHEDULE,
        tmp_path_factory.mktemp("whole"),
        validate=accuracy,
        on_step=lambda progress: kept.update(weights(task)),
    )
    torch.set_num_threads(before)
    return done, weights(task), kept


PLACES = {
    "gradient": ("vecsearch.training.contrastive.ContrastiveTask.backward", (1, 4, 8)),
    "a chunk": ("tiny_model.TinyModel.embed", (7, 20)),
    "clipping": ("vecsearch.training.optimizer.Optimizer.shorten", (5,)),
    "step": ("torch.optim.AdamW.step", (1, 5, 8)),
    "encoder": ("vecsearch.training.contrastive.ContrastiveTask.encoder", (1, 2, 4)),
    "best": ("vecsearch.training.checkpoint.Checkpoints.write_best", (1, 2)),
    "last": ("vecsearch.training.checkpoint.Checkpoints.write_last", (1, 3, 4)),
    "replacing": ("vecsearch.store.files.Disk.replace", (1, 2, 3, 4, 5)),
    "writing": ("vecsearch.store.files.Disk.write", (1, 2, 3, 4, 5)),
    "removing": ("vecsearch.store.files.Disk.remove", (1, 2, 3, 4, 6)),
    "on_step": (None, (1, 2, 5, 9)),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_training_interrupted_anywhere_ends_as_one_that_was_not(place, tmp_path, whole):
    done, best, last = whole
    target, times = PLACES[place]
    untrained = weights(a_task())
    for at in times:
        for late in (False, True):
            folder = tmp_path / f"{at} {late}"
            task, seen = a_task(), []
            with pytest.MonkeyPatch.context() as patch:
                on_step = seen.append
                if target is None:
                    on_step = Interrupter(on_step, at, late)
                else:
                    interrupter = Interrupter(resolved(target), at, late)
                    patch.setattr(target, lambda *a, _i=interrupter, **k: _i(*a, **k))
                stopped = fit(task, SCHEDULE, folder, validate=accuracy, on_step=on_step)
            assert stopped.ended == "interrupted"
            assert stopped.curve.points == done.curve.points[: stopped.curve.steps]
            if stopped.best is None:
                assert same(weights(task), untrained)
            else:
                assert accuracy(task.encoder()) == stopped.best.score
                assert stopped.best in done.curve.dev
            finish(folder, done, best, last)


def finish(folder, done, best, last):
    """Resume a training, and see that it ends as the whole one did."""
    task, kept = a_task(), {}

    def keep(progress):
        kept.update(weights(task))

    resumed = fit(task, SCHEDULE, folder, validate=accuracy, resume=True, on_step=keep)
    assert resumed.ended == "finished"
    assert resumed.curve == done.curve
    assert resumed.best == done.best
    assert same(weights(task), best)
    assert not kept or same(kept, last)  # no step is told of where all were done


def resolved(target):
    parts = target.split(".")
    found = __import__(parts[0])
    for n, name in enumerate(parts[1:], 2):
        if not hasattr(found, name):
            __import__(".".join(parts[:n]))
        found = getattr(found, name)
    return found


def test_a_training_may_be_interrupted_again_and_again(tmp_path, whole):
    done, best, _ = whole
    for steps in range(1, 12):
        task = a_task()
        stop = Interrupter(lambda progress: None, 1 + steps % 4, steps % 2)
        last = fit(task, SCHEDULE, tmp_path, validate=accuracy, resume=True, on_step=stop)
        if last.ended == "finished":
            break
    assert last.curve == done.curve
    assert same(weights(task), best)


def test_without_validation_the_weights_are_the_last(tmp_path):
    kept, task = {}, a_task()
    done = fit(
        task, SCHEDULE, tmp_path / "a", on_step=lambda p: kept.update({p.step: weights(task)})
    )
    assert done.best is None
    assert done.curve.dev == []
    assert same(weights(task), kept[8])
    other = a_task()
    stopped = fit(other, SCHEDULE, tmp_path / "b", on_step=Interrupter(lambda p: None, 6, False))
    assert stopped.ended == "interrupted"
    assert same(weights(other), kept[3])
    assert not (tmp_path / "b" / "best.safetensors").exists()
    resumed = a_task()
    assert fit(resumed, SCHEDULE, tmp_path / "b", resume=True).curve == done.curve
    assert same(weights(resumed), kept[8])


def test_a_finished_training_resumes_to_what_it_was_and_begins_anew_without_resume(tmp_path, whole):
    done, best, _ = whole
    fit(a_task(), SCHEDULE, tmp_path, validate=accuracy)
    task, calls = a_task(), []
    again = fit(task, SCHEDULE, tmp_path, validate=accuracy, resume=True, on_step=calls.append)
    assert again.curve == done.curve
    assert again.ended == "finished"
    assert calls == []
    assert same(weights(task), best)
    anew = fit(a_task(), SCHEDULE, tmp_path, validate=accuracy, on_step=calls.append)
    assert anew.curve == done.curve
    assert len(calls) == 9
    other = fit(a_task(temperature=0.5), SCHEDULE, tmp_path, validate=accuracy)
    assert other.curve != done.curve


def test_the_callers_random_numbers_are_left_alone(tmp_path, whole):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    done = fit(a_task(), SCHEDULE, tmp_path, validate=accuracy)
    assert torch.equal(torch.rand(3), expected)
    assert done.curve == whole[0].curve


def test_seeds_give_other_dropout(tmp_path, whole):
    other = Schedule(steps=8, learning_rate=0.05, evaluate_every=3, seed=1)
    assert fit(a_task(), other, tmp_path, validate=accuracy).curve != whole[0].curve
    assert len({loop._seed(seed, step) for seed in range(30) for step in range(30)}) == 900


@pytest.mark.slow
def test_a_training_that_is_killed_leaves_a_checkpoint_to_go_on_from(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "training_kills.py", tmp_path, "25"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 0


# ---- Endings


def scripted(scores):
    left = iter(scores)
    return lambda encoder: next(left)


def test_what_was_before_the_first_step_is_never_the_best(tmp_path):
    task, kept = a_task(), {}
    done = fit(
        task,
        Schedule(steps=3, evaluate_every=1),
        tmp_path,
        validate=scripted([0.9, 0.1, 0.3, 0.2]),
        on_step=lambda p: kept.update({p.step: weights(task)}),
    )
    assert done.best == (2, 0.3)
    assert same(weights(task), kept[2])
    assert not same(weights(task), kept[0])


def test_patience_ends_a_training_early(tmp_path):
    schedule = Schedule(steps=50, evaluate_every=1, patience=3)
    scores = [0.1, 0.2, 0.2, 0.3, 0.3, 0.2, 0.3, 0.9]
    kept, task = {}, a_task()
    done = fit(
        task,
        schedule,
        tmp_path,
        validate=scripted(scores),
        on_step=lambda p: kept.update({p.step: weights(task)}),
    )
    assert done.ended == "stopped early"
    assert done.best == (3, 0.3)
    assert done.curve.steps == 6
    assert same(weights(task), kept[3])
    again = fit(a_task(), schedule, tmp_path, validate=scripted([]), resume=True)
    assert again.ended == "stopped early"
    assert again.curve == done.curve


class Scripted:
    """A task with the losses and gradients of a script."""

    def __init__(self, losses, gradient=0.0):
        self.model, self.losses, self.gradient = TinyModel(), losses, gradient
        self.module = self.model.module

    def backward(self, step):
        for each in self.module.parameters():
            each.grad = torch.full_like(each, self.gradient)
        return self.losses[min(step, len(self.losses) - 1)]

    def encoder(self):
        return self.model.encoder()


@pytest.mark.parametrize(
    ("task", "step", "told"),
    [
        (Scripted([3.0, 2.0, math.nan]), 3, "no finite number"),
        (Scripted([math.inf]), 1, "no finite number"),
        (Scripted([3.0], math.nan), 1, "the gradient"),
        (Scripted([3.0], math.inf), 1, "the gradient"),
        (Scripted([3.0] * 40 + [30.0]), 43, "of the last 20 steps is 7.05, at first it was 3"),
    ],
)
def test_a_training_that_diverges_says_where_and_what_to_try(task, step, told, tmp_path):
    with pytest.raises(TrainingDiverged, match=told) as caught:
        fit(
            task,
            Schedule(steps=100, learning_rate=0.01, warm_up=0),
            tmp_path,
            validate=lambda e: 1.0,
        )
    error = caught.value
    assert error.step == step
    assert f"at step {step}" in str(error)
    assert "learning rate 0.0" in str(error)
    assert "Try " in str(error)
    assert isinstance(error, VecsearchError)
    assert all(torch.isfinite(each).all() for each in task.module.state_dict().values())


def test_weights_that_are_no_numbers_any_more_are_told_before_they_are_kept(tmp_path):
    task = Scripted([3.0], 1.0)
    schedule = Schedule(steps=100, learning_rate=1e30, warm_up=0, evaluate_every=5)
    with pytest.raises(TrainingDiverged, match="weights aren't finite any more") as caught:
        fit(task, schedule, tmp_path, validate=lambda encoder: 1.0)
    assert caught.value.step == 5
    assert "at step 5" in str(caught.value)
    resumed = Scripted([3.0], 1.0)
    with pytest.raises(TrainingDiverged):
        fit(resumed, schedule, tmp_path, validate=lambda encoder: 1.0, resume=True)


def test_a_loss_that_rises_a_little_is_no_divergence(tmp_path):
    done = fit(Scripted([0.1] * 20 + [1.1]), Schedule(steps=60), tmp_path)
    assert done.ended == "finished"


def test_what_a_task_does_not_tell_is_not_made_up(tmp_path):
    seen = []
    fit(Scripted([1.0]), Schedule(steps=2), tmp_path, on_step=seen.append)
    assert [each.examples_per_second for each in seen] == [None] * 3


def test_an_evaluation_that_gives_no_number_is_told(tmp_path):
    with pytest.raises(UsageError, match="nan"):
        fit(a_task(), SCHEDULE, tmp_path, validate=lambda encoder: math.nan)


def test_errors_of_others_pass(tmp_path):
    def broken(progress):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit(a_task(), SCHEDULE, tmp_path, on_step=broken)


def test_frozen_weights_stay(tmp_path):
    task = a_task()
    task.module.rows.weight.requires_grad_(False)
    before = weights(task)
    fit(task, SCHEDULE, tmp_path)
    changed = {name for name, each in weights(task).items() if not torch.equal(each, before[name])}
    assert changed == {"layer.weight", "layer.bias"}


def test_an_optimizer_takes_up_its_state(tmp_path):
    module = TinyModel().module
    one, two = Optimizer(module, SCHEDULE), Optimizer(module, SCHEDULE)
    assert one.state() == {}
    for each in module.parameters():
        each.grad = torch.ones_like(each)
    one.step(0.1)
    two.load(one.state())
    assert same(one.state(), two.state())


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"steps": 1, "minutes": 1.0},
        {"steps": 0},
        {"minutes": 0.0},
        {"minutes": math.nan},
        {"minutes": math.inf},
        {"steps": 1, "learning_rate": 0.0},
        {"steps": 1, "learning_rate": math.inf},
        {"steps": 1, "warm_up": 1.1},
        {"steps": 1, "warm_up": math.nan},
        {"steps": 1, "decay": "stairs"},
        {"steps": 1, "weight_decay": -1.0},
        {"steps": 1, "weight_decay": math.nan},
        {"steps": 1, "clip": 0.0},
        {"steps": 1, "evaluate_every": 0},
        {"steps": 1, "patience": 0},
        {"steps": 1, "seed": -1},
    ],
)
def test_schedules_that_cannot_be_are_told(values):
    with pytest.raises(UsageError, match=r"\.$"):
        Schedule(**values)


def test_a_checkpoint_that_cannot_be_written_ends_the_training_with_a_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match=r"can't be .*file"):
        fit(a_task(), SCHEDULE, tmp_path / "file")

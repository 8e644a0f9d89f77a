"""Checkpoints: what comes back, faults at every operation of the disk, and what is refused."""

from __future__ import annotations

import errno
import json
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from vecsearch.errors import CheckpointError, VecsearchError
from vecsearch.store.files import Disk
from vecsearch.training.checkpoint import Best, Checkpoints, Last
from vecsearch.training.curve import Curve, DevScore, Point

IDENTITY = {"schedule.seed": "0", "task.examples": "abc"}


def last_of(step):
    """A state that is a function of its step."""
    curve = Curve(
        [Point(1 / (n + 1), 0.1 * n) for n in range(step)],
        [DevScore(n, n / 7) for n in range(step)],
    )
    model = {"rows": torch.full((4, 3), float(step)), "scale": torch.tensor(step / 3)}
    return Last(10, step * 1.5, curve, model, {"0.exp_avg": torch.full((4, 3), -float(step))})


def best_of(step):
    return Best(step, step / 7, {"rows": torch.full((4, 3), float(step))})


def equal(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def same_last(one, other):
    return (
        (one.steps, one.seconds, one.curve) == (other.steps, other.seconds, other.curve)
        and equal(one.model, other.model)
        and equal(one.optimizer, other.optimizer)
    )


def checkpoints(folder, disk=None, identity=IDENTITY):
    return Checkpoints(folder, identity, disk or Disk())


# ---- What comes back


def test_an_empty_folder_has_no_checkpoint(tmp_path):
    assert checkpoints(tmp_path).read_last() is None
    assert checkpoints(tmp_path / "none").read_best() is None
    checkpoints(tmp_path / "none").clear()


def test_states_come_back_and_are_replaced(tmp_path):
    folder = tmp_path / "a" / "b"
    for step in (0, 3, 2):
        checkpoints(folder).write_last(last_of(step))
        checkpoints(folder).write_best(best_of(step))
        assert same_last(checkpoints(folder).read_last(), last_of(step))
        best = checkpoints(folder).read_best()
        assert (best.step, best.score) == (step, step / 7)
        assert equal(best.model, best_of(step).model)
    assert {each.name for each in folder.iterdir()} == {"last.safetensors", "best.safetensors"}
    checkpoints(folder).clear()
    assert list(folder.iterdir()) == []


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(st.builds(Point, NUMBERS, NUMBERS), max_size=5),
    st.lists(st.builds(DevScore, st.integers(0, 10**9), NUMBERS), max_size=3),
)
@settings(max_examples=100)
def test_curves_come_back_bit_for_bit(points, dev):
    curve = Curve(points, dev)
    back = Curve.from_dict(json.loads(json.dumps(curve.to_dict())))
    assert repr(back) == repr(curve)


def test_tensors_of_every_kind_come_back(tmp_path):
    shared = torch.arange(12.0).reshape(3, 4)
    model = {
        "tied": shared,
        "tied too": shared,
        "turned": shared.T,
        "part": shared[:, 1:3],
        "half": shared.to(torch.bfloat16),
        "double": shared.double() / 3,
        "whole": torch.tensor([2**62]),
        "truth": torch.tensor([True, False]),
        "none": torch.zeros(0, 5),
        "number": torch.tensor(0.1),
        "learning": torch.nn.Parameter(shared / 7),
    }
    checkpoints(tmp_path).write_best(Best(1, 0.5, model))
    back = checkpoints(tmp_path).read_best().model
    assert equal(back, {name: each.detach() for name, each in model.items()})


def test_files_are_safetensors_with_json(tmp_path):
    checkpoints(tmp_path).write_last(last_of(2))
    with safe_open(tmp_path / "last.safetensors", "np") as file:
        note = json.loads(file.metadata()["vecsearch"])
        names = set(file.keys())
    assert names == {"model.rows", "model.scale", "optimizer.0.exp_avg"}
    assert note["identity"] == IDENTITY
    assert note["curve"]["losses"] == [1.0, 0.5]


# ---- Faults


class FaultyDisk(Disk):
    """A disk whose n-th operation (from 1) fails, after half of it where it is late."""

    def __init__(self, at, error, late):
        self.at, self.error, self.late, self.replaced = at, error, late, False

    def _step(self, work, half=None):
        self.at -= 1
        if not self.at:
            if self.late:
                (half or work)()
            raise self.error
        return work()

    def create(self, path, blocks):
        return self._step(lambda: super(FaultyDisk, self).create(path, blocks))

    def write(self, file, block):
        write = super().write
        self._step(lambda: write(file, block), lambda: write(file, block[: len(block) // 2]))

    def sync(self, file):
        self._step(lambda: super(FaultyDisk, self).sync(file))

    def make_folder(self, path):
        self._step(lambda: super(FaultyDisk, self).make_folder(path))

    def sync_folder(self, path):
        self._step(lambda: super(FaultyDisk, self).sync_folder(path))

    def replace(self, source, target):
        def work():
            super(FaultyDisk, self).replace(source, target)
            self.replaced = True

        self._step(work)

    def remove(self, path):
        self._step(lambda: super(FaultyDisk, self).remove(path))


FAULTS = {
    "torn": (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), True),
    "refused": (OSError(errno.EIO, os.strerror(errno.EIO)), False),
    "interrupted": (KeyboardInterrupt(), False),
    "interrupted late": (KeyboardInterrupt(), True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_anywhere_leaves_the_old_state_or_the_new(tmp_path, fault):
    error, late = FAULTS[fault]
    for at in range(1, 99):
        folder = tmp_path / str(at)
        checkpoints(folder).write_last(last_of(1))
        disk = FaultyDisk(at, error, late)
        told = ""
        try:
            checkpoints(folder, disk).write_last(last_of(2))
        except CheckpointError as raised:
            told = str(raised)
        except KeyboardInterrupt:
            told = "interrupted"
        if disk.at <= 0 and isinstance(error, OSError):
            assert str(error) in told
            assert str(folder) in told
        assert bool(told) == (disk.at <= 0)
        assert same_last(checkpoints(folder).read_last(), last_of(2 if disk.replaced else 1))
        checkpoints(folder).write_last(last_of(3))  # what was left behind is no obstacle
        assert same_last(checkpoints(folder).read_last(), last_of(3))
        assert [each.name for each in folder.iterdir()] == ["last.safetensors"]
        if disk.at > 0:
            break
    assert at == 8  # make_folder, remove, create, write, sync, replace, sync_folder


def test_clearing_that_fails_is_told_and_leaves_nothing_to_go_on_from_alone(tmp_path):
    for at in (1, 2):
        checkpoints(tmp_path).write_best(best_of(1))
        checkpoints(tmp_path).write_last(last_of(1))
        disk = FaultyDisk(at, OSError(errno.EACCES, "Permission denied"), late=False)
        with pytest.raises(CheckpointError, match=r"can't be removed .*Permission denied"):
            checkpoints(tmp_path, disk).clear()
        assert (checkpoints(tmp_path).read_last() is None) == (at == 2)
        assert checkpoints(tmp_path).read_best() is not None


def test_a_file_cut_or_changed_anywhere_is_told(tmp_path):
    checkpoints(tmp_path).write_last(last_of(2))
    path = tmp_path / "last.safetensors"
    whole = path.read_bytes()
    head = 8 + int.from_bytes(whole[:8], "little")
    for size in {0, 4, 8, head - 1, head, head + 5, len(whole) - 1}:
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="is damaged"):
            checkpoints(tmp_path).read_last()
    for place in range(head, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match="aren't those that were written"):
            checkpoints(tmp_path).read_last()
    path.write_bytes(whole + b"x")
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoints(tmp_path).read_last()
    path.unlink()
    path.mkdir()
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoints(tmp_path).read_last()


def rewritten(path, change):
    """Change the JSON of a checkpoint."""
    with safe_open(path, "pt") as file:
        note = json.loads(file.metadata()["vecsearch"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    change(note)
    save_file(tensors, path, {"vecsearch": json.dumps(note)})


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.pop("curve"),
        lambda note: note.pop("format"),
        lambda note: note.pop("identity"),
        lambda note: note.pop("digest"),
        lambda note: note.update(steps="many"),
        lambda note: note.update(curve=[]),
        lambda note: note.update(identity=None),
        lambda note: note.update(format="x"),
        lambda note: note["curve"]["losses"].pop(),
        lambda note: note["curve"].update(dev=[{"step": 1}]),
        lambda note: note["curve"].update(losses=[None, None]),
    ],
)
def test_a_checkpoint_that_says_nonsense_is_told(tmp_path, change):
    checkpoints(tmp_path).write_last(last_of(2))
    rewritten(tmp_path / "last.safetensors", change)
    with pytest.raises(CheckpointError, match=r"last.safetensors is damaged .*begin"):
        checkpoints(tmp_path).read_last()


def test_a_file_of_another_program_is_told(tmp_path):
    for path in (tmp_path / "last.safetensors", tmp_path / "best.safetensors"):
        save_file({"a": torch.zeros(2)}, path)
    for read in (checkpoints(tmp_path).read_last, checkpoints(tmp_path).read_best):
        with pytest.raises(CheckpointError, match="is damaged"):
            read()


def test_a_checkpoint_of_other_settings_or_data_is_refused(tmp_path):
    checkpoints(tmp_path).write_last(last_of(2))
    checkpoints(tmp_path).write_best(best_of(2))
    for identity, told in [
        ({**IDENTITY, "schedule.seed": "1"}, "schedule.seed was 0, and is now 1"),
        ({**IDENTITY, "task.examples": "xyz"}, "task.examples was abc, and is now xyz"),
        ({"schedule.seed": "0"}, "task.examples was abc, and is now not given"),
        ({**IDENTITY, "more": "y"}, "more was not given, and is now y"),
    ]:
        other = checkpoints(tmp_path, identity=identity)
        for read in (other.read_last, other.read_best):
            with pytest.raises(CheckpointError, match=told) as caught:
                read()
            assert str(tmp_path) in str(caught.value)
            assert isinstance(caught.value, VecsearchError)


def test_a_newer_format_and_a_missing_best_are_told(tmp_path):
    checkpoints(tmp_path).write_last(last_of(2))
    with pytest.raises(CheckpointError, match=r"goes with best.safetensors, which isn't there"):
        checkpoints(tmp_path).require_best()
    rewritten(tmp_path / "last.safetensors", lambda note: note.update(format=2))
    with pytest.raises(CheckpointError, match=r"newer vecsearch \(format 2; this one reads 1\)"):
        checkpoints(tmp_path).read_last()

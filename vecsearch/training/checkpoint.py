"""A training's state on disk: whole or not there, and never taken for another training's.

Two files of safetensors, with what isn't a tensor as JSON in the header, so that each is replaced
in one step: `last.safetensors`, from where a training goes on, and `best.safetensors`, the model
when its dev score was highest. Best is written first: it may be newer than last, never older.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vecsearch.errors import CheckpointError
from vecsearch.store.files import Disk
from vecsearch.training.curve import Curve

_FORMAT: Final = 1
_NOTE: Final = "vecsearch"
_LAST: Final = "last.safetensors"
_BEST: Final = "best.safetensors"
_MODEL: Final = "model."
_OPTIMIZER: Final = "optimizer."

_Tensors: TypeAlias = Mapping[str, Tensor]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Best:
    """The model after the step whose dev score is highest; step 0 is before the first."""

    step: int
    score: float
    model: _Tensors


@dataclass(frozen=True, slots=True)
class Last:
    """Where a training goes on.

    steps: how many steps the whole training has.
    seconds: how long it has taken so far.
    model: the module's state, by name.
    optimizer: the optimiser's state, by the parameter's number and the state's name.
    """

    steps: int
    seconds: float
    curve: Curve
    model: _Tensors
    optimizer: _Tensors


class Checkpoints:
    """The checkpoints of one training in a folder.

    identity: everything that decides about the steps, by a name for each: settings, digests of
        data. A checkpoint with another identity is a CheckpointError, which says what differs.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str], disk: Disk) -> None:
        self._folder = folder
        self._identity = dict(identity)
        self._disk = disk

    def clear(self) -> None:
        """Remove what there is; CheckpointError where that fails."""
        try:
            for name in (_LAST, _BEST):  # last first: best alone can't be gone on from
                self._disk.remove(self._folder / name)
        except OSError as error:
            raise CheckpointError(
                f"The checkpoints in {self._folder} can't be removed ({error})."
            ) from error

    def write_last(self, last: Last) -> None:
        """Replace the state to go on from; CheckpointError if it can't be written."""
        tensors = {
            **{_MODEL + name: tensor for name, tensor in last.model.items()},
            **{_OPTIMIZER + name: tensor for name, tensor in last.optimizer.items()},
        }
        note = {"steps": last.steps, "seconds": last.seconds, "curve": last.curve.to_dict()}
        self._write(_LAST, tensors, note)

    def write_best(self, best: Best) -> None:
        """Replace the best model; CheckpointError if it can't be written."""
        tensors = {_MODEL + name: tensor for name, tensor in best.model.items()}
        self._write(_BEST, tensors, {"step": best.step, "score": best.score})

    def read_last(self) -> Last | None:
        """Return the state to go on from, None where there is none.

        Raise CheckpointError for a damaged file, and one of another training.
        """

        def made(tensors: _Tensors, note: dict[str, Any]) -> Last:
            return Last(
                int(note["steps"]),
                float(note["seconds"]),
                Curve.from_dict(note["curve"]),
                _under(_MODEL, tensors),
                _under(_OPTIMIZER, tensors),
            )

        return self._read(_LAST, made)

    def read_best(self) -> Best | None:
        """Return the best model, None where there is none; raise as `read_last` does."""

        def made(tensors: _Tensors, note: dict[str, Any]) -> Best:
            return Best(int(note["step"]), float(note["score"]), _under(_MODEL, tensors))

        return self._read(_BEST, made)

    def require_best(self) -> None:
        """Raise CheckpointError unless the best model can be read."""
        if self.read_best() is None:
            raise CheckpointError(
                f"The checkpoint {self._folder / _LAST} goes with {_BEST}, which isn't there. Put "
                "it back, or begin the training anew."
            )

    def _write(self, name: str, tensors: _Tensors, note: dict[str, Any]) -> None:
        # Copies, since parameters may share memory, which the format has no word for.
        held = {key: each.detach().cpu().contiguous().clone() for key, each in tensors.items()}
        head = {
            "format": _FORMAT,
            "identity": self._identity,
            "digest": _digest(held),
            **note,
        }
        path = self._folder / name
        new = path.with_name(f"{name}.new")
        try:
            self._disk.make_folder(self._folder)
            self._disk.remove(new)  # a writer that was killed left it
            self._disk.create(new, [save(held, {_NOTE: json.dumps(head)})])
            self._disk.replace(new, path)
            self._disk.sync_folder(self._folder)
        except OSError as error:
            raise CheckpointError(
                f"The checkpoint {path} can't be written ({error}). One that was written before is "
                "still whole, and a training that is resumed goes on from there."
            ) from error

    def _read(self, name: str, made: Callable[[_Tensors, dict[str, Any]], _T]) -> _T | None:
        path = self._folder / name
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                head = json.loads((file.metadata() or {})[_NOTE])
                self._check(path, head)
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            if head["digest"] != _digest(tensors):
                raise ValueError("its numbers aren't those that were written")
            return made(tensors, head)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"The checkpoint {path} is damaged ({error}). Remove it and begin the training "
                "anew."
            ) from error

    def _check(self, path: Path, head: dict[str, Any]) -> None:
        if head["format"] > _FORMAT:
            raise CheckpointError(
                f"The checkpoint {path} was written by a newer vecsearch (format "
                f"{head['format']}; this one reads {_FORMAT}). Update vecsearch, or begin anew."
            )
        theirs = head["identity"]
        for name in sorted({*theirs, *self._identity}):
            if theirs.get(name) != self._identity.get(name):
                raise CheckpointError(
                    f"The checkpoint {path} is of another training: {name} was "
                    f"{theirs.get(name, 'not given')}, and is now "
                    f"{self._identity.get(name, 'not given')}. Resume with the same settings and "
                    "data, or begin anew."
                )


def _under(prefix: str, tensors: _Tensors) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)
    }


def _digest(tensors: _Tensors) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

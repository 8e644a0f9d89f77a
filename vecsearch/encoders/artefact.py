"""The folder of an encoder that was trained here: what it holds, how it is written and read.

    trained.json         format, kind, name, config, fingerprint
    weights.safetensors  the tensors
    tokenizer.json       the subwords, where the kind has them

Whatever is for a person beside them (a card, a training curve) goes along when it is written again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.subwords import Subwords
from vecsearch.errors import EncoderError, VecsearchError
from vecsearch.replacing import replacing
from vecsearch.tensors import map_tensors

Tensors: TypeAlias = Mapping[str, NDArray[Any]]

NOTE: Final = "trained.json"
WEIGHTS: Final = "weights.safetensors"
TOKENIZER: Final = "tokenizer.json"
FORMAT: Final = 1
"""Version of the layout above."""

_FOR_PERSONS: Final = (".json", ".md", ".png", ".svg")
"""What files go along with: a folder of training may hold gigabytes of checkpoints as well."""


# Without slots: the fingerprint is worked out once, and only where it is asked for.
@dataclass(frozen=True, eq=False)
class Artefact:
    """A trained encoder as data.

    kind: what it is, such as "contrastive-bag".
    name: what a person calls it; no part of the fingerprint.
    config: all settings that its vectors depend on, in JSON types; "dim" is how many numbers a
        vector has.
    tensors: by name; float32, float16 or integers.
    subwords: None for a kind that has none.
    source: the folder that it was read from.
    """

    kind: str
    name: str
    config: Mapping[str, Any]
    tensors: Tensors
    subwords: Subwords | None = None
    source: Path | None = None

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return int(self.config["dim"])

    @property
    def place(self) -> str:
        """What an error calls the artefact: its folder, or its name where it has none."""
        return repr(self.name) if self.source is None else str(self.source)

    def tensor(
        self, name: str, dtypes: tuple[type[np.generic], ...], *shape: int | None
    ) -> NDArray[Any]:
        """Return a tensor; raise EncoderError unless it is there, of that shape and such a dtype.

        shape: None stands for any number.
        """
        tensor = self.tensors.get(name)
        if (
            tensor is None
            or tensor.dtype not in dtypes
            or tensor.ndim != len(shape)
            or any(want not in (None, size) for want, size in zip(shape, tensor.shape, strict=True))
        ):
            wanted = " or ".join(np.dtype(dtype).name for dtype in dtypes)
            sizes = ", ".join("any" if size is None else str(size) for size in shape)
            found = "there is none" if tensor is None else f"it is {tensor.dtype} {tensor.shape}"
            raise EncoderError(
                f"The tensor {name!r} of {self.place} should be {wanted} ({sizes}); {found}."
            )
        return tensor

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of kind, config, subwords and tensors, in hexadecimal."""
        subwords = None if self.subwords is None else self.subwords.to_dict()
        digest = hashlib.sha256(_canonical([self.kind, self.config, subwords]))
        for name, tensor in sorted(self.tensors.items()):
            digest.update(_canonical([name, tensor.dtype.name, tensor.shape]))
            digest.update(_little(tensor).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Write the encoder into a folder, which is made where there is none.

        The folder is no encoder, to `read_artefact`, before all of it is written.
        """
        from safetensors.numpy import save

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / NOTE).unlink(missing_ok=True)
        weights = save({name: _little(each) for name, each in self.tensors.items()})
        # Whoever has the old file mapped keeps it: it isn't written to, but replaced.
        with replacing(folder / WEIGHTS) as place:
            place.write_bytes(weights)  # `save_file` lets nobody else read it
        if self.subwords is not None:
            _write_json(folder / TOKENIZER, self.subwords.to_dict())
        for file in self._companions():
            with contextlib.suppress(shutil.SameFileError):
                shutil.copyfile(file, folder / file.name)
        note = {"format": FORMAT, "kind": self.kind, "name": self.name, "dim": self.dim}
        note |= {"config": self.config, "fingerprint": self.fingerprint}
        _write_json(folder / NOTE, note)

    def _companions(self) -> Iterator[Path]:
        """Yield the files for persons in the folder that the encoder was read from."""
        if self.source is None or not self.source.is_dir():  # an index may be gone meanwhile
            return
        for file in sorted(self.source.iterdir()):
            if file.suffix in _FOR_PERSONS and file.name not in (NOTE, TOKENIZER):
                yield file


class Note(NamedTuple):
    """What trained.json says."""

    kind: str
    name: str
    config: dict[str, Any]
    fingerprint: str


def read_note(folder: Path) -> Note | None:
    """Read what a folder says about its encoder, without its weights; None for any other folder.

    Raise EncoderError as `read_artefact` does.
    """
    path = folder / NOTE
    if not path.is_file():
        return None
    stored = _read_json(path)
    match stored:
        case {"format": int(version)} if version > FORMAT:
            raise EncoderError(
                f"{path} is of format {version}; this vecsearch reads formats up to {FORMAT}. "
                "Update vecsearch to use the encoder."
            )
        case {
            "format": int(),
            "kind": str(kind),
            "name": str(name),
            "config": {"dim": int(dim), **_settings} as config,
            "fingerprint": str(fingerprint),
        } if dim > 0:
            return Note(kind, name, config, fingerprint)
    raise EncoderError(
        f"{path} doesn't describe an encoder: it needs a format, a kind, a name, a config with "
        "dim, and a fingerprint."
    )


def read_artefact(folder: Path, *, trusted: bool = False) -> Artefact | None:
    """Read what `Artefact.write` wrote; None for any other folder.

    trusted: what came with vecsearch itself is believed as its code is; else the fingerprint is
        worked out and compared.
    Raise EncoderError, which names the file, where one is damaged, missing, or of a later format.
    """
    note = read_note(folder)
    if note is None:
        return None
    subwords = _read_subwords(folder / TOKENIZER) if (folder / TOKENIZER).exists() else None
    tensors = _read_tensors(folder / WEIGHTS)
    artefact = Artefact(note.kind, note.name, note.config, tensors, subwords, folder)
    if not trusted and artefact.fingerprint != note.fingerprint:
        raise EncoderError(
            f"{folder / NOTE} has the fingerprint of another encoder: it, {WEIGHTS} or {TOKENIZER} "
            "was changed, damaged or removed since the encoder was written."
        )
    return artefact


def _read_subwords(path: Path) -> Subwords:
    stored = _read_json(path)
    try:
        if isinstance(stored, dict):
            return Subwords.from_dict(stored)
        raise EncoderError("It isn't an object with an analyzer and pieces.")
    except VecsearchError as error:
        raise EncoderError(f"{path} can't be used. {error}") from None


def _read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return map_tensors(path)
    except FileNotFoundError:
        raise EncoderError(f"{path} is missing: it holds the encoder's weights.") from None
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path} can't be read ({error}).") from None


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(f"{path} can't be read ({error}).") from None


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _little(tensor: NDArray[Any]) -> NDArray[Any]:
    """Return a tensor as it lies in the file: little-endian, row after row."""
    return np.asarray(tensor, tensor.dtype.newbyteorder("<"), order="C")

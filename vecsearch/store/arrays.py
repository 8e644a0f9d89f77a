"""Named arrays in one file: written once, opened by memory mapping.

The layout is safetensors': eight bytes of header length, a JSON header that gives each array's
dtype, shape and place, then the arrays. So a file can be looked into with public tools. The header
holds its own checksum. An array may be given as a stream of blocks, so that writing needs memory
for one block only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import IndexCorrupt, IndexUnreadable
from vecsearch.store.files import Disk
from vecsearch.tensors import NOTES, map_tensors

Array: TypeAlias = NDArray[Any]

_NAMES: Final = {
    "float32": "F32",
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
    "int32": "I32",
    "uint32": "U32",
    "uint16": "U16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}


@dataclass(frozen=True, slots=True)
class Stream:
    """An array that is written block by block; the blocks' sizes must add up to `shape`."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    blocks: Iterable[Array]


def write_arrays(disk: Disk, path: Path, arrays: Mapping[str, Array | Stream]) -> tuple[int, str]:
    """Write `arrays` to a new file; return its size in bytes and its digest."""
    # Wide items first, so that every array begins at a multiple of its item size.
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, object] = {}
    end = 0
    for name in order:
        array = arrays[name]
        begin, end = end, end + prod(array.shape) * array.dtype.itemsize
        header[name] = {
            "dtype": _NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    text = _seal(header)

    def blocks() -> Iterator[bytes | memoryview]:
        yield len(text).to_bytes(8, "little") + text
        for name in order:
            yield from _bytes_of(name, arrays[name])

    return disk.create(path, blocks())


def _seal(header: Mapping[str, object]) -> bytes:
    """Write a header down with a checksum, so that a flipped byte in it is seen at every opening.

    It lies where the layout has a place for notes. What the header describes is padded to 8 bytes.
    """
    plain = json.dumps(header, separators=(",", ":")).encode()
    note = {NOTES: {"checksum": hashlib.blake2b(plain, digest_size=16).hexdigest()}}
    text = json.dumps({**note, **header}, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def _bytes_of(name: str, array: Array | Stream) -> Iterator[memoryview]:
    size = 0
    for block in array.blocks if isinstance(array, Stream) else (array,):
        data = np.ascontiguousarray(block, dtype=array.dtype.newbyteorder("<"))
        size += data.size
        if data.size:
            yield data.reshape(-1).view(np.uint8).data
    assert size == prod(array.shape), f"{name} was announced with {array.shape}, {size} came"


def open_arrays(path: Path) -> dict[str, Array]:
    """Map the arrays of a file into memory, read-only; raise IndexCorrupt where it isn't one."""
    try:
        return map_tensors(path, _check_seal)
    except FileNotFoundError:
        raise IndexCorrupt(path, "the manifest names it, but it is missing.") from None
    except OSError as error:
        raise IndexUnreadable(path, error) from None
    except ValueError as error:
        raise IndexCorrupt(path, f"its header can't be read ({error}).") from None


def _check_seal(text: bytes) -> None:
    header = json.loads(text)
    del header[NOTES]
    if _seal(header) != text:
        raise ValueError("its checksum doesn't match")

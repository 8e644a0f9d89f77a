"""The arrays of a safetensors file, mapped: nothing is read, or copied, before it is used.

The layout: eight bytes that say how long the header is, the header as JSON, which gives each
array's dtype, shape and place, then the arrays.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

NOTES: Final = "__metadata__"
"""The entry of a header that is no array but a mapping of texts, for whatever one wants to note."""

_DTYPES: Final = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip


def map_tensors(
    path: Path, check: Callable[[bytes], None] = lambda header: None
) -> dict[str, NDArray[Any]]:
    """Map the arrays of a file, by name, read-only.

    check: is given the header's bytes before they are believed; raises ValueError where they are
        wrong.

    A file that is mapped somewhere may be replaced, but not written to.
    Raise OSError where it can't be read, and ValueError where it is no such file, is cut short, or
    holds a dtype that numpy doesn't have.
    """
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(content[:8], "little")
    try:
        check(content[8:start])
        header = json.loads(content[8:start])
        return {
            name: _array(content, start, entry) for name, entry in header.items() if name != NOTES
        }
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"its header isn't that of safetensors: {error!r}") from None


def _array(content: mmap.mmap, start: int, entry: dict[str, Any]) -> NDArray[Any]:
    dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
    first, last = entry["data_offsets"]
    size = prod(shape)
    if first < 0 or min(shape, default=0) < 0 or last - first != size * dtype.itemsize:
        raise ValueError(f"an array of shape {shape} doesn't fit into bytes {first} to {last}")
    return np.frombuffer(content, dtype, size, start + first).reshape(shape)

"""Opening an index for a command, so that damage to it is named and not shown as a traceback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from vecsearch.encoders import Device
from vecsearch.errors import VecsearchError
from vecsearch.index import Index
from vecsearch.store.damage import Damage


@contextlib.contextmanager
def opened(folder: Path, device: Device = "auto") -> Iterator[Index]:
    """Open an index; within the block an error that a damaged file explains names the file.

    Opening checks sizes only, so flipped bytes may first show as an error from anywhere.
    """
    index = Index.open(folder, device=device)
    try:
        yield index
    except (VecsearchError, OSError):
        raise
    except Exception:
        with Damage(folder, tuple(index.manifest().files())):  # read only now: mostly all goes well
            raise

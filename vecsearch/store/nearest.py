"""The codes by which a segment's vectors are searched, and what was promised of it."""

from __future__ import annotations

import hashlib
import mmap
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from vecsearch.errors import IndexCorrupt, IndexUnreadable
from vecsearch.store.manifest import FileEntry, NearestEntry

T = TypeVar("T")


class Nearest:
    """A mapped file of codes; what it is read into is made once, when it is first needed."""

    def __init__(
        self, contract: Mapping[str, Any], path: Path, data: mmap.mmap | None, digest: str
    ) -> None:
        self.contract = contract
        self.path = path
        self._data = data
        self._digest = digest
        self._guard = threading.Lock()
        self._made: Any = None

    @classmethod
    def open(cls, folder: Path, entry: NearestEntry) -> Nearest:
        """Map the file that a manifest names, if any; raise IndexCorrupt unless it is whole."""
        if entry.file is None:
            return cls(entry.contract, folder, None, "")
        path = folder / entry.file.path
        return cls(entry.contract, path, _mapped(path, entry.file), entry.file.digest)

    @property
    def exact(self) -> bool:
        """Whether there are no codes, so that search is exact."""
        return self._data is None

    def load(self, make: Callable[[mmap.mmap], T]) -> T:
        """Return what `make` makes of the file, made once; raise IndexCorrupt where it can't be.

        The library that reads codes believes every byte, so the digest is checked before.
        """
        with self._guard:
            if self._made is None:
                assert self._data is not None
                if hashlib.blake2b(self._data, digest_size=16).hexdigest() != self._digest:
                    raise IndexCorrupt(self.path, "its content isn't what was written.")
                try:
                    self._made = make(self._data)
                except (RuntimeError, ValueError, KeyError, TypeError) as error:
                    raise IndexCorrupt(self.path, f"it can't be used ({error}).") from None
            made: T = self._made
            return made


def _mapped(path: Path, file: FileEntry) -> mmap.mmap:
    try:
        with path.open("rb") as opened:
            data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise IndexCorrupt(path, "the manifest names it, but it is missing.") from None
    except ValueError:  # it is empty
        raise IndexCorrupt(path, f"it has 0 bytes where the manifest says {file.size}.") from None
    except OSError as error:
        raise IndexUnreadable(path, error) from None
    if len(data) != file.size:
        raise IndexCorrupt(path, f"it has {len(data)} bytes where the manifest says {file.size}.")
    return data

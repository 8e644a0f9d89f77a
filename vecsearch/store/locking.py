"""An index's folder while it is changed: made if need be, locked, and put in order on failure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from vecsearch.errors import IndexProblem
from vecsearch.store.files import Disk, WriterLock, naming_failure
from vecsearch.store.manifest import read_manifest, sweep


@contextlib.contextmanager
def locked(disk: Disk, folder: Path) -> Iterator[None]:
    """Hold the writer's lock; on any failure leave exactly what was committed.

    Raise IndexLocked at once where another writer holds it.
    """
    lock = WriterLock(folder)
    try:
        with naming_failure(folder):
            lock.acquire()
        _sweep(disk, folder)
        yield
    except BaseException:
        if lock.held:
            _sweep(disk, folder)
        raise
    finally:
        lock.release()


@contextlib.contextmanager
def made(disk: Disk, folder: Path) -> Iterator[None]:
    """Make the folder; on a failure remove it and its parents if they are new."""
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        with naming_failure(folder):
            disk.make_folder(folder)
        yield
    except BaseException:
        for each in new:  # the deepest first; one that isn't empty stays
            with contextlib.suppress(OSError):
                each.rmdir()
        raise


def _sweep(disk: Disk, folder: Path) -> None:
    with contextlib.suppress(OSError, IndexProblem):
        sweep(disk, folder, read_manifest(folder))

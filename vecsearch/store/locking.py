"""An index's folder while it is changed: made if need be, locked, and put in order on failure."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vecsearch.errors import IndexLocked, IndexProblem, UsageError
from vecsearch.store.files import Disk, WriterLock, naming_failure
from vecsearch.store.manifest import read_manifest, sweep

_FIRST_PAUSE: Final = 0.01  # seconds; each is twice the one before
_LONGEST_PAUSE: Final = 0.5


@contextlib.contextmanager
def locked(disk: Disk, folder: Path, wait: float = 0) -> Iterator[None]:
    """Hold the writer's lock; on any failure leave exactly what was committed.

    wait: how many seconds to wait for another writer that holds it; then raise IndexLocked.
    """
    if not isinstance(wait, int | float) or not wait >= 0:
        raise UsageError(f"A writer waits for a number of seconds, from 0, not for {wait!r}.")
    lock = WriterLock(folder)
    try:
        with naming_failure(folder):
            _acquire(lock, wait)
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


def _acquire(lock: WriterLock, wait: float) -> None:
    # A process isn't told when a lock is free, unless it waits for it alone, deaf to Ctrl-C.
    end = time.monotonic() + wait
    pause = _FIRST_PAUSE
    while True:
        try:
            lock.acquire()
            return
        except IndexLocked as error:
            left = end - time.monotonic()
            if left <= 0:
                waited = f" It wasn't done within {wait:g} s." if wait else ""
                raise IndexLocked(f"{error}{waited}") from None
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _sweep(disk: Disk, folder: Path) -> None:
    with contextlib.suppress(OSError, IndexProblem):
        sweep(disk, folder, read_manifest(folder))

"""The only room that writes bytes: durable new files, one atomic replace, one writer's lock.

Every change of a disk goes through a `Disk`, so that a test can make any single operation fail.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

from vecsearch.errors import IndexLocked, IndexProblem

LOCK: Final = "LOCK"
"""The name of the file that a writer locks."""

BLOCK: Final = 1 << 20
"""Bytes read at a time when a file is digested; so many are digested while they are written."""


class Disk:
    """The operations that change a folder. Each returns only when it would survive a power cut."""

    def create(self, path: Path, blocks: Iterable[bytes | memoryview]) -> tuple[int, str]:
        """Write a new file and sync it; return its size in bytes and its digest."""
        digest = hashlib.blake2b(digest_size=16)
        size = 0
        with path.open("xb") as file, ThreadPoolExecutor(1) as digesting:
            digested: Future[None] | None = None
            for block in blocks:
                if digested:
                    digested.result()  # no more than one block is waiting
                digested = digesting.submit(digest.update, block) if len(block) >= BLOCK else None
                self.write(file, block)
                if not digested:
                    digest.update(block)
                size += len(block)
            self.sync(file)
        return size, digest.hexdigest()

    def write(self, file: BinaryIO, block: bytes | memoryview) -> None:
        """Append to an open file."""
        file.write(block)

    def sync(self, file: BinaryIO) -> None:
        """Flush an open file to the medium."""
        file.flush()
        # macOS answers an ordinary fsync before the drive has written anything.
        if hasattr(fcntl, "F_FULLFSYNC"):
            fcntl.fcntl(file.fileno(), fcntl.F_FULLFSYNC)
        else:
            os.fsync(file.fileno())

    def make_folder(self, path: Path) -> None:
        """Make a folder, which may exist already, and its parents."""
        if not path.is_dir():
            self.make_folder(path.parent)
            path.mkdir(exist_ok=True)
            self.sync_folder(path.parent)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def replace(self, source: Path, target: Path) -> None:
        """Give `source` the name `target` in one step."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file or a whole folder; one that is gone already is fine."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def naming_failure(folder: Path) -> Iterator[None]:
    """Within the block, turn a failure of the disk into an IndexProblem about `folder`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.filename is not None and Path(error.filename) != folder:
            reason += f", {error.filename}"
        raise IndexProblem(
            f"{folder} can't be written to ({reason}). What was committed stays as it was."
        ) from error


def digest_file(path: Path) -> str:
    """Digest a file as `Disk.create` does: blake2b, 16 bytes, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


_held: set[tuple[int, int]] = set()
_held_guard = threading.Lock()


def _forget() -> None:
    """Start anew in a forked child: it holds nothing, and none of its threads has the guard."""
    global _held_guard
    _held_guard = threading.Lock()
    _held.clear()


os.register_at_fork(after_in_child=_forget)


class WriterLock:
    """The right to write to one index folder, held by one writer at a time.

    It is a record lock (`lockf`) on the file LOCK: the kernel frees it when the process dies, and
    a forked worker doesn't inherit it. Such locks don't exclude within one process, so the
    folders that this process holds are noted as well.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._file: BinaryIO | None = None
        self._key = (0, 0)

    def acquire(self) -> None:
        """Take the lock or raise IndexLocked at once; OSError where there can't be one."""
        with _held_guard:
            # The file may be removed between our opening and locking it: then try the new one.
            while not self._try_acquire():
                pass

    def _try_acquire(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            if _identity(self._path.stat()) in _held:
                # Opening and closing the file here would drop the lock that this process has.
                raise self._locked("another writer of this process")
        file = self._path.open("ab")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise self._locked("another process") from None
            raise IndexProblem(
                f"{self._path} can't be locked ({error.strerror}): an index needs a file system "
                "with record locks."
            ) from None
        key = _identity(os.fstat(file.fileno()))
        with contextlib.suppress(FileNotFoundError):
            if _identity(self._path.stat()) == key:
                self._file, self._key = file, key
                _held.add(key)
                return True
        file.close()
        return False

    @property
    def held(self) -> bool:
        """Whether this process holds the lock: a child forked from the holder doesn't."""
        return self._file is not None and self._key in _held

    def release(self) -> None:
        """Give the lock back; harmless where it isn't held."""
        with _held_guard:
            if self._file is not None:
                _held.discard(self._key)
                self._file.close()
                self._file = None

    def _locked(self, holder: str) -> IndexLocked:
        return IndexLocked(
            f"{self._path.parent} is being written to by {holder}. Wait for it to finish; "
            "searching goes on meanwhile."
        )


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino

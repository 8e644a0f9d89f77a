"""Whatever fails at whatever moment: an index is exactly in a committed state, and goes on."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pytest
from kills import committed, read_while
from toy import HashEncoder, Seen, fruit, litter, look

from vecsearch.errors import IndexExists, IndexLocked, IndexNotFound, IndexProblem
from vecsearch.index import Index
from vecsearch.store.files import Disk
from vecsearch.types import Document
from vecsearch.writer import Writer

HERE = Path(__file__).parent


class Fault(NamedTuple):
    """What goes wrong at one operation.

    late: the operation does its work (a write half of it) before it fails.
    lasting: all later operations fail as well, as on a disk that is gone.
    """

    error: Callable[[], BaseException]
    late: bool = False
    lasting: bool = False


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))


FAULTS = {
    "torn": Fault(no_space, late=True),
    "refused": Fault(broken),
    "gone": Fault(broken, lasting=True),
    "gone late": Fault(broken, late=True, lasting=True),
    "interrupted": Fault(KeyboardInterrupt),
    "interrupted late": Fault(KeyboardInterrupt, late=True),
    "out of memory": Fault(MemoryError, late=True),
}


class FaultyDisk(Disk):
    """A disk whose n-th operation (from 1) fails."""

    def __init__(self, at: int, fault: Fault) -> None:
        self._at = at
        self._fault = fault
        self._count = 0
        self.replaced = False

    @property
    def failed(self) -> bool:
        return self._count >= self._at

    def _step(self, work: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        self._count += 1
        if self._count == self._at or (self._fault.lasting and self._count > self._at):
            if self._fault.late and self._count == self._at:
                (half or work)()
            raise self._fault.error()
        return work()

    def create(self, path: Path, blocks: Iterable[bytes | memoryview]) -> tuple[int, str]:
        return self._step(lambda: super(FaultyDisk, self).create(path, blocks))

    def write(self, file: BinaryIO, block: bytes | memoryview) -> None:
        write = super().write
        self._step(lambda: write(file, block), lambda: write(file, block[: len(block) // 2]))

    def sync(self, file: BinaryIO) -> None:
        self._step(lambda: super(FaultyDisk, self).sync(file))

    def make_folder(self, path: Path) -> None:
        self._step(lambda: super(FaultyDisk, self).make_folder(path))

    def sync_folder(self, path: Path) -> None:
        self._step(lambda: super(FaultyDisk, self).sync_folder(path))

    def replace(self, source: Path, target: Path) -> None:
        def work() -> None:
            super(FaultyDisk, self).replace(source, target)
            self.replaced = True

        self._step(work)

    def remove(self, path: Path) -> None:
        self._step(lambda: super(FaultyDisk, self).remove(path))


# ---- Changes of an index that holds d0 to d8 in several segments, d3 deleted


def an_index(folder: Path) -> None:
    index = Index.create(folder, HashEncoder(), documents=fruit(range(6)), passages=4)
    with index.writer() as writer:
        writer.add(fruit(range(6, 9)))
        writer.delete("d3")


def add(index: Index) -> None:
    with index.writer() as writer:
        writer.add(fruit([20]))


def update_and_delete(index: Index) -> None:
    with index.writer() as writer:
        writer.add(fruit([1, 7, 30], "fresh"))
        writer.delete(["d2", "d30"])


def add_with_merges(index: Index) -> None:
    with index.writer() as writer:
        writer.add(fruit(range(4, 40), "fresh"))


def compact(index: Index) -> None:
    index.compact()


def delete_everything(index: Index) -> None:
    with index.writer() as writer:
        writer.delete_where("n >= 0")


def overwrite(index: Index) -> None:
    Index.create(
        index.folder, HashEncoder("other"), documents=fruit([1, 50], "fresh"), overwrite=True
    )


CHANGES = [add, update_and_delete, add_with_merges, compact, delete_everything, overwrite]


def encoder_of(folder: Path) -> HashEncoder:
    entry = Index(folder).manifest().encoder
    assert entry is not None
    return next(
        each for each in map(HashEncoder, ("", "other")) if each.fingerprint == entry.fingerprint
    )


def seen(folder: Path) -> Seen:
    index = Index.open(folder, encoder_of(folder))
    assert index.verify() == []
    return look(index.searcher())


def check_next_writer(folder: Path, before: Seen) -> None:
    """The next writer has every document that there was, and cleans up."""
    index = Index.open(folder, encoder_of(folder))
    with index.writer() as writer:
        writer.add(fruit([99]))
    assert seen(folder).documents == before.documents | {"d99": fruit([99])[0]}
    assert litter(folder) == set()


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[Disk], None]:
    """Make every index that is created use a disk."""
    return lambda disk: monkeypatch.setattr("vecsearch.index.Disk", lambda: disk)


def fail_at_every_operation(fault: Fault) -> Iterator[FaultyDisk]:
    for at in itertools.count(1):
        disk = FaultyDisk(at, fault)
        yield disk
        if not disk.failed:
            assert at > 10
            return


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize(
    "kind",
    [kind if kind == "torn" else pytest.param(kind, marks=pytest.mark.slow) for kind in FAULTS],
)
def test_change_fails(
    tmp_path: Path,
    kind: str,
    change: Callable[[Index], None],
    on_disk: Callable[[Disk], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault = FAULTS[kind]
    an_index(tmp_path / "base")
    before = seen(tmp_path / "base")
    shutil.copytree(tmp_path / "base", tmp_path / "changed")
    change(Index(tmp_path / "changed", HashEncoder()))
    after = seen(tmp_path / "changed")
    assert before != after or change is compact
    for disk in fail_at_every_operation(fault):
        folder = tmp_path / "index"
        shutil.copytree(tmp_path / "base", folder)
        with monkeypatch.context() as patch:
            patch.setattr("vecsearch.index.Disk", lambda disk=disk: disk)
            try:
                change(Index(folder, HashEncoder()))
            except IndexProblem as error:
                assert isinstance(error.__cause__, OSError)
                assert str(folder) in str(error)
            except (KeyboardInterrupt, MemoryError) as error:
                assert isinstance(error, fault.error)  # type: ignore[arg-type]
            else:
                assert disk.replaced
        # Whether the replace happened, and nothing else, decides about the state.
        expected = after if disk.replaced else before
        assert seen(folder) == expected
        if kind in ("torn", "refused") and not disk.replaced:
            assert litter(folder) == set()
        check_next_writer(folder, expected)
        shutil.rmtree(folder)


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("existing", ["", "a", "a/b", "a/b/c"])
def test_create_fails(
    tmp_path: Path, kind: str, existing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    folder = root / "a/b/c"
    fault = FAULTS[kind]

    def create() -> None:
        Index.create(folder, HashEncoder(), documents=fruit(range(9)), passages=4)

    for disk in fail_at_every_operation(fault):
        (root / existing).mkdir(parents=True)
        with monkeypatch.context() as patch:
            patch.setattr("vecsearch.index.Disk", lambda disk=disk: disk)
            try:
                create()
            except IndexProblem as error:
                assert isinstance(error.__cause__, OSError)
            except (KeyboardInterrupt, MemoryError) as error:
                assert isinstance(error, fault.error)  # type: ignore[arg-type]
            else:
                assert disk.replaced
        if not disk.replaced:
            with pytest.raises(IndexNotFound):
                Index.open(folder)
            if not fault.lasting:
                assert sorted(root.rglob("*")) == sorted(
                    each for each in folder.parents if root in each.parents and each.is_dir()
                ) + ([folder] if existing == "a/b/c" else [])
                assert not (root / existing / "b").exists() or existing.count("/")
                tops = {"": [], "a": ["a"], "a/b": ["a", "b"], "a/b/c": ["a", "b", "c"]}
                assert [each.name for each in sorted(root.rglob("*"))] == tops[existing]
            create()
        assert seen(folder).documents == {each.id: each for each in fruit(range(9))}
        check_next_writer(folder, seen(folder))
        shutil.rmtree(root)

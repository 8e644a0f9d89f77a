"""Whatever fails at whatever moment: an index is exactly in a committed state, and goes on."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pytest
from kills import committed, read_while
from toy import HashEncoder, Seen, fruit, litter, look

from vecsearch import Changes, documents, open_corpus, sync
from vecsearch.errors import IndexExists, IndexLocked, IndexNotFound, IndexProblem
from vecsearch.index import Index
from vecsearch.retrieve.nearest.contract import Contract
from vecsearch.retrieve.nearest.tuning import Tuned
from vecsearch.store.files import Disk
from vecsearch.types import Document
from vecsearch.writer import Writer

HERE = Path(__file__).parent

CONTRACT = Contract(
    0.9,
    10,
    None,
    None,
    None,
    rows=9,
    source="supplied",
    selected_on=0,
    proved_on=0,
    measured=1.0,
    bound=1.0,
    microseconds=1.0,
    exact_microseconds=1.0,
    bytes=0,
    build_seconds=0.0,
)


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


# ---- Changes of an index that holds d0 to d14 in two segments, d3 deleted, and a folder's notes


def an_index(folder: Path) -> None:
    notes = folder.with_name(f"{folder.name}-notes")
    write_notes(notes, kept="blue fig", changed="old pear", gone="red plum")
    held = [*fruit(range(12)), *documents(open_corpus(notes))]
    index = Index.create(folder, HashEncoder(), documents=held, passages=4)
    with index.writer() as writer:
        writer.add(fruit(range(12, 15)))
        writer.delete("d3")


def write_notes(folder: Path, **texts: str) -> None:
    """Let a folder hold these notes only, all of one time, since documents tell it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in texts.items():
        path = folder / f"{name}.txt"
        path.write_text(text)
        os.utime(path, (1, 1))


def follow_folder(index: Index) -> None:
    kept = index.searcher().get("kept.txt")
    notes = Path(str(kept.meta["file"])).parent
    write_notes(notes, kept="blue fig", changed="fresh pear " * 3, new="green apple " * 3)
    with index.writer() as writer:
        changes = sync(writer, open_corpus(notes))
    assert changes == Changes(["new.txt"], ["changed.txt"], ["gone.txt"], 1)


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


def tune(index: Index) -> None:
    with index.writer() as writer:
        writer.tune(lambda part: Tuned(CONTRACT, b"codes" * 99))


def delete_everything(index: Index) -> None:
    with index.writer() as writer:
        writer.delete_where("n >= 0 or n is null")


def overwrite(index: Index) -> None:
    Index.create(
        index.folder, HashEncoder("other"), documents=fruit([1, 50], "fresh"), overwrite=True
    )


def reencode(index: Index) -> None:
    index.reencode(HashEncoder("other"))


def slow_but_one(firsts: list[Any], fast: tuple[Any, str]) -> list[Any]:
    """Combine with every fault; all but one combination wait for the whole suite."""
    return [
        pytest.param(*each, marks=[] if each == fast else [pytest.mark.slow])
        for each in itertools.product(firsts, FAULTS)
    ]


CHANGES = [
    add,
    update_and_delete,
    add_with_merges,
    compact,
    tune,
    delete_everything,
    overwrite,
    reencode,
    follow_folder,
]


def encoder_of(folder: Path) -> HashEncoder:
    entry = Index(folder).manifest().encoder
    assert entry is not None
    return next(
        each for each in map(HashEncoder, ("", "other")) if each.fingerprint == entry.fingerprint
    )


def seen(folder: Path) -> Seen:
    index = Index.open(folder, encoder_of(folder))
    assert index.verify() == []
    return look(index.searcher(), ["bm25"])


def check_next_writer(folder: Path, before: Seen) -> None:
    """The next writer has every document that there was, and cleans up."""
    index = Index.open(folder, encoder_of(folder))
    with index.writer() as writer:
        writer.add(fruit([99]))
    assert seen(folder).documents == before.documents | {"d99": fruit([99])[0]}
    assert litter(folder) == set()


def fail_at_every_operation(fault: Fault) -> Iterator[FaultyDisk]:
    for at in itertools.count(1):
        disk = FaultyDisk(at, fault)
        yield disk
        if not disk.failed:
            assert at > 7
            return


@contextlib.contextmanager
def failing(disk: FaultyDisk, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Do the block on `disk`; what goes wrong there must come out as what it should."""
    with monkeypatch.context() as patch:
        patch.setattr("vecsearch.index.Disk", lambda: disk)
        raised: BaseException | None = None
        try:
            yield
        except (IndexProblem, KeyboardInterrupt, MemoryError) as error:
            raised = error.__cause__ if isinstance(error, IndexProblem) else error
            assert raised
    assert type(raised) is type(fault.error()) or (raised is None and disk.replaced)


@pytest.mark.parametrize(("change", "kind"), slow_but_one(CHANGES, (overwrite, "torn")))
def test_change_fails(
    tmp_path: Path,
    change: Callable[[Index], None],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault, folder = FAULTS[kind], tmp_path / "index"
    an_index(tmp_path / "base")
    before = seen(tmp_path / "base")
    shutil.copytree(tmp_path / "base", tmp_path / "changed")
    change(Index(tmp_path / "changed", HashEncoder()))
    after = seen(tmp_path / "changed")
    assert before != after or change in (compact, tune)
    for disk in fail_at_every_operation(fault):
        shutil.copytree(tmp_path / "base", folder)
        with failing(disk, fault, monkeypatch):
            change(Index(folder, HashEncoder()))
        # Whether the replace happened, and nothing else, decides about the state.
        expected = after if disk.replaced else before
        assert seen(folder) == expected
        if not fault.lasting and not disk.replaced:
            assert litter(folder) == set()
        check_next_writer(folder, expected)
        shutil.rmtree(folder)


@pytest.mark.parametrize(("existing", "kind"), slow_but_one(["", "a/b/c"], ("", "torn")))
def test_create_fails(
    tmp_path: Path, existing: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault, root = FAULTS[kind], tmp_path / "root"
    folder = root / "a/b/c"
    documents = fruit(range(9))

    def create() -> None:
        Index.create(folder, HashEncoder(), documents=documents, passages=4)

    for disk in fail_at_every_operation(fault):
        (root / existing).mkdir(parents=True)
        before = sorted(root.rglob("*"))
        with failing(disk, fault, monkeypatch):
            create()
        if not disk.replaced:
            if not fault.lasting:
                assert sorted(root.rglob("*")) == before
            with pytest.raises(IndexNotFound):
                Index.open(folder)
            create()
        assert seen(folder).documents == {each.id: each for each in documents}
        assert litter(folder) <= {"manifest.json.0"}  # where the disk failed after the commit
        with Index.open(folder).writer():
            assert litter(folder) == set()
        shutil.rmtree(root)


class RecordingDisk(Disk):
    """Remembers which names and contents a power cut would leave alone."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Path]] = []

    def sync(self, file: BinaryIO) -> None:
        super().sync(file)
        self.done.append(("sync", Path(file.name)))

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        self.done.append(("sync folder", path))

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        self.done.append(("replace", target))

    def remove(self, path: Path) -> None:
        if path.exists():
            self.done.append(("remove", path))
        super().remove(path)


def create_anew(index: Index) -> None:
    shutil.rmtree(index.folder)
    Index.create(index.folder, HashEncoder(), documents=fruit(range(9)))


@pytest.mark.parametrize("change", [*CHANGES, create_anew], ids=lambda change: change.__name__)
def test_order_of_what_reaches_the_medium(
    tmp_path: Path, change: Callable[[Index], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new" / "index"
    an_index(folder)
    old = {file.path for file in Index(folder).manifest().files()}
    disk = RecordingDisk()
    monkeypatch.setattr("vecsearch.index.Disk", lambda: disk)
    change(Index(folder, HashEncoder()))
    commit = disk.done.index(("replace", folder / "manifest.json"))
    before, after = disk.done[:commit], disk.done[commit + 1 :]
    # Before the replace: the contents of all new files, then their names, the folders' as well.
    for file in Index(folder).manifest().files():
        path = folder / file.path
        if file.path not in old or change is create_anew:
            written = before.index(("sync", path))
            assert ("sync folder", path.parent) in before[written:]
            assert ("sync folder", path.parent.parent) in before
    assert before[-1][0] == "sync"
    assert before[-1][1].name.startswith("manifest.json.")
    if change is create_anew:
        assert ("sync folder", folder.parent) in before
    # What the old state needs goes only when the new one is durable.
    assert not any(name == "remove" for name, _ in before)
    assert after[0] == ("sync folder", folder)
    assert change in (add, create_anew) or any(name == "remove" for name, _ in after)


class UnsureDisk(Disk):
    """A disk on which the new manifest's name can't be made durable."""

    replaced = False

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        self.replaced = True

    def sync_folder(self, path: Path) -> None:
        if self.replaced:
            raise broken()
        super().sync_folder(path)


def test_the_old_state_stays_whole_until_the_new_one_is_durable(
    tmp_path: Path,
) -> None:
    """A power cut could still bring the old manifest back, so it keeps its files."""
    an_index(tmp_path)
    old = Index(tmp_path).manifest()
    with pytest.raises(IndexProblem):
        Index(tmp_path, HashEncoder(), disk=UnsureDisk()).compact()
    assert Index(tmp_path).manifest().generation == old.generation + 1
    assert all((tmp_path / file.path).exists() for file in old.files())
    check_next_writer(tmp_path, seen(tmp_path))


class Trouble(Exception):
    pass


def troubled() -> Iterator[Document]:
    yield from fruit([1, 70], "fresh")
    raise Trouble


def test_documents_that_raise_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vecsearch.batch._FULL_ROWS", 1)  # so that something was written already
    folder = tmp_path / "index"
    an_index(folder)
    before = seen(folder)
    with pytest.raises(Trouble), Index.open(folder, HashEncoder()).writer() as writer:
        writer.add(troubled())
    with pytest.raises(Trouble):
        Index.create(folder, HashEncoder("other"), documents=troubled(), overwrite=True)
    with pytest.raises(Trouble):
        Index.create(tmp_path / "new" / "index", HashEncoder(), documents=troubled())
    assert seen(folder) == before
    assert litter(folder) == set()
    assert not (tmp_path / "new").exists()
    check_next_writer(folder, before)


def test_an_error_that_the_caller_survives_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a flush fails and the caller goes on, what was to be replaced isn't lost."""
    folder = tmp_path / "index"
    an_index(folder)
    documents = fruit(range(4, 12), "fresh")
    for at in range(1, 12):
        copy = tmp_path / f"copy{at}"
        shutil.copytree(folder, copy)
        index = Index(copy, HashEncoder(), disk=FaultyDisk(at, FAULTS["torn"]))
        with contextlib.suppress(IndexProblem), index.writer() as writer:
            writer.add(documents)
            with contextlib.suppress(OSError):
                writer.delete("d0")
        held = seen(copy).documents
        fresh = {each.id: each for each in documents}
        assert held == seen(folder).documents or {**held, "d0": 0} == {
            **seen(folder).documents,
            **fresh,
            "d0": 0,
        }


def test_documents_added_before_an_error_that_the_caller_survives(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    an_index(folder)
    with Index.open(folder, HashEncoder()).writer() as writer:
        with contextlib.suppress(Trouble):
            writer.add(troubled())
        writer.delete("d0")
    documents = seen(folder).documents
    assert documents["d70"] == fruit([70], "fresh")[0]
    assert "d0" not in documents
    assert litter(folder) == set()


def test_create_after_a_creation_that_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    program = f"""
import os, toy
from vecsearch.index import Index
def documents():
    yield from toy.fruit(range(9))
    os.kill(os.getpid(), 9)
import vecsearch.batch
vecsearch.batch._FULL_ROWS = 4
Index.create({str(folder)!r}, toy.HashEncoder(), documents=documents())
"""
    for _ in range(2):
        assert run_python(program).returncode == -9
        assert any((folder / "segments").iterdir())
    Index.create(folder, HashEncoder(), documents=fruit([1]))
    assert list(seen(folder).documents) == ["d1"]
    assert litter(folder) == set()


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_an_index_left_whose_manifest_was_lost_is_not_touched(
    tmp_path: Path, overwrite: bool
) -> None:
    an_index(tmp_path)
    manifest = (tmp_path / "manifest.json").rename(tmp_path.with_suffix(".json"))
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    with pytest.raises(IndexExists, match=r"manifest\.json is missing"):
        Index.create(tmp_path, HashEncoder(), documents=fruit([1]), overwrite=overwrite)
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before
    manifest.rename(tmp_path / "manifest.json")
    assert Index.open(tmp_path).verify() == []


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense"])
def test_overwriting_an_index_whose_manifest_is_damaged(tmp_path: Path, content: bytes) -> None:
    an_index(tmp_path)
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(IndexExists):
        Index.create(tmp_path, HashEncoder())
    Index.create(tmp_path, HashEncoder(), documents=fruit([1]), overwrite=True)
    assert list(seen(tmp_path).documents) == ["d1"]
    assert litter(tmp_path) == set()


def test_bitmaps_of_earlier_deletions_go(tmp_path: Path) -> None:
    Index.create(tmp_path, None, documents=fruit(range(9)))
    for n in range(3):
        with Index.open(tmp_path).writer() as writer:
            writer.delete(f"d{n}")
        assert litter(tmp_path) == set()
        assert len(list(tmp_path.glob("segments/*/alive.*"))) == 1


def test_files_of_a_person_stay(tmp_path: Path) -> None:
    an_index(tmp_path)
    mine = [tmp_path / name for name in ("manifest.json.bak", "encoder-notes", "README")]
    mine.append(tmp_path / "segments" / "notes.txt")
    for path in mine:
        path.write_text("mine")
    Index.open(tmp_path, HashEncoder()).compact()
    with pytest.raises(Trouble):
        Index.create(tmp_path, HashEncoder(), documents=troubled(), overwrite=True)
    assert all(path.read_text() == "mine" for path in mine)


# ---- One writer


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that may import `toy` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program], cwd=HERE, text=True, capture_output=True, timeout=300
    )


def assert_locked(folder: Path) -> None:
    with pytest.raises(IndexLocked), Index(folder).writer():
        pytest.fail("two writers at once")
    with pytest.raises(IndexLocked):
        Index.create(folder, None, overwrite=True)


def test_second_writer_in_the_same_thread_and_in_another(tmp_path: Path) -> None:
    an_index(tmp_path)
    before = seen(tmp_path)
    with Index.open(tmp_path, HashEncoder()).writer() as writer:
        writer.add(fruit([60]))
        assert_locked(tmp_path)
        problems: list[BaseException] = []

        def other() -> None:
            try:
                assert_locked(tmp_path)
            except BaseException as error:
                problems.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert problems == []
        # The refused ones dropped no lock of ours: another process is still kept out.
        assert "IndexLocked" in run_python(TRY.format(str(tmp_path))).stderr
    assert len(seen(tmp_path).documents) == len(before.documents) + 1
    check_next_writer(tmp_path, seen(tmp_path))


TRY = """
from vecsearch.index import Index
with Index({!r}).writer():
    print("got it")
"""


def test_writer_in_another_process(tmp_path: Path) -> None:
    an_index(tmp_path)
    before = seen(tmp_path)
    program = f"""
import sys, toy
from vecsearch.index import Index
with Index.open({str(tmp_path)!r}, toy.HashEncoder()).writer() as writer:
    writer.add(toy.fruit([70]))
    writer.delete("d1")
    print("holding", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        assert_locked(tmp_path)
        assert seen(tmp_path) == before
        holder.kill()
    check_next_writer(tmp_path, before)


WAITER = """
import time

sleep = time.sleep

def told(seconds):
    print("waiting", flush=True)
    sleep(seconds)

time.sleep = told
from vecsearch.__main__ import main
main()
"""
"""The command line, which says when it waits."""


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a command that waits for the writer of an index, and come back when it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITER, words[0], str(folder), *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    return process


@pytest.mark.parametrize(
    "words",
    [
        ("delete", "d1"),
        ("add", str(HERE.parent / "corpora/lighthouse/corpus.jsonl")),
        ("compact",),
        ("reencode", "--encoder", "none"),
    ],
)
def test_a_command_that_waits_for_a_writer(tmp_path: Path, words: tuple[str, ...]) -> None:
    index = Index.create(tmp_path / "index", None, documents=fruit(range(3)))
    with index.writer() as writer:
        waiting = start(index.folder, *words, "--wait", "300")
        writer.add(Document("late", "a late one"))
    _, problem = waiting.communicate(timeout=300)
    assert waiting.returncode == 0, problem
    assert index.manifest().generation == 3
    found = {document.id for document in index.searcher().documents()}
    assert "late" in found
    assert ("d1" in found) == (words[0] != "delete")


def test_a_writer_that_has_waited_says_so(tmp_path: Path) -> None:
    an_index(tmp_path)
    with Index(tmp_path).writer(), start(tmp_path, "delete", "d1", "--wait", "0.1") as waiting:
        _, problem = waiting.communicate(timeout=300)
    assert waiting.returncode == 1
    assert "is being written to by another process." in problem
    assert "within 0.1 s." in problem


def test_ctrl_c_ends_the_waiting(tmp_path: Path) -> None:
    an_index(tmp_path)
    with Index(tmp_path).writer(), start(tmp_path, "delete", "d1", "--wait", "300") as waiting:
        waiting.send_signal(signal.SIGINT)
        _, problem = waiting.communicate(timeout=300)
    assert waiting.returncode == 130
    assert "Interrupted" in problem
    assert "d1" in seen(tmp_path).documents


def test_a_creation_that_finds_another_at_work_leaves_it_alone(tmp_path: Path) -> None:
    folder = tmp_path / "index"

    def documents() -> Iterator[Document]:
        yield from fruit(range(3))
        with pytest.raises(IndexLocked):
            Index.create(folder, HashEncoder(), documents=fruit([9]))
        out = run_python(f"from vecsearch.index import Index; Index.create({str(folder)!r}, None)")
        assert "IndexLocked" in out.stderr
        yield from fruit(range(3, 6))

    Index.create(folder, HashEncoder(), documents=documents())
    assert len(seen(folder).documents) == 6


def test_a_forked_child_neither_holds_nor_frees_nor_sweeps(tmp_path: Path) -> None:
    """The child uses the writer in every way, leaves the block with and without an error."""
    an_index(tmp_path)
    out = run_python(f"""
import os, toy
from vecsearch.errors import IndexLocked, IndexProblem
from vecsearch.index import Index
import vecsearch.batch
vecsearch.batch._FULL_ROWS = 2

index = Index.open({str(tmp_path)!r}, toy.HashEncoder())

def in_child(work):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, work

def refused(use, *arguments):
    try:
        use(*arguments)
    except IndexProblem as error:
        assert not isinstance(error, IndexLocked)
        assert "process" in str(error)
    else:
        raise AssertionError(f"{{use}} worked")

def locked():
    try:
        with index.writer():
            raise AssertionError("a second writer")
    except IndexLocked:
        pass

def use():
    refused(writer.add, toy.fruit([81, 82, 83]))
    refused(writer.delete, "d1")
    refused(writer.delete_where, "n = 1")
    refused(writer.compact)
    refused(writer.commit)

def leave():
    refused(block.__exit__, None, None, None)

def leave_with_error():
    try:
        assert not block.__exit__(ValueError, ValueError(), None)
    except ValueError:
        pass

block = index.writer()
with block as writer:
    writer.add(toy.fruit([71, 72, 73]))
    for work in (locked, use, leave, leave_with_error, locked):
        in_child(work)
    locked()
    print(len(list(index.folder.glob("segments/*"))), flush=True)
in_child(lambda: index.compact())
print("done")
""")
    assert out.stderr == ""
    assert out.stdout.split()[-1] == "done"
    assert {"d71", "d72", "d73"} < set(seen(tmp_path).documents)
    assert litter(tmp_path) == set()
    # An orphan holds nothing either.
    out = run_python(f"""
import os, time
from vecsearch.index import Index
with Index({str(tmp_path)!r}).writer():
    if os.fork() == 0:
        os.close(1), os.close(2)
        time.sleep(20)
        os._exit(0)
    os.kill(os.getpid(), 9)
""")
    assert out.returncode == -9
    check_next_writer(tmp_path, seen(tmp_path))


def test_a_writer_is_of_no_use_after_its_block(tmp_path: Path) -> None:
    an_index(tmp_path)
    with Index.open(tmp_path, HashEncoder()).writer() as writer:
        writer.add(fruit([60]))
    before = seen(tmp_path)
    uses: list[Callable[[Writer], object]] = [
        lambda writer: writer.add(fruit([61])),
        lambda writer: writer.delete("d1"),
        lambda writer: writer.delete_where("n = 1"),
        Writer.compact,
        Writer.commit,
    ]
    for use in uses:
        with pytest.raises(IndexProblem, match="block"):
            use(writer)
    assert seen(tmp_path) == before


def test_commits_within_a_block(tmp_path: Path) -> None:
    an_index(tmp_path)
    with Index.open(tmp_path, HashEncoder()).writer() as writer:
        generation = Index(tmp_path).manifest().generation
        for n in range(3):
            writer.add(fruit([60 + n]))
            writer.delete(f"d{n}")
            writer.commit()
            assert seen(tmp_path).documents.keys() >= {f"d{60 + n}"}
        writer.add(fruit([1]))
    assert Index(tmp_path).manifest().generation == generation + 4
    assert seen(tmp_path).documents.keys() >= {"d60", "d61", "d62", "d1"}
    assert litter(tmp_path) == set()


# ---- Killed at random moments


@pytest.mark.slow
@pytest.mark.parametrize(("work", "kills"), [("add", 200), ("everything", 100)])
def test_kill_9_under_a_reading_process(tmp_path: Path, work: str, kills: int) -> None:
    folder = tmp_path / "index"
    Index.create(folder, None, documents=committed(work, 1))
    with subprocess.Popen(
        [sys.executable, "kills.py", work, str(kills), str(folder)],
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as killer:
        generations = read_while(lambda: killer.poll() is None, work, folder)
        out, err = killer.communicate()
    assert (killer.returncode, err) == (0, ""), out + err
    killed, moments = map(int, out.split())
    assert killed == kills
    assert moments > kills / 4, "the kills didn't fall within commits"
    assert len(generations) > kills / 4
    assert generations == sorted(generations)

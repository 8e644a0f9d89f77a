"""Following a folder: new, changed and vanished files in one commit, and nothing more."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from toy import HashEncoder, documents_of, litter, look

from vecsearch import Changes, Document, Index, VecsearchError, documents, open_corpus, sync
from vecsearch.errors import CorpusError, UsageError


def follow(index: Index, folder: Path, on_error=None) -> Changes:
    arguments = () if on_error is None else (on_error,)
    with index.writer() as writer:
        return sync(writer, open_corpus(folder), *arguments)


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def told(encoder: HashEncoder) -> list[str]:
    texts: list[str] = []
    encode = encoder.encode
    encoder.encode = lambda given, role: texts.extend(given) or encode(given, role)  # type: ignore[method-assign]
    return texts


def held(index: Index) -> dict[str, Document]:
    return {each.id: each for each in documents_of(index.searcher())}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    write(folder, kettle="Descale the kettle.", lamp="Trim the wick.", sub__oven="Heat the oven.")
    return folder


@pytest.fixture
def encoder() -> HashEncoder:
    return HashEncoder()


@pytest.fixture
def index(tmp_path: Path, notes: Path, encoder: HashEncoder) -> Index:
    return Index.create(tmp_path / "i", encoder, documents=documents(open_corpus(notes)))


def test_new_changed_and_gone_in_one_commit(index: Index, notes: Path, encoder) -> None:
    texts = told(encoder)
    before = index.manifest().generation
    write(notes, lamp="Trim the wick often.", toaster="Empty the crumbs.")
    (notes / "sub/oven.md").unlink()
    changes = follow(index, notes)
    assert changes == Changes(["toaster.md"], ["lamp.md"], ["sub/oven.md"], 1)
    assert held(index).keys() == {"kettle.md", "lamp.md", "toaster.md"}
    assert held(index)["lamp.md"].text == "Trim the wick often."
    assert sorted(texts) == ["Empty the crumbs.", "Trim the wick often."]
    assert index.manifest().generation == before + 1


def test_nothing_new_is_no_commit(index: Index, notes: Path, encoder) -> None:
    texts = told(encoder)
    before = index.manifest()
    assert follow(index, notes) == Changes(unchanged=3)
    assert index.manifest() == before
    os.utime(notes / "lamp.md", (1, 1))  # touched, not changed: nothing is encoded
    assert follow(index, notes) == Changes(unchanged=3)
    assert held(index)["lamp.md"].meta["modified"] == "1970-01-01T00:00:01+00:00"
    assert texts == []


def test_other_documents_stay(index: Index, notes: Path, tmp_path: Path) -> None:
    papers = tmp_path / "notes-2"  # its path begins like the other's
    write(papers, paper="On kettles.")
    with index.writer() as writer:
        writer.add(Document("typed", "by hand", meta={"file": 7}))
        writer.add(documents(open_corpus(papers)))
    (notes / "kettle.md").unlink()
    assert follow(index, notes).removed == ["kettle.md"]
    assert held(index).keys() == {"lamp.md", "sub/oven.md", "typed", "paper.md"}
    (notes / "lamp.md").unlink()
    assert follow(index, papers) == Changes(unchanged=1)


def test_a_part_of_a_followed_folder_and_the_whole_of_a_followed_part(
    tmp_path: Path, notes, index
) -> None:
    before = index.manifest()
    with pytest.raises(UsageError, match="as a document of"):
        follow(index, notes / "sub")
    assert index.manifest() == before
    part = Index.create(tmp_path / "part", None)
    follow(part, notes / "sub")
    with pytest.raises(UsageError, match="as a document of"):
        follow(part, notes)
    assert held(part).keys() == {"oven.md"}


def test_documents_that_only_tell_of_a_file_stay(index: Index, notes: Path) -> None:
    remark = Document("remark-1", "on the lamp", meta={"file": str(notes / "lamp.md")})
    other = Document("p.md", "on the lamp", meta={"file": str(notes / "lamp.md")})
    with index.writer() as writer:
        writer.add([remark, other])
    assert follow(index, notes) == Changes(unchanged=3)
    (notes / "lamp.md").unlink()
    assert follow(index, notes).removed == ["lamp.md"]
    assert held(index)["remark-1"] == remark


def test_through_a_link_it_is_the_same_folder(
    index: Index, notes: Path, tmp_path: Path, encoder
) -> None:
    texts = told(encoder)
    (tmp_path / "link").symlink_to(notes)
    (notes / "lamp.md").unlink()
    changes = follow(index, tmp_path / "link")
    assert changes == Changes(removed=["lamp.md"], unchanged=2)
    assert texts == []
    assert held(index)["kettle.md"].meta["file"] == str(tmp_path / "link/kettle.md")
    assert follow(index, notes) == Changes(unchanged=2)


def test_a_file_that_would_replace_a_document_from_elsewhere(
    index: Index, notes: Path, tmp_path
) -> None:
    papers = tmp_path / "papers"
    write(papers, a="new", lamp="Another lamp.")
    before = index.manifest()
    with pytest.raises(UsageError, match=r"'lamp\.md' that isn't from") as caught:
        follow(index, papers)
    assert str(papers / "lamp.md") in str(caught.value)
    assert index.manifest() == before


def test_a_folder_that_was_moved_goes_on(
    index: Index, notes: Path, tmp_path: Path, encoder
) -> None:
    texts = told(encoder)
    moved = tmp_path / "elsewhere"
    notes.rename(moved)
    assert follow(index, moved) == Changes(unchanged=3)
    assert texts == []  # only where they lie has changed
    assert held(index)["lamp.md"].meta["file"] == str(moved / "lamp.md")
    assert follow(index, moved) == Changes(unchanged=3)


def test_what_was_deleted_while_a_folder_was_moved_goes(
    index: Index, notes: Path, tmp_path
) -> None:
    moved = tmp_path / "elsewhere"
    notes.rename(moved)
    (moved / "lamp.md").unlink()
    assert follow(index, moved).removed == ["lamp.md"]
    assert held(index).keys() == {"kettle.md", "sub/oven.md"}


def test_a_name_in_common_with_a_folder_that_is_gone_is_no_move(
    index: Index, notes: Path, tmp_path
) -> None:
    papers = tmp_path / "papers"
    write(papers, a="new", lamp="Another lamp.")
    shutil.rmtree(notes)
    before = index.manifest()
    with pytest.raises(UsageError, match="most of them aren't here"):
        follow(index, papers)
    assert index.manifest() == before


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 elsewhere")
def test_a_folder_whose_path_is_not_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    write(folder, a="one", b="two")
    index = Index.create(tmp_path / "i", None)
    assert follow(index, folder).added == ["a.md", "b.md"]
    (folder / "b.md").unlink()
    assert follow(index, folder) == Changes(removed=["b.md"], unchanged=1)


def test_what_cant_be_read_now_stays(index: Index, notes: Path) -> None:
    (notes / "lamp.md").write_bytes(b"\xff\xfe broken")
    before = index.manifest()
    with pytest.raises(CorpusError, match=r"lamp\.md"):
        follow(index, notes)
    assert index.manifest() == before
    errors: list[CorpusError] = []
    write(notes, kettle="Descale it again.")
    changes = follow(index, notes, errors.append)
    assert len(errors) == 1
    assert changes == Changes(changed=["kettle.md"], unchanged=1)
    assert held(index)["lamp.md"].text == "Trim the wick."


def test_a_folder_that_is_empty_or_gone_deletes_nothing(index: Index, notes: Path) -> None:
    before = index.manifest()
    shutil.rmtree(notes)
    with pytest.raises(VecsearchError, match="no such file or folder"):
        follow(index, notes)
    notes.mkdir()
    for on_error in (None, [].append):
        with pytest.raises(CorpusError, match=r"holds no"):
            follow(index, notes, on_error)
    with pytest.raises(CorpusError, match=rf"the index 3 of it.*'file like \"{notes}/%\"'` drops"):
        follow(index, notes)
    assert index.manifest() == before
    with index.writer() as writer:
        assert writer.delete_where(f'file like "{notes}/%"') == 3


def test_only_a_folder_of_documents_can_be_followed(
    index: Index, notes: Path, tmp_path: Path
) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"id": "a", "text": "b"}\n')
    for source in (lines, notes / "lamp.md"):
        with pytest.raises(UsageError, match="can't be followed"):
            follow(index, source)


def test_sections_of_a_file_come_and_go(index: Index, notes: Path, encoder) -> None:
    write(notes, lamp="# Lamp\n\nTrim it.\n\n## Oil\n\nFill it.\n\n## Glass\n\nWipe it.\n")
    changes = follow(index, notes)
    assert changes.removed == ["lamp.md"]
    assert sorted(changes.added) == ["lamp.md#glass", "lamp.md#lamp", "lamp.md#oil"]
    texts = told(encoder)
    write(notes, lamp="# Lamp\n\nTrim it.\n\n## Oil\n\nFill it up.\n")
    changes = follow(index, notes)
    assert (changes.changed, changes.removed) == (["lamp.md#oil"], ["lamp.md#glass"])
    assert len(texts) == 1


def test_an_index_made_by_nobody_but_sync(tmp_path: Path, notes: Path) -> None:
    index = Index.create(notes / "here.index", None)
    assert sorted(follow(index, notes).added) == ["kettle.md", "lamp.md", "sub/oven.md"]
    assert follow(index, notes) == Changes(unchanged=3)


@pytest.mark.slow
def test_kill_9_while_a_folder_is_followed(tmp_path: Path) -> None:
    """The command, killed at a random moment after it made or removed a segment's folder."""
    chance, folder, notes = random.Random(9), tmp_path / "i", tmp_path / "notes"
    other = Document("typed", "by hand")
    index = Index.create(folder, None, documents=[other])
    segments = folder / "segments"
    command = [sys.executable, "-m", "vecsearch", "add", "--sync", str(folder), str(notes)]
    typical, within = 0.0, 0
    expected = {other.id: other.text}
    for age in range(11):
        shutil.rmtree(notes, ignore_errors=True)
        texts = {f"n{n}": f"age{age} number{n} " + "filler " * n for n in range(age, age + 300)}
        write(notes, **texts)
        before, touched = index.manifest().generation, segments.stat().st_mtime_ns
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
            while child.poll() is None and segments.stat().st_mtime_ns == touched:
                time.sleep(0.001)
            start = time.perf_counter()
            if age:
                time.sleep(chance.uniform(0, typical))
                child.kill()
            code = child.wait()
            assert code in ((0, -signal.SIGKILL) if age else (0,))
            if not code:  # killed too late: the machine isn't as busy as it was
                typical = time.perf_counter() - start
        if index.manifest().generation > before:
            assert index.manifest().generation == before + 1
            expected = {f"{name}.md": text for name, text in texts.items()} | {"typed": "by hand"}
        else:
            within += 1
        assert index.verify() == []
        assert {name: each.text for name, each in held(index).items()} == expected
    assert within > 1, "the kills didn't fall within the work"
    changes = follow(index, notes)
    assert held(index).keys() == {f"{name}.md" for name in texts} | {"typed"}
    assert changes.unchanged in (0, 300)
    assert litter(folder) == set()


NAMES = ("a", "b", "sub__c", "sub__d")
TEXTS = ("one", "two words", "# Title\n\nthree\n\n# Other\n\nfour\n", "# Title\n\nthree\n")


def timeless(found: dict[str, Document]) -> dict[str, tuple[str, str, dict[str, object]]]:
    """Leave out when the files were changed: a file that was only touched isn't indexed again."""
    return {name: (each.title, each.text, each.meta) for name, each in found.items()}


class Histories(RuleBasedStateMachine):
    """Whatever happens to a folder: after a sync an index is that of the folder made afresh.

    But for documents of other origin, which stay, even one that tells of a file of the folder.
    """

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.place = Path(tempfile.mkdtemp())
        self.notes = self.place / "notes"
        write(self.notes, fixed="always here", **dict(zip(NAMES, TEXTS, strict=True)))
        others = [
            Document("typed", "by hand"),
            Document("remark", "on it", meta={"file": str(self.notes / "a.md")}),
        ]
        self.others = {each.id: each for each in others}
        self.index = Index.create(self.place / "i", HashEncoder(), documents=others)
        self.follow()

    def clear(self, name: str) -> Path:
        """Return the path of a name, at which nothing is any more."""
        path = self.notes / f"{name.replace('__', '/')}.md"
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        return path

    @rule(name=st.sampled_from(NAMES), text=st.sampled_from(TEXTS))
    def change(self, name: str, text: str) -> None:
        self.clear(name).write_text(text)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self.clear(name)

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename(self, old: str, new: str) -> None:
        path = self.notes / f"{old.replace('__', '/')}.md"
        if path.exists() and old != new:
            path.rename(self.clear(new))

    @rule(name=st.sampled_from(NAMES), text=st.sampled_from(TEXTS))
    def make_a_folder(self, name: str, text: str) -> None:
        path = self.clear(name)
        path.mkdir()
        (path / "inside.md").write_text(text)

    @rule(
        name=st.sampled_from(["elsewhere", "else", "notes"]), lost=st.sets(st.sampled_from(NAMES))
    )
    def move(self, name: str, lost: set[str]) -> None:
        self.notes = self.notes.rename(self.place / name)
        for each in lost:
            self.clear(each)

    @rule()
    def follow(self) -> None:
        wanted = {each.id: each for each in documents(open_corpus(self.notes))}
        found = held(self.index)
        own = found.keys() - self.others.keys()
        moved = own and found["fixed.md"].meta["file"] != wanted["fixed.md"].meta["file"]
        if moved and 2 * len(own - wanted.keys()) > len(own):  # it may be another folder
            before = self.index.manifest()
            with pytest.raises(UsageError, match="most of them aren't here"):
                follow(self.index, self.notes)
            assert self.index.manifest() == before
            with self.index.writer() as writer:
                writer.delete(own)
        follow(self.index, self.notes)
        self.check(wanted)

    def check(self, wanted: dict[str, Document]) -> None:
        fresh = Index.create(
            self.place / "fresh", HashEncoder(), documents=wanted.values(), overwrite=True
        )
        found, expected = look(self.index.searcher(), ()), look(fresh.searcher(), ())
        for name, other in self.others.items():
            assert found.documents.pop(name) == other
            del found.vectors[name]
        assert timeless(found.documents) == timeless(expected.documents)
        assert found.vectors == expected.vectors
        assert self.index.verify() == []

    def teardown(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)


Histories.TestCase.settings = settings(
    max_examples=20, stateful_step_count=10, suppress_health_check=list(HealthCheck)
)
TestHistories = Histories.TestCase

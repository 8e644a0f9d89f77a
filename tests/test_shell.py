"""The prompt: what its commands find out, how that is laid out, and sessions on a real terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from terminal import CTRL_A, CTRL_C, CTRL_D, TAB, UP, terminal
from toy import HashEncoder

from vecsearch import Document, Hit, Index
from vecsearch.cli.printable import printable
from vecsearch.cli.shell.commands import COMMANDS, perform
from vecsearch.cli.shell.comparison import compared
from vecsearch.cli.shell.completion import completions
from vecsearch.cli.shell.ids import ids_with_prefix
from vecsearch.cli.shell.news import News
from vecsearch.cli.shell.session import Session
from vecsearch.cli.shell.tasks import Task
from vecsearch.cli.shell.view import plain
from vecsearch.errors import FilterError, IndexNotFound, UnknownDocument, UnknownName, UsageError
from vecsearch.types import Span

NOTES = [
    Document("kettle", "Descale the kettle with vinegar.", "Kettles", {"year": 1999, "room": "kitchen"}),
    Document("lamp", "Trim the wick, then light the lamp.", "", {"year": 2020, "tags": ["oil"]}),
    Document("toaster", "The toaster and the kettle share a socket. The toaster wins.", "Sockets", {"year": 2021}),
    Document("harbour", "Boats leave at high water.", "The harbour", {"year": 2021}),
]  # fmt: skip


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index.create(tmp_path / "notes.index", HashEncoder(), documents=NOTES)


@pytest.fixture
def words(tmp_path: Path) -> Index:
    """An index without embeddings."""
    return Index.create(tmp_path / "words.index", None, documents=NOTES)


@pytest.fixture
def session(words: Index) -> Session:
    return Session.start(words)


def after(session: Session, *lines: str) -> Session:
    for line in lines:
        session = perform(session, line).session
    return session


def page(session: Session, line: str, width: int = 80) -> str:
    """What a line prints."""
    shown = perform(session, line).page
    return "" if shown is None else plain(shown, width)


def listed(session: Session) -> list[str]:
    assert session.listing is not None
    return [answer.hit.id for answer in session.listing.answers]


def marked(text: str) -> str:
    """The words on the lines with a bar in the margin."""
    return " ".join(line[2:].strip() for line in text.splitlines() if line.startswith("▌ "))


class TestQueries:
    def test_a_query_is_any_text(self, session):
        text = page(session, '"kettle" AND (-vinegar*')
        assert text.splitlines()[0].split()[0] == "1"
        assert "Kettles  kettle" in text
        assert "2 documents, by bm25" in text

    def test_a_space_makes_a_query_of_a_colon(self, session):
        assert listed(after(session, " :kettle vinegar"))[0] == "kettle"
        with pytest.raises(UsageError, match="no command :kettle"):
            perform(session, ":kettle vinegar")

    def test_a_blank_line_does_nothing(self, session):
        asked = after(session, "kettle")
        assert perform(asked, "   ") == (asked, None, False, False)

    def test_no_match_is_said_with_what_was_asked(self, session):
        assert page(session, "zeppelin") == "No document matches, by bm25.\n"
        filtered = after(session, ":where year = 1999")
        assert page(filtered, "lamp") == "No document matches, by bm25, where year = 1999.\n"


class TestSettings:
    def test_by(self, index):
        session = Session.start(index)
        assert session.by == "hybrid"
        assert "hybrid, dense, bm25, tfidf" in page(session, ":by")
        session = after(session, ":by tfidf", "kettle")
        assert session.listing.by == "tfidf"

    def test_k(self, session):
        assert len(listed(after(session, ":k 1", "kettle"))) == 1
        assert page(session, ":k") == "k 10\n"
        for wrong in ("0", "-1", "many", "2.5", "²"):
            with pytest.raises(UsageError):
                perform(session, f":k {wrong}")

    def test_where(self, session):
        filtered = after(session, ":where year >= 2020")
        assert "3 of 4 documents" in page(filtered, ":where")
        assert listed(after(filtered, "kettle")) == ["toaster"]
        assert listed(after(filtered, ":where off", "kettle")) == ["kettle", "toaster"]
        assert "everything is searched, 4 documents." in page(session, ":where")

    def test_passing_counts_documents_not_passages(self, tmp_path):
        long = Document("long", "one two three four. " * 30, "", {"year": 1})
        other = Document("other", "five", "", {"year": 2})
        made = Index.create(tmp_path / "p", None, documents=[long, other], passages=20)
        session = after(Session.start(made), ":where year = 1")
        assert "1 of 2 documents" in page(session, ":where")

    @pytest.mark.parametrize(
        ("line", "error"),
        [
            (":by bm26", UnknownName),
            (":by dense", UsageError),
            (":where yaer > 3", FilterError),
            (":where year >", FilterError),
            (":compare bm25", UsageError),
            (":compare bm25 bm25 kettle", UsageError),
            (":compare bm25 kettle", UnknownName),
            (":hlep", UsageError),
            (":open", UsageError),
            (":open 9", UsageError),
            (":explain 1", UsageError),
            (":like", UsageError),
            (":why kettle", UsageError),
            (":", UsageError),
        ],
    )
    def test_what_can_not_be_is_an_error(self, session, line, error):
        if line.startswith(":compare"):
            session = after(session, "kettle")
        with pytest.raises(error) as caught:
            perform(session, line)
        assert str(caught.value).strip()[-1] in ".)^"

    def test_a_wrong_command_suggests_the_nearest(self, session):
        with pytest.raises(UsageError, match="Did you mean :compare"):
            perform(session, ":comapre")
        with pytest.raises(UsageError, match=r"no command :HELP\. Did you mean :help\?"):
            perform(session, ":HELP")


class TestSyntax:
    def test_it_is_off_until_it_is_asked_for(self, session):
        assert page(session, ":syntax").startswith("syntax off: every character")
        asked = after(session, "kettle -socket*")
        assert sorted(listed(asked)) == ["kettle", "toaster"]
        on = after(asked, ":syntax on")
        assert "-excluded" in page(on, ":syntax")
        assert listed(after(on, "kettle -socket*")) == ["kettle"]
        assert len(listed(after(on, ":syntax off", "kettle -socket*"))) == 2
        with pytest.raises(UsageError, match="on or off, not 'yes'"):
            perform(session, ":syntax yes")
        with pytest.raises(UsageError, match="The - at character 8"):
            perform(on, "kettle - socket")

    def test_the_list_keeps_how_its_query_was_read(self, session):
        asked = after(session, ":syntax on", "kett* -socket", ":syntax off")
        told = " ".join(page(asked, ":explain 1").split())
        assert "kett* stands for kettl." in told
        assert "The query's -socket keeps it out." in page(asked, ":why toaster")
        assert "toaster for “kett* -socket”" in page(asked, ":why toaster")
        assert "▌ Descale the kettle" in page(asked, ":open 1")
        assert "“kett* -socket” by bm25 and tfidf" in page(asked, ":compare")
        assert page(after(asked, ":compare"), ":explain 1") == page(asked, ":explain 1")
        assert listed(after(asked, ":syntax on", ":compare bm25 tfidf +socket kettle")) == [
            "toaster"
        ]


class TestDocuments:
    def test_open_shows_all_of_a_document(self, session):
        text = page(after(session, "toaster"), ":open 1")
        assert text.startswith("Sockets\nid")
        assert "year 2021" in text
        assert "The toaster wins." in text

    def test_the_best_passage_is_marked(self, tmp_path):
        sentences = [f"Sentence {i} is about nothing at all." for i in range(60)]
        sentences[40] = "Sentence 40 mentions the zeppelin over the quay."
        made = Index.create(
            tmp_path / "p", None, passages=20, documents=[Document("d", " ".join(sentences))]
        )
        session = after(Session.start(made), "zeppelin")
        hit = session.listing.answers[0].hit
        bar = marked(page(session, ":open 1"))
        assert hit.passage in bar
        assert len(bar) < len(hit.passage) + 2 * 80

    def test_a_whole_document_is_marked_where_its_snippet_is(self, tmp_path):
        lines = [f"Line {i} is about nothing at all,\tand goes on." for i in range(60)]
        lines[40] = "Line 40 mentions the\tzeppelin."
        made = Index.create(tmp_path / "p", None, documents=[Document("d", "\r\n".join(lines))])
        bar = marked(page(after(Session.start(made), "zeppelin"), ":open 1"))
        assert "mentions the zeppelin." in bar
        assert "Line 30" not in bar
        assert "Line 50" not in bar

    def test_a_document_can_be_named_by_its_id(self, session):
        assert "Boats leave" in page(session, ":open harbour")
        assert "▌ Descale" in page(after(session, "vinegar"), ":open kettle")
        with pytest.raises(UnknownDocument, match="'harbour'"):
            perform(session, ":open harbuor")

    def test_a_number_of_the_list_goes_before_an_id(self, tmp_path):
        documents = [
            Document("1", "kettle"),
            Document("2", "kettle kettle"),
            Document("77", "lamp"),
        ]
        session = Session.start(Index.create(tmp_path / "n", None, documents=documents))
        session = after(session, "kettle")
        first = listed(session)[0]
        assert f"id {first}\n" in page(session, ":open 1")
        assert "lamp" in page(session, ":open 77")

    def test_like_lists_others_and_numbers_follow(self, session):
        alike = after(session, "kettle vinegar", ":like 1")
        assert listed(alike) == ["toaster"]
        assert "1 document like kettle, by bm25" in page(
            after(session, "kettle vinegar"), ":like 1"
        )
        assert "Sockets" in page(alike, ":open 1")
        assert marked(page(alike, ":open 1")) == ""
        with pytest.raises(UsageError, match=":why toaster"):
            perform(alike, ":explain 1")

    def test_explain_is_of_the_list_that_was_shown(self, index):
        session = after(Session.start(index), "kettle", ":compare tfidf dense", ":by bm25")
        assert page(session, ":explain 1").startswith("tfidf: score ")
        filtered = after(session, ":where year < 1990")
        assert page(filtered, ":explain 1") == page(session, ":explain 1")
        with pytest.raises(UnknownDocument):
            perform(session, ":explain nobody")


class TestWhy:
    def test_every_arm_says_where_it_has_the_document(self, index):
        session = after(Session.start(index), ":k 1", "kettle")
        lines = page(session, ":why lamp").splitlines()
        assert lines[0] == "lamp for “kettle”"
        arms = {line.split()[0]: line for line in lines[1:4]}
        assert list(arms) == ["bm25", "dense", "hybrid"]
        assert "rank" not in arms["bm25"]
        by_dense = [hit.id for hit in session.searcher.search("kettle", 10, by="dense")]
        assert f"rank {by_dense.index('lamp') + 1}, score" in arms["dense"]

    def test_a_filter_that_keeps_it_out_is_named(self, session):
        text = page(after(session, ":where year > 2000", "kettle"), ":why kettle")
        assert "year > 2000" in text
        assert "filter" in text

    def test_an_id_that_is_not_there(self, session):
        with pytest.raises(UnknownDocument, match="'kettle'"):
            perform(after(session, "kettle"), ":why ketle")

    def test_the_last_query_counts_also_after_like(self, session):
        assert "“vinegar”" in page(after(session, "vinegar", ":like 1"), ":why lamp")


def hits(*names: str) -> list[Hit]:
    return [Hit(name, 1.0, Document(name, name), Span(0, 1)) for name in names]


class TestComparison:
    def test_moves_are_places_up_in_the_second(self):
        found = compared("q", ("x", "y"), (hits(*"abcde"), hits(*"bafeg")), 3, 100)
        first, second = ([(p.rank, p.hit.id, p.move) for p in side] for side in found.places)
        assert first == [(1, "a", -1), (2, "b", 1), (3, "c", None)]
        assert second == [(1, "b", 1), (2, "a", -1), (3, "f", None)]

    def test_side_by_side(self, index):
        session = after(Session.start(index), "kettle")
        text = page(session, ":compare")
        head, columns, *rows = text.splitlines()
        assert head == "“kettle” by bm25 and dense"
        assert columns.split() == ["bm25", "dense"]
        by_dense = [hit.id for hit in session.searcher.search("kettle", by="dense")]
        for rank, row in enumerate(rows[: len(by_dense)], start=1):
            assert by_dense[rank - 1] in row[40:]
        only = [row for row in rows if "lamp" in row]
        assert "only" in only[0]

    def test_the_list_is_then_that_of_the_first(self, session):
        compared = after(session, ":compare tfidf bm25 the toaster")
        assert compared.query == "the toaster"
        assert compared.listing.by == "tfidf"
        expected = [hit.id for hit in session.searcher.search("the toaster", by="tfidf")]
        assert listed(compared) == expected
        assert compared.by == "bm25"

    def test_without_embeddings_it_is_bm25_and_tfidf(self, session):
        assert page(after(session, "kettle"), ":compare").startswith("“kettle” by bm25 and tfidf")
        assert page(after(session, "zeppelin"), ":compare").startswith("No document matches")


class TestChanges:
    def test_a_commit_is_announced_once_and_seen_by_reload(self, words):
        session, news = Session.start(words), News()
        assert news.since(session) is None
        assert page(session, ":reload") == "Nothing has changed.\n"
        with Index.open(words.folder).writer() as writer:
            writer.add([Document("new", "A zeppelin."), Document("newer", "Another zeppelin.")])
        expected = f"{words.folder.name} has changed (2 documents more): :reload to see it."
        assert news.since(session) == expected
        assert news.since(session) is None
        assert listed(after(session, "zeppelin")) == []
        assert "2 documents more" in page(session, ":reload")
        reloaded = after(session, "kettle", ":reload")
        with pytest.raises(UsageError, match="empty"):
            perform(reloaded, ":open 1")
        session = after(reloaded, "zeppelin")
        assert len(listed(session)) == 2
        assert news.since(session) is None
        with Index.open(words.folder).writer() as writer:
            writer.delete(["new"])
        assert "1 document fewer" in news.since(session)

    def test_an_index_that_vanished_or_broke_is_a_sentence(self, words):
        session, news = after(Session.start(words), "kettle"), News()
        manifest = words.folder / "manifest.json"
        whole = manifest.read_text()
        manifest.write_text("{")
        assert "corrupt" in news.since(session)
        manifest.unlink()
        assert "no index" in news.since(session)
        assert news.since(session) is None
        with pytest.raises(IndexNotFound):
            perform(session, ":reload")
        assert listed(after(session, "lamp")) == ["lamp"]
        manifest.write_text(whole)
        assert news.since(session) is None

    def test_reload_goes_back_to_a_retriever_that_there_is(self, index):
        session = after(Session.start(index), ":by dense", "kettle")
        Index.create(index.folder, None, documents=NOTES[:1], overwrite=True)
        assert "There is no dense any more;" in page(session, ":reload")
        assert listed(after(session, ":reload", "kettle")) == ["kettle"]


class TestView:
    def test_help_tells_of_every_command(self, session):
        text = page(session, ":help")
        assert all(f":{command.name}" in text for command in COMMANDS)

    @pytest.mark.parametrize("width", [80, 40, 24])
    def test_no_line_is_wider_than_the_terminal(self, tmp_path, width):
        documents = [
            Document("日本語の長い識別子" * 5, "灯台の光が見える。" * 30, "灯台" * 30, {"種類": "部品" * 30}),
            Document("emoji-👩‍👩‍👧", "👍🏽 光 fine " * 40, "e\u0301" * 100, {"tags": ["光"] * 40}),
            Document("x" * 200, "光 " + "y" * 500, "z" * 300),
        ]  # fmt: skip
        made = Index.create(tmp_path / "w", None, "english", documents=documents)
        session = after(Session.start(made), "光 fine")
        assert listed(session)
        for line in ("光 fine", ":compare", ":open 1", ":like 1", ":help", ":explain 1"):
            for row in page(session, line, width).splitlines():
                assert cell_len(row) <= width
            assert page(session, line, 1 + width // 10)

    def test_controls_never_reach_the_terminal(self, tmp_path):
        evil = "wick\x1b[2J\x9b31m\u202e\r\n\x0b\t end"
        documents = [
            Document("i\x1b[31m", evil, "t\x1b]0;pwned\x07", {"f\x1b": "m\x1b[0m", "g": ["\x9b"]}),
            Document("j\n\x1b", "wick " + evil, "u\nv"),
        ]
        session = Session.start(Index.create(tmp_path / "e", None, documents=documents))
        session = after(session, "wick")
        for line in (
            "wick",
            ":open 1",
            ":open 2",
            ":compare",
            ":like 1",
            ":explain 1",
            ":why i\x1b[31m",
            ":like 2",
        ):
            text = page(session, line)
            assert text
            assert not {c for c in text if (ord(c) < 32 and c != "\n") or "\x7f" <= c <= "\x9f"}
            assert not {"\u202e"} & set(text)

    @given(st.text())
    def test_cleaning_keeps_every_place(self, text):
        assert len(printable(text)) == len(text)


@pytest.mark.parametrize(
    ("line", "typed", "expected"),
    [
        ("kett", "", ()),
        (":co", ":co", (":compare",)),
        (":w", ":w", (":where", ":why")),
        (":by b", "b", ("bm25",)),
        (":by ", "", ("bm25", "tfidf")),
        (":compare b", "b", ("bm25",)),
        (":compare bm25 ", "", ("tfidf",)),
        (":where ", "", ("room", "tags", "year", "off")),
        (':where room = "x" and y', "y", ("year",)),
        (":where (ye", "ye", ("year",)),
        (":open ", "", ("1", "2")),
        (":open ha", "ha", ("harbour",)),
        (":why ", "", ("harbour", "kettle", "lamp", "toaster")),
        (":why to", "to", ("toaster",)),
        (":syntax o", "o", ("on", "off")),
        (":why zz", "zz", ()),
        (":quit ", "", ()),
        (":nothing x", "", ()),
    ],
)
def test_completion(session, line, typed, expected):
    assert completions(after(session, "kettle"), line) == (typed, expected)


def test_completion_quotes_fields_and_leaves_out_what_can_not_be_typed(tmp_path):
    documents = [
        Document("a\x1bb", "x", "", {"two words": 1, "tick`s": 2, "c\x1b": 3, "größe": 4}),
        Document("ab", "x"),
    ]
    session = Session.start(Index.create(tmp_path / "q", None, documents=documents))
    assert set(completions(session, ":where ").words) == {
        "`two words`",
        "`tick``s`",
        "größe",
        "off",
    }
    assert completions(session, ":why a").words == ("ab",)
    for field in ("`two words` = 1", "`tick``s` = 2"):
        assert "1 of 2" in page(after(session, f":where {field}"), ":where")


names = st.text("abc/é日", min_size=1, max_size=6)


@settings(max_examples=25)
@given(
    batches=st.lists(st.sets(names, min_size=1, max_size=8), min_size=1, max_size=3),
    gone=st.sets(names, max_size=4),
    prefix=st.text("abc/é日", max_size=2),
    most=st.integers(1, 5),
)
def test_ids_by_prefix(tmp_path_factory, batches, gone, prefix, most):
    made = Index.create(tmp_path_factory.mktemp("ids") / "i", None)
    for batch in batches:
        with made.writer() as writer:
            writer.add([Document(name, "x") for name in sorted(batch)])
    living = set().union(*batches)
    with made.writer() as writer:
        writer.delete(sorted(gone & living))
    living -= gone
    found = ids_with_prefix(made.searcher(), prefix, most)
    assert found == sorted(name for name in living if name.startswith(prefix))[:most]


class TestTasks:
    def test_results_and_errors_come_back(self):
        task = Task(lambda: 7)
        assert task.wait(300)
        assert task.result() == 7

        def fail() -> None:
            raise UsageError("no")

        task = Task(fail)
        assert task.wait(300)
        with pytest.raises(UsageError, match="no"):
            task.result()

    def test_waiting_ends_before_the_work_does(self):
        go = threading.Event()
        task = Task(go.wait)
        assert not task.wait(0.01)
        go.set()
        assert task.wait(300)


class TestHistory:
    def test_the_file_is_its_owner_s_alone(self, tmp_path, monkeypatch):
        from vecsearch.cli.shell.prompt import _history

        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        path = tmp_path / "state" / "vecsearch" / "history"
        _history().store_string("kettle")
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o644)
        assert list(_history().load_history_strings()) == ["kettle"]
        assert path.stat().st_mode & 0o777 == 0o600

    def test_what_can_not_be_written_is_kept_in_memory(self, tmp_path, monkeypatch):
        from vecsearch.cli.shell.prompt import _history

        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        history = _history()
        history.append_string("kettle")
        assert history.get_strings() == ["kettle"]

    def test_a_file_that_stops_being_writable_bothers_nobody(self, tmp_path, monkeypatch):
        from vecsearch.cli.shell.prompt import _history

        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        history = _history()
        path = tmp_path / "vecsearch" / "history"
        path.unlink()
        path.mkdir()
        history.append_string("kettle")


def piped(folder: Path, stdin: str | bytes, *options: str, **env: str):
    done = subprocess.run(
        [sys.executable, "-m", "vecsearch", "shell", str(folder), *options],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        env={**os.environ, **env},
        timeout=300,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def test_lines_from_a_pipe_are_answered_under_themselves(words):
    lines = "kettle\n:open 1\n:by bm26\n\n:nosuch\n:open 99\nl\xe9mp \x1b[31m\n:quit\nnever\n"
    done = piped(words.folder, lines.encode("latin-1"))
    assert done.returncode == 0
    out, err = done.stdout.decode(), done.stderr.decode()
    assert [line for line in out.splitlines() if line.startswith("> ")] == [
        "> kettle", "> :open 1", "> :by bm26", "> :nosuch", "> :open 99",
        "> l\ufffdmp \ufffd[31m", "> :quit",
    ]  # fmt: skip
    assert "\x1b" not in out
    assert "Descale the kettle with vinegar." in out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert max(map(cell_len, out.splitlines())) <= 80
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 3
    assert "'bm25'" in errors[0]


def test_nothing_to_read_and_nobody_to_write_to(words):
    assert piped(words.folder, "").stdout == b""
    command = f"yes kettle | {sys.executable} -m vecsearch shell {words.folder} | head -n 3"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=300, check=False)
    assert done.stdout.startswith(b"> kettle\n")
    assert done.stderr == b""
    command = f"{sys.executable} -m vecsearch shell {words.folder} <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_index_that_is_not_there(tmp_path):
    done = piped(tmp_path / "no", "kettle\n")
    assert done.returncode == 1
    assert b"There is no index" in done.stderr


def test_the_command_line_stays_light():
    script = (
        "import sys, vecsearch.cli;"
        "print([name for name in ('prompt_toolkit', 'rich') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def shell(folder: Path, state: Path, **env: object):
    command = [sys.executable, "-m", "vecsearch", "shell", folder.name]
    return terminal(*command, cwd=folder.parent, XDG_STATE_HOME=state, **env)


@pytest.mark.slow
def test_a_session_on_a_terminal(words, state):
    with shell(words.folder, state) as term:
        greeting = term.prompts("bm25>")
        assert "4 documents" in greeting
        assert ":help" in greeting
        text = term.enter("kettle")
        assert "\n1 0." in text
        assert "Kettles  kettle" in text
        assert "2 documents, by bm25" in text
        assert b"\x1b[1;33mkettle" in term.raw
        assert "▌ Descale the kettle" in term.enter(":open 1")
        assert "Did you mean :help?" in term.enter(":hlep")

        # Line editing: words are put in front; completion; history.
        text = term.enter(f"wick{CTRL_A}lamp ")
        assert "> lamp wick" in text
        assert "1 document, by bm25" in text
        text = term.enter(f":comp{TAB} tf{TAB} bm{TAB}")
        assert "> :compare tfidf bm25" in text
        assert "“lamp wick” by tfidf and bm25" in text
        term.type(f":why t{TAB}")
        term.shows("> :why toaster")
        term.press(CTRL_C)
        term.type(f"{UP}{UP}")
        term.shows("bm25> lamp wick\n1 ", "\nbm25> lamp wick")
        term.press(CTRL_C)
        term.type(":wh")
        assert ":where :why" in term.press(TAB, "bm25> :wh")
        assert "Ctrl-D" not in term.press(CTRL_C)
        assert "Ctrl-D or :quit leaves." in term.press(CTRL_C)
        term.type(CTRL_D)
        assert term.ends() == 0
    with shell(words.folder, state) as term:
        term.prompts()
        term.type(UP)
        term.shows("> :compare tfidf bm25")


SLOW = """
import sys, time
from toy import HashEncoder
from vecsearch import Index
from vecsearch.cli.shell.prompt import interact
from vecsearch.cli.shell.session import Session

class Slow(HashEncoder):
    def encode(self, texts, role):
        if "slow" in texts:
            time.sleep(3600)
        return super().encode(texts, role)

interact(Session.start(Index.open(sys.argv[1], encoder=Slow())))
"""


@pytest.mark.slow
def test_ctrl_c_stops_a_query_and_not_the_prompt(index, state):
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", SLOW, index.folder.name]
    with terminal(*command, cwd=index.folder.parent, XDG_STATE_HOME=state, PYTHONPATH=path) as term:
        term.prompts("hybrid>")
        for _ in range(2):
            term.type("slow\r")
            term.shows("Working … Ctrl-C stops it.")
            text = term.press(CTRL_C, "Stopped.\nhybrid>")
            assert "Working" not in text
            assert "^C" not in text
            assert "4 documents, by hybrid" in term.enter("kettle")
        term.type(CTRL_D)
        assert term.ends() == 0
        assert b"Traceback" not in term.raw


WRITER = """
import sys
from vecsearch import Document, Index
with Index.open(sys.argv[1]).writer() as writer:
    writer.add([Document("zeppelin", "A zeppelin over the quay.")])
"""


@pytest.mark.slow
def test_a_writer_beside_the_prompt(words, state):
    with shell(words.folder, state, NO_COLOR="1") as term:
        term.prompts()
        assert "No document matches" in term.enter("zeppelin")
        subprocess.run([sys.executable, "-c", WRITER, words.folder], check=True, timeout=300)
        text = term.enter("kettle")
        assert text.count(":reload to see it.") == 1
        assert "(1 document more)" in text
        assert term.enter(":k").count(":reload to see it.") == 1
        assert "5 documents, 1 document more." in term.enter(":reload")
        assert "1 document, by bm25" in term.enter("zeppelin")
        (words.folder / "manifest.json").unlink()
        text = term.enter(":k")
        assert "There is no index in" in text
        assert "Descale the kettle" in term.enter("kettle")
        # Without colour: bold and dim at most.
        styles = {
            code
            for found in re.findall(rb"\x1b\[([\d;]*)m", term.raw)
            for code in found.split(b";")
        }
        assert b"1" in styles
        assert styles <= {b"", b"0", b"1", b"2", b"7"}
        term.type(":quit\r")
        assert term.ends() == 0


@pytest.mark.slow
def test_a_terminal_that_can_do_nothing(words, state):
    with shell(words.folder, state, TERM="dumb") as term:
        term.prompts()
        for _ in range(20):  # a Ctrl-C is heard however soon after the prompt it comes
            assert "Kettles  kettle" in term.enter("kettle")
            assert "Ctrl-D or :quit leaves." in term.press(CTRL_C)
        term.type(CTRL_D)
        assert term.ends() == 0
        assert b"\x1b" not in term.raw
        assert b"bm25> kettle\r\n" in term.raw


@pytest.mark.slow
def test_a_long_document_goes_through_the_pager(tmp_path, state):
    text = "\n".join(f"Line {i} of many." for i in range(200))
    made = Index.create(tmp_path / "long", None, documents=[Document("long", text)])
    with shell(made.folder, state, PAGER="head -n 5") as term:
        term.prompts()
        term.enter("line")
        shown = term.enter(":open 1")
        assert "Line 1 of many." in shown
        assert "Line 100 of many." not in term.raw.decode()

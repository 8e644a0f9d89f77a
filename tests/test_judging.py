"""Judging by hand: pools, the file of grades, sessions broken off anywhere, and the command."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from terminal import CTRL_C, CTRL_D, Terminal, terminal

from vecsearch.bench.judged import open_judged
from vecsearch.bench.judging import Judging, pool
from vecsearch.bench.judgments import HEADER, open_judgments
from vecsearch.cli import main
from vecsearch.corpus import read_qrels
from vecsearch.errors import CorpusError, UsageError, VecsearchError
from vecsearch.runs import write_run
from vecsearch.store.files import Disk
from vecsearch.types import Query

ROOT = Path(__file__).resolve().parent.parent
LEXICAL = ["--system", "tfidf", "--system", "bm25"]
NAMES = st.text("ab1-é", min_size=1, max_size=3)
RUNS = st.lists(
    st.dictionaries(st.just("q"), st.dictionaries(NAMES, st.integers(0, 3).map(float))), max_size=3
)


class Quick(Disk):
    """A disk that doesn't wait for the medium."""

    def sync(self, file):
        file.flush()

    def sync_folder(self, path):
        pass


class Full(Quick):
    """A disk that fails after half of a write."""

    def write(self, file, block):
        file.write(bytes(block)[: len(block) // 2])
        file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# Pools


@given(RUNS, st.integers(1, 5), st.integers(0, 3))
def test_a_pool_is_the_union_of_the_best_of_each(runs, depth, seed):
    best: set[str] = set()
    for run in runs:
        scores = run.get("q", {})
        # As trec_eval has it: of equal scores the greater id comes first.
        ordered = sorted(sorted(scores, reverse=True), key=lambda each: -scores[each])
        best |= set(ordered[:depth])
    found = pool(runs, "q", depth, seed)
    assert set(found) == best
    assert len(found) == len(best)
    assert pool(runs[::-1], "q", depth, seed) == found
    smaller = pool(runs[:1], "q", max(1, depth - 1), seed)
    assert smaller == [each for each in found if each in set(smaller)]


def test_the_order_says_nothing_of_the_rank_and_is_another_for_each_query_and_seed():
    documents = [f"d{number}" for number in range(10)]
    run = {"d": dict(zip(documents, range(10, 0, -1), strict=True))}
    orders = [pool([{f"q{n}": run["d"]}], f"q{n}") for n in range(400)]
    places = np.array([[order.index(each) for each in documents] for order in orders])
    assert np.abs(places.mean(axis=0) - 4.5).max() < 0.6  # four standard errors
    assert len(set(map(tuple, orders))) > 390
    assert pool([run], "d", seed=0) != pool([run], "d", seed=1)
    with pytest.raises(UsageError, match="at least 1, not 0"):
        pool([run], "d", 0)


# The file of grades

FORMS = {"beir": "{}\t{}\t{}\n", "trec": "{} 0 {} {}\n"}


def written(form: str, *grades: tuple[str, str, int]) -> bytes:
    lines = "".join(FORMS[form].format(*each) for each in grades)
    return ((HEADER if form == "beir" else "") + lines).encode()


def read(path: Path) -> dict[tuple[str, str], int]:
    return {(q, d): g for q, grades in read_qrels(path).items() for d, g in grades.items()}


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_at_any_byte_keeps_every_whole_grade(tmp_path, form):
    grades = [("q1", "d-1", 2), ("q1", "é", 0), ("q2", "d-1", 1)]
    whole = written(form, *grades)
    path = tmp_path / "judged.tsv"
    ends = [len(written(form, *grades[:count])) for count in range(len(grades) + 1)]
    for cut in range(ends[0] if form == "beir" else ends[1], len(whole) + 1):
        path.write_bytes(whole[:cut])
        # A line that lacks nothing but its end is whole: a grade of ours has one digit.
        count = max(number for number, end in enumerate(ends) if cut >= end - (number > 0))
        expected = {(query, document): grade for query, document, grade in grades[:count]}
        with open_judgments(path, {"q1", "q2"}, Quick()) as judgments:
            assert judgments.repaired == whole[ends[count] : cut].decode(errors="replace")
            assert judgments.documents() == {document for _, document in expected}
            judgments.add("q2", "new", 2)
        assert path.read_bytes() == written(form, *grades[:count], ("q2", "new", 2))
        assert read(path) == {**expected, ("q2", "new"): 2}


@pytest.mark.parametrize("form", FORMS)
def test_ids_with_white_space_are_kept_wherever_the_file_is_cut(tmp_path, form):
    path = tmp_path / "judged.tsv"
    path.write_bytes(written(form, ("q1", "d", 1)))
    asked = {"q1", "my query", " a\u00a0b "}
    with open_judgments(path, asked, Quick()) as judgments:
        judgments.check_ids("document", ["my note.md"])
        judgments.add("my query", "my note.md", 2)
        judgments.add(" a\u00a0b ", "d", 1)
        judgments.remove(" a\u00a0b ", "d")
    before = path.read_bytes()
    first = {("q1", "d"): 1, ("my query", "my note.md"): 2}
    assert read(path) == first
    for query in asked:
        path.write_bytes(before)
        with open_judgments(path, asked, Quick()) as judgments:
            judgments.add(query, "other note", 0)
        whole = path.read_bytes()
        for cut in range(len(before), len(whole) - 1):
            path.write_bytes(whole[:cut])
            with open_judgments(path, asked, Quick()) as judgments:
                assert judgments.repaired == whole[len(before) : cut].decode(errors="replace")
                judgments.add("q1", "new", 1)
            assert read(path) == {**first, ("q1", "new"): 1}


def test_a_file_of_trecs_columns_with_tabs_goes_on_so(tmp_path):
    path = tmp_path / "judged.txt"
    path.write_text("my query\t0\tmy note\t1\n")
    with open_judgments(path, {"q"}, Quick()) as judgments:
        judgments.add("q", "d", 2)
    assert path.read_text() == "my query\t0\tmy note\t1\nq 0 d 2\n"


@pytest.mark.parametrize("cut", range(len(HEADER) + 1))
def test_a_file_cut_within_its_header_is_begun_anew(tmp_path, cut):
    path = tmp_path / "judged.tsv"
    path.write_text(HEADER[:cut])
    with open_judgments(path, {"q"}, Quick()) as judgments:
        judgments.add("q", "d", 1)
    assert path.read_bytes() == written("beir", ("q", "d", 1))


@pytest.mark.parametrize(
    "line", ["q3\td", "q1\td\tx", "a note to myself", "q1\td\t2\tand why", "q3\t\t"]
)
def test_a_last_line_that_is_not_torn_is_an_error_and_stays(tmp_path, line):
    path = tmp_path / "judged.tsv"
    content = written("beir", ("q1", "d", 1)) + line.encode()
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"judged.tsv, line 3"), open_judgments(path, {"q1"}):
        pass
    assert path.read_bytes() == content
    assert names(tmp_path) == ["judged.tsv"]


@given(
    st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from("abc"), st.integers(-1, 2))),
    st.booleans(),
)
def test_grades_come_and_go_and_other_lines_stay(tmp_path_factory, changes, crlf):
    path = tmp_path_factory.mktemp("j") / "judged.tsv"
    by_hand = HEADER.encode() + b"other\ta\t3\n\n  \nother\tb\t-1\n"
    by_hand = by_hand.replace(b"\n", b"\r\n") if crlf else by_hand
    path.write_bytes(by_hand.rstrip())
    known: dict[tuple[str, str], int] = {}
    with open_judgments(path, {"p", "q"}, Quick()) as judgments:
        for query, document, grade in changes:
            pair = (query, document)
            if grade < 0 and pair in known:
                judgments.remove(*pair)
                del known[pair]
            elif grade >= 0 and pair not in known:
                judgments.add(*pair, grade)
                known[pair] = grade
            assert judgments.grade(*pair) == known.get(pair)
            assert read(path) == {("other", "a"): 3, ("other", "b"): -1, **known}
    ours = [
        each
        for each in path.read_bytes().split(b"\n")
        if each[:1] in (b"p", b"q") and b"-id" not in each
    ]
    assert [tuple(each.decode().split("\t")[:2]) for each in ours] == list(known)
    theirs = path.read_bytes()
    for each in ours:
        theirs = theirs.replace(each + b"\n", b"", 1)
    assert theirs.rstrip() == by_hand.rstrip()


def test_a_failing_disk_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "judged.tsv"
    with open_judgments(path, {"q"}, Quick()) as judgments:
        judgments.add("q", "d", 1)
    before = path.read_bytes()
    with open_judgments(path, {"q"}, Full()) as judgments:
        with pytest.raises(
            VecsearchError, match=r"No space left on device\): the last grade isn't"
        ):
            judgments.add("q", "e", 1)
        assert judgments.grade("q", "e") is None
        with pytest.raises(VecsearchError, match="the last grade is still there"):
            judgments.remove("q", "d")
        assert judgments.grade("q", "d") == 1
    assert path.read_bytes() == before
    assert names(tmp_path) == ["judged.tsv"]


def test_an_undo_replaces_what_a_link_leads_to_and_keeps_its_mode(tmp_path):
    real, link = tmp_path / "real.tsv", tmp_path / "link.tsv"
    real.write_bytes(written("beir", ("q", "d", 1)))
    real.chmod(0o640)
    link.symlink_to(real)
    with open_judgments(link, {"q"}) as judgments:
        judgments.add("q", "e", 2)
        judgments.remove("q", "e")
    assert link.is_symlink()
    assert real.read_bytes() == written("beir", ("q", "d", 1))
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_file_that_somebody_edits_meanwhile(tmp_path):
    path = tmp_path / "judged.tsv"
    with open_judgments(path, {"q"}) as judgments:
        judgments.add("q", "d", 1)
        path.write_bytes(written("beir", ("q", "z", 2)).rstrip())  # an editor puts another there
        judgments.add("q", "e", 2)
        with pytest.raises(VecsearchError, match="somebody else has changed the file"):
            judgments.remove("q", "d")
    assert read(path) == {("q", "z"): 2, ("q", "e"): 2}


def test_one_session_at_a_time(tmp_path):
    path = tmp_path / "new" / "judged.tsv"
    with open_judgments(path, {"q"}):
        with (
            pytest.raises(VecsearchError, match="judged in another session"),
            open_judgments(path, {"q"}),
        ):
            pass
        with open_judgments(tmp_path / "new" / "other.tsv", {"q"}):
            pass
    with open_judgments(path, {"q"}):
        pass
    assert names(path.parent) == []  # nothing is made before there is a grade


# Sessions

POOLS = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]), st.lists(NAMES, unique=True, max_size=4), max_size=3
)


def grade_of(query: str, document: str) -> int:
    return sum((query + document).encode()) % 3


def play(judging: Judging, keys: list[str]) -> None:
    """Press keys; "." is what this person grades the document, "!" a slip that is taken back."""
    for key in keys:
        if judging.task is None:
            return
        right = grade_of(judging.task.query.id, judging.task.document)
        if key == "!":
            task = judging.task
            assert judging.grade((right + 1) % 3) == task
            assert judging.undo() == judging.task == task
        elif key == "s":
            judging.skip()
        elif key == "n":
            judging.skip_query()
        if key in "!.":
            judging.grade(right)


@settings(max_examples=60)
@given(POOLS, st.lists(st.sampled_from("...!"), min_size=12, max_size=12), st.data())
def test_a_session_broken_off_anywhere_ends_as_one_in_one_piece(
    tmp_path_factory, pools, keys, data
):
    folder = tmp_path_factory.mktemp("s")
    queries = [Query(id, "?") for id in ("q2", "q1", "q3")]

    def session(path: Path, pressed: list[str]) -> None:
        with open_judgments(path, {each.id for each in queries}, Quick()) as judgments:
            play(Judging(queries, pools, judgments), pressed)

    session(folder / "one.tsv", keys)
    total = sum(map(len, pools.values()))
    assert (folder / "one.tsv").exists() == (total > 0)
    for cut in range(min(total, len(keys)) + 1):
        path = folder / f"{cut}.tsv"
        session(path, keys[:cut])
        passing = data.draw(st.lists(st.sampled_from("sn"), max_size=3))
        session(path, passing)  # what is passed by comes again
        session(path, keys[cut:])
        if total:
            assert path.read_bytes() == (folder / "one.tsv").read_bytes()
    if total:
        assert read(folder / "one.tsv") == {(q, d): grade_of(q, d) for q in pools for d in pools[q]}


def test_what_is_counted_skipped_and_taken_back(tmp_path):
    queries = [Query("q1", "one"), Query("empty", "none"), Query("q2", "two")]
    pools = {"q1": ["a", "b", "c"], "q2": ["a", "d"], "empty": []}
    path = tmp_path / "judged.tsv"
    path.write_bytes(written("beir", ("q1", "b", 3), ("q1", "elsewhere", 1)))
    with open_judgments(path, {"q1", "q2"}) as judgments:
        judging = Judging(queries, pools, judgments)
        assert [(each.query.id, each.document) for each in judging.tasks] == [
            ("q1", "a"), ("q1", "c"), ("q2", "a"), ("q2", "d"),
        ]  # fmt: skip
        assert judging.undo() is None  # a grade of another session isn't touched
        assert (judging.queries, judging.number(queries[2])) == (2, 2)
        assert judging.left() == (2, 4)
        judging.grade(2)
        judging.skip_query()
        assert judging.left() == (2, 2)
        judging.skip()
        judging.grade(0)
        assert judging.task is None
        tally = judging.tally()
        assert (tally.judged, tally.pooled, tally.queries, tally.now) == (3, 5, 2, 2)
        assert dict(tally.grades) == {0: 1, 1: 0, 2: 1, 3: 1}
        assert judging.undo() == judging.task == (queries[2], "d")
        assert judging.undo() == judging.task == (queries[0], "a")  # over all that was passed by
        assert judging.left() == (2, 4)
        assert judging.undo() is None
        with pytest.raises(UsageError, match="one of 0, 1, 2, not 3"):
            judging.grade(3)
    assert path.read_bytes() == written("beir", ("q1", "b", 3), ("q1", "elsewhere", 1))


@pytest.mark.parametrize(
    ("form", "query", "document"),
    [("beir", "q", "a\tb"), ("beir", "q\n", "a"), ("trec", "q", "a\tb"), ("trec", "q\r", "a")],
)
def test_ids_that_would_break_a_line(tmp_path, form, query, document):
    path = tmp_path / "judged.tsv"
    path.write_bytes(written(form, ("other", "d", 1)))
    with (
        open_judgments(path, {query}) as judgments,
        pytest.raises(VecsearchError, match="a tab or a line break, which separates the columns"),
    ):
        Judging([Query(query, "?")], {query: [document]}, judgments)


# The command

DOCUMENTS = [
    {"_id": "kettle", "title": "Kettles", "text": "Descale a kettle with vinegar."},
    {"_id": "steam", "title": "", "text": "Steam \x1b[31mred\x07 from the kettle."},
    {
        "_id": "long",
        "title": "A long one",
        "text": "\n".join(f"Line {n} of the kettle's manual." for n in range(40)),
    },
    {"_id": "lamp", "title": "Lamps", "text": "Trim the wick, then light the lamp."},
]
QUERIES = [{"_id": "q1", "text": "kettle"}, {"_id": "q2", "text": "lamps"}]


def lines(path: Path, *records: dict) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    lines(folder / "corpus.jsonl", *DOCUMENTS)
    lines(folder / "queries.jsonl", *QUERIES)
    return folder


@pytest.fixture
def lighthouse(tmp_path: Path) -> Path:
    folder = tmp_path / "lighthouse"
    shutil.copytree(ROOT / "corpora" / "lighthouse", folder)
    return folder


@pytest.fixture
def judge(cache: Path) -> Callable[..., Result]:
    def run(*words: object, keys: str | bytes = "") -> Result:
        result = CliRunner().invoke(
            main, ["judge", *map(str, words)], input=keys, env={"XDG_CACHE_HOME": str(cache)}
        )
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


def asked(result: Result) -> list[tuple[str, str]]:
    """What was asked for, as (query number, document id)."""
    heads = re.findall(r"^Query (\d+) of .*\n.*\n\n.*?(\S+-\d+)$", result.stdout, re.MULTILINE)
    return [(number, document) for number, document in heads]


def test_a_piped_session_and_what_reads_it(lighthouse, judge, tmp_path):
    first = judge(lighthouse, *LEXICAL, "--depth", 3, keys="2\n\nx\n1\nu\n0\nn\n1\n")
    assert first.exit_code == 0, first.output
    qrels = lighthouse / "qrels" / "judged.tsv"
    (q1, a), (_, b), (_, c), (_, b2), (_, c2), (q2, d), (_, e) = [
        pair for pair, _ in itertools.groupby(asked(first))
    ]
    assert (q1, q2, b, c) == ("1", "2", b2, c2)
    assert qrels.read_text() == HEADER + f"exact-01\t{a}\t2\nexact-01\t{b}\t0\nexact-02\t{d}\t1\n"
    assert "x is no answer: 0, 1 or 2 is a grade" in first.stdout
    assert "Judged 3 of 170 documents for 56 queries, 3 now." in first.stdout
    assert "0 not relevant: 1  1 related: 1  2 answers it: 1" in first.stdout
    assert first.stdout.endswith(f"Next: vecsearch bench {lighthouse} --split judged\n")
    assert "\x1b" not in first.stdout

    second = judge(lighthouse, *LEXICAL, "--depth", 3)
    assert asked(second)[0] == ("1", c)
    assert "removed" not in second.stderr
    with qrels.open("a") as file:
        file.write("exact-02\tfo")
    deeper = judge(lighthouse, *LEXICAL, "--depth", 5, keys="s\n" * 300)
    assert "removed an incomplete last line, 'exact-02\\tfo'." in deeper.stderr
    assert {("1", a), ("1", b), ("2", d)}.isdisjoint(asked(deeper))
    assert {("1", c), ("2", e)} < set(asked(deeper))
    assert qrels.read_text().count("\n") == 4

    assert open_judged(lighthouse, "judged").qrels == {
        "exact-01": {a: 2, b: 0},
        "exact-02": {d: 1},
    }
    write_run([("exact-01", [(a, 2.0), (b, 1.0)]), ("exact-02", [(d, 1.0)])], tmp_path / "run", "x")
    told = CliRunner().invoke(main, ["eval", str(tmp_path / "run"), str(qrels), "--measure", "AP"])
    assert told.stdout.split() == ["AP", "1.0000", "queries", "2"]


def test_nothing_tells_who_found_what(lighthouse, judge):
    shown = judge(lighthouse, *LEXICAL, keys="s\n" * 500)
    turned = judge(lighthouse, "--system", "bm25", "--system", "tfidf", keys="s\n" * 500)
    assert shown.stdout == turned.stdout
    assert len(asked(shown)) == 406
    assert not re.search("bm25|tf-?idf", shown.stdout, re.IGNORECASE)
    # Every page holds what it holds whoever found the document, and not a word more.
    records = map(json.loads, (lighthouse / "corpus.jsonl").read_text().splitlines())
    documents = {each["_id"]: each for each in records}
    _, *pages = re.split(r"^(?=Query \d+ of 56,)", shown.stdout, flags=re.MULTILINE)
    left = itertools.count(406, -1)
    found = [document for _, document in asked(shown)]
    for place, page in enumerate(pages[:-1]):
        count, _, blank, *text, keys, more_keys = page.rstrip("\n").split("\n")
        assert re.fullmatch(
            rf"Query \d+ of 56, \d+ of its documents left, {next(left)} in all", count
        )
        assert blank == ""
        document = documents[found[place]]
        words = f"{document['title']} {document['_id']} {document['text']}".split()
        note = " Skipped the document." if place else ""
        seen, more = re.fullmatch(
            rf"(.*?)( lines 1-17 of \d\d, m: more)?{note}", " ".join(text).strip()
        ).groups()
        assert seen.split() == (words[: len(seen.split())] if more else words)
        assert keys == "0 not relevant   1 related   2 answers it"
        assert more_keys == "s skip   u undo   n next query   m more   q quit   ? help"


def test_a_corpus_of_another_kind(small, judge, tmp_path):
    questions = tmp_path / "my questions.tsv"
    questions.write_text("q7\tkettle steam\n")
    qrels = tmp_path / "deep" / "er" / "own.qrels"
    words = [small / "corpus.jsonl", "--queries", questions, "--qrels", qrels, *LEXICAL]
    result = judge(*words, keys="m\n?\n2\n2\n2\n2\n")
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout
    assert "nDCG counts a 2 twice as much as a 1." in result.stdout
    assert read(qrels) == {("q7", name): 2 for name in ("kettle", "steam", "long")}
    assert "Judged 3 of 3 documents for 1 query, 3 now." in result.stdout
    assert f"--queries '{questions}' --qrels {qrels}\n" in result.stdout
    done = judge(*words)
    assert done.stdout.startswith("Judged 3 of 3 documents for 1 query, 0 now.")
    questions.write_text("q8\tzeppelin\n")
    assert "No system found any document" in judge(*words).stdout
    assert judge(*words, keys=b"\xff\xfe\n").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nowhere"], 1, "there is no such file or folder"),
        (["-"], 2, "Answers are read from standard input"),
        (["small", "--queries", "-"], 2, "Answers are read from standard input"),
        (["small", "--system", "bm52"], 2, "Did you mean 'bm25'?"),
        (["small", "--system", "bm25", "--system", "bm25"], 2, "named twice"),
        (["small", "--depth", "0"], 2, "0 is not in the range x>=1"),
        (["small", "--seed", "x"], 2, "not a valid integer"),
        (["small", "--queries", "blank.tsv"], 1, "blank.tsv: the query 'q2' is blank"),
        (["small", "--queries", "plain.txt"], 2, "write them to a .tsv as id<TAB>text"),
        (["small", "--queries", "none.tsv"], 1, "there is no such file"),
        (["small", "--qrels", "small"], 1, "is a folder; the judgments go to a file"),
        (["small", "--qrels", ""], 2, "The path of the judgments is empty"),
        (["small", "--qrels", "small/corpus.jsonl/x"], 1, "can't be written (a file is where its folder would be)"),
        (["small", "--qrels", "j.tsv.gz"], 2, "a file that isn't gzipped"),
        (["small", "--qrels", "foreign.tsv"], 1, "1 document with a grade there ('nobody', for one)"),
        (["small", "--qrels", "broken.tsv"], 1, "broken.tsv, line 2: the grade 'x'"),
        (["small/corpus.jsonl", "--qrels", "j"], 2, "comes without queries; give some with --queries"),
        (["small/corpus.jsonl", "--queries", "blank.tsv"], 2, "say with --qrels FILE where they go"),
    ],
)  # fmt: skip
def test_what_can_not_be_judged(small, judge, monkeypatch, words, code, message):
    monkeypatch.chdir(small.parent)
    Path("blank.tsv").write_text("q1\tkettle\nq2\t \n")
    Path("plain.txt").write_text("kettle\n")
    Path("foreign.tsv").write_text("q1\tnobody\t1\nq1\tlamp\t1\n")
    Path("broken.tsv").write_text("q1\tlamp\t1\nq1\tkettle\tx\n")
    # Whatever takes long would fail here.
    monkeypatch.setattr("vecsearch.bench.suite.rankings", None)
    result = judge(*words)
    assert (result.exit_code, message in result.stderr) == (code, True), result.output
    assert not list(small.parent.rglob("*.lock"))


# In a terminal


def at_terminal(folder: Path, cache: Path, *words: object, **more: object):
    size = more.pop("size", (80, 24))
    command = [sys.executable, "-m", "vecsearch", "judge", folder.name, *LEXICAL, *words]
    return terminal(*command, cwd=folder.parent, size=size, XDG_CACHE_HOME=cache, **more)


def press(term: Terminal, key: str, *texts: str) -> str:
    """Press one key; return the screen that follows, once it is whole."""
    before = term.raw.count(b"\x1b[2J")
    term.type(key)
    return term.until(
        lambda text: term.raw.count(b"\x1b[2J") > before and all(each in text for each in texts),
        f"{texts} after {key!r}",
    )


def test_single_keys_at_a_terminal(small, cache):
    qrels = small / "qrels" / "judged.tsv"
    with at_terminal(small, cache) as term:
        term.shows("Query 1 of 2, 3 of its documents left, 4 in all", "? help")
        seen = [screen_id(term.text)]
        assert b"\x1b[1;33m" in term.raw  # words of the query are marked
        assert "9 lists" not in press(term, "9", "9 is no answer", "? help")
        press(term, "\x1b[A", "that key is no answer", "? help")
        assert "Any key goes back." in press(term, "?", "goes back.")
        press(term, "?", "3 of its documents left", "? help")
        press(term, "2", f"Graded {seen[0]}: 2 answers it. u takes it back.", "? help")
        assert read(qrels) == {("q1", seen[0]): 2}
        seen.append(screen_id(term.text))
        press(term, "1", "1 of its documents left", "? help")
        press(term, "u", "Took back its grade.", "2 of its documents left", "? help")
        assert read(qrels) == {("q1", seen[0]): 2}
        assert screen_id(term.text) == seen[1]
        press(term, "1", "1 of its documents left", "? help")
        press(term, "n", "Query 2 of 2", "Skipped the rest", "? help")
        press(term, "0", "That was the last document.")
        press(term, "u", "Took back", "Query 2 of 2", "? help")
        press(term, "2", "That was the last document.")
        term.type("x")
        assert term.ends() == 0
        assert "Judged 3 of 4 documents for 2 queries, 3 now." in term.text
        assert "Next: vecsearch bench small --split judged" in term.text
        # Nothing of a document's steers the terminal.
        assert b"\x1b[31m" not in term.raw
    assert read(qrels) == {("q1", seen[0]): 2, ("q1", seen[1]): 1, ("q2", "lamp"): 2}
    assert names(qrels.parent) == ["judged.tsv"]


def screen_id(text: str) -> str:
    return re.split(r"\s+", text.split("\n")[3].strip())[-1]


def test_a_narrow_terminal_a_long_document_and_ctrl_c(small, cache):
    lines(small / "corpus.jsonl", DOCUMENTS[2])
    lines(small / "queries.jsonl", {"_id": "q1", "text": "kettle " * 40})
    for end in (CTRL_C, CTRL_D):
        with at_terminal(small, cache, size=(30, 20)) as term:
            first = term.shows("m: more", "? help")
            assert first.startswith("Query 1 of 1")  # it all fits
            assert "Line 0 of" in first
            shown = first
            for _ in range(20):
                shown = press(term, "m", "m: more", "? help")
                assert shown.startswith("Query 1 of 1")
                if re.search(r"-(\d+) of \1, m", shown):
                    break
            assert "Line 39 of" in shown
            assert press(term, "m", "Line 0 of", "? help") == first
            term.type(end)
            assert term.ends() == 0
            assert "Judged 0 of 1 document for 1" in term.text
    assert not (small / "qrels" / "judged.tsv").exists()


@pytest.mark.slow
def test_a_killed_session_loses_no_grade_that_was_shown(lighthouse, cache):
    qrels = lighthouse / "qrels" / "judged.tsv"
    given: list[tuple[str, int]] = []
    for session in range(3):
        with at_terminal(lighthouse, cache) as term:
            term.shows("of 56,", f"{406 - len(given)} in all", "? help")
            for number in range(4):
                document, grade = screen_id(term.text), (session + number) % 3
                press(term, str(grade), f"Graded {document}: {grade}", "? help")
                given.append((document, grade))
            os.kill(term._process.pid, signal.SIGKILL)
            assert term.ends() == -signal.SIGKILL
        assert [(document, grade) for (_, document), grade in read(qrels).items()] == given
        with qrels.open("ab") as file:  # and it might have been in the middle of a line
            file.write(b"exact-02\tworkshop"[: 3 + session * 7])

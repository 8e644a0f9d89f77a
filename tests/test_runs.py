"""Run files: what is written reads back as the same ranking, and what isn't a run is named."""

from __future__ import annotations

import gzip
import io
import math
import os
import stat

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecsearch.corpus import read_qrels
from vecsearch.errors import CorpusError, UsageError, VecsearchError
from vecsearch.runs import ranked, read_run, write_run

ids = st.text(st.characters(blacklist_categories=["Z", "C"]), min_size=1, max_size=4)
scores32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
# White space of all kinds in them, before and behind, but for what separates columns and lines.
blanks = [" ", "\u00a0", "\u2003", "\u3000", "\x85", "\u2028"]
controls = ["\v", "\f", "\x1c"]


def spaced(blanks):
    text = st.text(st.sampled_from([*"ab1é", *blanks]), min_size=1, max_size=5)
    return st.one_of(ids, text)


spaced_ids = spaced([*blanks, *controls])
runs = st.dictionaries(ids, st.dictionaries(ids, scores32, min_size=1, max_size=8), max_size=4)


def as_rankings(run):
    return [(query, list(scores.items())) for query, scores in run.items()]


def order_by_trec_eval(scores):
    """The order that trec_eval makes of scores, seen through where it puts each document."""
    qrels = {document: {document: 1} for document in scores}
    evaluator = ir_measures.pytrec_eval.evaluator([ir_measures.RR], qrels)
    ranks = {
        metric.query_id: round(1 / metric.value)
        for metric in evaluator.iter_calc(dict.fromkeys(scores, scores))
    }
    return sorted(scores, key=ranks.__getitem__)


@settings(max_examples=80)
@given(runs)
@pytest.mark.parametrize("name", ["run.trec", "run.trec.gz"])
def test_a_run_reads_back_as_it_was_written(tmp_path_factory, name, run):
    path = tmp_path_factory.mktemp("run") / name
    write_run(as_rankings(run), path, "tag")
    back = read_run(path)
    assert back.keys() == run.keys()
    for query, scores in run.items():
        assert {document: np.float32(score) for document, score in back[query].items()} == scores
        assert list(back[query]) == ranked(query, scores)  # the order of the file, too


@settings(max_examples=200)
@given(
    st.dictionaries(
        spaced_ids, st.dictionaries(spaced_ids, scores32, min_size=1, max_size=6), max_size=4
    ),
    st.booleans(),
)
def test_ids_with_white_space_read_back_as_they_were_written(tmp_path_factory, run, tabs):
    path = tmp_path_factory.mktemp("run") / "run.trec"
    told = write_run(as_rankings(run), path, "tag", tabs=tabs)
    back = read_run(path)
    singles = {q: {d: np.float32(score) for d, score in each.items()} for q, each in back.items()}
    assert singles == run
    assert [list(back[query]) for query in run] == [ranked(q, each) for q, each in run.items()]
    every = {*run, *(document for each in run.values() for document in each)}
    assert told == any("".join(each.split()) != each for each in every)
    lines = path.read_bytes().decode().split("\n")[:-1]
    tabbed = [line.count("\t") == 5 for line in lines]
    assert all(tabbed) if tabs else told or not any(tabbed)
    # What needs no tabs is read by others as by us.
    for line in lines:
        if not tabs and "\t" not in line:
            assert len(line.split()) == 6


@given(  # many control characters make a file binary
    st.dictionaries(
        spaced(blanks), st.dictionaries(spaced(blanks), st.integers(-1, 3), min_size=1)
    ),
    st.booleans(),
)
def test_judgments_of_ids_with_white_space_are_read(tmp_path_factory, qrels, trec):
    path = tmp_path_factory.mktemp("qrels") / "qrels"
    rows = [
        (query, *(["0"] if trec else []), document, str(grade))
        for query, grades in qrels.items()
        for document, grade in grades.items()
    ]
    path.write_bytes("".join("\t".join(row) + "\n" for row in rows).encode())
    if qrels:
        assert read_qrels(path) == qrels


@settings(max_examples=60)
@given(
    st.dictionaries(
        ids,
        st.one_of(st.sampled_from([0.0, 0.1, 0.1 + 1e-12, 7.0]), st.floats(-1e30, 1e30)),
        min_size=1,
        max_size=12,
    )
)
def test_the_file_is_in_the_order_that_trec_eval_makes_of_it(tmp_path_factory, scores):
    path = tmp_path_factory.mktemp("run") / "run.trec"
    write_run([("q", list(scores.items()))], path, "tag")
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    assert [int(rank) for _, _, _, rank, _, _ in lines] == list(range(1, len(scores) + 1))
    read = {document: float(score) for _, _, document, _, score, _ in lines}
    assert (
        [document for _, _, document, *_ in lines]
        == order_by_trec_eval(read)
        == order_by_trec_eval(scores)
    )


def test_the_lines_of_a_run_and_its_shortest_scores(tmp_path):
    path = tmp_path / "run.trec"
    hits = [("d3", 0.1), ("d1", np.float32(1) / np.float32(3)), ("d2", 12.0), ("d4", 1e-9)]
    write_run([("q1", hits), ("none", []), ("q2", [("é", -0.25)])], path, "bm25")
    assert path.read_text(encoding="utf-8") == (
        "q1 Q0 d2 1 12.0 bm25\n"
        "q1 Q0 d1 2 0.33333334 bm25\n"
        "q1 Q0 d3 3 0.1 bm25\n"
        "q1 Q0 d4 4 1e-09 bm25\n"
        "q2 Q0 é 1 -0.25 bm25\n"
    )


def test_scores_that_tie_in_float32_are_written_in_trec_evals_order(tmp_path):
    path = tmp_path / "run.trec"
    write_run([("q", [("a", 0.5 + 1e-12), ("b", 0.5)])], path, "tag")
    assert path.read_text() == "q Q0 b 1 0.5 tag\nq Q0 a 2 0.5 tag\n"


def test_a_run_goes_to_standard_output_or_an_open_file(capsys):
    write_run([("q", [("d", 1.0)])], "-", "tag")
    assert capsys.readouterr().out == "q Q0 d 1 1.0 tag\n"
    file = io.StringIO()
    write_run([("q", [("d", 1.0)])], file, "tag")
    assert file.getvalue() == "q Q0 d 1 1.0 tag\n"


@pytest.mark.parametrize(
    ("rankings", "tag", "says"),
    [
        (
            [("a\nb", [("d", 1.0)])],
            "t",
            r"query id 'a\\nb' can't be written in a TREC run: .* tabs",
        ),
        ([("q", [("a\tb", 1.0)])], "t", r"document id 'a\\tb' can't be written.* line breaks"),
        ([("q", [("a b\r", 1.0)])], "t", "document id .* can't be written"),
        ([("q", [("", 1.0)])], "t", "document id '' can't be written"),
        ([("q", [("\ud800", 1.0)])], "t", "document id .* can't be written"),
        ([("q", [("a\0b", 1.0)])], "t", "document id .* can't be written"),
        ([("q", [("d", 1.0)])], "my run", "tag 'my run' can't be written"),
        ([("q", [("d", math.nan)])], "t", "Query 'q' gives document 'd' a score that is NaN"),
        ([("q", [("d", math.inf)])], "t", "Query 'q' gives document 'd' the score inf; .* finite"),
        ([("q", [("d", 1e39)])], "t", r"the score 1e\+39; a run holds finite float32"),
        ([("q", [("d", 2.0), ("d", 1.0)])], "t", "Query 'q' has the same document twice"),
        ([("q", [("d", 1.0)]), ("q", [])], "t", "Query 'q' comes twice"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_and_nothing_is_left(tmp_path, rankings, tag, says):
    path = tmp_path / "run.trec"
    with pytest.raises(UsageError, match=says):
        write_run([("first", [("d", 1.0)]), *rankings], path, tag)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_what_was_there(tmp_path):
    def rankings():
        yield "q", [("d", 1.0)]
        raise KeyboardInterrupt

    path = tmp_path / "run.trec"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write_run(rankings(), path, "tag")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_and_the_usual_permissions_hold(tmp_path):
    real, link = tmp_path / "real.trec", tmp_path / "link.trec"
    link.symlink_to(real)
    write_run([("q", [("d", 1.0)])], link, "tag")
    assert link.is_symlink()
    assert read_run(real) == {"q": {"d": 1.0}}
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(real.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_run([("q", [("d", 1.0)])], pipe, "tag")
        assert os.read(reader, 100) == b"q Q0 d 1 1.0 tag\n"
    finally:
        os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe]
    assert pipe.is_fifo()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    for path in [tmp_path / "nowhere" / "run.trec", tmp_path, tmp_path / ("x" * 300)]:
        with pytest.raises(VecsearchError, match=r"the run can't be written: [A-Z]"):
            write_run([("q", [("d", 1.0)])], path, "tag")


def test_where_an_id_holds_white_space_tabs_stand_between_columns(tmp_path, capsys):
    rankings = [("q", [("my note.md", 2.0), ("todo.md", 1.0)]), ("a query", [("d", 1.0)])]
    path = tmp_path / "run.trec"
    assert write_run(rankings, path, "tag")
    assert path.read_text() == (
        "q\tQ0\tmy note.md\t1\t2.0\ttag\nq Q0 todo.md 2 1.0 tag\na query\tQ0\td\t1\t1.0\ttag\n"
    )
    assert write_run(rankings, "-", "tag", tabs=True)
    assert capsys.readouterr().out == path.read_text().replace(
        "q Q0 todo.md 2 1.0 tag", "q\tQ0\ttodo.md\t2\t1.0\ttag"
    )
    assert not write_run([("q", [("d", 1.0)])], "-", "tag", tabs=True)


def test_a_run_of_another_hand_is_read(tmp_path):
    path = tmp_path / "run.trec"
    path.write_bytes(
        "\ufeffq1\tQ0\td1\t0\t1.5\tx\r\n\nq2  Q0   d1 0 -2e-3 x\nq1 0 a\u00a0b 07 1 x\r\n"
        " \t \t \t \t \t \nq2\tQ0\td2\t\t1\t1.0 x\n\tq2\tQ0\td3\t2 7\tx\n"
        "q2\tQ0\t my note\t 3\t 4.0 \tmy tag\r\n".encode()
    )
    assert read_run(path) == {
        "q1": {"d1": 1.5, "a\u00a0b": 1.0},
        "q2": {"d1": -0.002, "d2": 1.0, "d3": 7.0, " my note": 4.0},
    }
    assert read_run(str(path)) == read_run(path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"q Q0 d 1 1.0", r"6 columns \(query Q0 document rank score tag\), this one has 5"),
        (b"q Q0 d 1 1.0 my tag", "this one has 7; where an id holds spaces, each column is .* tab"),
        (b"q\tQ0\tmy d\t1\thigh\tx", "the score 'high' isn't a finite number"),
        (b"q\tQ0\tmy d\tfirst\t1\tx", "the rank 'first' isn't a whole number"),
        (b"q Q0 d 1 high x", "the score 'high' isn't a finite number"),
        (b"q Q0 d 1 nan x", "the score 'nan' isn't a finite number"),
        (b"q Q0 d 1 -inf x", "the score '-inf' isn't a finite number"),
        (b"q Q0 d 1 1e999 x", "the score '1e999' isn't a finite number"),
        (b"q Q0 d 1 \xff x", "the score '\ufffd' isn't a finite number"),
        (
            b"q Q0 d rank 1.0 x",
            "the rank 'rank' isn't a whole number; ranks of a query are distinct",
        ),
        (b"q Q0 d 1.0 1.0 x", "the rank '1.0' isn't a whole number"),
        (b"q Q0 d -1 1.0 x", "the rank '-1' isn't .* whole numbers, 0 or 1 upward"),
        ("q Q0 d \u0661 1.0 x".encode(), "the rank '\u0661' isn't a whole number"),
        (b"q Q0 d 9999999999999999999 1.0 x", "the rank '9{19}' isn't a whole number"),
        (
            b"q0 Q0 d1 1 0.5 x",
            "'d1' has the rank 1 for query 'q0', which document 'd0' has too; ranks",
        ),
        (b"q0 Q0 d1 01 0.5 x", "'d1' has the rank 1 for query 'q0', which document 'd0' has too"),
        (b"q0 Q0 d0 2 0.5 x", "document 'd0' comes twice for query 'q0'"),
        (b"q Q0 \xff 1 1.0 x", "the ids aren't UTF-8 text"),
    ],
)
@pytest.mark.parametrize("name", ["run.trec", "run.trec.gz"])
def test_what_is_not_a_run_is_named_with_its_line(tmp_path, name, line, says):
    path = tmp_path / name
    content = b"q0 Q0 d0 1 1.0 x\n\n" + line + b"\n"
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(CorpusError, match=says) as caught:
        read_run(path)
    assert (caught.value.path, caught.value.line) == (path, 3)
    assert str(caught.value).startswith(f"{path}, line 3: ")


def test_ranks_are_looked_at_query_by_query_wherever_the_lines_stand(tmp_path):
    path = tmp_path / "run.trec"
    lines = ["q1 Q0 a 1 3 x", "q2 Q0 a 1 3 x", "q1 Q0 b 7 2 x", "q2 Q0 c 2 2 x", "q1 Q0 c 0 9 x"]
    path.write_text("\n".join(lines))
    assert read_run(path) == {"q1": {"a": 3, "b": 2, "c": 9}, "q2": {"a": 3, "c": 2}}
    path.write_text("\n".join([*lines, "q2 Q0 d 3 1 x", "q1 Q0 e 7 1 x", "q1 Q0 f 7 1 x"]))
    with pytest.raises(CorpusError, match=r"'e' has the rank 7 .* 'b' has too") as caught:
        read_run(path)
    assert caught.value.line == 7


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    torn, other = tmp_path / "torn.gz", tmp_path / "other.gz"
    torn.write_bytes(gzip.compress(os.urandom(1000).hex().encode())[:-20])
    other.write_bytes(b"q Q0 d 1 1.0 x\n")
    for path in [tmp_path / "nowhere", tmp_path, torn, other]:
        with pytest.raises(CorpusError, match=r"the run can't be read: .+\.$") as caught:
            read_run(path)
        assert caught.value.line is None

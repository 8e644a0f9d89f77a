"""The command compare: its figures against ir_measures, its page as it is read, its sentences."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import ir_measures
import pytest
from click.testing import CliRunner
from oracles import without_ties
from terminal import terminal

from vecsearch import Index
from vecsearch.cli import main
from vecsearch.corpus import BeirFolder, documents
from vecsearch.runs import ranked, read_run, write_run

SAMPLE = Path(__file__).resolve().parent.parent / "corpora" / "lighthouse"
QRELS = SAMPLE / "qrels" / "test.tsv"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with real runs on the sample corpus, bm25.run and tfidf.run."""
    folder = tmp_path_factory.mktemp("runs")
    corpus = BeirFolder(SAMPLE)
    searcher = Index.create(folder / "ix", "none", documents=documents(corpus)).searcher()
    queries = corpus.queries()
    for by in ("bm25", "tfidf"):
        rankings = searcher.rank_many([query.text for query in queries], 100, None, by)
        pairs = zip((query.id for query in queries), rankings, strict=True)
        write_run(pairs, folder / f"{by}.run", by)
    return folder


def asked(*words):
    return CliRunner().invoke(main, ["compare", *map(str, words)])


def page(*words):
    done = asked(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words):
    done = asked(*words)
    assert done.exit_code in (1, 2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def put(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["nDCG@10", "RR@10", "AP"])
def test_the_figures_are_those_of_ir_measures(runs, name):
    words = (runs / "tfidf.run", runs / "bm25.run", QRELS, "--measure", name, "--json", "-k", 1000)
    found = json.loads(page(*words))
    qrels = BeirFolder(SAMPLE).qrels("test")
    ranked_so = [without_ties(read_run(runs / file)) for file in ("tfidf.run", "bm25.run")]
    per_query = [
        {
            metric.query_id: metric.value
            for metric in ir_measures.parse_measure(name).iter_calc(qrels, run)
        }
        for run in ranked_so
    ]
    means = [sum(each.values()) / len(qrels) for each in per_query]
    assert found["runs"]["a"]["mean"] == pytest.approx(means[0], abs=1e-6)
    assert found["runs"]["b"]["mean"] == pytest.approx(means[1], abs=1e-6)
    assert found["difference"] == pytest.approx(means[1] - means[0], abs=1e-6)
    assert found["interval"][0] <= found["difference"] <= found["interval"][1]
    differences = {query: per_query[1][query] - per_query[0][query] for query in qrels}
    assert found["wins"] == sum(each > 1e-9 for each in differences.values())
    assert found["losses"] == sum(each < -1e-9 for each in differences.values())
    assert found["wins"] + found["ties"] + found["losses"] == found["queries"] == len(qrels)
    assert {each["query"] for each in found["largest_gains"]} == {
        query for query, each in differences.items() if each > 1e-9
    }
    for each in (*found["largest_gains"], *found["largest_losses"]):
        assert each["difference"] == pytest.approx(differences[each["query"]], abs=1e-6)
        assert each["b"] - each["a"] == pytest.approx(each["difference"])
    assert found["features"] == []


def test_documents_that_moved_have_their_ranks_titles_and_the_query_its_text(runs):
    files = (runs / "tfidf.run", runs / "bm25.run", QRELS)
    found = json.loads(page(*files, "--corpus", SAMPLE, "--json"))
    run_a, run_b = read_run(files[0]), read_run(files[1])
    corpus = BeirFolder(SAMPLE)
    texts = {query.id: query.text for query in corpus.queries()}
    titles = {document.id: document.title for document in documents(corpus)}
    qrels = corpus.qrels("test")
    assert len(found["largest_gains"]) == 5
    for each in (*found["largest_gains"], *found["largest_losses"]):
        query = each["query"]
        assert each["text"] == texts[query]
        orders = [ranked(query, run[query]) for run in (run_a, run_b)]
        for move in (*each["relevant"], *each["entered"], *each["left"]):
            assert move["title"] == titles[move["id"]]
            assert move["grade"] == qrels[query].get(move["id"])
            for side, order in zip(("rank_a", "rank_b"), orders, strict=True):
                rank = order.index(move["id"]) + 1 if move["id"] in order else None
                assert move[side] == rank
    assert {each["feature"] for each in found["features"]} >= {"query length", "term overlap"}
    assert all(each["system"] == "bm25" for each in found["features"])
    for note, run, file in zip(found["notes"], (run_a, run_b), files, strict=False):
        answered = sum(query in run for query in qrels)
        assert answered < len(qrels) == 40  # three queries share no word with any document
        assert note == f"{file} answers {answered} of 40 judged queries; the others count 0."
    assert len(found["notes"]) == 2


QUERIES = [f"q{number}" for number in range(1, 9)]


@pytest.fixture
def small(tmp_path):
    """Runs that say what a reader should see, with a corpus that holds nasty text."""
    lines = ["query-id\tcorpus-id\tscore", "q1\tgood\t2", "q1\tbad\t0", "q1\t[bold]\t1"]
    lines += [f"{query}\tgood\t1" for query in QUERIES[1:]]
    put(tmp_path / "qrels.tsv", "\n".join(lines))
    old = ["q1 Q0 bad 1 9 x", "q1 Q0 other 2 8 x", "q1 Q0 good 3 7 x"]
    old += [f"{query} Q0 good 1 1 x" for query in QUERIES[1:]]
    with gzip.open(tmp_path / "old.run.gz", "wt") as file:
        file.write("\n".join(old))
    new = ["q1 Q0 good 1 9 x", "q1 Q0 [bold] 2 8 x", "q2 Q0 bad 1 1 x"]
    put(tmp_path / "new.trec", "\n".join(new))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    records = [
        {"_id": "good", "title": "A \x1b[31mred\nlamp", "text": "lamp " * 9},
        {"_id": "bad", "text": "fog " * 60},
        {"_id": "[bold]", "title": "[bold]horn[/bold]", "text": "horn"},
    ]
    put(corpus / "corpus.jsonl", "\n".join(map(json.dumps, records)))
    asked = [{"_id": query, "text": f"lamp \x1b[2J {query}"} for query in QUERIES]
    put(corpus / "queries.jsonl", "\n".join(map(json.dumps, asked)))
    return tmp_path


def test_the_page_as_a_person_reads_it(small):
    files = (small / "old.run.gz", small / "new.trec", small / "qrels.tsv")
    found = page(*files, "--measure", "P@2", "-k", 1, "--corpus", small / "corpus").splitlines()
    assert found[0] == "P@2"
    assert found[1].split() == ["old", "0.4375", str(files[0])]
    assert found[2].split() == ["new", "0.1250", str(files[1])]
    assert found[3].startswith(
        "difference  -0.3125  over 8 judged queries: new wins 1, ties 0, loses 7"
    )
    assert found[5].startswith("new is worse than old by .312 P@2 (95% interval ") or (
        found[5].startswith("No difference shown between new and old: -.312 P@2 (95% interval ")
    )
    assert found[6] == f"{files[1]} answers 2 of 8 judged queries; the others count 0."
    assert found[8:17] == [
        "Where new gains most on old",
        "rank by old -> rank by new, - where not retrieved",
        "",
        "+1.0000  0.0000 -> 1.0000  q1",
        "  lamp \ufffd[2J q1",
        "  grade 2     3  ->  1    good    A \ufffd[31mred lamp",
        "  grade 1     -  ->  2    [bold]  [bold]horn[/bold]",
        "  grade 0     1  ->  -    bad     " + ("fog " * 25).rstrip() + "…",
        "  unjudged    2  ->  -    other",
    ]
    assert found[18:24] == [
        "Where new loses most to old",
        "rank by old -> rank by new, - where not retrieved",
        "",
        "-0.5000  0.5000 -> 0.0000  q2",
        "  lamp \ufffd[2J q2",
        "  grade 1     1  ->  -    good  A \ufffd[31mred lamp",
    ]
    assert found[26] == "When new wins, and when old"
    assert not any("\x1b" in line or line != line.rstrip() for line in found)


def test_many_documents_are_counted(small):
    judged = "".join(f"q1\tr{i}\t1\n" for i in range(9))
    put(small / "qrels.tsv", f"query-id\tcorpus-id\tscore\n{judged}")
    put(small / "a.run", "\n".join(f"q1 Q0 u{i} {i} {-i} x" for i in range(12)))
    put(
        small / "b.run", "\n".join(f"q1 Q0 {d} {i} {-i} x" for i, d in enumerate(["v", "r7", "r2"]))
    )
    found = page(small / "a.run", small / "b.run", small / "qrels.tsv").splitlines()
    start = next(i for i, line in enumerate(found, 1) if line.endswith("  q1"))
    rows = [line.split() for line in found[start : start + 10]]
    assert [row[-1] for row in rows[:5]] == ["r7", "r2", "r0", "r1", "r3"]
    assert rows[0] == ["grade", "1", "-", "->", "2", "r7"]
    assert [row[-1] for row in rows[5:9]] == ["v", "u0", "u1", "u2"]
    assert " ".join(rows[9]) == "and 4 more relevant, 7 more that fell out"
    none = page(small / "a.run", small / "b.run", small / "qrels.tsv", "--show", 0)
    assert "Where" not in none
    assert "difference  +0.2658" in none


def test_runs_of_one_name_are_a_and_b(small):
    other = small / "other"
    other.mkdir()
    shutil.copy(small / "new.trec", other / "new.trec.gz.run")
    (other / "new.trec.gz.run").rename(other / "new.run")
    found = page(small / "new.trec", other / "new.run", small / "qrels.tsv").splitlines()
    assert [line.split()[0] for line in found[1:3]] == ["A", "B"]
    assert (
        found[5]
        == "No difference shown between B and A: they have the same nDCG@10 for every query."
    )
    assert "Where" not in "\n".join(found)


def test_what_the_corpus_lacks_is_said(small):
    files = (small / "old.run.gz", small / "new.trec", small / "qrels.tsv")
    corpus = small / "corpus"
    kept = (corpus / "corpus.jsonl").read_text().splitlines()
    put(corpus / "corpus.jsonl", kept[0])
    queries = (corpus / "queries.jsonl").read_text().splitlines()
    put(corpus / "queries.jsonl", "\n".join(queries[2:]))
    found = json.loads(page(*files, "--corpus", corpus, "--json"))
    assert found["notes"][1:] == [
        f"{corpus} lacks 2 of 8 judged queries, such as 'q1': they count in the scores, and are "
        "left out of what is said of words and lengths.",
        f"{corpus} lacks 2 of 3 judged documents, such as '[bold]': they count in the scores, and "
        "are left out of what is said of words and lengths.",
    ]
    assert {each["query"]: each["text"] for each in found["largest_gains"]} == {"q1": None}
    put(corpus / "corpus.jsonl", '{"_id": "x", "text": "y"}')
    assert "it has none of the 3 judged documents, such as '[bold]'; was another corpus" in refused(
        *files, "--corpus", corpus
    )
    put(corpus / "queries.jsonl", '{"_id": "x", "text": "y"}')
    assert f"{corpus}: it has none of the 8 judged queries, such as 'q1'; was" in refused(
        *files, "--corpus", corpus
    )
    put(corpus / "queries.jsonl", "{")
    assert "queries.jsonl, line 1: " in refused(*files, "--corpus", corpus)


def test_a_corpus_without_queries_gives_titles(small):
    files = (small / "old.run.gz", small / "new.trec", small / "qrels.tsv")
    corpus = small / "corpus" / "corpus.jsonl"
    (small / "corpus" / "queries.jsonl").unlink()
    for source in (corpus, corpus.parent):
        found = page(*files, "--corpus", source)
        assert f"{source} has no queries, so what they are like isn't looked at." in found
        assert "[bold]horn[/bold]" in found
        assert "When new wins" not in found


def test_bad_input_is_a_sentence(small):
    old, new, qrels = small / "old.run.gz", small / "new.trec", small / "qrels.tsv"
    strange = put(small / "strange.run", "x1 Q0 good 1 1 x\n")
    empty = put(small / "empty.run", "")
    twice = put(small / "twice.run", "q1 Q0 good 1 2 x\nq1 Q0 bad 1 1 x\n")
    nan = put(small / "nan.run", "q1 Q0 good 1 nan x\n")
    for words, says in [
        (
            (old, strange, qrels),
            f"Error: {strange}: the run answers none of the 8 judged queries: ",
        ),
        (
            (strange, old, qrels),
            "it has queries such as 'x1', the judgments have queries such as 'q1'.",
        ),
        (
            (empty, old, qrels),
            f"{empty}: the run answers no query, so there is nothing to measure.",
        ),
        ((old, twice, qrels), f"{twice}, line 2: document 'bad' has the rank 1 for query 'q1'"),
        ((old, nan, qrels), f"{nan}, line 1: the score 'nan' isn't a finite number."),
        ((old, small / "none", qrels), "the run can't be read: No such file"),
        ((old, new, small / "none.tsv"), "none.tsv"),
        ((old, new, empty), f"{empty}: the file holds no judgment."),
        ((old, new, qrels, "--measure", "nDGC@10"), "Did you mean 'nDCG'?"),
        ((old, new, qrels, "--corpus", small / "corpsu"), "Did you mean"),
        ((old, new, qrels, "-k", -1), "-1 is not in the range"),
        ((old, new), "Missing argument 'QRELS'"),
    ]:
        assert says in refused(*words), says


def test_queries_without_a_relevant_document_are_told(small):
    put(small / "qrels.tsv", "q1\tgood\t1\nq2\tgood\t0\n")
    found = page(small / "old.run.gz", small / "new.trec", small / "qrels.tsv")
    assert "No document is relevant to 1 of 2 judged queries; they count 0 for both." in found


def test_help_ends_with_an_example_and_places_complete(monkeypatch):
    shown = asked("--help").stdout.rstrip().splitlines()
    assert shown[-1].strip().startswith("Example: vecsearch compare bm25.run dense.run ")
    for words, answer in [
        (["compare", "a"], "file,a"),
        (["compare", "a", "b", "q"], "file,q"),
        (["compare", "a", "b", "q", "--corpus", "c"], "file,c"),
        (["compare", "--measure", "nd"], "plain,nDCG@10"),
    ]:
        monkeypatch.setenv("_VECSEARCH_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["vecsearch", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        assert CliRunner().invoke(main, prog_name="vecsearch").output == f"{answer}\n"


def test_a_process_on_a_terminal_and_one_in_a_pipe(runs):
    words = ["compare", "tfidf.run", "bm25.run", QRELS, "-k", 1, "--corpus", SAMPLE]
    command = [sys.executable, "-m", "vecsearch", *map(str, words)]
    with terminal(*command, cwd=runs, size=(60, 120)) as shown:
        assert shown.ends() == 0
        on_terminal = shown.text.splitlines()
    assert b"\x1b[" in shown.raw
    done = subprocess.run(command, cwd=runs, capture_output=True, check=True)
    piped = done.stdout.decode().splitlines()
    assert b"\x1b" not in done.stdout
    assert on_terminal[1:3] == piped[1:3]
    assert max(map(len, on_terminal)) <= 60 < max(map(len, piped))
    ranks = [line for line in piped if "  ->  " in line]
    cut = [line for line in on_terminal if "  ->  " in line]
    assert len(ranks) == len(cut) > 1
    for whole, part in zip(ranks, cut, strict=True):
        assert whole.startswith(part.removesuffix("…"))

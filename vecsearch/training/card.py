"""What stands beside a trained encoder: CARD.md for a person, training.json for a program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vecsearch.bench.environment import machine, packages
from vecsearch.bench.report.texts import clean
from vecsearch.encoders.pretrained import TRAINING
from vecsearch.training.curve import Curve, curve_svg
from vecsearch.training.report import TrainingReport
from vecsearch.training.settings import has_use_for
from vecsearch.training.validation import MEASURE

CARD = "CARD.md"
CURVE = "curve.svg"


def write_card(folder: Path, report: TrainingReport, curve: Curve) -> None:
    """Write CARD.md and training.json into the folder of an encoder, and curve.svg of its steps."""
    if curve.steps:
        (folder / CURVE).write_text(curve_svg(curve, report.out.name), encoding="utf-8")
    stored = json.dumps(_stored(report, curve), indent=1, ensure_ascii=False)
    text = "\n".join(_lines(report, drawn=(folder / CURVE).is_file()))
    for name, content in {TRAINING: stored, CARD: text}.items():  # names of files are in both
        (folder / name).write_text(clean(content) + "\n", encoding="utf-8")


def _stored(report: TrainingReport, curve: Curve) -> dict[str, Any]:
    proof = report.proof
    return {
        "format": 1,
        "kind": report.kind,
        "fingerprint": report.fingerprint,
        "data": {**report.facts._asdict(), "negatives": report.negatives},
        "settings": report.settings.to_dict(),
        "steps": report.steps,
        "best_step": report.best_step,
        "minutes": round(report.minutes, 2),
        "proof": {
            "measure": MEASURE,
            "queries": proof.queries,
            "before": proof.before,
            "after": proof.after,
            "difference": proof.difference,
            "interval": list(proof.interval),
            "p": proof.p,
            "detectable": proof.detectable,
            "verdict": proof.verdict,
            "improved": proof.improved,
        },
        "curve": curve.to_dict(),
        "machine": machine(),
        "packages": packages(),
    }


def _lines(report: TrainingReport, *, drawn: bool) -> Iterator[str]:
    settings, facts = report.settings, report.facts
    yield f"# {report.out.name}"
    yield ""
    yield f"An encoder of the kind `{report.kind}`, trained by vecsearch."
    yield ""
    yield from report.sentences()
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    rows: dict[str, object] = {
        "documents, SHA-256": facts.digest,
        "held-out queries, never learnt from": facts.held_out_queries,
        "dev set": f"{facts.dev_queries} queries over {facts.dev_documents} documents",
        "hard negatives": report.negatives,
        "steps": f"{report.steps}, the best after {report.best_step}",
        "minutes": f"{report.minutes:.1f}",
        "machine": machine(),
        "fingerprint": report.fingerprint,
    }
    chosen = {
        name: value
        for name, value in settings.to_dict().items()
        if value not in (None, []) and has_use_for(report.kind, name)
    }
    for name, value in {**rows, **chosen}.items():
        yield f"| {name.replace('_', ' ')} | {_cell(value)} |"
    yield ""
    if drawn:
        yield f"![Loss, and nDCG@10 on the dev set, by step]({CURVE})"
        yield ""
    yield "The whole record is in training.json."


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")

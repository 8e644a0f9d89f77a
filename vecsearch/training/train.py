"""One training from its corpus to its folder, whatever the kind.

begin      a folder beside OUT, with the settings that a resumed run must share
gather     documents, examples, a dev set
learn      the loop, or LSA at once: the encoder before and after
prove      both on the dev set, and the interval of the difference
place      the encoder, its card and its curve, renamed to OUT
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vecsearch.bench.progress import Tell
from vecsearch.encoders.artefact import read_artefact
from vecsearch.encoders.base import Encoder
from vecsearch.training.card import write_card
from vecsearch.training.data import Data, gather
from vecsearch.training.folders import begin, place
from vecsearch.training.kinds import check_installed, task_for, train_lsa
from vecsearch.training.progress import Progress, Show
from vecsearch.training.report import TrainingReport
from vecsearch.training.settings import (
    Kind,
    TrainingSettings,
    fitted,
    known,
    learns_from_pairs,
    steps_for,
)
from vecsearch.training.validation import prove


class Learnt(NamedTuple):
    """The encoder before and after, and the way between."""

    before: Encoder
    after: Encoder
    steps: int = 0
    best_step: int = 0
    curve: Sequence[Mapping[str, Any]] = ()
    negatives: int = 0


def run(
    corpus: str,
    out: Path,
    kind: Kind,
    settings: TrainingSettings,
    *,
    resume: bool,
    overwrite: bool,
    keep_anyway: bool,
    show: Show,
) -> TrainingReport:
    """See `vecsearch.train`."""
    settings = fitted(kind, settings)
    check_installed(kind, settings)
    told = {"corpus": corpus, "kind": kind, **settings.to_dict()}
    work = begin(out, told, resume=resume, overwrite=overwrite)

    def tell(what: str, count: int) -> None:
        show(Progress(what, count))

    started = time.monotonic()
    data = gather(corpus, settings, work, pairs=learns_from_pairs(kind), tell=tell)
    learnt = _learn(kind, out, data, settings, work, resume=resume, show=show, tell=tell)
    tell("measuring before and after", 0)
    proof = prove(learnt.before, learnt.after, data.dev)
    report = TrainingReport(
        out=out,
        kind=kind,
        saved=kind != "finetune" or proof.improved or keep_anyway,
        proof=proof,
        facts=data.facts,
        settings=settings,
        fingerprint=learnt.after.fingerprint,
        steps=learnt.steps,
        best_step=learnt.best_step,
        minutes=(time.monotonic() - started) / 60,
        negatives=learnt.negatives,
    )
    if report.saved:
        place(out, lambda folder: _write(folder, report, learnt))
    return report


def _learn(
    kind: Kind,
    out: Path,
    data: Data,
    settings: TrainingSettings,
    work: Path,
    *,
    resume: bool,
    show: Show,
    tell: Tell,
) -> Learnt:
    if kind == "lsa":
        tell("finding what terms have in common", 0)
        before, after = train_lsa(data, settings)
        return Learnt(before, after)
    from vecsearch.training.loop import Schedule, fit
    from vecsearch.training.validation import scores

    task, negatives = task_for(kind, out.name, data, settings, work, tell)
    before = task.encoder()
    steps = steps_for(kind, len(data.examples) or len(data.documents), settings)
    schedule = Schedule(steps, known(settings.learning_rate), max(1, steps // 10), settings.seed)

    def validate(encoder: Encoder) -> float:
        got = scores(encoder, data.dev)
        return sum(got.values()) / len(got)

    fitted = fit(
        task,
        schedule,
        work / "checkpoints",
        validate,
        resume=resume,
        show=lambda s, n, l, d: show(Progress("training", s, n, l, None, d)),
    )
    return Learnt(before, task.encoder(), fitted.steps, fitted.best_step, fitted.curve, negatives)


def _write(folder: Path, report: TrainingReport, learnt: Learnt) -> None:
    learnt.after.save(folder)
    artefact = read_artefact(folder)
    if artefact is not None:  # its name is that of its kind so far
        dataclasses.replace(artefact, name=report.out.name).write(folder)
    write_card(folder, report, learnt.curve)

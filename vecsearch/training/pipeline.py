"""One training from its corpus to its folder, whatever the kind.

begin      a folder beside OUT, with the settings that a resumed run must share
gather     documents, examples, a dev set
learn      the loop, or LSA at once: the encoder before and after
prove      both on the dev set, and the interval of the difference
place      the encoder, its card and its curve, renamed to OUT
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vecsearch.encoders import load_encoder
from vecsearch.encoders.artefact import read_artefact
from vecsearch.encoders.base import Encoder
from vecsearch.measures import Scores
from vecsearch.training.base import Task
from vecsearch.training.card import write_card
from vecsearch.training.curve import Curve
from vecsearch.training.data import Data, gather
from vecsearch.training.folders import begin, best_folder, pin, place, settle
from vecsearch.training.kinds import check_installed, task_for, train_lsa
from vecsearch.training.progress import Progress, Show
from vecsearch.training.report import TrainingReport
from vecsearch.training.schedule import Schedule
from vecsearch.training.settings import (
    USUAL,
    Kind,
    TrainingSettings,
    fitted,
    known,
    learns_from_pairs,
    steps_for,
)
from vecsearch.training.validation import MEASURE, Validation, prove

if TYPE_CHECKING:
    from vecsearch.training.loop import Fitted, StepProgress


class Learnt(NamedTuple):
    """The encoder before and after, and the way between."""

    before: Encoder
    after: Encoder
    curve: Curve
    best_step: int = 0
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
    started = time.monotonic()
    training = _Training(out, kind, settings, work, show, resume)
    try:
        data = training.gather(corpus)
        pin(out, data.facts.digest)
        learnt = training.learn(data)
    except BaseException:
        settle(out)  # so that the same command, put right, can begin
        raise
    show(Progress("measuring before and after"))
    proof = prove(training.scores(learnt.before), training.scores(learnt.after))
    report = TrainingReport(
        out=out,
        kind=kind,
        saved=kind != "finetune" or proof.improved or keep_anyway,
        proof=proof,
        facts=data.facts,
        settings=settings,
        fingerprint=learnt.after.fingerprint,
        steps=learnt.curve.steps,
        best_step=learnt.best_step,
        minutes=(time.monotonic() - started + training.earlier) / 60,
        negatives=learnt.negatives,
        evaluations=len(learnt.curve.dev),
    )
    if report.saved:
        place(out, lambda folder: _write(folder, report, learnt))
    else:
        settle(out)
    return report


class _Training:
    """What the parts of one training share; no encoder is scored twice.

    earlier: seconds of training before this run, which went on from there.
    """

    def __init__(
        self,
        out: Path,
        kind: Kind,
        settings: TrainingSettings,
        work: Path,
        show: Show,
        resume: bool,
    ) -> None:
        self._out = out
        self._kind = kind
        self._settings = settings
        self._work = work
        self._show = show
        self._resume = resume
        self.earlier = 0.0
        self._scores: dict[str, Scores] = {}
        self._dev: float | None = None

    def gather(self, corpus: str) -> Data:
        """Read the data, and make ready to measure."""
        most = USUAL[self._kind].dev_documents
        data = gather(
            corpus,
            self._settings,
            self._work,
            most=most,
            pairs=learns_from_pairs(self._kind),
            tell=self._tell,
        )
        dev = data.dev
        self._validation = Validation(
            dev.documents, dev.queries, dev.qrels, most, self._settings.seed
        )
        return data

    def scores(self, encoder: Encoder) -> Scores:
        """Score an encoder on the dev set, by query."""
        if encoder.fingerprint not in self._scores:
            self._scores[encoder.fingerprint] = self._validation.scores(encoder)
        return self._scores[encoder.fingerprint]

    def learn(self, data: Data) -> Learnt:
        """Train; after Ctrl-C keep the best encoder so far, and let KeyboardInterrupt pass."""
        if self._kind == "lsa":
            self._tell("finding what terms have in common", 0)
            return Learnt(*train_lsa(data, self._settings), Curve())
        made = task_for(self._kind, self._out.name, data, self._settings, self._work, self._tell)
        before = self._before(made.task)
        if made.pretraining is not None:
            self._pretrain(made.pretraining)
        self._tell("measuring before training", 0)
        validate = self._validate if USUAL[self._kind].evaluations else None
        fitted = self._fit(made.task, self._schedule(data), "checkpoints", self._step, validate)
        best_step = fitted.curve.steps if fitted.best is None else fitted.best.step
        return Learnt(before, made.task.encoder(), fitted.curve, best_step, made.negatives)

    def _before(self, task: Task) -> Encoder:
        """Return the untrained twin, or the base as anybody has it: it may read longer texts."""
        if self._kind == "finetune":
            return load_encoder(self._settings.base, self._settings.device)
        return task.encoder()

    def _pretrain(self, task: Task) -> None:
        """Let the network learn from texts alone first; it has no dev score of its own."""
        schedule = Schedule(
            steps=self._settings.pretrain_steps,
            learning_rate=known(self._settings.learning_rate),
            seed=self._settings.seed,
        )
        self._fit(task, schedule, "pretraining", self._pretraining_step)

    def _fit(
        self,
        task: Task,
        schedule: Schedule,
        folder: str,
        on_step: Callable[[StepProgress], None],
        validate: Callable[[Encoder], float] | None = None,
    ) -> Fitted:
        """Run the loop; keep the encoder that Ctrl-C left, and let KeyboardInterrupt pass."""
        from vecsearch.training.loop import fit

        started = time.perf_counter()
        fitted = fit(
            task,
            schedule,
            self._work / folder,
            validate=validate,
            resume=self._resume,
            on_step=on_step,
        )
        self.earlier += fitted.seconds - (time.perf_counter() - started)
        if fitted.ended == "interrupted":
            shutil.rmtree(best_folder(self._out), ignore_errors=True)
            _save(task.encoder(), best_folder(self._out), self._out.name)
            raise KeyboardInterrupt
        return fitted

    def _validate(self, encoder: Encoder) -> float:
        return self.scores(encoder).mean(MEASURE)

    def _schedule(self, data: Data) -> Schedule:
        settings, usual = self._settings, USUAL[self._kind]
        steps = steps_for(self._kind, len(data.examples) or len(data.documents), settings)
        return Schedule(
            steps=None if settings.minutes else steps,
            minutes=settings.minutes,
            learning_rate=known(settings.learning_rate),
            evaluations=usual.evaluations or 20,
            patience=usual.patience,
            seed=settings.seed,
        )

    def _step(self, at: StepProgress) -> None:
        self._dev = self._dev if at.dev is None else at.dev
        self._show(
            Progress("training", at.step, at.steps, at.loss, at.examples_per_second, self._dev)
        )

    def _pretraining_step(self, at: StepProgress) -> None:
        self._show(Progress("pretraining", at.step, at.steps, at.loss, at.examples_per_second))

    def _tell(self, what: str, count: int) -> None:
        self._show(Progress(what, count))


def _write(folder: Path, report: TrainingReport, learnt: Learnt) -> None:
    _save(learnt.after, folder, report.out.name)
    write_card(folder, report, learnt.curve)


def _save(encoder: Encoder, folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    encoder.save(folder)
    artefact = read_artefact(folder)
    if artefact is not None:  # its name is that of its kind so far
        dataclasses.replace(artefact, name=name).write(folder)

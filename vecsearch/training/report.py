"""What a training says at its end: whether the encoder became better, and on what evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vecsearch.bench.report.figures import score
from vecsearch.bench.report.texts import shown
from vecsearch.training.data import Facts
from vecsearch.training.settings import Kind, TrainingSettings
from vecsearch.training.validation import Proof


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How a training went.

    out: the folder of the encoder; it isn't written where `saved` is False.
    saved: False where a model that was fine-tuned wasn't shown to be better than its base, and
        nobody asked to keep it anyway.
    proof: nDCG@10 on the dev set before and after, and the interval of the difference.
    fingerprint: that of the encoder.
    steps, best_step: how many steps were taken, and after which the encoder was at its best.
    minutes: what the training took, steps before an interruption included; reading the corpus and
        measuring before and after count once, as the last run did them.
    negatives: how many hard negatives were mined.
    evaluations: how often the dev queries were asked while it learnt, to find its best step; 0
        where they were asked before and after alone.
    """

    out: Path
    kind: Kind
    saved: bool
    proof: Proof
    facts: Facts
    settings: TrainingSettings
    fingerprint: str
    steps: int
    best_step: int
    minutes: float
    negatives: int
    evaluations: int

    def sentences(self) -> Iterator[str]:
        """Say what was learnt from, and what it brought."""
        facts, proof = self.facts, self.proof
        counts = ", ".join(f"{count:,} {kind}" for kind, count in facts.examples.items())
        learnt = f"{sum(facts.examples.values()):,} examples ({counts}) over " if counts else ""
        yield f"Learnt from {learnt}{facts.documents:,} documents of {shown(facts.corpus)}."
        if facts.dropped:
            yield f"{facts.dropped:,} examples more ask what a held-out query asks; left out."
        before = self.settings.base if self.kind == "finetune" else "its untrained twin"
        yield (
            f"Measured by nDCG@10 on {proof.queries:,} dev queries ({shown(facts.dev)}) over "
            f"{facts.dev_documents:,} documents: {score(proof.before)} before training, which is "
            f"{shown(before)}, and {score(proof.after)} after it."
        )
        yield proof.sentence
        if self.evaluations:
            yield (
                "The best step was chosen by the same dev queries, which flatters the encoder a "
                "little; a bench on queries of another split, such as test, doesn't."
            )

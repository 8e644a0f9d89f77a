"""What a training says at its end: whether the encoder became better, and on what evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
    minutes: what the training took, without what went before an interruption.
    negatives: how many hard negatives were mined.
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

    def sentences(self) -> Iterator[str]:
        """Say what was learnt from, and what it brought."""
        facts, proof = self.facts, self.proof
        counts = ", ".join(f"{count:,} {kind}" for kind, count in facts.examples.items())
        learnt = f"{sum(facts.examples.values()):,} examples ({counts}) over " if counts else ""
        yield f"Learnt from {learnt}{facts.documents:,} documents of {facts.corpus}."
        if facts.dropped:
            yield f"{facts.dropped:,} examples more ask what a held-out query asks; left out."
        low, high = proof.interval
        yield (
            f"nDCG@10 on {proof.queries:,} dev queries ({facts.dev}): {proof.before:.4f} "
            f"{self._twin()}, {proof.after:.4f} after training. The difference is "
            f"{proof.after - proof.before:+.4f}, 95% interval {low:+.4f} to {high:+.4f}."
        )
        yield self._verdict()

    def _twin(self) -> str:
        if self.kind == "finetune":
            return f"with {self.settings.base} as it was"
        return "with its untrained twin"

    def _verdict(self) -> str:
        if self.proof.improved:
            return "So it is shown to have become better."
        return (
            "So it isn't shown to have become better; that many queries would mostly have shown a "
            f"difference of {self.proof.detectable:.4f}."
        )

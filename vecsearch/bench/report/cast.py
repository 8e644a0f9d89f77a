"""Who a report on one corpus is about: its systems, how each looks and what it is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vecsearch.bench.report.palette import Look
from vecsearch.bench.results import Cost, Results


@dataclass(frozen=True, slots=True)
class Cast:
    """The systems with results on one corpus, in tables and pictures alike."""

    results: Results
    corpus: str
    looks: Mapping[str, Look]

    @property
    def systems(self) -> list[str]:
        """The systems with scores on the corpus."""
        return list(self.results["scores"][self.corpus])

    @property
    def measure(self) -> str:
        """The first measure, by which systems are ordered."""
        return self.results["measures"][0]

    def label(self, system: str) -> str:
        """Return what a system is called in tables and pictures."""
        return self.results["systems"][system]["label"]

    def said(self, sentence: str, *systems: str) -> str:
        """Return a sentence with what systems are called in the place of how they were typed."""
        for system in sorted(systems, key=len, reverse=True):
            whole = rf"(?<![^\s(]){re.escape(system)}(?=[\s:;,.)]|$)"
            label = self.label(system).replace("\\", r"\\")
            sentence = re.sub(whole, label, sentence)
        return sentence

    def best_first(self) -> list[str]:
        """Order the systems by the first measure; of equal ones the baseline comes first."""
        scores, baseline = self.results["scores"][self.corpus], self.results["baseline"]
        return sorted(
            self.systems, key=lambda each: (-scores[each][self.measure], each != baseline)
        )

    def costs(self) -> dict[str, Cost]:
        """Return the costs of those systems that have any."""
        return self.results["costs"].get(self.corpus, {})

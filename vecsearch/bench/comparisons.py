"""Every system against the baseline, by every measure: which is better, and how sure that is.

The differences are paired by query. What is shown is decided by the corrected p alone: all
comparisons by one measure, whatever the system and corpus, are one family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.bench.results import Comparison, Verdict
from vecsearch.bench.statistics import (
    Test,
    bootstrap_interval,
    detectable,
    effect_size,
    holm,
    randomization_test,
)
from vecsearch.errors import UnknownName, UsageError
from vecsearch.measures import Scores

LEVEL: Final = 0.05
"""A corrected p below it shows a difference."""

_TIE: Final = 1e-12
"""Scores nearer to each other than this are equal."""


def compare(
    scores: Mapping[str, Mapping[str, Scores]], baseline: str, measures: Sequence[str]
) -> list[Comparison]:
    """Compare all other systems with the baseline, corpus by corpus, measure by measure.

    scores: corpus -> system -> its scores, all systems of a corpus on the same queries, else
        UsageError; the baseline is on every corpus, else UnknownName.
    """
    pairs = [
        _pair(corpus, measure, baseline, system, systems)
        for corpus, systems in scores.items()
        for measure in dict.fromkeys(measures)
        for system in systems
        if system != baseline
    ]
    found: dict[_Pair, Comparison] = {}
    for measure in dict.fromkeys(measures):
        family = [pair for pair in pairs if pair.measure == measure]
        tests = [randomization_test(pair.differences) for pair in family]
        corrected = holm([test.p for test in tests])
        for pair, test, p_holm in zip(family, tests, corrected, strict=True):
            found[pair] = _comparison(pair, test, p_holm, len(family))
    return [found[pair] for pair in pairs]


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A system and the baseline, with (queries,) differences: the system's score less the other's.

    Those of scores that are equal but for rounding are 0.
    """

    corpus: str
    measure: str
    baseline: str
    system: str
    differences: NDArray[np.float64]


def _pair(
    corpus: str, measure: str, baseline: str, system: str, systems: Mapping[str, Scores]
) -> _Pair:
    if baseline not in systems:
        raise UnknownName("system", baseline, systems, f"on the corpus {corpus!r}")
    for each in (baseline, system):
        if measure not in systems[each].per_query:
            raise UnknownName(f"score of {each!r} by", measure, systems[each].per_query)
    theirs, ours = (systems[each].per_query[measure] for each in (baseline, system))
    apart = sorted(theirs.keys() ^ ours.keys())
    if apart:
        raise UsageError(
            f"On the corpus {corpus!r}, {system!r} and {baseline!r} can't be compared: only one of "
            f"them has a score for the query {apart[0]!r}"
            + (f" and {len(apart) - 1:,} more." if len(apart) > 1 else ".")
        )
    differences = np.array([ours[query] - theirs[query] for query in theirs], dtype=np.float64)
    differences[np.abs(differences) <= _TIE] = 0.0
    return _Pair(corpus, measure, baseline, system, differences)


def _comparison(pair: _Pair, test: Test, p_holm: float, family: int) -> Comparison:
    differences = pair.differences
    mean = float(np.mean(differences))
    comparison = Comparison(
        corpus=pair.corpus,
        measure=pair.measure,
        baseline=pair.baseline,
        system=pair.system,
        queries=len(differences),
        difference=mean,
        interval=list(bootstrap_interval(differences)),
        p=test.p,
        p_holm=p_holm,
        family=family,
        exact=test.exact,
        effect_size=effect_size(differences),
        wins=int(np.count_nonzero(differences > 0)),
        ties=int(np.count_nonzero(differences == 0)),
        losses=int(np.count_nonzero(differences < 0)),
        detectable=min(detectable(differences, family, LEVEL), 1.0),  # there is none above 1
        verdict=_verdict(mean, p_holm),
        text="",
    )
    comparison["text"] = describe(comparison)
    return comparison


def _verdict(difference: float, p_holm: float) -> Verdict:
    if p_holm >= LEVEL:
        return "no difference shown"
    return "better" if difference > 0 else "worse"


def describe(comparison: Comparison) -> str:
    """Say in a sentence what a comparison shows; the p in it is the corrected one."""
    system, baseline = comparison["system"], comparison["baseline"]
    if comparison["ties"] == comparison["queries"]:
        return (
            f"No difference shown between {system} and {baseline}: "
            f"they have the same {comparison['measure']} for every query."
        )
    if comparison["verdict"] == "no difference shown":
        low, high = comparison["interval"]
        return (
            f"No difference shown between {system} and {baseline}: "
            f"{_signed(comparison['difference'])} {comparison['measure']} "
            f"(95% interval {_short(low)} to {_short(high)}, {_chance(comparison)}); "
            f"{_power(comparison)}."
        )
    sign = 1 if comparison["verdict"] == "better" else -1
    low, high = sorted(sign * end for end in comparison["interval"])
    return (
        f"{system} is {comparison['verdict']} than {baseline} by "
        f"{_short(sign * comparison['difference'])} {comparison['measure']} "
        f"(95% interval {_short(low)} to {_short(high)}, {_chance(comparison)}); "
        f"it wins {comparison['wins']:,}, ties {comparison['ties']:,} and loses "
        f"{comparison['losses']:,} of {_queries(comparison['queries'])}."
    )


def _power(comparison: Comparison) -> str:
    """Say what these queries could have shown."""
    queries = _queries(comparison["queries"])
    differing = comparison["wins"] + comparison["losses"]
    # The least p that there can be: all differences of one sign.
    if comparison["queries"] > differing and 2 / 2**differing >= LEVEL / comparison["family"]:
        return f"only {differing:,} of {queries} differ, too few to show any"
    if comparison["detectable"] < 1:
        return f"{queries} could have shown one of {_short(comparison['detectable'])}"
    return f"{queries} {'is' if comparison['queries'] == 1 else 'are'} too few to show any"


def _queries(count: int) -> str:
    return "1 query" if count == 1 else f"{count:,} queries"


def _short(value: float) -> str:
    """Write a score with three decimals and no zero before them: ".031", "-.004", "1.000"."""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1).replace("-.000", ".000") if abs(value) < 0.9995 else text


def _signed(value: float) -> str:
    text = _short(value)
    return text if text.startswith("-") or text == ".000" else f"+{text}"


def _chance(comparison: Comparison) -> str:
    """Write the p that decides: "p < .001", or in a family of several "corrected p = .61"."""
    p = comparison["p_holm"]
    digits = f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
    value = "< .001" if p < 0.001 else f"= {digits.removeprefix('0')}"
    return f"p {value}" if comparison["family"] == 1 else f"corrected p {value}"

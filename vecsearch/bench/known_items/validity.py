"""How far known items can be trusted, as bench/label_free.py found on collections that are judged.

Its figures lie in vecsearch/bench/validity.json. A *sample* is a set of queries of one kind and
seed; *won* counts the samples whose winner was the real one, and *sided* those that put bm25 and
minilm in their real order. Regret is what the winner of a sample
loses by the real queries against their best system. Every mean is over collections.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Final, TypedDict, cast

from vecsearch.bench.known_items.asking import KINDS, Kind
from vecsearch.errors import UnknownName

VALIDITY: Final = Path(__file__).resolve().parent.parent / "validity.json"

_LEAST_TAU: Final = 0.4
"""A rank correlation below this is hardly an order."""


class Agreement(TypedDict):
    """How a kind agreed with one collection's real queries, on the mean of its samples."""

    won: float  # share of the samples
    sided: float  # share of the samples
    tau: float  # Kendall's, over the systems
    rho: float  # Spearman's
    regret: float
    bias: float  # how much more they favour bm25 over minilm than real queries do


class KindValidity(TypedDict):
    """How a kind agreed with all collections."""

    won: float  # samples, of all collections together; a shared win is a part of one
    sided: float  # samples, of all collections together
    tau: float
    rho: float
    regret: float
    bias: float
    by_collection: dict[str, Agreement]


class Choice(Agreement):
    """The kind that did best on all other collections, and how it did on this one."""

    kind: Kind


class LeaveOneOut(TypedDict):
    """How choosing a kind by other collections does."""

    won: float
    sided: float
    tau: float
    rho: float
    regret: float
    bias: float
    by_collection: dict[str, Choice]


class WithoutMeasuring(TypedDict):
    """What is lost, and what is right, without measuring the corpus at all."""

    fixed: float  # by taking the system that is best on the other collections
    random: float  # by taking any
    sided: float  # samples that are right if the same one of bm25 and minilm is named always


class Validity(TypedDict):
    """The whole of validity.json."""

    measure: str
    systems: list[str]
    collections: list[str]
    samples: int  # of each kind, on each collection
    queries: int  # in a sample
    default: Kind
    kinds: dict[Kind, KindValidity]
    leave_one_out: LeaveOneOut
    without_measuring: WithoutMeasuring


@functools.cache
def validity() -> Validity:
    """Read the figures."""
    return cast(Validity, json.loads(VALIDITY.read_bytes()))


DEFAULT_KIND: Final[Kind] = validity()["default"]
"""The kind that loses least on the collections at hand."""


def trust(kind: Kind) -> str:
    """Say in sentences how far queries of a kind can be trusted; UnknownName for another kind."""
    if kind not in KINDS:
        raise UnknownName("kind of known-item query", kind, KINDS)
    chosen = [_choice()] if kind == DEFAULT_KIND else []
    return " ".join([_record(kind), _bias(kind), *chosen, _advice(kind)])


def _record(kind: Kind) -> str:
    """What was found."""
    found, known = validity(), validity()["kinds"][kind]
    each = known["by_collection"]
    low = min(each, key=lambda name: each[name]["tau"])
    high = max(each, key=lambda name: each[name]["tau"])
    worst = max(each, key=lambda name: each[name]["regret"])
    total = len(found["collections"]) * found["samples"]
    names = ", ".join(found["collections"])
    return (
        f"On {len(found['collections'])} judged collections ({names}) the winner by queries of "
        f"the kind {kind!r} was the real winner in {round(known['won'], 1):g} of {total} "
        f"samples of {found['queries']} queries. Rank correlation (Kendall's tau) with the real "
        f"order of {len(found['systems'])} systems was {_decimal(known['tau'])} on average, from "
        f"{_decimal(each[low]['tau'])} ({low}) to {_decimal(each[high]['tau'])} ({high}). Choosing "
        f"by them lost {_decimal(known['regret'], 3)} {found['measure']} on average, "
        f"{_decimal(each[worst]['regret'], 3)} at worst ({worst}); without measuring at all, the "
        f"system that is best elsewhere loses {_decimal(found['without_measuring']['fixed'], 3)}, "
        f"and one picked at random {_decimal(found['without_measuring']['random'], 3)}."
    )


def _bias(kind: Kind) -> str:
    """Which of the two ways to represent text they favour, the first thing a bench is asked."""
    found, known = validity(), validity()["kinds"][kind]
    each = known["by_collection"]
    low = min(each, key=lambda name: each[name]["bias"])
    high = max(each, key=lambda name: each[name]["bias"])
    total = len(found["collections"]) * found["samples"]
    return (
        "Against real queries they favour bag-of-words (bm25) over embeddings (minilm) by "
        f"{_decimal(known['bias'], 3)} {found['measure']} on average, from "
        f"{_decimal(each[low]['bias'], 3)} ({low}) to {_decimal(each[high]['bias'], 3)} ({high}). "
        f"Which of these two is really better they told in {round(known['sided'], 1):g} of {total} "
        f"samples; naming the same one always is right in {found['without_measuring']['sided']:g}."
    )


def _choice() -> str:
    """How the default would have done had it been chosen without the collection it is tried on."""
    found = validity()["leave_one_out"]
    return (
        "This kind is the default since it loses least; chosen on all collections but one, the "
        f"kind lost {_decimal(found['regret'], 3)} on average on the one left out, with a rank "
        f"correlation of {_decimal(found['tau'])}."
    )


def _advice(kind: Kind) -> str:
    """What follows: a kind is of use if it loses half of what chance loses, and orders systems."""
    known, without = validity()["kinds"][kind], validity()["without_measuring"]
    if known["regret"] >= without["random"] / 2 or known["tau"] < _LEAST_TAU:
        return "Don't choose a system by them: at most they tell that a system is broken."
    sides = ""
    if known["sided"] <= without["sided"]:
        sides = ", nor to decide between bag-of-words and embeddings"
    return (
        f"Trust them to keep you from a bad system, not to tell good ones apart{sides}; and take "
        "no figure for what people's own queries would get."
    )


def _decimal(value: float, digits: int = 2) -> str:
    """Write a number without the 0 before its point."""
    return f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"

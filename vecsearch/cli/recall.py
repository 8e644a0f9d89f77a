"""What a person reads of a recall that is promised, and on which evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vecsearch.cli.output import size
from vecsearch.retrieve.nearest.contract import Contract, Source
from vecsearch.retrieve.nearest.questions import Checked
from vecsearch.retrieve.nearest.structure import Structure

_WHOSE: Final[dict[Source, str]] = {
    "supplied": "of the queries given",
    "documents": "of queries that are documents",
}


def promised(contract: Contract) -> str:
    """Say what is promised, and how sure that is."""
    goal = f"{contract.name}: recall@{contract.k} of at least {contract.target:g}"
    if contract.structure is None:
        return f"{goal}; exact search, since nothing was found that keeps it and is faster"
    return (
        f"{goal}; {contract.measured:.4f} measured by {contract.proved_on:,} "
        f"{_WHOSE[contract.source]}, at least {contract.bound:.4f} with 95% confidence"
    )


def evidence(contract: Contract) -> Iterator[str]:
    """Yield a line for what was chosen, one for each that lost, and what their names mean."""
    chosen = _line(
        contract.microseconds, contract.bytes, contract.rows, contract.build_seconds, None
    )
    if contract.structure is None:
        chosen = "" if not contract.microseconds else f"{contract.microseconds / 1000:.3g} ms"
        yield f"chosen: flat, {chosen or 'since the index is too small to be worth codes'}"
    else:
        yield f"chosen: {contract.name}, {chosen}"
        yield f"lost: flat, {contract.exact_microseconds / 1000:.3g} ms a query"
    for each in contract.alternatives:
        line = _line(each.microseconds, each.bytes, contract.rows, each.build_seconds, each.recall)
        yield f"lost: {each.name}, {line}"
    for left in contract.left_out:
        why = "there was no time left"
        if left.seconds is not None:
            why = f"building it takes about {left.seconds:.0f} s, more than was left of --seconds"
        yield f"left out: {left.name}, since {why}"
    yield from _meanings(contract)


def _meanings(contract: Contract) -> Iterator[str]:
    told = {"flat": "every vector is scored exactly"}
    tried = [each.name for each in contract.alternatives]
    for name in (contract.name, *tried, *(each.name for each in contract.left_out)):
        if name != "flat":
            told |= Structure.named(name).meanings()
    for part, meaning in told.items():
        yield f"{part}: {meaning}"


def checked(contract: Contract, found: Checked) -> str:
    """Say whether a recall that was measured again is what was promised."""
    if contract.structure is None:
        return f"flat: recall@{contract.k} of {contract.target:g} is kept; search is exact."
    kept = "kept" if found.bound >= contract.target else "not proved"
    return (
        f"{contract.name}: recall@{contract.k} of {contract.target:g} is {kept}; "
        f"{found.recall:.4f} measured by {found.queries:,} {_WHOSE[found.source]}, at least "
        f"{found.bound:.4f} with 95% confidence."
    )


def _line(microseconds: float, taken: int, rows: int, seconds: float, recall: float | None) -> str:
    measured = "" if recall is None else f"recall {recall:.4f}, "
    return (
        f"{measured}{microseconds / 1000:.3g} ms a query, {size(taken)} "
        f"({taken / rows:.0f} bytes a vector), built in {seconds:.1f} s"
    )

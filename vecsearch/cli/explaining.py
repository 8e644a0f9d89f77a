"""An explanation as lines for a person, and as JSON."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from vecsearch.cli.printable import printable
from vecsearch.retrieve.explanation import (
    ArmPart,
    Explanation,
    Remainder,
    ScorePart,
    TermPart,
    TextPart,
)

_MOST_TEXTS: Final = 10
"""Words or pieces that are shown one by one; the others are counted."""

_MOST_FORMS: Final = 3
_LONGEST_TEXT: Final = 40
_INDENT: Final = "  "


def explanation_lines(
    explanation: Explanation, width: int = 80, told: Container[str] = ()
) -> list[str]:
    """Write an explanation as lines of at most `width` columns, for any terminal or file.

    told: the retrievers whose method is told elsewhere, for all hits together.
    """
    head = f"{explanation.by}: {_place(explanation)}"
    if explanation.score is None:
        return _wrapped(f"{head} {explanation.note}", width, "")
    inner = max(width - len(_INDENT), 20)
    lines = _part_lines(explanation.parts, inner)
    for sentence in (_method(explanation, told), explanation.note):
        lines += _wrapped(sentence, inner, "") if sentence else []
    for part in explanation.parts:
        if isinstance(part, ArmPart):
            lines += explanation_lines(part.explanation, inner, told)
    return [head, *(_INDENT + line for line in lines)]


def shared_methods(explanations: Sequence[Explanation]) -> dict[str, str]:
    """Return retriever -> method of the retrievers that found all parts by one and the same."""
    found: dict[str, set[str]] = {}
    for explanation in _with_arms(explanations):
        if explanation.method:
            found.setdefault(explanation.by, set()).add(explanation.method)
    return {by: methods.pop() for by, methods in found.items() if len(methods) == 1}


def method_lines(told: Mapping[str, str], width: int = 80) -> list[str]:
    """Write methods, as `shared_methods` gives them, as lines of at most `width` columns."""
    return [line for by, method in told.items() for line in _wrapped(method, width, f"{by}: ")]


def _with_arms(explanations: Sequence[Explanation]) -> Iterator[Explanation]:
    for explanation in explanations:
        yield explanation
        arms = [part.explanation for part in explanation.parts if isinstance(part, ArmPart)]
        yield from _with_arms(arms)


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation in JSON types; "kind" says what each part is."""
    score, span = explanation.score, explanation.span
    return {
        "id": explanation.id,
        "by": explanation.by,
        "score": None if score is None else single(score),
        "rank": explanation.rank,
        "span": None if span is None else list(span),
        "parts": [_part_json(part) for part in explanation.parts],
        "method": explanation.method,
        "exact": explanation.exact,
        "note": explanation.note,
    }


def single(score: float) -> float:
    """Return a score with as few digits as tell the float32 apart, not those of a float64."""
    return float(str(np.float32(score)))


def _part_json(part: ScorePart) -> dict[str, Any]:
    match part:
        case ArmPart():
            return {
                "kind": "arm",
                "value": part.value,
                "name": part.name,
                "weight": part.weight,
                "raw": None if part.raw is None else single(part.raw),
                "normalised": part.normalised,
                "rank": part.rank,
                "explanation": explanation_json(part.explanation),
            }
        case TextPart():
            span = None if part.span is None else list(part.span)
            return {
                "kind": "text",
                "value": part.value,
                "text": part.text,
                "span": span,
                "count": part.count,
            }
        case Remainder():
            return {
                "kind": "remainder",
                "value": part.value,
                "text": part.text,
                "others": part.others,
            }
        case TermPart():
            return {
                "kind": "term",
                "value": part.value,
                "term": part.term,
                "words": list(part.words),
                "tf": part.tf,
                "df": part.df,
                "rows": part.rows,
                "length": part.length,
                "average_length": part.average_length,
                "idf": part.idf,
                "weight": part.weight,
                "query_weight": part.query_weight,
                "norm": part.norm,
            }


def _place(explanation: Explanation) -> str:
    if explanation.score is None:
        return "not ranked."
    return f"score {explanation.score:.4f}, rank {explanation.rank}"


def _method(explanation: Explanation, told: Container[str]) -> str:
    """Say how the parts were found, unless that is told, with the numbers that are the hit's."""
    method = "" if explanation.by in told else explanation.method
    for part in explanation.parts:
        if isinstance(part, TermPart):
            return (
                f"N = {part.rows}, length = {part.length}, average length = "
                f"{part.average_length:.1f}. {method}"
            )
    return method


def _part_lines(parts: Sequence[ScorePart], width: int) -> list[str]:
    """Write a line or more for each part, its value in front, the values aligned."""
    shown, others = _strongest(parts)
    rows = [(part.value, _said(part)) for part in shown]
    rests = [part for part in parts if isinstance(part, Remainder)]
    if others:  # they join those that the explanation itself sums up
        first, *rests = rests or [Remainder(0.0, "")]
        value = first.value + sum(part.value for part in others)
        rests.insert(0, Remainder(value, first.text, first.others + len(others)))
    rows += [(rest.value, _said(rest)) for rest in rests]
    numbers = [f"{value:.4f}" for value, _ in rows]
    column = max(map(len, numbers), default=0)
    lines = []
    for number, (_, text) in zip(numbers, rows, strict=True):
        lines += _wrapped(text, width, f"{number:>{column}}  ")
    return lines


def _strongest(parts: Sequence[ScorePart]) -> tuple[list[ScorePart], list[ScorePart]]:
    """Choose the parts to show one by one, in their order, and the texts that are only counted."""
    texts = sorted(
        (part for part in parts if isinstance(part, TextPart)), key=lambda part: -abs(part.value)
    )
    weak = {id(part) for part in texts[_MOST_TEXTS:]}
    named = [part for part in parts if not isinstance(part, Remainder)]
    return [p for p in named if id(p) not in weak], [p for p in named if id(p) in weak]


def _said(part: ScorePart) -> str:
    match part:
        case TermPart():
            return _term_said(part)
        case ArmPart():
            raw = "not ranked" if part.raw is None else f"score {part.raw:.4f}, rank {part.rank}"
            return f"{part.name}: weight {part.weight:g} * {part.normalised:.4f} ({raw})"
        case TextPart():
            often = f": {part.count:,} times" if part.count > 1 else ""
            return _cut(part.text) + ("" if part.span else " (title)") + often
        case Remainder():
            others = [f"{part.others:,} others"] if part.others else []
            return "; ".join(others + ([part.text] if part.text else []))


def _term_said(part: TermPart) -> str:
    if not part.df:
        return f"{part.term}: in no document"
    forms = ", ".join(part.words[:_MOST_FORMS]) + (", ..." if part.words[_MOST_FORMS:] else "")
    here = f"{part.term} ({forms})" if part.words and part.words != (part.term,) else part.term
    weights = [f"tf {part.tf}", f"df {part.df}"]
    weights += [] if part.idf is None else [f"idf {part.idf:.4f}"]
    weights += [] if part.query_weight == 1 else [f"in the query {part.query_weight:.4g}"]
    weights += [] if part.norm == 1 else [f"norms {part.norm:.4g}"]
    return f"{here}: {', '.join(weights)}" if part.tf else f"{here}: not here, df {part.df}"


def _cut(text: str) -> str:
    """Return a text in one line, its middle left out where it is long."""
    words = " ".join(text.split())
    if len(words) <= _LONGEST_TEXT:
        return words
    half = _LONGEST_TEXT // 2
    return f"{words[:half].rstrip()} ... {words[-half:].lstrip()}"


def _wrapped(text: str, width: int, head: str) -> list[str]:
    """Break a text at spaces into lines of `width` columns, the later ones below its start."""
    from rich.cells import cell_len, chop_cells

    room = max(width - len(head), 10)
    lines = [""]
    for word in printable(text).split():
        for piece in [word] if cell_len(word) <= room else chop_cells(word, room):
            if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(piece) > room:
                lines.append("")
            lines[-1] += f" {piece}" if lines[-1] else piece
    starts = [head] + [" " * len(head)] * (len(lines) - 1)
    return [start + line for start, line in zip(starts, lines, strict=True)]

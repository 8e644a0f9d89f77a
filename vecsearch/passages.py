"""Cutting long texts into passages, on paragraph and sentence bounds where it can be done.

Length is counted in words. What stands between white space is a word. A character that is wide or
of a script written without spaces (Chinese, Japanese, Korean, Thai, ..., emoji) is half a word,
together with the punctuation around it. A stretch of over 60 characters without white space is a
word for every 60 of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import regex

from vecsearch.errors import UsageError
from vecsearch.text import CLUSTER
from vecsearch.types import Span

HALF: Final = 1
WORD: Final = 2 * HALF
LONGEST_WORD: Final = 60

_HALF: Final = (
    r"[[\p{East_Asian_Width=W}\p{East_Asian_Width=F}\p{scx=Hang}\p{scx=Kana}\p{Line_Break=SA}"
    r"\p{Extended_Pictographic}]--[\s\p{M}]]"
)
_UNIT: Final = regex.compile(
    rf"(?V1)(?P<half>[\p{{Ps}}\p{{Pi}}]{{0,3}}(?={_HALF})\X[\p{{Po}}\p{{Pe}}\p{{Pf}}]{{0,3}}+)"
    rf"|[[^\s\x1C-\x1F]--{_HALF}]++"
)

_PARAGRAPH_END: Final = regex.compile(r"\n[^\S\n]*+\n|[\u2029\f]")
_STOP: Final = regex.compile(
    r"(?V1)(?P<marks>[\p{STerm}…།༎]++)[\p{Pe}\p{Pf}\"']*+(?:\p{Pi}(?=\s|\Z))?+"
    r"(?=(?P<space>\s*+)[\p{Ps}\p{Pf}\p{Pi}\"'¿¡]*+(?P<next>.?))",
    regex.DOTALL,
)
_NARROW: Final = ".!?…．․"  # these stand inside words and numbers too
_STARTS_HALF: Final = regex.compile(rf"(?V1){_HALF}")
_LAST_WORD: Final = regex.compile(r"[\p{L}\p{M}\p{N}]++\Z")
_ABBREVIATIONS: Final = frozenset(
    """
    mr mrs ms dr prof sr jr st mt vs cf fig figs eq eqs ref refs sec ch vol vols nos pp ed eds
    al approx dept est inc ltd co corp gen col lt sgt capt rev hon gov sen rep
    bzw ca nr abs art bd hrsg str vgl evtl ggf sog inkl zzgl mme mlle sra srta ud uds núm pág
    dott sig ing tzv např resp str мин гг ул рис табл стр им
    """.split()  # noqa: SIM905
)


class _Sentence(NamedTuple):
    start: int
    end: int
    cost: int
    opens: bool
    """Whether a paragraph begins here."""


def split(text: str, words: int, overlap: int | None = None) -> list[Span]:
    """Cut a text into passages of at most `words` words, in order; at least one.

    A passage ends with a paragraph, where one ends in its second half, else with a sentence; a
    sentence longer than `words` is cut between words. The next passage repeats the sentences at
    the end of the one before, as many as fit in `overlap` words (by default an eighth of `words`)
    and leave it room for a new one. Spans start and end with a visible character, and hold all of
    them; a blank text has the one span (0, 0). Raises UsageError for impossible numbers.
    """
    overlap = checked_overlap(words, overlap)
    limit = WORD * words
    sentences = list(_sentences(text, limit))
    passages = []
    first = fresh = 0  # of the sentences: where the passage begins, and what is new in it
    while fresh < len(sentences):
        end = _fill(sentences, first, fresh, limit)
        passages.append(Span(sentences[first].start, sentences[end - 1].end))
        if end == len(sentences):
            break
        room = min(WORD * overlap, limit - sentences[end].cost)
        first, fresh = _step_back(sentences, first, end, room), end
    return passages or [Span(0, 0)]


def sentences(text: str, words: int) -> list[Span]:
    """Return the sentences of a text in order; one longer than `words` is cut between words.

    None is blank. Raises UsageError for a number of words below 1.
    """
    checked_overlap(words)
    return [Span(each.start, each.end) for each in _sentences(text, WORD * words)]


def checked_overlap(words: int, overlap: int | None = None) -> int:
    """Return how many words passages of `words` words repeat; raise UsageError if it can't be."""
    if words < 1:
        raise UsageError(f"A passage needs at least 1 word, not {words}.")
    overlap = words // 8 if overlap is None else overlap
    if not 0 <= overlap < words:
        raise UsageError(
            f"Passages of {words} words can overlap by 0 to {words - 1} words, not {overlap}."
        )
    return overlap


def _fill(sentences: list[_Sentence], first: int, fresh: int, limit: int) -> int:
    """Return where to end the passage from `first`, which takes `fresh` at least."""
    end, cost, best = first, 0, 0
    while end < len(sentences) and cost + sentences[end].cost <= limit:
        if sentences[end].opens and end > fresh and 2 * cost >= limit:
            best = end
        cost += sentences[end].cost
        end += 1
    return end if end == len(sentences) or sentences[end].opens else best or end


def _step_back(sentences: list[_Sentence], first: int, end: int, room: int) -> int:
    """Return the earliest sentence after `first` from which those before `end` fit in `room`."""
    start = end
    while start - 1 > first and sentences[start - 1].cost <= room:
        start -= 1
        room -= sentences[start].cost
    return start


def _sentences(text: str, limit: int) -> Iterator[_Sentence]:
    """Yield the sentences, and the pieces of those that cost more than `limit`."""
    for paragraph in _between(text, 0, len(text), _paragraph_ends(text)):
        opens = True
        for start, end in _between(text, *paragraph, _sentence_ends(text, *paragraph)):
            cost = _cost(text[start:end])
            if cost <= limit:
                yield _Sentence(start, end, cost, opens)
            else:
                for piece in _pieces(text, start, end, limit):
                    yield _Sentence(*piece, opens)
                    opens = False
            opens = False


def _between(text: str, start: int, end: int, cuts: Iterator[int]) -> Iterator[Span]:
    """Yield the stretches that cuts leave, without white space around; blank ones are left out."""
    for cut in (*cuts, end):
        stretch = text[start:cut]
        visible = stretch.strip()
        if visible:
            left = start + len(stretch) - len(stretch.lstrip())
            yield Span(left, left + len(visible))
        start = cut


def _paragraph_ends(text: str) -> Iterator[int]:
    return (match.end() for match in _PARAGRAPH_END.finditer(text))


def _sentence_ends(text: str, start: int, end: int) -> Iterator[int]:
    return (stop.end() for stop in _STOP.finditer(text, start, end) if _ends_sentence(stop))


def _ends_sentence(stop: regex.Match[str]) -> bool:
    """Say whether a stop ends a sentence, and isn't part of "3.14", "e.g. this" or "Dr. Who"."""
    marks, following = stop["marks"], stop["next"]
    if not following or marks[-1] not in _NARROW:
        return True
    if not stop["space"]:
        return bool(_STARTS_HALF.match(following)) and not following.isdecimal()
    if following.islower():
        return False
    return marks != "." or not _is_abbreviated(
        stop.string[max(0, stop.start() - 16) : stop.start()]
    )


def _is_abbreviated(before: str) -> bool:
    """Say whether a text ends with an initial, an ordinal of two digits, or an abbreviation."""
    match = _LAST_WORD.search(before)
    if not match:
        return False
    word = match[0]
    short = len(word) == 1 or (len(word) == 2 and word.isdecimal())
    return short or word.casefold() in _ABBREVIATIONS


def _cost(text: str) -> int:
    if text.isascii():
        return sum(WORD * -(-len(word) // LONGEST_WORD) for word in text.split())
    return sum(cost for _, _, cost in _units(text, 0, len(text)))


def _units(text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the smallest stretches that may be cut apart: start, end, cost."""
    for unit in _UNIT.finditer(text, start, end):
        left, right = unit.span()
        if unit["half"] is not None:
            yield left, right, HALF
        elif right - left <= LONGEST_WORD:
            yield left, right, WORD
        else:
            ends = [cluster.end() for cluster in CLUSTER.finditer(text, left, right)]
            for cut in (*ends[LONGEST_WORD - 1 : -1 : LONGEST_WORD], right):
                yield left, cut, WORD
                left = cut


def _pieces(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """Yield stretches of a sentence that cost at most `limit`: start, end, cost."""
    spent = 0
    last = start
    for left, right, cost in _units(text, start, end):
        if spent + cost > limit:
            yield start, last, spent
            start, spent = left, 0
        last = right
        spent += cost
    yield start, last, spent

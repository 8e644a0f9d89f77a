r"""Metadata filters: `lang = "en" and year >= 2020` becomes a mask over documents.

A filter joins comparisons by `and`, `or`, `not` and parentheses; `not` binds tighter than `and`,
`and` tighter than `or`. Keywords may be in any case. The comparisons are

    field = literal         also ==, !=, <, <=, >, >=
    field in (a, b, ...)    equal to one of them; also: not in
    field like "pattern"    % stands for any run of characters, _ for one; also: not like
    field is null           it has no value; also: is not null

Fields are written as they are where letters, digits, _, - and . are all they have, and otherwise in
backquotes: `my field` (a backquote within is doubled). Literals are

    "text" or 'text'        the quote itself is doubled; a backslash takes ", ', \, % or _ as it is
    2020, -1.5, 1e6         numbers
    true, false
    2024-05-31, 2024-05-31T12:30, 2024-05-31T12:30:59.5+02:00      dates, without quotes

What they mean:
- A document without the field, or with null, NaN or an empty list in it, satisfies no comparison;
  so `!=`, `not in` and `not like`, which say that `=`, `in` and `like` don't hold, are true for it.
- Of a list, one element that satisfies a comparison is enough; so `!=` says that none is equal.
- Text compares with text, by code point; numbers compare with numbers, by value; true and false are
  no numbers, and are only equal or not. A value of another kind than the literal doesn't satisfy
  the comparison; but a literal of a kind that no document has in that field is an error.
- `like` matches whole texts and ignores case (both sides are case-folded).
- A date compares with texts that are ISO 8601 dates or times, as instants; without a zone they are
  UTC. A field's date is its midnight. A literal date is its whole day: = is any instant of it,
  < before it, <= before its end, > after it, >= from its start. Digits after the sixth of a second
  are dropped.
- Integers beyond 64 bits compare as the nearest float64.
- A field that no document has is an error, except in an index without documents.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol, TypeAlias

import numpy as np
import regex
from numpy.typing import NDArray

from vecsearch.errors import FilterError
from vecsearch.store.columns import Columns, Kind, Operator, Value

DocumentMask: TypeAlias = NDArray[np.bool_]
TextTest: TypeAlias = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was read; `parse_filter` makes it. Threads may share it."""

    expression: str
    _root: _Node = field(repr=False, compare=False)
    _comparisons: tuple[_Comparison, ...] = field(repr=False, compare=False)

    def mask(self, segments: Sequence[Columns]) -> list[DocumentMask]:
        """Return for each segment which of its documents pass, (documents,) bool.

        Raise FilterError where all segments together don't have a field, or hold values in it but
        none of a literal's kind.
        """
        if any(columns.documents for columns in segments):
            for comparison in self._comparisons:
                self._check(comparison, segments)
        return [self._root.mask(columns) for columns in segments]

    def _check(self, comparison: _Comparison, segments: Sequence[Columns]) -> None:
        name = comparison.field
        columns = [segment.column(name) for segment in segments]
        found = [column for column in columns if column is not None]
        if not found:
            names = sorted({name for segment in segments for name in segment.names})
            raise FilterError(self.expression, comparison.position, _unknown_field(name, names))
        kinds = frozenset[Kind]().union(*(column.kinds for column in found))
        for literal in comparison.literals:
            if kinds and literal.kind not in kinds:
                problem = _wrong_kind(name, kinds, literal)
                raise FilterError(self.expression, literal.position, problem)


def parse_filter(expression: str) -> Filter:
    """Read a filter; raise FilterError, which points at the place, where it can't be read."""
    parser = _Parser(expression)
    return Filter(expression, parser.parse(), tuple(parser.comparisons))


class _Node(Protocol):
    def mask(self, columns: Columns) -> DocumentMask:
        """Return the documents of a segment that this holds for, in an array of the caller's."""


@dataclass(frozen=True, slots=True)
class _Literal:
    """What a field is compared with: a value, or a test of texts for a pattern or a date."""

    kind: Kind
    noun: str
    value: Value | TextTest
    source: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A value of the field stands in the relation to one of the literals; or, without, exists."""

    field: str
    position: int
    operator: Operator = "="
    literals: Sequence[_Literal] = ()

    def mask(self, columns: Columns) -> DocumentMask:
        column = columns.column(self.field)
        if column is None:
            return np.zeros(columns.documents, np.bool_)
        if not self.literals:
            return column.present()
        wanted = [literal.value for literal in self.literals]
        tests = [value for value in wanted if callable(value)]
        mask = column.compare(self.operator, [value for value in wanted if not callable(value)])
        if tests:
            mask |= column.match(lambda text: any(test(text) for test in tests))
        return mask


@dataclass(frozen=True, slots=True)
class _Negation:
    term: _Node

    def mask(self, columns: Columns) -> DocumentMask:
        return ~self.term.mask(columns)


@dataclass(frozen=True, slots=True)
class _Junction:
    join: np.ufunc
    terms: Sequence[_Node]

    def mask(self, columns: Columns) -> DocumentMask:
        mask = self.terms[0].mask(columns)
        for term in self.terms[1:]:
            self.join(mask, term.mask(columns), out=mask)
        return mask


_DEEPEST: Final = 100
_KEYWORDS: Final = frozenset(["and", "or", "not", "in", "like", "is", "null", "true", "false"])
_OPERATORS: Final[Mapping[str, Operator]] = {
    "=": "=",
    "==": "=",
    "!=": "=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
_TOKEN: Final = regex.compile(
    r"""(?P<text>"(?:[^"\\]|\\.|"")*+"|'(?:[^'\\]|\\.|'')*+')
      | (?P<backquoted>`(?:[^`]|``)*+`)
      | (?P<mark>[<>=!]=|[<>=(),])
      | (?P<word>[^\s"'`<>=!(),]+)""",
    regex.VERBOSE | regex.DOTALL,
)
_FIELD: Final = regex.compile(r"[\p{L}\p{M}\p{N}_.-]+")
_NUMBER: Final = regex.compile(
    r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?", regex.IGNORECASE
)


class _Token(NamedTuple):
    """A stretch of the expression; `symbol` is what the grammar goes by: mark, keyword or ""."""

    kind: str
    source: str
    position: int

    @property
    def symbol(self) -> str:
        word = self.source.lower()
        return word if self.kind == "mark" or (self.kind == "word" and word in _KEYWORDS) else ""


class _Parser:
    """Reads an expression by recursive descent, a method for each rule of the grammar."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = list(self._split())
        self._next = 0
        self._depth = 0
        self.comparisons: list[_Comparison] = []

    def parse(self) -> _Node:
        if len(self._tokens) == 1:
            raise FilterError(self._expression, 0, 'The filter is empty; an example: lang = "en".')
        node = self._disjunction()
        if self._peek.symbol == ")":
            raise self._wrong(self._peek, "This parenthesis was never opened.")
        if self._peek.kind != "end":
            raise self._wrong(self._peek, "After a comparison comes and, or, or the end.")
        return node

    def _split(self) -> Iterator[_Token]:
        position, end = 0, len(self._expression)
        while position < end:
            match = _TOKEN.match(self._expression, position)
            character = self._expression[position]
            if match:
                yield _Token(match.lastgroup, match[0], position)
            elif character == "!":
                raise FilterError(self._expression, position, "Write != or not instead of !.")
            elif not character.isspace():
                raise FilterError(self._expression, position, "This quote is never closed.")
            position = match.end() if match else position + 1
        yield _Token("end", "", end)

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._peek
        self._next += token.kind != "end"
        return token

    def _accept(self, symbol: str) -> bool:
        found = self._peek.symbol == symbol
        self._next += found
        return found

    def _expect(self, *symbols: str) -> str:
        token = self._take()
        if token.symbol not in symbols:
            raise self._wrong(token, f"{_alternatives(symbols)} is expected here.")
        return token.symbol

    def _wrong(self, token: _Token, problem: str) -> FilterError:
        return FilterError(self._expression, token.position, problem)

    def _disjunction(self) -> _Node:
        conjunctions = [[self._term()]]
        while self._peek.symbol in ("and", "or"):
            if self._take().symbol == "or":
                conjunctions.append([])
            conjunctions[-1].append(self._term())
        return _join(np.logical_or, [_join(np.logical_and, terms) for terms in conjunctions])

    def _term(self) -> _Node:
        if self._peek.symbol not in ("not", "("):
            return self._comparison()
        opening = self._take()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(opening, f"The filter is nested more than {_DEEPEST} deep.")
        if opening.symbol == "not":
            node: _Node = _Negation(self._term())
        else:
            node = self._disjunction()
            self._close(opening, "and", "or")
        self._depth -= 1
        return node

    def _close(self, opening: _Token, *others: str) -> None:
        if self._peek.kind == "end":
            raise self._wrong(opening, "This parenthesis is never closed.")
        if not self._accept(")"):
            raise self._wrong(self._peek, f"{_alternatives((*others, ')'))} is expected here.")

    def _comparison(self) -> _Node:
        token = self._take()
        name = self._field(token)
        following = self._peek
        if following.kind == "end" or following.symbol in ("and", "or", ")"):
            hint = f"{token.source} = true, or {token.source} is not null"
            raise self._wrong(token, f'The field "{name}" needs a comparison: {hint}.')
        negated = self._accept("not")
        symbol = self._expect("in", "like", *(() if negated else ("is", *_OPERATORS)))
        operator = _OPERATORS.get(symbol, "=")
        literals: list[_Literal] = []
        if symbol == "is":
            negated = not self._accept("not")
            self._expect("null")
        else:
            negated |= symbol == "!="
            literals = self._literals(following, symbol, operator)
        comparison = _Comparison(name, token.position, operator, tuple(literals))
        self.comparisons.append(comparison)
        return _Negation(comparison) if negated else comparison

    def _field(self, token: _Token) -> str:
        if token.kind == "backquoted":
            return token.source[1:-1].replace("``", "`")
        if token.kind == "text":
            raise self._wrong(token, "A field name is expected here; it takes no quotes but `.")
        if token.kind != "word":
            raise self._wrong(token, "A field name is expected here.")
        if token.symbol or not _FIELD.fullmatch(token.source):
            why = "is a keyword" if token.symbol else "isn't all letters, digits, _, - and ."
            hint = f"as a field's name, write it in backquotes: `{token.source}`"
            raise self._wrong(token, f'"{token.source}" {why}; {hint}.')
        return token.source

    def _literals(self, mark: _Token, symbol: str, operator: Operator) -> list[_Literal]:
        if symbol == "like":
            return [self._pattern()]
        if symbol == "in":
            opening = self._peek
            self._expect("(")
            literals = [self._literal("=")]
            while self._accept(","):
                literals.append(self._literal("="))
            self._close(opening, ",")
            return literals
        literal = self._literal(operator)
        if literal.kind == "bool" and operator != "=":
            raise self._wrong(mark, f"{literal.source} can only be compared by =, != and in.")
        return [literal]

    def _literal(self, operator: Operator) -> _Literal:
        token = self._take()
        if token.kind == "text":
            text = "".join(character for character, _ in self._characters(token))
            return _Literal("text", "text", text, token.source, token.position)
        if token.kind != "word":
            raise self._wrong(token, 'A value is expected here: "text", a number, a date or true.')
        if token.symbol == "null":
            raise self._wrong(token, "Nothing equals null; write is null or is not null.")
        literal = _read_bare(token.source, operator)
        if literal is None:
            hint = f'text needs quotes: "{token.source}"'
            raise self._wrong(token, f"{token.source} is no number, date, true or false; {hint}.")
        if literal.kind == "number" and math.isinf(float(token.source)):
            raise self._wrong(token, "This number is too large for a number of 64 bits.")
        return replace(literal, source=token.source, position=token.position)

    def _pattern(self) -> _Literal:
        token = self._take()
        if token.kind != "text":
            raise self._wrong(token, 'A pattern in quotes is expected here, such as "new%".')
        pieces = [""]
        for character, escaped in self._characters(token):
            if character == "%" and not escaped:
                pieces.append("")
            elif character == "_" and not escaped:
                pieces[-1] += "."
            else:
                pieces[-1] += regex.escape(character.casefold())
        return _Literal("text", "a pattern", _like(pieces), token.source, token.position)

    def _characters(self, token: _Token) -> Iterator[tuple[str, bool]]:
        """Yield what stands between the quotes, and whether a backslash stood before it."""
        quote, body = token.source[0], token.source[1:-1]
        for match in regex.finditer(rf"\\.|{quote}{quote}|.", body, regex.DOTALL):
            part: str = match[0]
            if part[0] == "\\" and part[1] not in "\"'\\%_":
                position = token.position + 1 + match.start()
                raise FilterError(self._expression, position, r"For a backslash, write \\.")
            yield part[-1], part[0] == "\\"


def _join(join: np.ufunc, terms: Sequence[_Node]) -> _Node:
    return _Junction(join, tuple(terms)) if len(terms) > 1 else terms[0]


def _alternatives(symbols: Sequence[str]) -> str:
    *others, last = symbols
    return f"{', '.join(others)} or {last}" if others else last


def _like(pieces: Sequence[str]) -> TextTest:
    """Return the test for texts made of these regular expressions, with anything between them."""
    first, *rest = pieces
    if rest:
        *inner, last = rest
        # The first place where a piece fits leaves most to the pieces after it. So an atomic group
        # loses no match, and keeps the time from growing with a power of the number of pieces.
        first += "".join(f"(?>.*?{piece})" for piece in inner) + ".*" + last
    whole = regex.compile(first, regex.DOTALL)
    return lambda text: whole.fullmatch(text.casefold()) is not None


def _read_bare(source: str, operator: Operator) -> _Literal | None:
    """Read a literal that has no quotes; None where it is none."""
    word = source.lower()
    if word in ("true", "false"):
        return _Literal("bool", "true or false", word == "true")
    if _NUMBER.fullmatch(source):
        # Integers are read as such, since a float would round those above 2**53.
        whole = regex.fullmatch(r"[+-]?[0-9]{1,400}", source)
        return _Literal("number", "a number", int(source) if whole else float(source))
    stretch = _instants(source)
    if stretch is None:
        return None
    start, end = stretch
    low, high = {
        "=": (start, end),
        "<": (-math.inf, start),
        "<=": (-math.inf, end),
        ">": (end, math.inf),
        ">=": (start, math.inf),
    }[operator]

    def test(text: str) -> bool:
        instants = _instants(text)
        return instants is not None and low <= instants[0] < high

    return _Literal("text", "a date, which is compared with text", test)


_DATE: Final = regex.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(?:Z|([+-])([01][0-9]|2[0-3]):?([0-5][0-9]))?)?",
    regex.IGNORECASE,
)
_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1) // _MICROSECOND


def _instants(text: str) -> tuple[int, int] | None:
    """Return the microseconds since 1970, from and up to, that an ISO date or time stands for."""
    match = _DATE.fullmatch(text)
    if not match:
        return None
    *parts, fraction, sign, hours, minutes = match.groups()
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in parts)
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    start = (moment - _EPOCH) // _MICROSECOND + int((fraction or "").ljust(6, "0")[:6])
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) // _MICROSECOND
        start -= offset if sign == "+" else -offset
    return start, start + (1 if match[4] else _DAY)


def _unknown_field(name: str, names: Sequence[str]) -> str:
    if not names:
        return f'There is no field "{name}": no document has metadata.'
    near = difflib.get_close_matches(name, names, n=3)
    hint = f" Did you mean {_alternatives(near)}?" if near else ""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f'There is no field "{name}".{hint} The fields are {", ".join(names[:20])}{more}.'


_HELD: Final[Mapping[Kind, str]] = {"bool": "true or false", "number": "numbers", "text": "text"}


def _wrong_kind(name: str, kinds: frozenset[Kind], literal: _Literal) -> str:
    held = " and ".join(_HELD[kind] for kind in sorted(kinds))
    bare = _read_bare(literal.value, "=") if isinstance(literal.value, str) else None
    hint = ""
    if bare and bare.kind in kinds:
        hint = f" Write {literal.value} without quotes."
    elif "text" in kinds:
        hint = f' Write "{literal.source}" in quotes.'
    return f'The field "{name}" holds {held}; {literal.source} is {literal.noun}.{hint}'

"""Expression -> filter: the tokens it is split into, and the grammar that makes the tree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import regex

from vecsearch.errors import FilterError, UsageError
from vecsearch.filters.literals import Literal, is_inexact, is_written_as_date, like, read_bare
from vecsearch.filters.nodes import Comparison, Filter, Junction, Negation, Node
from vecsearch.filters.problems import alternatives, instead
from vecsearch.store.columns import Operator

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
      | (?P<mark><>|=[<>]|[<>=!]=|[<>=(),])
      | (?P<word>[^\s"'`<>=!(),]+)""",
    regex.VERBOSE | regex.DOTALL,
)
_FIELD: Final = regex.compile(r"[\p{L}\p{M}\p{N}_.-]+")


def parse_filter(expression: str) -> Filter:
    """Read a filter; raise FilterError, which points at the place, where it can't be read."""
    if not isinstance(expression, str):
        raise UsageError(f"A filter is text such as 'year >= 2020', not {expression!r}.")
    parser = _Parser(expression)
    return Filter(expression, parser.parse(), tuple(parser.comparisons))


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
        self.comparisons: list[Comparison] = []

    def parse(self) -> Node:
        if len(self._tokens) == 1:
            raise FilterError(self._expression, 0, 'The filter is empty; an example: lang = "en".')
        node = self._disjunction()
        if self._peek.symbol == ")":
            raise self._wrong(self._peek, "This parenthesis was never opened.")
        if self._peek.kind != "end":
            hint = instead(self._peek.source, ("and", "or"))
            raise self._wrong(self._peek, f"After a comparison comes and, or, or the end.{hint}")
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
            hint = instead(token.source, symbols)
            raise self._wrong(token, f"{alternatives(symbols)} is expected here.{hint}")
        return token.symbol

    def _wrong(self, token: _Token, problem: str) -> FilterError:
        return FilterError(self._expression, token.position, problem)

    def _disjunction(self) -> Node:
        conjunctions = [[self._term()]]
        while self._peek.symbol in ("and", "or"):
            if self._take().symbol == "or":
                conjunctions.append([])
            conjunctions[-1].append(self._term())
        return _join(np.logical_or, [_join(np.logical_and, terms) for terms in conjunctions])

    def _term(self) -> Node:
        if self._peek.symbol not in ("not", "("):
            return self._comparison()
        opening = self._take()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(opening, f"The filter is nested more than {_DEEPEST} deep.")
        if opening.symbol == "not":
            node: Node = Negation(self._term())
        else:
            node = self._disjunction()
            self._close(opening, "and", "or")
        self._depth -= 1
        return node

    def _close(self, opening: _Token, *others: str) -> None:
        if self._peek.kind == "end":
            raise self._wrong(opening, "This parenthesis is never closed.")
        if not self._accept(")"):
            raise self._wrong(self._peek, f"{alternatives((*others, ')'))} is expected here.")

    def _comparison(self) -> Node:
        token = self._take()
        name = self._field(token)
        following = self._peek
        if following.kind == "end" or following.symbol in ("and", "or", ")"):
            hint = f"{token.source} = true, or {token.source} is not null"
            raise self._wrong(token, f'The field "{name}" needs a comparison: {hint}.')
        negated = self._accept("not")
        symbol = self._expect("in", "like", *(() if negated else ("is", *_OPERATORS)))
        operator = _OPERATORS.get(symbol, "=")
        literals: list[Literal] = []
        if symbol == "is":
            negated = not self._accept("not")
            self._expect("null")
        else:
            negated |= symbol == "!="
            literals = self._literals(following, symbol, operator)
        comparison = Comparison(name, token.position, operator, tuple(literals))
        self.comparisons.append(comparison)
        return Negation(comparison) if negated else comparison

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

    def _literals(self, mark: _Token, symbol: str, operator: Operator) -> list[Literal]:
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

    def _literal(self, operator: Operator) -> Literal:
        token = self._take()
        if token.kind == "text":
            text = "".join(character for character, _ in self._characters(token))
            return Literal("text", "text", text, token.source, token.position)
        if token.kind != "word":
            raise self._wrong(token, 'A value is expected here: "text", a number, a date or true.')
        if token.symbol == "null":
            raise self._wrong(token, "Nothing equals null; write is null or is not null.")
        literal = read_bare(token.source, operator)
        if literal is None and is_written_as_date(token.source):
            raise self._wrong(token, f"There is no such day or time as {token.source}.")
        if literal is None:
            hint = f'text needs quotes: "{token.source}"'
            raise self._wrong(token, f"{token.source} is no number, date, true or false; {hint}.")
        if literal.kind == "number" and math.isinf(float(token.source)):
            raise self._wrong(token, "This number is too large for a number of 64 bits.")
        if is_inexact(literal):
            raise self._wrong(
                token,
                f"Whole numbers are compared from {-(1 << 63)} to {(1 << 63) - 1}, exactly; "
                "greater ones can be indexed as text and compared with text in quotes.",
            )
        return replace(literal, source=token.source, position=token.position)

    def _pattern(self) -> Literal:
        token = self._take()
        if token.kind != "text":
            raise self._wrong(token, 'A pattern in quotes is expected here, such as "new%".')
        test = like(self._characters(token))
        return Literal("text", "a pattern", test, token.source, token.position)

    def _characters(self, token: _Token) -> Iterator[tuple[str, bool]]:
        """Yield what stands between the quotes, and whether a backslash stood before it."""
        quote, body = token.source[0], token.source[1:-1]
        for match in regex.finditer(rf"\\.|{quote}{quote}|.", body, regex.DOTALL):
            part: str = match[0]
            if part[0] == "\\" and part[1] not in "\"'\\%_":
                position = token.position + 1 + match.start()
                raise FilterError(self._expression, position, r"For a backslash, write \\.")
            yield part[-1], part[0] == "\\"


def _join(join: np.ufunc, terms: Sequence[Node]) -> Node:
    return Junction(join, tuple(terms)) if len(terms) > 1 else terms[0]

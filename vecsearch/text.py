"""Analyzer: text -> terms, the same for a document and for a query.

A word is a maximal run of letters, numbers and the marks on them; invisible joiners (soft hyphen,
ZWJ, ZWNJ) may stand inside it, apostrophes and underscores end it. Each distinct word is worked out
once and remembered:

1. normalise: NFKC, case folding, NFKC; default-ignorable characters and enclosing marks go
2. cut what normalisation joined up ("½" is "1", "2") and where the script changes ("2020年")
3. scripts written without spaces become overlapping pairs of characters: "東京都" is "東京", "京都"
4. stopwords go, then Snowball stems the rest; a term has at most 64 characters

A pictograph is a word of its own, without skin tone and joiners; a flag is one word. Accents stay.
The terms of a text don't depend on its normalisation form (NFC, NFD), short of words with more than
30 marks in a row: what is over 30 is dropped.
"""

from __future__ import annotations

import functools
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Final, Generic, NamedTuple, TypeVar

import regex
import Stemmer

from vecsearch.errors import FormatTooNew, IndexProblem, UnknownName
from vecsearch.stopwords import stopwords

RULES: Final = 1
"""Version of the rules above; a change of any term of any text raises it."""

PLAIN: Final = "plain"
"""The analyzer without stopwords and stemming."""

LONGEST_TERM: Final = 64
MOST_MARKS: Final = 30  # in a row, as in Unicode's stream-safe format: sorting marks is quadratic
MEMO_WORDS: Final = 1 << 17
MEMO_TERMS: Final = 4  # a word of more terms is a stretch of CJK text, which seldom comes again

# \X alone looks back over all flags in a row to tell their halves apart: that is quadratic.
CLUSTER: Final = regex.compile(
    r"(?V1)\p{Regional_Indicator}{2}+(?![\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}])|\X"
)
"""A grapheme cluster, what a person takes for one character."""

# NFKC turns some symbols into letters or numbers ("㎏", "Ⓐ"). Letter-like ones ("™") are left out:
# "Intel™" is to be "intel".
HEAD: Final = r"\p{L}\p{N}[[\p{So}&&\p{NFKC_QC=N}]--[\u2100-\u214F]]"
GLUE: Final = r"[[\p{Cf}&&\p{Default_Ignorable_Code_Point}]--[\u200B]]"
PICTOGRAPH: Final = r"[[\p{Extended_Pictographic}&&[\p{So}\p{Cn}]]--[©®™]]"
_FLAG: Final = r"\p{Regional_Indicator}{2}"
SPACELESS_LETTER: Final = (
    r"[[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Bopo}\p{scx=Yi}\p{scx=Tang}"
    r"\p{scx=Nshu}\p{Line_Break=SA}]&&[\p{L}\p{N}]]"
)

_WORD: Final = regex.compile(
    rf"(?V1)[{HEAD}][{HEAD}\p{{M}}]*+(?:{GLUE}++[{HEAD}\p{{M}}]++)*+"
    rf"|{_FLAG}|{PICTOGRAPH}[\p{{M}}\p{{Emoji_Modifier}}]*+"
)
_PIECE: Final = regex.compile(
    rf"(?V1)(?P<run>(?:{SPACELESS_LETTER}\p{{M}}*+)++)"
    rf"|(?:[[\p{{L}}\p{{N}}]--{SPACELESS_LETTER}]\p{{M}}*+)++|{_FLAG}|{PICTOGRAPH}"
)
_CHARACTER: Final = regex.compile(r"[\p{L}\p{N}]\p{M}*+")
_SPACELESS: Final = regex.compile(rf"(?V1){SPACELESS_LETTER}\p{{M}}*+")
_FIRST_SPACELESS: Final = "\N{CARON}"  # a tone of Bopomofo
IGNORED: Final = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Me}\p{Emoji_Modifier}]++")
_MARKS: Final = regex.compile(rf"(\p{{M}}{{{MOST_MARKS}}})\p{{M}}++")
# `regex` lets other threads run while it looks through a text, unless `concurrent` forbids it: with
# a word it is done before they would give way again.
_TURKISH: Final = str.maketrans({"I": "ı", "İ": "i"})  # case folding takes "I" to "i" everywhere

# For bytes of UTF-8: what ends every word becomes a space, and capitals become small. No word holds
# an ASCII character besides letters and digits, so cutting there first changes no word.
_BREAKS: Final = bytes(c if c >= 0x80 or chr(c).isalnum() else 0x20 for c in range(256))
_LOWER_BREAKS: Final = _BREAKS.lower()


class Token(NamedTuple):
    """A term and the characters of the original text that it stands for."""

    term: str
    start: int
    end: int


_T = TypeVar("_T")


class _Memo(dict[str, tuple[_T, ...]], Generic[_T]):
    """What a function makes of a word, remembered. When full it starts over.

    Safe between threads: lookups need no lock, and a miss, where the stemmer works, takes one.
    """

    __slots__ = ("_compute", "_lock")

    def __init__(self, compute: Callable[[str], tuple[_T, ...]], lock: threading.Lock) -> None:
        super().__init__()
        self._compute = compute
        self._lock = lock

    def __missing__(self, word: str) -> tuple[_T, ...]:
        with self._lock:
            made = self._compute(word)
            if len(word) <= LONGEST_TERM and len(made) <= MEMO_TERMS:
                if len(self) >= MEMO_WORDS:
                    self.clear()
                self[word] = made
        return made


@dataclass(frozen=True, slots=True)
class Analyzer:
    """Text to terms by one language's rules; get one with `analyzer(name)`.

    Values of equal name and stopwords are equal and give equal terms. Safe to share between
    threads, and to send to another process.
    """

    name: str
    stopwords: frozenset[str] = field(repr=False)
    _stem: Callable[[str], str] = field(init=False, repr=False, compare=False)
    _stem_all: Callable[[list[str]], list[str]] = field(init=False, repr=False, compare=False)
    _lock: threading.Lock = field(init=False, repr=False, compare=False)
    _terms: _Memo[str] = field(init=False, repr=False, compare=False)
    _tokens: _Memo[Token] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.name not in analyzer_names():
            raise UnknownName("analyzer", self.name, analyzer_names())
        lock = threading.Lock()  # one for both: a stemmer isn't safe between threads
        stemmer = None if self.name == PLAIN else Stemmer.Stemmer(self.name, 0)
        object.__setattr__(self, "_stem", stemmer.stemWord if stemmer else str)
        object.__setattr__(self, "_stem_all", stemmer.stemWords if stemmer else list)
        object.__setattr__(self, "_lock", lock)
        object.__setattr__(self, "_terms", _Memo(lambda chunk: _chunk_terms(self, chunk), lock))
        object.__setattr__(self, "_tokens", _Memo(lambda word: _word_tokens(self, word), lock))

    def __reduce__(self) -> tuple[type[Analyzer], tuple[str, frozenset[str]]]:
        return Analyzer, (self.name, self.stopwords)

    @property
    def description(self) -> str:
        """What the analyzer does beyond cutting words, for a person."""
        if self.name == PLAIN:
            return "no stopwords, no stemming"
        count = len(self.stopwords)
        words = f"{count} stopwords" if count else "no stopwords (no list for this language)"
        return f"{words}, Snowball stemming"

    def terms(self, text: str) -> list[str]:
        """Return the terms of a text in their order."""
        breaks = _BREAKS if self.name == "turkish" else _LOWER_BREAKS
        coded = text.encode("utf-8", "surrogatepass").translate(breaks)
        chunks = coded.decode("utf-8", "surrogatepass").split()
        return list(chain.from_iterable(map(self._terms.__getitem__, chunks)))

    def chunk_terms(self, chunk: str) -> tuple[str, ...]:
        """Return the terms of a text that holds nothing in ASCII but letters and digits.

        As `terms`, but without remembering them, and without a look for white space.
        """
        with self._lock:
            return _chunk_terms(self, chunk)

    def word_terms(self, words: Sequence[str]) -> list[str]:
        """Return what is left of each of many words: its term, or nothing.

        A word is here letters and numbers, of no script without spaces, that stay such when they
        are normalised, and marks on them that normalisation leaves alone.
        """
        text = "\n".join(words)  # a break keeps them apart
        normal = normalise(text, self.name)
        whole = list(words) if normal == text else normal.split("\n")
        short = whole
        if max(map(len, whole), default=0) > LONGEST_TERM:
            short = [word[:LONGEST_TERM] for word in whole]
        with self._lock:
            terms = self._stem_all(short)
        if max(map(len, terms), default=0) > LONGEST_TERM:
            terms = [term[:LONGEST_TERM] for term in terms]
        stopped = self.stopwords.intersection(whole)
        if stopped:
            pairs = zip(whole, terms, strict=True)
            terms = ["" if word in stopped else term for word, term in pairs]
        return terms

    def tokens(self, text: str) -> list[Token]:
        """Return the same terms, each with its place.

        Where a character stands for several terms ("½"), or normalisation mixed the characters of
        a word so that a part can't be told, several tokens share one place.
        """
        return [
            Token(term, word.start() + start, word.start() + end)
            for word in _WORD.finditer(text)
            for term, start, end in self._tokens[word[0]]
        ]

    def unstemmed(self, text: str) -> list[str]:
        """Return what the terms are stems of, in its order, stopwords included."""
        return [
            term
            for word in _WORD.findall(text)
            for piece in _PIECE.finditer(normalise(word, self.name))
            for term in (_pairs(piece[0]) if piece["run"] else [piece[0][:LONGEST_TERM]])
        ]

    def to_dict(self) -> dict[str, object]:
        """Return all that decides about terms, in JSON types; an index stores it."""
        return {
            "name": self.name,
            "rules": RULES,
            "stemmer": None if self.name == PLAIN else _stemmer_version(),
            "stopwords": sorted(self.stopwords),
        }

    @staticmethod
    def from_dict(stored: Mapping[str, object]) -> Analyzer:
        """Return the analyzer that `to_dict` described, with the stopwords stored there.

        Raises FormatTooNew or IndexProblem where this installation would give other terms,
        UnknownName for a name that it doesn't have.
        """
        match stored:
            case {
                "name": str(name),
                "rules": int(rules),
                "stemmer": stemmer,
                "stopwords": [*words],
            }:
                pass
            case _:
                raise IndexProblem(
                    "The stored analyzer can't be read: it needs a name, rules, a stemmer and "
                    f"stopwords, and holds {', '.join(map(repr, stored)) or 'nothing'}."
                )
        if rules > RULES:
            raise FormatTooNew(
                f"The text was analysed by version {rules} of the rules for words; this vecsearch "
                f"knows version {RULES}. Update vecsearch to search it."
            )
        if rules < RULES:
            raise IndexProblem(
                f"The text was analysed by version {rules} of the rules for words; this vecsearch "
                f"uses version {RULES}. Index the corpus again."
            )
        built = Analyzer(name, frozenset(map(str, words)))
        if stemmer != built.to_dict()["stemmer"]:
            raise IndexProblem(
                f"The text was stemmed by PyStemmer {stemmer}; PyStemmer {_stemmer_version()} is "
                f"installed, which may stem otherwise. Install version {stemmer}, or index the "
                "corpus again."
            )
        shared = analyzer(name)
        return shared if shared == built else built


@functools.cache
def analyzer(name: str) -> Analyzer:
    """Return the analyzer of a name, always the same one; raises UnknownName for others."""
    if name not in analyzer_names():
        raise UnknownName("analyzer", name, analyzer_names())
    words = "" if name == PLAIN else stopwords(name)
    return Analyzer(name, frozenset(normalise(word, name) for word in words.split()))


@functools.cache
def analyzer_names() -> tuple[str, ...]:
    """Return the names of all analyzers: the languages of Snowball, and plain."""
    variants = {"porter", "dutch_porter"}  # older stemmers of languages that have a newer one
    return tuple(sorted({*Stemmer.algorithms(), PLAIN} - variants))


def is_lone(term: str) -> bool:
    """Say whether a term is one character of a script without spaces: no other stood beside it."""
    return _SPACELESS.fullmatch(term) is not None


def holds_spaceless(text: str) -> bool:
    """Say whether a text holds a character of a script without spaces."""
    if text.isascii() or max(text) < _FIRST_SPACELESS:  # as nearly all that isn't in ASCII
        return False
    return _SPACELESS.search(text) is not None


def _stemmer_version() -> str:
    """Return PyStemmer's major and minor version; a patch doesn't change what stems are."""
    return ".".join(Stemmer.version().split(".")[:2])


def normalise(word: str, name: str) -> str:
    """Return a word as the analyzer of a name compares it: step 1 above."""
    if not word.isascii():
        word = IGNORED.sub("", word, concurrent=False)
        if len(word) > MOST_MARKS:
            word = _MARKS.sub(r"\1", word, concurrent=False)
        word = unicodedata.normalize("NFKC", word)
    if name == "turkish":
        word = word.translate(_TURKISH)
    word = word.casefold()
    return word if word.isascii() else unicodedata.normalize("NFKC", word)


def _chunk_terms(rules: Analyzer, chunk: str) -> tuple[str, ...]:
    """Return the terms of a chunk: words with nothing in ASCII, nor white space, between them."""
    if chunk.isascii():  # one word of one piece
        return _term(rules, normalise(chunk, rules.name))
    words = _WORD.findall(chunk, concurrent=False)
    known = {word: tuple(_word_terms(rules, word)) for word in set(words)}
    return tuple(chain.from_iterable(map(known.__getitem__, words)))


def _word_terms(rules: Analyzer, word: str) -> Iterator[str]:
    """Yield the terms of one word."""
    for piece in _PIECE.finditer(normalise(word, rules.name), concurrent=False):
        yield from _pairs(piece[0]) if piece["run"] else _term(rules, piece[0])


def _word_tokens(rules: Analyzer, word: str) -> tuple[Token, ...]:
    """Return the terms of one word with their places in it."""
    normal = normalise(word, rules.name)
    pieces = list(_PIECE.finditer(normal))
    if len(pieces) == 1 and pieces[0][0] == normal and not pieces[0]["run"]:
        return tuple(Token(term, 0, len(word)) for term in _term(rules, normal))
    origins = _origins(word, normal, rules.name)
    found = []
    for piece in pieces:
        if piece["run"]:
            places = [character.span() for character in _CHARACTER.finditer(normal, *piece.span())]
            terms = tuple(_pairs(piece[0]))
        else:
            places = [piece.span()]
            terms = _term(rules, piece[0])
        for term, (start, _), (_, end) in zip(terms, places, places[1:] or places, strict=False):
            found.append(Token(term, origins[start][0], origins[end - 1][1]))
    return tuple(found)


def _term(rules: Analyzer, word: str) -> tuple[str, ...]:
    """Return what stopping and stemming leave of a normalised word: a term, or nothing."""
    if word in rules.stopwords:
        return ()
    term = rules._stem(word[:LONGEST_TERM])[:LONGEST_TERM]
    return (term,) if term else ()


def _pairs(run: str) -> list[str]:
    """Return the overlapping pairs of the characters of a run, or its one character."""
    characters = _CHARACTER.findall(run, concurrent=False)
    if len(characters) == 1:
        return [run[:LONGEST_TERM]]
    return [(first + second)[:LONGEST_TERM] for first, second in pairwise(characters)]


def _origins(word: str, normal: str, name: str) -> list[tuple[int, int]]:
    """Return for each character of the normalised word the place in the word that it came from.

    It is as fine as grapheme clusters; where they can't be normalised one by one, it is the word.
    """
    origins = []
    parts = []
    for cluster in CLUSTER.finditer(word):
        parts.append(normalise(cluster[0], name))
        origins += [cluster.span()] * len(parts[-1])
    return origins if "".join(parts) == normal else [(0, len(word))] * len(normal)

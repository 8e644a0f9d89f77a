"""A system that vecsearch can be, as a value: representation, weighting, encoder, fusion, index."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from vecsearch.encoders import DEFAULT, OwnVectors, locate_encoder
from vecsearch.encoders.base import Located, hybrid_weight
from vecsearch.errors import EncoderError, UnknownName, UsageError
from vecsearch.retrieve.base import Retriever
from vecsearch.retrieve.fusion import Arm, ReciprocalRank, WeightedSum
from vecsearch.retrieve.lexical import Lexical
from vecsearch.retrieve.weighting import BM25, TfIdf
from vecsearch.searcher import Searcher
from vecsearch.store.manifest import Passages
from vecsearch.text import analyzer_names

Representation: TypeAlias = Literal["tfidf", "bm25", "dense", "hybrid"]
Method: TypeAlias = Literal["min-max", "rrf"]
Words: TypeAlias = Literal["bm25", "tfidf"]

FORMULAS: Final[Mapping[str, type[BM25] | type[TfIdf]]] = {"bm25": BM25, "tfidf": TfIdf}
_EMBEDDED: Final = ("dense", "hybrid")


class _Fuser(NamedTuple):
    """What fuses by a method: what makes it of a snapshot, arms and depth, and its name in words.

    constant: the default of its parameter of this name; None where it has none.
    """

    make: Callable[..., Retriever]
    about: str
    constant: float | None = None


_FUSERS: Final[Mapping[Method, _Fuser]] = {
    "min-max": _Fuser(WeightedSum, "a weighted sum, min-max"),
    "rrf": _Fuser(ReciprocalRank, "reciprocal ranks", 60.0),
}


@dataclass(frozen=True, slots=True)
class Fusion:
    """How a hybrid adds up words and embeddings; `WeightedSum` and `ReciprocalRank` say more.

    weights: of words and of embeddings; by default what suits the encoder.
    depth: documents of each that are fused.
    constant: of rrf, by default 60; min-max has none.
    """

    method: Method = "min-max"
    words: Words = "bm25"
    weights: tuple[float, ...] = ()
    depth: int = 100
    constant: float | None = None

    def __post_init__(self) -> None:
        one_of("fusion method", self.method, tuple(_FUSERS))
        one_of("kind of words in a fusion", self.words, get_args(Words))
        if len(self.weights) not in (0, 2) or not all(
            0 <= each < math.inf for each in self.weights
        ):
            raise UsageError(
                "The weights of a fusion are two numbers of at least 0, of words and of "
                f"embeddings, not {list(self.weights)!r}."
            )
        if self.weights and not any(self.weights):
            raise UsageError("One weight of a fusion is above 0, else every score is the same.")
        if self.depth < 1:
            raise UsageError(f"The depth of a fusion is at least 1, not {self.depth}.")
        default = _FUSERS[self.method].constant
        if self.constant is None:
            object.__setattr__(self, "constant", default)
        elif default is None:
            raise UsageError(f"The fusion method {self.method} has no constant.")
        elif not 0 <= self.constant < math.inf:
            raise UsageError(f"The constant of {self.method} is at least 0, not {self.constant}.")


@dataclass(frozen=True, slots=True)
class System:
    """One way to search with vecsearch, every parameter of it.

    weighting: of tfidf, bm25 and hybrid; None for dense.
    encoder: a name for `load_encoder`; None for tfidf and bm25.
    fusion: of hybrid; None for the rest.
    """

    representation: Representation
    analyzer: str = "english"
    passages: int | None = None
    encoder: str | None = None
    index: Literal["flat"] = "flat"
    weighting: BM25 | TfIdf | None = None
    fusion: Fusion | None = None

    def __post_init__(self) -> None:
        one_of("representation", self.representation, get_args(Representation))
        if self.analyzer not in analyzer_names():
            raise UnknownName("analyzer", self.analyzer, analyzer_names())
        if self.passages is not None:
            Passages.of(self.passages)
        one_of("index type", self.index, ("flat",))
        hybrid = self.representation == "hybrid"
        self._belongs("fusion", hybrid)
        self._belongs("encoder", self.representation in _EMBEDDED)
        self._belongs("weighting", self.representation != "dense")
        if hybrid and self.fusion is None:
            object.__setattr__(self, "fusion", Fusion())
        words = self.fusion.words if self.fusion else self.representation
        if words in FORMULAS and self.weighting is None:
            object.__setattr__(self, "weighting", FORMULAS[words]())
        if self.weighting is not None and self.weighting.name != words:
            raise UsageError(f"The weighting of {words} isn't one of {self.weighting.name}.")
        if self.representation in _EMBEDDED:
            encoder = self.encoder or DEFAULT
            weight = hybrid_weight(located_model(encoder))
            object.__setattr__(self, "encoder", encoder)
            if self.fusion is not None and not self.fusion.weights:
                fusion = dataclasses.replace(self.fusion, weights=(1 - weight, weight))
                object.__setattr__(self, "fusion", fusion)

    @property
    def fingerprint(self) -> str | None:
        """The encoder's, so that a system is another when its encoder is."""
        return None if self.encoder is None else _fingerprint(self.encoder)

    def _belongs(self, name: str, fits: bool) -> None:
        if getattr(self, name) is not None and not fits:
            raise UsageError(f"The representation {self.representation} has no {name}.")

    @property
    def about(self) -> str:
        """What the system does, in a line."""
        words = {"tfidf": "TF-IDF with the cosine", "bm25": "BM25"}
        encoder = f"embeddings by {self.encoder}"
        match self.representation:
            case "dense":
                told = encoder
            case "hybrid" if self.fusion:
                both = f"{words[self.fusion.words]} and {encoder}"
                told = f"{both}, fused by {_FUSERS[self.fusion.method].about}"
            case _:
                told = words[self.representation]
        return told + (f", passages of {self.passages} words" if self.passages else "")

    def definition(self) -> dict[str, object]:
        """Every parameter in JSON types; `systems.system_from` reads it."""
        made = {**dataclasses.asdict(self), "fingerprint": self.fingerprint}
        plain = json.dumps({name: value for name, value in made.items() if value is not None})
        return dict(json.loads(plain))  # tuples are lists now

    @property
    def digest(self) -> str:
        """SHA-256 of the definition, with the encoder's fingerprint instead of its name."""
        made = self.definition()
        made.pop("encoder", None)
        return digest_of(made)

    @property
    def index_digest(self) -> str:
        """SHA-256 of what the index depends on: systems that differ otherwise can share one."""
        return digest_of([self.analyzer, self.passages, self.fingerprint, self.index])

    def retriever(self, searcher: Searcher) -> Retriever:
        """Compose what ranks, over a searcher of an index that this system made."""
        if self.weighting is None:
            return searcher.retriever("dense")
        lexical = Lexical(searcher.snapshot, searcher.analyzer, self.weighting)
        if self.fusion is None:
            return lexical
        dense = searcher.retriever("dense")
        arms = [
            Arm(each, weight)
            for each, weight in zip((lexical, dense), self.fusion.weights, strict=True)
        ]
        constant = {} if self.fusion.constant is None else {"constant": self.fusion.constant}
        make = _FUSERS[self.fusion.method].make
        return make(searcher.snapshot, arms, depth=self.fusion.depth, **constant)


def located_model(encoder: str) -> Located:
    """Find the model of an encoder; raise EncoderError where it has none."""
    located = locate_encoder(encoder)
    if isinstance(located, OwnVectors):
        raise EncoderError(
            f"{encoder} stands for vectors that their owner made; a system encodes texts."
        )
    return located


@functools.cache
def _fingerprint(encoder: str) -> str:
    return located_model(encoder).fingerprint


def digest_of(value: object) -> str:
    """SHA-256 of a value of JSON types."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def one_of(kind: str, value: object, choices: tuple[str, ...]) -> str:
    """Return a value that is one of the choices; raise UnknownName for another."""
    if value not in choices:
        raise UnknownName(kind, str(value), choices)
    return str(value)

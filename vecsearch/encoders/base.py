"""What an encoder is: a pure function from texts to vectors, with a fingerprint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import EncoderError, UnknownName, UsageError
from vecsearch.text import Analyzer
from vecsearch.types import Role, Span, Vectors

Device: TypeAlias = Literal["auto", "cpu", "cuda"]


def check_device(device: Device) -> None:
    """Raise UnknownName for anything else than a device."""
    if device not in get_args(Device):
        raise UnknownName("device", device, get_args(Device))


def check_role(role: Role) -> None:
    """Raise UnknownName for anything else than a role; each encoder's `encode` begins with it."""
    if role not in get_args(Role):
        raise UnknownName("role", role, get_args(Role))


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors. It remembers nothing: the same texts give the same vectors."""

    @property
    def name(self) -> str:
        """What the encoder is called in tables and runs."""
        ...

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        ...

    @property
    def fingerprint(self) -> str:
        """A digest of everything that the vectors depend on, but for numeric precision."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Encode texts, in order, as documents or as queries: (texts, dim) float32.

        Rows have unit length; a text without any known token gets a zero row. A writer calls it
        from a thread of its own, one call at a time, unless the encoder `overlaps`.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write into an empty folder what `load_encoder` needs to get the same encoder again."""
        ...


class Located(Protocol):
    """An encoder that was found and isn't loaded."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint that the encoder will have."""
        ...

    @property
    def bytes(self) -> int:
        """The size of the files that its vectors depend on."""
        ...

    def load(self, device: Device) -> Encoder:
        """Load it; raise EncoderError where it can't be had on this machine."""
        ...


class TokenVectors(NamedTuple):
    """A text's vector as the sum of its tokens' vectors, which depend on the tokens around them.

    spans: where in the text the word that each token is of stands; tokens of one word have the same
        span, one that isn't of the text (a model's marks and prompts) has None.
    vectors: (tokens, dim) float32; they sum to what `encode` gives for the text.
    """

    spans: tuple[Span | None, ...]
    vectors: Vectors


@runtime_checkable
class TokenEncoder(Encoder, Protocol):
    """An encoder that can say what each token of a text adds to its vector."""

    def encode_tokens(self, text: str, role: Role) -> TokenVectors | None:
        """Encode one text token by token; None where its vector isn't such a sum."""
        ...


@runtime_checkable
class WordEncoder(Encoder, Protocol):
    """An encoder to which a word adds the same wherever in a text it stands."""

    @property
    def analyzer(self) -> Analyzer:
        """What cuts texts into words."""
        ...

    def word_shares(
        self, words: Mapping[str, int], vector: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Take apart the inner product of a text's vector and another, (dim,).

        words: the text's, as the analyzer gives them, with how often each stands there.
        Return what each word adds by all its places, (words,), 0 where it isn't known.
        """
        ...


EVEN: Final = 0.5
"""What embeddings weigh in a hybrid where their encoder says nothing else."""


def hybrid_weight(encoder: Encoder | Located) -> float:
    """Return what an encoder's ranking weighs in a hybrid, 0 to 1; that of the words has the rest.

    An encoder whose ranking is much worse than that of the words says so by an attribute
    `hybrid_weight`. Raise EncoderError where that is no such number.
    """
    weight = getattr(encoder, "hybrid_weight", EVEN)
    if not isinstance(weight, int | float) or not 0 <= weight <= 1:
        raise EncoderError(f"An encoder's hybrid_weight is a number from 0 to 1, not {weight!r}.")
    return float(weight)


def precision(encoder: Encoder) -> str:
    """Return the numeric precision that its vectors depend on and its fingerprint leaves out.

    An encoder that has another than "fp32" says so by an attribute `precision`.
    """
    return str(getattr(encoder, "precision", "fp32"))


def is_costly(encoder: Encoder) -> bool:
    """Whether keeping a vector on disk and looking it up, some 20 µs, is nothing to encoding it.

    An encoder of which that is true says so by an attribute `costly`, and thereby that its
    fingerprint can be trusted: vectors are kept for years, in one place for all programs.
    """
    return bool(getattr(encoder, "costly", False))


def overlaps(encoder: Encoder) -> bool:
    """Whether it is faster when a second thread calls it before the first has its answer.

    An encoder of which that is true says so by an attribute `overlaps`.
    """
    return bool(getattr(encoder, "overlaps", False))


def encode(encoder: Encoder, texts: Sequence[str], role: Role) -> Vectors:
    """Encode texts and make sure of what came: anybody may write an encoder.

    Raise EncoderError unless it is finite numbers of shape (texts, dim).
    """
    given = encoder.encode(texts, role)
    try:
        # A copy, since the encoder may use its array again.
        vectors = np.array(given, np.float32, order="C")
    except (TypeError, ValueError) as error:
        reason = f"The encoder {encoder.name!r} gave no array of numbers: {error}."
        raise EncoderError(reason) from error
    expected = (len(texts), encoder.dim)
    if vectors.shape != expected or not np.isfinite(vectors).all():
        raise EncoderError(
            f"The encoder {encoder.name!r} gave an array of shape {vectors.shape} for "
            f"{len(texts)} texts; finite numbers of shape {expected} are wanted."
        )
    return vectors


def require_list(texts: Sequence[str]) -> Sequence[str]:
    """Return texts; raise UsageError for one text, whose characters would be taken for texts."""
    if isinstance(texts, str):
        raise UsageError("Texts are encoded as a list, even one: encode([text], role).")
    return texts


def require_text(text: object, place: int) -> str:
    """Return a text; raise UsageError, which names its place among the texts, for anything else."""
    if not isinstance(text, str):
        raise UsageError(f"Only text can be encoded; item {place} is {type(text).__name__}.")
    return text


def encodable(text: object, place: int) -> str:
    """Return a text as tokenizers take it, `?` for each lone surrogate; see `require_text`."""
    text = require_text(text, place)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()

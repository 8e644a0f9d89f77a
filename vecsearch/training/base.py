"""What the rooms of training hand to each other: examples, models that learn, tasks of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from vecsearch.encoders.base import Encoder
from vecsearch.types import Role

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Example:
    """A text that asks, a text that answers it, and texts that don't although they look like it.

    symmetric: both texts are alike, as two neighbouring passages are, and are encoded as documents.
    """

    query: str
    document: str
    negatives: tuple[str, ...] = ()
    symmetric: bool = False


class TextModel(Protocol):
    """A network that makes vectors of texts, and learns."""

    @property
    def module(self) -> nn.Module:
        """Everything that is trained: a checkpoint holds its state."""
        ...

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        ...

    def embed(self, texts: Sequence[str], role: Role) -> Tensor:
        """Embed texts with gradients: (texts, dim), of any length.

        Dropout and the like work as `module.training` says.
        """
        ...

    def encoder(self) -> Encoder:
        """Return the model as it is now, for search; later training doesn't change it."""
        ...


class Task(Protocol):
    """What a training loop repeats. All that it does at a step follows from the step's number.

    So a run that goes on after an interruption does the same as one that was never interrupted.
    """

    @property
    def module(self) -> nn.Module:
        """Everything that is trained: a checkpoint holds its state."""
        ...

    def backward(self, step: int) -> float:
        """Add the gradients of the batch of a step, counted from 0, and return its mean loss.

        The loop has seeded torch with the step's own seed, and zeroed the gradients.
        """
        ...

    def encoder(self) -> Encoder:
        """Return what has been learnt so far as an encoder."""
        ...

"""Masked language modelling: guess the pieces that were taken out of a text from those around them.

After Devlin et al., BERT: Pre-training of deep bidirectional Transformers, 2019. It needs texts
alone and teaches a network what goes with what before it learns what answers what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from vecsearch.encoders.network import Network
from vecsearch.errors import UsageError
from vecsearch.training.networks import NetworkModel
from vecsearch.training.precision import autocast

_MASKED: Final = 0.8
_SWAPPED: Final = 0.1
"""Of the pieces to be guessed: shares that are masked, and swapped for a random piece."""


@dataclass(frozen=True, slots=True)
class MaskedSettings:
    """batch: texts of a step. share: of the pieces, to be guessed. longest: pieces of a text."""

    batch: int = 64
    share: float = 0.15
    longest: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 1 or not 0 < self.share < 1 or self.longest < 2:
            raise UsageError(
                "Masked language modelling wants at least 1 text and 2 pieces, and a share between "
                f"0 and 1, not {self.batch}, {self.longest} and {self.share}."
            )


class _Guessing(nn.Module):
    """A network, the vector that stands for a masked piece, and what turns states into guesses."""

    def __init__(self, model: NetworkModel) -> None:
        super().__init__()
        self.network = model.module.network
        self.mask = nn.Parameter(torch.zeros(model.dim))  # (dim,)
        self.norm = nn.LayerNorm(model.dim)
        self.bias = nn.Parameter(torch.zeros(model.subwords.size))  # (pieces,)

    def forward(self, ids: Tensor, mask: Tensor, hidden: Tensor, wanted: Tensor) -> Tensor:
        """hidden: places that are masked; wanted: places to guess. Returns (guesses, pieces)."""
        embedding: Any = self.network.embedding
        with _hiding(embedding, hidden, self.mask):
            states = self.network(ids, mask)  # (texts, tokens, dim)
        # A piece is guessed by the vector that it has as input: half the weights to learn.
        guesses: Tensor = self.norm(states[wanted]) @ embedding.meant().T + self.bias
        return guesses


class _hiding:
    """Within the block, the embedding gives the mask's vector where something is hidden."""

    def __init__(self, embedding: nn.Embedding, hidden: Tensor, vector: Tensor) -> None:
        self._embedding = embedding
        self._hook = lambda _, __, found: torch.where(hidden[:, :, None], vector, found)

    def __enter__(self) -> None:
        self._handle = self._embedding.register_forward_hook(self._hook)

    def __exit__(self, *_: object) -> None:
        self._handle.remove()


class MaskedTask:
    """Masked language modelling as a `Task`, on texts in an order of its own."""

    def __init__(
        self, model: NetworkModel, texts: Sequence[str], settings: MaskedSettings | None = None
    ) -> None:
        self._model = model
        self._settings = settings or MaskedSettings()
        self.module: nn.Module = _Guessing(model)
        tokens = model.subwords.encode(texts)
        parts = np.split(tokens.ids, tokens.offsets[1:-1]) if len(texts) else []
        self._texts = [part for part in parts if len(part) > 1]
        if not self._texts:
            raise UsageError("There is no text of two pieces that a network could guess one of.")

    @property
    def batch(self) -> int:
        """How many texts a step learns from."""
        return self._settings.batch

    @property
    def identity(self) -> Mapping[str, str]:
        """What the task is made of, so that a checkpoint of another one is refused."""
        return {"masked": str(self._settings), "masked texts": str(len(self._texts))}

    def backward(self, step: int) -> float:
        """See `Task.backward`."""
        rng = np.random.default_rng((self._settings.seed, step))
        device = next(self.module.parameters()).device
        ids, mask = self._rectangle(rng)
        wanted = mask & (rng.random(ids.shape) < self._settings.share)
        wanted[0, 0] = True  # there is always something to guess
        lot = rng.random(ids.shape)
        hidden = wanted & (lot < _MASKED)
        swapped = wanted & (lot >= _MASKED) & (lot < _MASKED + _SWAPPED)
        shown = np.where(swapped, rng.integers(0, self._model.subwords.size, ids.shape), ids)
        given = [torch.from_numpy(each).to(device) for each in (shown, mask, hidden, wanted)]
        with autocast(device):
            guesses = self.module(*given)  # (guesses, pieces) float32
        loss: Tensor = F.cross_entropy(guesses, torch.from_numpy(ids[wanted]).to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _rectangle(self, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Draw texts, each from a random place on where it is long: ids and mask, padded."""
        longest = self._settings.longest
        chosen = [self._texts[at] for at in rng.integers(0, len(self._texts), self._settings.batch)]
        starts = [int(rng.integers(0, max(1, len(text) - longest + 1))) for text in chosen]
        parts = [text[at : at + longest] for text, at in zip(chosen, starts, strict=True)]
        width = max(map(len, parts))
        mask = np.arange(width) < np.array([len(part) for part in parts])[:, np.newaxis]
        ids = np.zeros(mask.shape, np.int64)
        ids[mask] = np.concatenate(parts)
        return ids, mask

    def encoder(self) -> Network:
        """See `Task.encoder`."""
        return self._model.encoder()

"""Static vectors of subwords by skip-gram with negative sampling, word2vec's second method.

A subword's vector is trained to tell the subwords that stand near it from ones drawn at random
(Mikolov, Sutskever, Chen, Corrado and Dean, NeurIPS 2013). A text's vector is their sum, weighed by
idf, in which the directions that all texts share count less. All of that is linear in the subwords,
so it is folded into their rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from vecsearch.encoders.subwords import Subwords
from vecsearch.encoders.table import TokenTable
from vecsearch.errors import UsageError
from vecsearch.training.bag import counted, piece_idf
from vecsearch.types import Vectors

KIND: Final = "skipgram"

GROUP: Final = 256
"""Pairs that are compared with the same draws, so that it is one product of matrices."""

DRAWN: Final = 64
"""Subwords that are drawn for a group."""

_SAMPLE: Final = 5000
"""Texts, about, that the directions are taken from."""

_FLAT: Final = 1e-6
"""The least variance of a direction, as a share of the greatest: below it is only rounding."""


@dataclass(frozen=True, slots=True)
class SkipGramSettings:
    """How skip-gram learns.

    window: how far apart, in subwords, a pair may stand; as in word2vec each pair's own window is
        drawn from 1 to this, so that near ones count more.
    negatives: how many subwords drawn at random weigh as much as the one that is near.
    groups: a step learns from so many groups of 256 pairs.
    frequent: the share of all tokens from which on a subword is passed over now and then; it is
        kept with probability sqrt(frequent / its share).
    """

    dim: int = 256
    window: int = 5
    negatives: int = 5
    groups: int = 64
    frequent: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.dim, self.window, self.negatives, self.groups) < 1 or not self.frequent > 0:
            raise UsageError(
                "Skip-gram wants dim, window, negatives and groups of at least 1, and frequent "
                f"above 0, not {self}."
            )


class Pairs(NamedTuple):
    """What a step learns from: ids of subwords, int64.

    centres, contexts: (groups, GROUP); each centre stands near its context.
    negatives: (groups, DRAWN); drawn by their frequency to the power of 3/4.
    """

    centres: NDArray[np.int64]
    contexts: NDArray[np.int64]
    negatives: NDArray[np.int64]


class SkipGram(nn.Module):
    """Two vectors a subword: one for the centre of a window, one for what stands around it."""

    def __init__(self, pieces: int, settings: SkipGramSettings) -> None:
        super().__init__()
        shape = (pieces, settings.dim)
        uniform = np.random.default_rng(settings.seed).random(shape, np.float32)
        self.centres = nn.Parameter((torch.from_numpy(uniform) - 0.5) / settings.dim)
        self.contexts = nn.Parameter(torch.zeros(shape))
        self.negatives = settings.negatives

    def forward(self, centres: Tensor, contexts: Tensor, negatives: Tensor) -> Tensor:
        """Return -ln s(c.x) - k * (mean over negatives n of ln s(-c.n)), the mean over pairs.

        Shapes are those of `Pairs`.
        """
        centre = F.embedding(centres, self.centres)  # (groups, GROUP, dim)
        context = F.embedding(contexts, self.contexts)  # (groups, GROUP, dim)
        negative = F.embedding(negatives, self.contexts)  # (groups, DRAWN, dim)
        near = F.logsigmoid((centre * context).sum(2))  # (groups, GROUP)
        far = F.logsigmoid(-centre @ negative.transpose(1, 2))  # (groups, GROUP, DRAWN)
        return -near.mean() - self.negatives * far.mean()


class SkipGramTask:
    """A `Task`: skip-gram over texts. Raise UsageError for texts without two known subwords."""

    def __init__(
        self,
        subwords: Subwords,
        texts: Sequence[str],
        settings: SkipGramSettings | None = None,
    ) -> None:
        self.settings = settings or SkipGramSettings()
        self.subwords = subwords
        self._tokens = subwords.encode(texts)
        counts = np.bincount(self._tokens.ids, minlength=subwords.size)
        shares = np.maximum(counts, 1) / max(1, len(self._tokens.ids))
        self._keep = np.minimum(1, np.sqrt(self.settings.frequent / shares))
        # What is seldom kept would otherwise hardly be found in a tiny corpus.
        self._keep /= self._keep[counts > 0].max(initial=0) or 1
        self._drawn = np.cumsum(counts**0.75)
        if np.diff(self._tokens.offsets).max(initial=0) < 2:
            raise UsageError("Skip-gram needs a text of two subwords or more that are known.")
        self._idf = piece_idf(subwords, texts)
        filled = np.flatnonzero(np.diff(self._tokens.offsets))
        sample = filled[:: max(1, len(filled) // _SAMPLE)]
        self._sample = counted(subwords.encode([texts[i] for i in sample]), subwords.size)
        self.module = SkipGram(subwords.size, self.settings)

    @property
    def batch(self) -> int:
        """How many pairs a step learns from."""
        return self.settings.groups * GROUP

    @property
    def identity(self) -> Mapping[str, str]:
        """What the task is made of, so that a checkpoint of another one is refused."""
        digest = hashlib.sha256(self._tokens.ids.tobytes() + self._tokens.offsets.tobytes())
        return {"skipgram": str(self.settings), "tokens": digest.hexdigest()}

    def backward(self, step: int) -> float:
        """See `Task.backward`."""
        device = self.module.centres.device
        loss: Tensor = self.module(
            *(torch.from_numpy(each).to(device) for each in self.pairs(step))
        )
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def pairs(self, step: int) -> Pairs:
        """Draw what a step learns from; it follows from the seed and the step."""
        draw = np.random.default_rng([self.settings.seed, step])
        groups = self.settings.groups
        wanted = groups * GROUP
        found = np.zeros((2, 0), np.int64)
        while found.shape[1] < wanted:
            found = np.concatenate([found, self._candidates(draw, 4 * wanted)], axis=1)
        centres, contexts = found[:, :wanted].reshape(2, groups, GROUP)
        at = draw.random((groups, DRAWN)) * self._drawn[-1]
        return Pairs(centres, contexts, np.searchsorted(self._drawn, at, side="right"))

    def _candidates(self, draw: np.random.Generator, size: int) -> NDArray[np.int64]:
        """Draw places that are near each other; return the subwords of those to keep, (2, n)."""
        ids, offsets = self._tokens
        centre = draw.integers(len(ids), size=size)
        window = draw.integers(1, self.settings.window, size, endpoint=True)
        distance = draw.integers(1, window, endpoint=True)
        context = centre + np.where(draw.random(size) < 0.5, -distance, distance)
        text = np.searchsorted(offsets, centre, side="right") - 1
        inside = (offsets[text] <= context) & (context < offsets[text + 1])
        pairs = np.stack([ids[centre[inside]], ids[context[inside]]]).astype(np.int64)
        kept = draw.random(pairs.shape) < self._keep[pairs]
        return pairs[:, kept.all(axis=0)]

    def encoder(self) -> TokenTable:
        """See `Task.encoder`."""
        with torch.no_grad():
            rows = self.module.centres.cpu().numpy() * self._idf[:, np.newaxis]
        return TokenTable.of(KIND, KIND, self.subwords, self._evened(rows), sublinear=True)

    def _evened(self, rows: Vectors) -> Vectors:
        """Turn rows so that texts' vectors differ more evenly in all directions, (pieces, dim).

        Along each principal direction of texts' vectors, lengths are divided by the square root of
        what they are on average: half-way to whitening. Taking away the one common direction, as
        SIF does (Arora, Liang and Ma, ICLR 2017), helped much less on queries held out for
        development, and whitening in full was no better than this.
        """
        ids, offsets, counts = self._sample
        weighed = rows[ids] * (1 + np.log(counts, dtype=np.float32))[:, np.newaxis]
        texts = np.add.reduceat(weighed, offsets[:-1]).astype(np.float64)
        texts /= np.linalg.norm(texts, axis=1, keepdims=True)
        variances, directions = np.linalg.eigh(texts.T @ texts / len(texts))
        variances = np.maximum(variances, _FLAT * variances.max())
        turned: Vectors = (rows @ (directions * variances**-0.25)).astype(np.float32)
        return turned

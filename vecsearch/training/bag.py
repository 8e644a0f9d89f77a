"""The simplest model that learns end to end: a text is the weighted sum of its subwords' vectors.

Before any training it is TF-IDF by random projection: the rows are random directions, so that two
texts are as near as the weights of the subwords that they share say. Training moves the rows, and
with them what subwords have to do with each other, and learns the weights too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from vecsearch.encoders.subwords import Subwords, Tokens
from vecsearch.encoders.table import TokenTable
from vecsearch.errors import UsageError
from vecsearch.retrieve.weighting import TfIdf
from vecsearch.types import Role, Vectors

KIND: Final = "contrastive-bag"

_AT_ONCE: Final = 4096
"""Texts whose subwords are counted at a time."""


class Counted(NamedTuple):
    """How often each of several texts has which subword, one text after the other.

    ids: (entries,) int64, no id twice in a text.
    offsets: (texts + 1,) int64; text i has ids[offsets[i] : offsets[i + 1]].
    counts: (entries,) int64.
    """

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]


def counted(tokens: Tokens, pieces: int) -> Counted:
    """Count the tokens of each text; pieces: how many there are in all."""
    texts = len(tokens.offsets) - 1
    text_of = np.repeat(np.arange(texts), np.diff(tokens.offsets))
    entries, counts = np.unique(text_of * pieces + tokens.ids, return_counts=True)
    offsets = np.searchsorted(entries, np.arange(texts + 1) * pieces)
    return Counted(entries % pieces, offsets, counts)


def piece_idf(subwords: Subwords, texts: Iterable[str]) -> NDArray[np.float32]:
    """Return the inverse document frequency of each subword, (pieces,): that of `TfIdf`."""
    frequencies = np.zeros(subwords.size, np.int64)
    total = 0
    for block in _blocks(texts):
        found = counted(subwords.encode(block), subwords.size)
        frequencies += np.bincount(found.ids, minlength=subwords.size)
        total += len(block)
    return TfIdf().idf(frequencies, total).astype(np.float32)


class TokenBag(nn.Module):
    """Sums rows: each by its subword's weight, and by 1 + ln(how often the text has it).

    The weights are kept as logarithms, so that none falls below 0.
    """

    def __init__(self, rows: Tensor, weights: Tensor, dropout: float) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows)  # (pieces, dim)
        self.log_weights = nn.Parameter(weights.log())  # (pieces,)
        self.dropout = dropout

    def forward(self, ids: Tensor, offsets: Tensor, counts: Tensor) -> Tensor:
        """See `Counted` for what it takes; in training some subwords are left out. (texts, dim)."""
        weights = self.log_weights[ids].exp() * (1 + counts.log())  # (entries,)
        weights = F.dropout(weights, self.dropout, self.training)
        return F.embedding_bag(
            ids,
            self.rows,
            offsets,
            mode="sum",
            per_sample_weights=weights,
            include_last_offset=True,
        )

    def folded(self) -> Vectors:
        """Return the rows times their weights, (pieces, dim) float32: a copy."""
        with torch.no_grad():
            rows = self.rows * self.log_weights.exp().unsqueeze(1)
        return rows.cpu().numpy().astype(np.float32, copy=True)


class BagModel:
    """A `TextModel` of a token bag; a query is encoded as a document is."""

    def __init__(self, subwords: Subwords, module: TokenBag) -> None:
        self.subwords = subwords
        self.module = module

    @property
    def dim(self) -> int:
        """See `TextModel.dim`."""
        return self.module.rows.shape[1]

    def embed(self, texts: Sequence[str], role: Role) -> Tensor:
        """See `TextModel.embed`; a text without a known subword is zeros."""
        found = counted(self.subwords.encode(texts), self.subwords.size)
        device = self.module.rows.device
        ids, offsets = (torch.from_numpy(each).to(device) for each in found[:2])
        counts = torch.from_numpy(found.counts.astype(np.float32)).to(device)
        vectors: Tensor = self.module(ids, offsets, counts)
        return vectors

    def encoder(self) -> TokenTable:
        """See `TextModel.encoder`."""
        return TokenTable.of(KIND, KIND, self.subwords, self.module.folded(), sublinear=True)


def bag_model(
    subwords: Subwords,
    texts: Iterable[str],
    dim: int = 512,
    seed: int = 0,
    dropout: float = 0.1,
    initial: Vectors | None = None,
) -> BagModel:
    """Make a bag that has learnt nothing yet: random rows of about unit length, weighed by idf.

    texts: what document frequencies are counted over.
    dropout: the share of a text's subwords that are left out, anew each time, in training.
    initial: rows to begin with in place of random ones, (pieces, dim), without weights in them.

    Its `encoder()` is the untrained twin of what training makes of it. Raise UsageError for numbers
    that can't be, and rows of another shape.
    """
    if dim < 1 or not 0 <= dropout < 1:
        raise UsageError(f"A bag has dim >= 1 and 0 <= dropout < 1, not {dim} and {dropout}.")
    shape = (subwords.size, dim)
    if initial is None:
        random = np.random.default_rng(seed).standard_normal(shape, np.float32)
        initial = random / np.sqrt(np.float32(dim))
    if initial.shape != shape:
        raise UsageError(f"The initial rows must be of shape {shape}, not {initial.shape}.")
    rows = torch.from_numpy(np.array(initial, np.float32))
    weights = torch.from_numpy(piece_idf(subwords, texts))
    return BagModel(subwords, TokenBag(rows, weights, dropout))


def _blocks(texts: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(texts)
    while block := list(islice(rest, _AT_ONCE)):
        yield block

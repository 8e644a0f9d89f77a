"""A Transformer encoder, written out: every token looks at every other token of its text.

After Vaswani et al., Attention is all you need, 2017, with the layer norm before each step as in
Xiong et al., On layer normalization in the Transformer architecture, 2020. In the comments b is the
number of texts, n of tokens, d of numbers of a vector, h of heads and k = d / h.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vecsearch.encoders.embedding import Embedding


class SelfAttention(nn.Module):
    """Each token gathers from all tokens what it asks for.

    A token's *query* is compared with each token's *key*; the *values* of those that fit are mixed.
    Every head does so by itself, in k numbers of its own.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """tokens: (b, n, d). mask: (b, n) bool, True where there is a token, False for padding."""
        query = self._by_head(self.query(tokens))  # (b, h, n, k)
        key = self._by_head(self.key(tokens))  # (b, h, n, k)
        value = self._by_head(self.value(tokens))  # (b, h, n, k)
        # Products of k numbers vary by sqrt(k): undone, so that the softmax stays soft at first.
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])  # (b, h, n, n)
        # Padding gets no share: a text's vector may not depend on its neighbours in a batch.
        lowest = torch.finfo(scores.dtype).min
        scores = scores.masked_fill(~mask[:, None, None, :], lowest)  # (b, h, n, n)
        shares = scores.softmax(dim=3)  # (b, h, n, n), each row sums to 1
        mixed = (shares @ value).transpose(1, 2).flatten(2)  # (b, n, d)
        output: Tensor = self.output(mixed)  # (b, n, d)
        return output

    def _by_head(self, tokens: Tensor) -> Tensor:
        """Cut the vectors of tokens into a part for each head: (b, n, d) to (b, h, n, k)."""
        texts, places, dim = tokens.shape
        return tokens.view(texts, places, self.heads, dim // self.heads).transpose(1, 2)


class Layer(nn.Module):
    """Attention, then a small network for each token; what each finds is added to what was there.

    Thanks to that addition, the residual connection, a layer has to learn a difference only, and
    gradients reach the first layer undimmed.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(dim, heads)
        self.attention_norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, 4 * dim)
        self.narrow = nn.Linear(4 * dim, dim)
        self.network_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        # A layer begins by adding nothing, so the model begins as the bag of its embeddings.
        for last in (self.attention.output, self.narrow):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """See `SelfAttention.forward`; (b, n, d)."""
        found = self.attention(self.attention_norm(tokens), mask)  # (b, n, d)
        tokens = tokens + self.dropout(found)  # (b, n, d)
        found = self.narrow(F.gelu(self.widen(self.network_norm(tokens))))  # (b, n, d)
        changed: Tensor = tokens + self.dropout(found)  # (b, n, d)
        return changed


class Transformer(nn.Module):
    """Piece ids to a vector for each token that depends on the tokens around it.

    Attention alone doesn't know where a token stands, so its position is added to it.
    """

    def __init__(
        self, pieces: int, dim: int, layers: int, heads: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.embedding = Embedding(pieces, dim)
        self.layers = nn.ModuleList(Layer(dim, heads, dropout) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        # A position must not drown a word: it has a tenth of its length.
        self.position_scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids: (b, n) int64, any id where there is padding. mask: (b, n). Returns (b, n, d)."""
        words = self.embedding(ids)  # (b, n, d)
        places = positions(ids.shape[1], words.shape[2]).to(words)  # (n, d)
        tokens: Tensor = self.dropout(words + self.position_scale * places)  # (b, n, d)
        for layer in self.layers:
            tokens = layer(tokens, mask)  # (b, n, d)
        return tokens


def positions(count: int, dim: int) -> Tensor:
    """Return a vector for each position, in numbers of about 1: (count, dim).

    It holds sines and cosines, of wavelengths from 2 pi to 10,000 times that.
    """
    place = torch.arange(count, dtype=torch.float32)[:, None]  # (n, 1)
    wave = torch.arange(0, dim, 2, dtype=torch.float32)  # (d / 2,)
    angle = place / 10_000 ** (wave / dim)  # (n, d / 2)
    return math.sqrt(2) * torch.cat([angle.sin(), angle.cos()], dim=1)[:, :dim]  # (n, d)

"""A recurrent encoder: two gated recurrent units read a text, one forwards and one backwards.

After Cho et al., Learning phrase representations using RNN encoder-decoder, 2014. In the comments b
is the number of texts, n of tokens and d of numbers of a vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vecsearch.encoders.embedding import Embedding


class GRU(nn.Module):
    """Piece ids to a vector for each token that depends on those before and those after it.

    A unit carries a state from token to token. At each, a *reset* gate says how much of the state
    the token is read with, and an *update* gate how much of it is replaced by what was read.
    """

    def __init__(self, pieces: int, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.embedding = Embedding(pieces, dim)
        half = dim // 2
        self.unit = nn.GRU(dim, half, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * half, dim)
        self.dropout = nn.Dropout(dropout)
        # What was read begins as nothing, so the model begins as the bag of its embeddings.
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids: (b, n) int64, any id where there is padding. mask: (b, n) bool. Returns (b, n, d).

        Each text has at least one token, and its tokens come first.
        """
        words = self.embedding(ids)  # (b, n, d)
        lengths = mask.sum(dim=1).cpu()  # (b,)
        # Packed, neither unit sees padding: the backward one starts at the last token.
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(words), lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.unit(packed)[0], batch_first=True, total_length=ids.shape[1]
        )  # (b, n, d): the forward state, then the backward one
        tokens: Tensor = words + self.dropout(self.output(states))  # (b, n, d)
        return torch.where(mask[:, :, None], tokens, 0)  # (b, n, d)

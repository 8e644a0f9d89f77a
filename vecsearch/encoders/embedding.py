"""Vectors of pieces as a network reads them, and kept so that they learn faster than its layers."""

from __future__ import annotations

import math
from typing import Final

from torch import Tensor, nn

SHRUNK: Final = 10
"""How many times smaller vectors are kept than they are meant.

An optimizer such as Adam moves each number it finds by about as much; so the words, of which each
is in few texts, move ten times as fast as the weights of layers, which every text moves.
"""


class Embedding(nn.Embedding):
    """Piece ids to vectors; what is kept times `SHRUNK` is of about unit length."""

    def meant(self) -> Tensor:
        """Return all vectors: (pieces, dim)."""
        return SHRUNK * self.weight

    def forward(self, ids: Tensor) -> Tensor:
        """Return the vectors of ids, (..., dim), in numbers of about 1.

        Of unit length, a word would be drowned by what a layer adds to it after its first few
        steps. Vaswani et al., 2017, multiply by the square root of dim too.
        """
        return SHRUNK * math.sqrt(self.embedding_dim) * super().forward(ids)

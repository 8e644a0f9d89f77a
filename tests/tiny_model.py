"""A network small enough to be trained in a test: each word a row, their mean through a layer."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vecsearch.training.base import Example
from vecsearch.types import Role, Vectors

WORDS = 97


class TinyEncoder:
    """What a tiny model has learnt, for search."""

    name = "tiny"
    fingerprint = "tiny"

    def __init__(self, module: nn.Module, dim: int) -> None:
        self.dim = dim
        self._state = {key: each.detach().clone() for key, each in module.state_dict().items()}

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        module = TinyModule(self.dim, 0.0).to(next(iter(self._state.values())).dtype)
        module.load_state_dict(self._state)
        with torch.no_grad():
            vectors = module.eval()(texts)
        return nn.functional.normalize(vectors, dim=1).numpy().astype(np.float32)

    def save(self, folder) -> None:
        raise NotImplementedError


class TinyModule(nn.Module):
    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.rows = nn.EmbeddingBag(WORDS, dim)
        self.dropout = nn.Dropout(dropout)
        self.layer = nn.Linear(dim, dim)

    def forward(self, texts: Sequence[str]) -> Tensor:
        words = [text.split() for text in texts]
        ids = [zlib.crc32(word.encode()) % WORDS for each in words for word in each]
        starts = np.cumsum([0, *map(len, words)])[:-1]
        means = self.rows(torch.tensor(ids), torch.from_numpy(starts))
        return self.layer(self.dropout(means))


class TinyModel:
    """A `TextModel`; it notes how many texts it was given at a time."""

    def __init__(
        self, dim: int = 8, dropout: float = 0.0, seed: int = 0, double: bool = False
    ) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.module = TinyModule(dim, dropout)
        if double:
            self.module.double()
        self.dim = dim
        self.embedded: list[int] = []

    def embed(self, texts: Sequence[str], role: Role) -> Tensor:
        self.embedded.append(len(texts))
        vectors = self.module(list(texts))
        return -vectors if role == "query" else vectors

    def encoder(self) -> TinyEncoder:
        return TinyEncoder(self.module, self.dim)


def pairs(count: int, symmetric: bool = False) -> list[Example]:
    """Make examples whose texts share nothing but what can be learnt."""
    return [
        Example(f"ask{n} what{n}", f"say{n} that{n} then{n % 3}", symmetric=symmetric)
        for n in range(count)
    ]

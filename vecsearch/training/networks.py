"""Networks that learn from pairs of texts: recurrent ones and Transformers, over subwords.

Both begin as a bag of random vectors weighed by idf, so that they have words to lose, not to find.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from vecsearch.encoders.artefact import Artefact
from vecsearch.encoders.embedding import SHRUNK
from vecsearch.encoders.network import NETWORKS, Network, Pooled, embed, load_network
from vecsearch.encoders.subwords import Subwords
from vecsearch.errors import UsageError
from vecsearch.training.bag import piece_idf
from vecsearch.training.precision import autocast
from vecsearch.types import Role, Vectors

NetworkKind: TypeAlias = Literal["gru", "transformer"]

LONGEST: Final = 256
"""Pieces of a text that are read."""

LEARNT: Final = 64
"""Pieces of a text that are learnt from: a step takes a quarter of the time that all would take."""

_SHAPE: Final[Mapping[NetworkKind, Mapping[str, int]]] = {
    "gru": {},
    "transformer": {"layers": 2, "heads": 4},
}
"""Small, since a pass over more texts teaches more than a deeper network does in the same time."""


class NetworkModel:
    """A `TextModel` of a network; a query is encoded as a document is."""

    def __init__(
        self, kind: NetworkKind, subwords: Subwords, config: Mapping[str, Any], module: Pooled
    ) -> None:
        self.kind = kind
        self.subwords = subwords
        self.config = config
        self.module = module

    @property
    def dim(self) -> int:
        """See `TextModel.dim`."""
        return int(self.config["dim"])

    def embed(self, texts: Sequence[str], role: Role) -> Tensor:
        """See `TextModel.embed`; a text without a known subword is zeros, a long one is cut."""
        with autocast(self.module.log_weights.device):
            longest = min(LEARNT, self.config["longest"])
            vectors = embed(self.module, self.subwords, texts, longest)
        return vectors.float()

    def encoder(self) -> Network:
        """See `TextModel.encoder`; it works where the model does."""
        state = self.module.state_dict()
        tensors = {name: each.cpu().numpy().copy() for name, each in state.items()}
        device = self.module.log_weights.device.type
        artefact = Artefact(self.kind, self.kind, self.config, tensors, self.subwords)
        return load_network(artefact, "cuda" if device == "cuda" else "cpu")


def network_model(
    kind: NetworkKind,
    subwords: Subwords,
    texts: Iterable[str],
    dim: int = 256,
    seed: int = 0,
    *,
    longest: int = LONGEST,
    initial: Vectors | None = None,
) -> NetworkModel:
    """Make a network that has learnt nothing yet.

    texts: what the document frequencies are counted over by which tokens are weighed at first.
    longest: pieces of a text that are read, for good.
    initial: vectors of the pieces to begin with, (pieces, dim), in place of random unit ones.

    Raise UsageError for numbers that can't be, and vectors of another shape.
    """
    config: dict[str, Any] = {"dim": dim, "longest": longest, **_SHAPE[kind]}
    step = 2 * config.get("heads", 1)
    if dim < step or dim % step or longest < 1:
        raise UsageError(
            f"A network of the kind {kind!r} has a multiple of {step} as dim and reads at least 1 "
            f"piece, not {dim} and {longest}."
        )
    shape = (subwords.size, dim)
    if initial is None:
        random = np.random.default_rng(seed).standard_normal(shape, np.float32)
        initial = random / np.sqrt(np.float32(dim))
    if initial.shape != shape:
        raise UsageError(f"The initial vectors must be of shape {shape}, not {initial.shape}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NETWORKS[kind](subwords.size, config)
    module = Pooled(network, torch.from_numpy(piece_idf(subwords, texts)))
    with torch.no_grad():
        embedding: Any = network.embedding
        embedding.weight.copy_(torch.from_numpy(np.array(initial, np.float32)) / SHRUNK)
    return NetworkModel(kind, subwords, config, module)

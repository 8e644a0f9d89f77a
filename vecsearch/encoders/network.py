"""An encoder by a network over the tokens of a text: recurrent, or a Transformer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vecsearch.encoders.artefact import Artefact
from vecsearch.encoders.base import Device, check_role
from vecsearch.encoders.cuda import takes_cuda
from vecsearch.encoders.gru import GRU
from vecsearch.encoders.subwords import Subwords
from vecsearch.encoders.transformer import Transformer
from vecsearch.errors import EncoderError
from vecsearch.types import Role, Vectors

_TOKENS: Final = 16_384
"""Tokens of a batch, padding included: what a network remembers of them is some 100 MB."""

_SMALLEST: Final = 1e-12


class Pooled(nn.Module):
    """The mean of the vectors that a network gives a text's tokens, weighed by their pieces.

    Weights are kept as logarithms, so that none falls below 0.
    """

    def __init__(self, network: nn.Module, weights: Tensor) -> None:
        super().__init__()
        self.network = network
        self.log_weights = nn.Parameter(weights.log())  # (pieces,)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids: (texts, tokens) int64. mask: (texts, tokens) bool. Returns (texts, dim)."""
        tokens = self.network(ids, mask)  # (texts, tokens, dim)
        weights = self.log_weights[ids].exp().masked_fill(~mask, 0)  # (texts, tokens)
        weights = weights / weights.sum(dim=1, keepdim=True)  # (texts, tokens)
        pooled: Tensor = (weights[:, None, :] @ tokens)[:, 0]  # (texts, dim)
        return pooled


class Padded(NamedTuple):
    """Some texts of about one length, as a rectangle.

    texts: (texts,) int64, which ones. ids: (texts, tokens) int64. mask: (texts, tokens) bool.
    """

    texts: NDArray[np.int64]
    ids: Tensor
    mask: Tensor


def padded(subwords: Subwords, texts: Sequence[str], longest: int) -> Iterator[Padded]:
    """Cut texts into pieces, at most `longest` each, and yield those of like length together.

    A text without a known piece is in none. Raise UsageError for what isn't text.
    """
    found = subwords.encode(texts)
    lengths = np.minimum(np.diff(found.offsets), longest)
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    while len(order):
        width = int(lengths[order[0]])
        chosen, order = np.split(order, [max(1, _TOKENS // width)])
        places = np.arange(width)
        mask = places < lengths[chosen, np.newaxis]
        at = np.where(mask, found.offsets[chosen, np.newaxis] + places, 0)
        ids = found.ids[at].astype(np.int64)
        yield Padded(chosen.astype(np.int64), torch.from_numpy(ids), torch.from_numpy(mask))


def embed(module: Pooled, subwords: Subwords, texts: Sequence[str], longest: int) -> Tensor:
    """Embed texts as they come: (texts, dim), of any length; zeros where no piece is known."""
    device = module.log_weights.device
    parts, order = [], []
    for part in padded(subwords, texts, longest):
        parts.append(module(part.ids.to(device), part.mask.to(device)))
        order.append(torch.from_numpy(part.texts).to(device))
    if not parts:
        return torch.zeros((len(texts), _dim(module)), device=device)
    vectors = torch.cat(parts)  # (texts with a known piece, dim)
    return vectors.new_zeros((len(texts), vectors.shape[1])).index_copy(
        0, torch.cat(order), vectors
    )


def _dim(module: Pooled) -> int:
    embedding: Any = module.network.embedding
    return int(embedding.embedding_dim)


class Network:
    """An encoder by a trained network. Safe to share between threads."""

    costly = True

    def __init__(self, artefact: Artefact, module: Pooled, device: str) -> None:
        if artefact.subwords is None:
            raise EncoderError(f"The network of {artefact.place} has no subwords.")
        self.name = artefact.name
        self.dim = artefact.dim
        self._artefact = artefact
        self._subwords = artefact.subwords
        self._module = module.to(device).eval()
        self._guard = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """See `Encoder.fingerprint`."""
        return self._artefact.fingerprint

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """See `Encoder.encode`; raise UsageError for what isn't text."""
        check_role(role)
        longest = int(self._artefact.config["longest"])
        with self._guard, torch.inference_mode():
            found = embed(self._module, self._subwords, texts, longest)
        vectors = found.float().cpu().numpy()
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.ascontiguousarray(vectors / np.maximum(lengths, _SMALLEST), np.float32)

    def save(self, folder: Path) -> None:
        """See `Encoder.save`."""
        self._artefact.write(folder)


def _gru(pieces: int, config: Mapping[str, Any]) -> nn.Module:
    return GRU(pieces, config["dim"])


def _transformer(pieces: int, config: Mapping[str, Any]) -> nn.Module:
    return Transformer(pieces, config["dim"], config["layers"], config["heads"])


NETWORKS: Final[Mapping[str, Callable[[int, Mapping[str, Any]], nn.Module]]] = {
    "gru": _gru,
    "transformer": _transformer,
}
"""By kind: what makes an untrained network of the number of pieces and an artefact's config."""


def load_network(artefact: Artefact, device: Device) -> Network:
    """Make the encoder that an artefact of a kind of `NETWORKS` describes.

    Raise EncoderError where its config and tensors don't belong together, or there is no device.
    """
    cuda = takes_cuda(device)
    if artefact.subwords is None:
        raise EncoderError(f"The network of {artefact.place} has no subwords.")
    pieces = artefact.subwords.size
    try:
        module = Pooled(NETWORKS[artefact.kind](pieces, artefact.config), torch.ones(pieces))
        longest = int(artefact.config["longest"])
        module.load_state_dict(
            {name: torch.from_numpy(np.array(each)) for name, each in artefact.tensors.items()}
        )
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise EncoderError(f"The network of {artefact.place} can't be made ({reason}).") from None
    if longest < 1:
        raise EncoderError(
            f"The network of {artefact.place} would read {longest} pieces of a text."
        )
    return Network(artefact, module, "cuda" if cuda else "cpu")

"""The forward pass with torch, for many texts on a CUDA device.

Texts of similar length come together, padded to the longest of them. Attention is torch's own,
which takes a fused kernel (flash attention, or one like it that heeds padding) where the device has
one. Sums along a vector are taken in float32, whatever is multiplied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vecsearch.encoders.bert.architecture import Architecture
from vecsearch.encoders.bert.weights import Layer, Linear, Norm, Numbers, Weights
from vecsearch.encoders.cuda import in_parts

_TOKENS: Final = 1 << 15
"""Tokens of a batch, padding included: enough to keep a device busy, some 100 MB of MiniLM's."""


class _Layer(NamedTuple):
    """The tensors of a `Layer`: of each step what multiplies, and what is added."""

    attend: tuple[Tensor, Tensor]  # to queries, keys and values, one after another
    output: tuple[Tensor, Tensor]
    attention_norm: tuple[Tensor, Tensor]
    widen: tuple[Tensor, Tensor]
    narrow: tuple[Tensor, Tensor]
    output_norm: tuple[Tensor, Tensor]


class OnCuda:
    """A model's weights on a device, in bfloat16 or in float32."""

    def __init__(
        self, weights: Weights, architecture: Architecture, bfloat16: bool, device: str = "cuda"
    ) -> None:
        self._architecture = architecture
        self._device = device
        self._dtype = torch.bfloat16 if bfloat16 else torch.float32
        self._words = self._placed(weights.words)
        self._positions = self._placed(weights.positions)
        self._norm = self._both(weights.norm)
        self._layers = [self._layer(each) for each in weights.layers]

    def _layer(self, layer: Layer) -> _Layer:
        parts = zip(layer.query, layer.key, layer.value, strict=True)
        return _Layer(
            self._halved(Linear(*(np.concatenate(each) for each in parts))),
            self._halved(layer.output),
            self._both(layer.attention_norm),
            self._halved(layer.widen),
            self._halved(layer.narrow),
            self._both(layer.output_norm),
        )

    def _halved(self, linear: Linear) -> tuple[Tensor, Tensor]:
        weight, bias = self._both(linear)
        return weight.to(self._dtype), bias.to(self._dtype)

    def _both(self, pair: Linear | Norm) -> tuple[Tensor, Tensor]:
        return self._placed(pair.weight), self._placed(pair.bias)

    def _placed(self, numbers: Numbers) -> Tensor:
        # A copy of its own: the mapped file can't be written to, and torch insists.
        return torch.tensor(numbers, device=self._device)

    def encode(self, texts: Sequence[Sequence[int]]) -> Numbers:
        """Return the pooled vector of each text, given by its tokens' numbers: (texts, width).

        Raise EncoderError where a single text is too large for the device.
        """
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        with torch.inference_mode():
            # Nothing waits for the device before all of it is asked for.
            pooled = [
                part
                for batch in _batches([texts[i] for i in order])
                for part in in_parts(self._pooled, batch)
            ]
            sorted_so = torch.cat(pooled).cpu().numpy()
        vectors: Numbers = np.empty_like(sorted_so)
        vectors[order] = sorted_so
        return vectors

    def _pooled(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Return the pooled vectors of texts that are worked on at once, on the device, float32."""
        lengths = np.array([len(text) for text in texts])
        inside = np.arange(lengths.max()) < lengths[:, None]
        numbers = np.zeros(inside.shape, np.int64)
        numbers[inside] = np.concatenate(texts)
        mask = None if inside.all() else torch.from_numpy(inside).to(self._device)
        states = self._states(torch.from_numpy(numbers).to(self._device), mask).float()
        if self._architecture.pooling == "cls":
            return states[:, 0]
        if mask is not None:
            states = states * mask[:, :, None]
        return states.sum(dim=1) / torch.from_numpy(lengths).to(self._device)[:, None]

    def _states(self, numbers: Tensor, mask: Tensor | None) -> Tensor:
        """Return the last layer's vectors, (texts, longest, width); those of padding mean nothing.

        numbers: (texts, longest). mask: of that shape, whether it isn't padding; None without any.
        """
        texts, longest = numbers.shape
        heads, width = self._architecture.heads, self._architecture.width
        keys = None if mask is None else mask[:, None, None, :]
        x = self._added(self._words[numbers], self._positions[:longest], self._norm)
        for layer in self._layers:
            parts = functional.linear(x, *layer.attend).view(texts, longest, 3, heads, -1)
            q, k, v = parts.permute(2, 0, 3, 1, 4)
            taken = functional.scaled_dot_product_attention(q, k, v, attn_mask=keys)
            taken = taken.transpose(1, 2).reshape(texts, longest, width)
            x = self._added(x, functional.linear(taken, *layer.output), layer.attention_norm)
            inner = functional.gelu(functional.linear(x, *layer.widen))
            x = self._added(x, functional.linear(inner, *layer.narrow), layer.output_norm)
        return x

    def _added(self, x: Tensor, added: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        """Return the layer normalisation of x + added."""
        total = x.float() + added
        width, epsilon = self._architecture.width, self._architecture.epsilon
        return functional.layer_norm(total, (width,), *norm, epsilon).to(self._dtype)


def _batches(texts: Sequence[Sequence[int]]) -> Iterator[Sequence[Sequence[int]]]:
    """Cut texts, the longest first, into batches of so many tokens, or of a single text."""
    first = 0
    while first < len(texts):
        fit = max(1, _TOKENS // len(texts[first]))
        yield texts[first : first + fit]
        first += fit

"""The forward pass with numpy alone: for a few short texts, before torch would be imported.

Devlin et al., BERT (NAACL 2019); GELU with erf by 7.1.26 of Abramowitz and Stegun, exact to 1.5e-7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from vecsearch.encoders.bert.architecture import Architecture
from vecsearch.encoders.bert.weights import Layer, Linear, Norm, Numbers, Weights

_SMALL: Final = 1e6
_SHORT: Final = 32
"""OpenBLAS multiplies matrices as they lie up to so many multiplications, and copies larger ones
first: for a text of so few tokens that takes as long as the rest, since each weight is used little.
"""

_ERF: Final = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def forward(weights: Weights, architecture: Architecture, tokens: Sequence[int]) -> Numbers:
    """Return the vectors of one text's tokens, (tokens, width), before pooling."""
    x = weights.words[np.asarray(tokens)] + weights.positions[: len(tokens)]
    x = _normalised(x, weights.norm, architecture.epsilon)
    for layer in weights.layers:
        attended = _applied(layer.output, _attention(x, layer, architecture.heads))
        x = _normalised(x + attended, layer.attention_norm, architecture.epsilon)
        inner = _gelu(_applied(layer.widen, x))
        x = _normalised(x + _applied(layer.narrow, inner), layer.output_norm, architecture.epsilon)
    return x


def _attention(x: Numbers, layer: Layer, heads: int) -> Numbers:
    """Return what each token takes from all: softmax(q k^T / sqrt(d)) v, head by head."""
    tokens, width = x.shape
    q, k, v = (
        _applied(linear, x).reshape(tokens, heads, -1).transpose(1, 0, 2)  # (heads, tokens, d)
        for linear in (layer.query, layer.key, layer.value)
    )
    scores = q @ k.transpose(0, 2, 1) / np.float32(math.sqrt(width // heads))
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    taken: Numbers = (shares @ v).transpose(1, 0, 2).reshape(tokens, width)
    return taken


def _applied(linear: Linear, x: Numbers) -> Numbers:
    """Return x @ weight.T + bias, by few rows of the weights at a time where tokens are few."""
    out, width = linear.weight.shape
    parts = 1
    while len(x) <= _SHORT and out * width * len(x) > parts * _SMALL and not out % (2 * parts):
        parts *= 2
    products = linear.weight.reshape(parts, out // parts, width) @ np.ascontiguousarray(x.T)
    applied: Numbers = products.reshape(out, len(x)).T
    applied += linear.bias
    return applied


def _normalised(x: Numbers, norm: Norm, epsilon: float) -> Numbers:
    x = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(x).mean(axis=-1, keepdims=True)
    normalised: Numbers = x / np.sqrt(variance + np.float32(epsilon)) * norm.weight + norm.bias
    return normalised


def _gelu(x: Numbers) -> Numbers:
    """Return x times the share of a normal distribution below x."""
    z = np.abs(x)
    z *= np.float32(math.sqrt(0.5))
    t = np.float32(0.3275911) * z
    t += 1
    np.reciprocal(t, out=t)
    tail = np.float32(_ERF[0]) * t
    for coefficient in _ERF[1:]:
        tail += np.float32(coefficient)
        tail *= t
    z *= z
    np.negative(z, out=z)
    tail *= np.exp(z, out=z)
    tail *= np.float32(0.5)  # the share beyond |x|
    tail *= np.abs(x, out=t)
    np.maximum(x, 0, out=z)
    z -= tail  # x (1 - tail) above 0, x tail below
    return z

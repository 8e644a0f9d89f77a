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
    # Of few tokens, this way round it is twice as fast as x @ weight.T.
    applied: Numbers = np.add((linear.weight @ x.T).T, linear.bias, order="C")
    return applied


def _normalised(x: Numbers, norm: Norm, epsilon: float) -> Numbers:
    x = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(x).mean(axis=-1, keepdims=True)
    normalised: Numbers = x / np.sqrt(variance + np.float32(epsilon)) * norm.weight + norm.bias
    return normalised


def _gelu(x: Numbers) -> Numbers:
    """Return x times the share of a normal distribution below x."""
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = np.zeros_like(x)
    for coefficient in _ERF:
        tail = (tail + np.float32(coefficient)) * t
    tail *= np.float32(0.5) * np.exp(-z * z)  # the share beyond |x|
    return x * np.where(x < 0, tail, 1 - tail)

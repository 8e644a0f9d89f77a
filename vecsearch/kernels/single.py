"""The forward pass of a BERT in float32 for one text, whose tokens are few.

Then it is mostly the weights that are read, and each once.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled_quickly
from vecsearch.kernels.bert import add_and_norm
from vecsearch.kernels.floats import exp2, larger
from vecsearch.kernels.panels import multiply

Numbers: TypeAlias = NDArray[Any]

_LOG2_E: Final = np.float32(np.log2(np.e))
_LEAST: Final = np.float32(-1e30)
_ROOT: Final = np.float32(np.sqrt(0.5))


class Linear(NamedTuple):
    """panels: (layers, panels, in, PANEL) float32. bias: (layers, panels * PANEL) float32."""

    panels: Numbers
    bias: Numbers


class Norm(NamedTuple):
    """weight, bias: (layers, width) float32."""

    weight: Numbers
    bias: Numbers


class Layers(NamedTuple):
    """The weights of all layers; `attend` gives queries, keys and values beside each other."""

    attend: Linear
    output: Linear
    attention_norm: Norm
    widen: Linear
    narrow: Linear
    output_norm: Norm


@compiled_quickly
def linear(x: Numbers, at_once: int, panels: Numbers, bias: Numbers, out: Numbers) -> None:
    """Put x times a matrix, plus the bias, into out; all as `panels.multiply` takes them."""
    for panel in range(len(panels)):
        for first in range(0, len(x), at_once):
            multiply(x, first, at_once, panels, panel, bias, out)


@compiled_quickly
def attend(packed: Numbers, tokens: int, heads: int, scores: Numbers, taken: Numbers) -> None:
    """Put into `taken` what each token takes from all: softmax(q k^T / sqrt(d)) v, head by head.

    packed: (rows, at least 3 * width), queries, keys and values. scores: (tokens,), to work in.
    taken: (rows, width).
    """
    width = taken.shape[1]
    size = width // heads
    factor = _LOG2_E / np.sqrt(np.float32(size))
    for head in range(heads):
        first = head * size
        for token in range(tokens):
            query = packed[token, first : first + size]
            most = _LEAST
            for other in range(tokens):
                key = packed[other, width + first : width + first + size]
                score = np.float32(0)
                for i in range(size):
                    score += query[i] * key[i]
                score *= factor
                scores[other] = score
                most = larger(most, score)
            total = np.float32(0)
            for other in range(tokens):
                power = exp2(scores[other] - most)
                scores[other] = power
                total += power
            target = taken[token, first : first + size]
            for i in range(size):
                target[i] = 0
            for other in range(tokens):
                value = packed[other, 2 * width + first : 2 * width + first + size]
                share = scores[other] / total
                for i in range(size):
                    target[i] += share * value[i]


@compiled_quickly
def gelu(x: Numbers) -> None:
    """Put GELU(x), exact to 2e-7, in the place of each number; x: (n,) float32.

    That is x times the share of a normal distribution below x, by 7.1.26 of Abramowitz and Stegun.
    """
    for i in range(len(x)):
        size = larger(x[i], -x[i])
        z = size * _ROOT
        t = np.float32(1) / (np.float32(1) + np.float32(0.3275911) * z)
        tail = np.float32(1.061405429)
        tail = tail * t + np.float32(-1.453152027)
        tail = tail * t + np.float32(1.421413741)
        tail = tail * t + np.float32(-0.284496736)
        tail = tail * t + np.float32(0.254829592)
        tail *= t * np.float32(0.5) * size * exp2(-z * z * _LOG2_E)
        x[i] = larger(x[i], np.float32(0)) - tail


@compiled_quickly
def forward(
    x: Numbers, tokens: int, at_once: int, layers: Layers, heads: int, epsilon: float
) -> None:
    """Put the last layer's vectors of one text's tokens in the place of their embeddings.

    x: (rows, width) float32, of which the first are the tokens', and the others fill the rows up to
    a multiple of `at_once`; see `panels.rows_at_once`. epsilon: added to variances.
    """
    rows = len(x)
    packed = np.empty((rows, layers.attend.bias.shape[1]), np.float32)
    taken = np.zeros(x.shape, np.float32)
    added = np.empty((rows, layers.output.bias.shape[1]), np.float32)
    inner = np.empty((rows, layers.widen.bias.shape[1]), np.float32)
    scores = np.empty(tokens, np.float32)
    for i in range(len(layers.attend.bias)):
        linear(x, at_once, layers.attend.panels[i], layers.attend.bias[i], packed)
        attend(packed, tokens, heads, scores, taken)
        linear(taken, at_once, layers.output.panels[i], layers.output.bias[i], added)
        norm = layers.attention_norm
        add_and_norm(x, added, norm.weight[i], norm.bias[i], epsilon)
        linear(x, at_once, layers.widen.panels[i], layers.widen.bias[i], inner)
        gelu(inner.reshape(-1))
        linear(inner, at_once, layers.narrow.panels[i], layers.narrow.bias[i], added)
        norm = layers.output_norm
        add_and_norm(x, added, norm.weight[i], norm.bias[i], epsilon)

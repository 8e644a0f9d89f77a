"""The forward pass in compiled loops, one text at a time: for queries, which have few tokens.

It reads the weights as fast as memory gives them, on one thread, and has no overhead to speak of;
`vecsearch.kernels.single` is the most of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vecsearch.encoders.bert.architecture import Architecture
from vecsearch.encoders.bert.weights import Linear, Norm, Numbers, Weights
from vecsearch.kernels import single as kernels
from vecsearch.kernels.bert import add_and_norm
from vecsearch.kernels.panels import laid_out, rows_at_once


class Single:
    """A model's weights, laid out for one text at a time."""

    def __init__(self, weights: Weights, architecture: Architecture) -> None:
        layers = weights.layers
        self._weights = weights
        self._architecture = architecture
        self._layers = kernels.Layers(
            _linear([_side_by_side(each.query, each.key, each.value) for each in layers]),
            _linear([each.output for each in layers]),
            _norm([each.attention_norm for each in layers]),
            _linear([each.widen for each in layers]),
            _linear([each.narrow for each in layers]),
            _norm([each.output_norm for each in layers]),
        )

    def states(self, tokens: Sequence[int]) -> Numbers:
        """Return the vectors of one text's tokens, (tokens, width), before pooling."""
        weights, shape = self._weights, self._architecture
        at_once = rows_at_once(len(tokens))
        x = np.zeros((-(-len(tokens) // at_once) * at_once, shape.width), np.float32)
        x[: len(tokens)] = weights.words[np.asarray(tokens)]
        given = x[: len(tokens)]
        add_and_norm(given, weights.positions[: len(tokens)], *weights.norm, shape.epsilon)
        kernels.forward(x, len(tokens), at_once, self._layers, shape.heads, shape.epsilon)
        return given


def _side_by_side(*linears: Linear) -> Linear:
    return Linear(*(np.concatenate(each) for each in zip(*linears, strict=True)))


def _linear(linears: Sequence[Linear]) -> kernels.Linear:
    panels = np.stack([laid_out(each.weight) for each in linears])
    bias = np.zeros((len(linears), panels.shape[1] * panels.shape[3]), np.float32)
    for row, each in zip(bias, linears, strict=True):
        row[: len(each.bias)] = each.bias
    return kernels.Linear(panels, bias)


def _norm(norms: Sequence[Norm]) -> kernels.Norm:
    return kernels.Norm(*(np.stack(each) for each in zip(*norms, strict=True)))

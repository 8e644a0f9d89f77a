"""What a BERT does between its multiplications of matrices, on one thread, on packed tokens.

Packed: the tokens of all texts stand one after another, (tokens, width), without padding. Only
attention needs a row for each text; `unpack` lays those out, texts of similar length together.
Arrays are float32, or uint16 for bfloat16; see `vecsearch.kernels.floats`.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled_quickly
from vecsearch.kernels.floats import exp2, larger, narrowed, widened

Floats: TypeAlias = NDArray[Any]
Places: TypeAlias = NDArray[np.int64]

_LOG2_E: Final = np.float32(np.log2(np.e))
_FAR: Final = np.float32(4)
_LEAST: Final = np.float32(-1e30)

VECTOR: Final = 32
"""Rows of scores are longer by fewer than this, to be whole vectors of the processor."""


@compiled_quickly
def unpack(packed: Floats, starts: Places, lengths: Places, padded: Floats) -> None:
    """Lay out queries, keys and values head by head, zeros after each text's last token.

    packed: (tokens, 3, heads, d). starts, lengths: (texts,). padded: (3, texts, heads, longest, d).
    """
    _, texts, heads, longest, size = padded.shape
    for text in range(texts):
        for row in range(longest):
            inside = row < lengths[text]
            token = starts[text] + row
            for part in range(3):
                for head in range(heads):
                    target = padded[part, text, head, row]
                    if inside:
                        source = packed[token, part, head]
                        for i in range(size):
                            target[i] = source[i]
                    else:
                        for i in range(size):
                            target[i] = 0


@compiled_quickly
def exponentials(scores: Floats, lengths: Places, scale: float, sums: Floats) -> None:
    """Put exp(scale * (score - the row's greatest)) in the place of each score, 0 for padding.

    scores: (texts, heads, tokens, longest). sums: (texts, heads, tokens) float32, of each row's;
    dividing what comes of them by it later makes this the softmax.
    """
    texts, heads, _, longest = scores.shape
    factor = np.float32(scale) * _LOG2_E
    for text in range(texts):
        length = lengths[text]
        for head in range(heads):
            for token in range(length):
                row = scores[text, head, token]
                for i in range(length, longest):
                    row[i] = narrowed(_LEAST, row[i])
                # Padding is gone over as well: a whole number of vectors is faster than a rest.
                most = _LEAST
                for i in range(longest):
                    most = larger(most, widened(row[i]))
                most *= factor
                total = np.float32(0)
                for i in range(longest):
                    power = exp2(widened(row[i]) * factor - most)
                    total += power
                    row[i] = narrowed(power, row[i])
                sums[text, head, token] = total


@compiled_quickly
def pack(padded: Floats, sums: Floats, starts: Places, lengths: Places, packed: Floats) -> None:
    """Put rows back where `unpack` took them from, divided by their sums.

    padded: (texts, heads, longest, d). sums: (texts, heads, longest). packed: (tokens, heads, d).
    """
    texts, heads, _, size = padded.shape
    for text in range(texts):
        for row in range(lengths[text]):
            for head in range(heads):
                source = padded[text, head, row]
                target = packed[starts[text] + row, head]
                share = np.float32(1) / sums[text, head, row]
                for i in range(size):
                    target[i] = narrowed(widened(source[i]) * share, target[i])


@compiled_quickly
def gelu(x: Floats) -> None:
    """Put GELU(x), exact to 2e-4, in the place of each number; x: (n,).

    That is x times the share of a normal distribution below x, by an odd polynomial that was
    fitted to it within 4 standard deviations. For bfloat16, whose own rounding is coarser.
    """
    for i in range(len(x)):
        number = widened(x[i])
        near = larger(-larger(-number, -_FAR), -_FAR)
        square = near * near
        share = np.float32(2.2588213e-08)
        share = share * square + np.float32(-1.5888274e-06)
        share = share * square + np.float32(4.7763892e-05)
        share = share * square + np.float32(-0.00081218756)
        share = share * square + np.float32(0.0087636914)
        share = share * square + np.float32(-0.064554416)
        share = share * square + np.float32(0.39787027)
        x[i] = narrowed(number * (np.float32(0.5) + near * share), x[i])


@compiled_quickly
def add_and_norm(x: Floats, added: Floats, weight: Floats, bias: Floats, epsilon: float) -> None:
    """Put the layer normalisation of x + added in the place of x.

    x, added: (tokens, width). weight, bias: (width,) float32. epsilon: added to the variance.
    """
    tokens, width = x.shape
    sums = np.empty(width, np.float32)
    for token in range(tokens):
        row, other = x[token], added[token]
        total = np.float32(0)
        for i in range(width):
            number = widened(row[i]) + widened(other[i])
            sums[i] = number
            total += number
        mean = total / np.float32(width)
        squares = np.float32(0)
        for i in range(width):
            distance = sums[i] - mean
            squares += distance * distance
        scale = np.float32(1) / np.sqrt(squares / np.float32(width) + np.float32(epsilon))
        for i in range(width):
            row[i] = narrowed((sums[i] - mean) * scale * weight[i] + bias[i], row[i])

"""The numbers of a BERT, mapped from model.safetensors: nothing is read before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.bert.architecture import Architecture
from vecsearch.tensors import map_tensors

Numbers = NDArray[np.float32]


class Norm(NamedTuple):
    """Layer normalisation: what each number is multiplied by, and what is added; (width,) both."""

    weight: Numbers
    bias: Numbers


class Linear(NamedTuple):
    """x @ weight.T + bias; weight: (out, in), bias: (out,)."""

    weight: Numbers
    bias: Numbers


class Layer(NamedTuple):
    """Attention, and two linear steps with GELU between them."""

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    attention_norm: Norm
    widen: Linear
    narrow: Linear
    output_norm: Norm


class Weights(NamedTuple):
    """All numbers of a model.

    words: (vocabulary, width); positions: (positions, width), in which the vector of the one type
    of token that texts have is contained.
    """

    words: Numbers
    positions: Numbers
    norm: Norm
    layers: tuple[Layer, ...]


def read_weights(folder: Path, architecture: Architecture) -> Weights | None:
    """Map the weights of a model; None where they are stored in another way."""
    try:
        return _Named(map_tensors(folder / "model.safetensors")).weights(architecture)
    except (OSError, ValueError, LookupError, TypeError):
        return None


class _Named:
    """Arrays by the names that transformers gives them."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        self._tensors = tensors
        self._prefix = "" if "embeddings.word_embeddings.weight" in tensors else "bert."

    def get(self, name: str, *shape: int) -> Numbers:
        """Return an array as float32; raise ValueError for one of another shape (-1: any)."""
        found = self._tensors[self._prefix + name]
        if found.dtype not in (np.float32, np.float16):
            raise ValueError(f"{name} is {found.dtype}.")
        if found.ndim != len(shape) or any(
            wanted not in (-1, size) for wanted, size in zip(shape, found.shape, strict=True)
        ):
            raise ValueError(f"{name} has shape {found.shape}, not {shape}.")
        array: Numbers = found.astype(np.float32, copy=False)
        return array

    def weights(self, architecture: Architecture) -> Weights:
        width = architecture.width
        positions = self.get("embeddings.position_embeddings.weight", -1, width)
        if len(positions) < architecture.most:
            raise ValueError("There are fewer positions than tokens.")
        return Weights(
            words=self.get("embeddings.word_embeddings.weight", -1, width),
            positions=positions + self.get("embeddings.token_type_embeddings.weight", -1, width)[0],
            norm=self._norm("embeddings.LayerNorm", width),
            layers=tuple(
                self._layer(f"encoder.layer.{i}", width) for i in range(architecture.layers)
            ),
        )

    def _layer(self, name: str, width: int) -> Layer:
        inner = len(self._tensors[f"{self._prefix}{name}.intermediate.dense.weight"])
        return Layer(
            query=self._linear(f"{name}.attention.self.query", width, width),
            key=self._linear(f"{name}.attention.self.key", width, width),
            value=self._linear(f"{name}.attention.self.value", width, width),
            output=self._linear(f"{name}.attention.output.dense", width, width),
            attention_norm=self._norm(f"{name}.attention.output.LayerNorm", width),
            widen=self._linear(f"{name}.intermediate.dense", inner, width),
            narrow=self._linear(f"{name}.output.dense", width, inner),
            output_norm=self._norm(f"{name}.output.LayerNorm", width),
        )

    def _linear(self, name: str, out: int, width: int) -> Linear:
        return Linear(self.get(f"{name}.weight", out, width), self.get(f"{name}.bias", out))

    def _norm(self, name: str, width: int) -> Norm:
        return Norm(self.get(f"{name}.weight", width), self.get(f"{name}.bias", width))

"""The numbers of a BERT, mapped from model.safetensors: nothing is read before it is used."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.bert.architecture import Architecture

Numbers = NDArray[np.float32]
_DTYPES: Final = {"F32": np.float32, "F16": np.float16}


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
        return _Named(folder / "model.safetensors").weights(architecture)
    except (OSError, ValueError, LookupError, TypeError):
        return None


class _Named:
    """Arrays by name, in a safetensors file: a header's size, the header as JSON, the bytes."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._start = 8 + int.from_bytes(self._bytes[:8], "little")
        self._header = json.loads(self._bytes[8 : self._start])
        self._prefix = "" if "embeddings.word_embeddings.weight" in self._header else "bert."

    def get(self, name: str, *shape: int) -> Numbers:
        """Return an array as float32; raise ValueError for one of another shape (-1: any)."""
        entry = self._header[self._prefix + name]
        found = entry["shape"]
        if len(found) != len(shape) or any(
            wanted not in (-1, size) for wanted, size in zip(shape, found, strict=True)
        ):
            raise ValueError(f"{name} has shape {found}, not {shape}.")
        first, last = entry["data_offsets"]
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        numbers = np.frombuffer(
            self._bytes, dtype, (last - first) // dtype.itemsize, self._start + first
        )
        array: Numbers = numbers.reshape(found).astype(np.float32, copy=False)
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
        inner = self._header[f"{self._prefix}{name}.intermediate.dense.weight"]["shape"][0]
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

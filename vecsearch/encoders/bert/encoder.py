"""A model of BERT's architecture as an encoder, which needs torch only once that is worth it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import numpy as np

from vecsearch.encoders.base import Device, TokenVectors, check_role, encodable, require_list
from vecsearch.encoders.bert.architecture import Architecture, read_architecture
from vecsearch.encoders.bert.plain import forward
from vecsearch.encoders.bert.processor import has_bfloat16, may_have_cuda
from vecsearch.encoders.bert.tokens import Tokens, read_tokens
from vecsearch.encoders.bert.weights import Numbers, Weights, read_weights
from vecsearch.types import Role, Vectors

if TYPE_CHECKING:
    from vecsearch.encoders.bert.on_cuda import OnCuda
    from vecsearch.encoders.bert.packed import Packed
    from vecsearch.encoders.bert.single import Single

Precision: TypeAlias = Literal["bf16", "fp32"]

_PATIENCE: Final = 1e10
"""Multiplications that numpy does before the compiled loops are loaded: both take half a second."""

_PATIENCE_WITH_MANY: Final = 1e11
"""Multiplications that are done, in a second or two, before torch is loaded, which takes two."""

_FEW: Final = 64
"""Tokens up to which the compiled loops are faster than torch is."""

_NARROW: Final = 64
"""A model of fewer dimensions gains nothing by bfloat16."""

_SMALLEST: Final = 1e-12


class Source(Protocol):
    """Where a model comes from."""

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        ...

    @property
    def fingerprint(self) -> str:
        """The digest of the files that its vectors depend on."""
        ...

    def save(self, folder: Path) -> None:
        """Copy or name it, so that it is found again."""
        ...


class BertEncoder:
    """Encodes as sentence-transformers does, faster. Safe to share between threads.

    Documents are encoded in `precision`, by torch where that is bf16 or there is a CUDA device.
    Queries are always encoded in float32: by numpy at first, then by compiled loops, and many at
    once by torch, each as soon as enough was encoded to be worth loading it.
    """

    costly = True
    overlaps = True

    def __init__(
        self,
        name: str,
        source: Source,
        architecture: Architecture,
        weights: Weights,
        tokens: Tokens,
        device: Device,
    ) -> None:
        self.name = name
        self.dim = architecture.width
        self._device = device
        self.fingerprint = source.fingerprint
        self._source = source
        self._architecture = architecture
        self._weights = weights
        self._tokens = tokens
        self._spent = 0.0
        self._single: Single | None = None
        self._compiles = True
        self._loaded: dict[Precision, Packed | OnCuda] = {}
        # For loading, and for what torch doesn't do: one call at a time has all the cores.
        self._guard = threading.Lock()

    @cached_property
    def precision(self) -> Precision:
        """In what documents are encoded: bf16 where the CUDA device, or the processor, has it.

        Found when it is asked for: where there may be such a device, torch has to be loaded.
        """
        if self._architecture.width < _NARROW or find_spec("torch") is None:
            return "fp32"
        if self._on_cuda:
            from vecsearch.encoders.cuda import cuda_has_bfloat16

            return "bf16" if cuda_has_bfloat16() else "fp32"
        return "bf16" if has_bfloat16() else "fp32"

    @cached_property
    def _on_cuda(self) -> bool:
        if self._device == "cpu" or (self._device == "auto" and not may_have_cuda()):
            return False
        if find_spec("torch") is None:
            return False
        from vecsearch.encoders.cuda import takes_cuda

        return takes_cuda(self._device)

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """See `Encoder.encode`."""
        check_role(role)
        prompt = self._architecture.prompts[role]
        clean = [prompt + encodable(text, i) for i, text in enumerate(require_list(texts))]
        if not clean:
            return np.zeros((0, self.dim), np.float32)
        with self._guard:
            tokens = self._tokens.numbers(clean)
            many = self._chosen(role, tokens)
            if many is None:
                pooled = np.stack([self._pooled(self._states(each)) for each in tokens])
        if many is not None:
            pooled = many.encode(tokens)
        return self._scaled(pooled)

    def encode_tokens(self, text: str, role: Role) -> TokenVectors | None:
        """See `TokenEncoder.encode_tokens`; None for all but the mean of the tokens' vectors."""
        if self._architecture.pooling != "mean":
            return None
        prompt = self._architecture.prompts[role]
        numbers, spans = self._tokens.placed(prompt, encodable(text, 0))
        states = forward(self._weights, self._architecture, numbers)
        mean = states.mean(axis=0)
        length = np.linalg.norm(self._scaled(mean[None]))
        scale = length / max(float(np.linalg.norm(mean)), _SMALLEST) / len(numbers)
        return TokenVectors(spans, np.ascontiguousarray(states * scale, np.float32))

    def save(self, folder: Path) -> None:
        """Copy the model; one that a package carries is named only, since pip can give it back."""
        self._source.save(folder)

    def _chosen(self, role: Role, tokens: Sequence[Sequence[int]]) -> Packed | OnCuda | None:
        """Return torch's forward pass for these texts, or None for one text at a time.

        The work is taken down, and what it is worth loading is loaded.
        """
        if role == "document" and (self.precision == "bf16" or self._on_cuda):
            return self._by_torch(self.precision)
        total = sum(map(len, tokens))
        self._spent += self._architecture.multiplications * total
        if total > _FEW and self._spent >= _PATIENCE_WITH_MANY and find_spec("torch") is not None:
            return self._by_torch("fp32")
        if self._single is None and self._compiles and self._spent >= _PATIENCE:
            self._load_single()
        return None

    def _load_single(self) -> None:
        try:
            from vecsearch.encoders.bert.single import Single
        except ImportError:  # numba isn't there, or not for this Python or this numpy
            self._compiles = False
        else:
            self._single = Single(self._weights, self._architecture)

    def _states(self, tokens: Sequence[int]) -> Numbers:
        """Return the vectors of one text's tokens, (tokens, width), before pooling."""
        if self._single is not None:
            return self._single.states(tokens)
        return forward(self._weights, self._architecture, tokens)

    def _by_torch(self, precision: Precision) -> Packed | OnCuda:
        if precision not in self._loaded:
            self._loaded[precision] = self._load_many(bfloat16=precision == "bf16")
        return self._loaded[precision]

    def _load_many(self, *, bfloat16: bool) -> Packed | OnCuda:
        if self._on_cuda:
            from vecsearch.encoders.bert.on_cuda import OnCuda

            return OnCuda(self._weights, self._architecture, bfloat16)
        from vecsearch.encoders.bert.packed import Packed

        return Packed(self._weights, self._architecture, bfloat16)

    def _pooled(self, states: Numbers) -> Numbers:
        pooled: Numbers = states[0] if self._architecture.pooling == "cls" else states.mean(axis=0)
        return pooled

    def _scaled(self, vectors: Numbers) -> Vectors:
        if self._architecture.unit:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.maximum(lengths, np.float32(_SMALLEST))
        return np.ascontiguousarray(vectors, np.float32)


def read_bert(name: str, source: Source, device: Device) -> BertEncoder | None:
    """Load a model; None where it isn't a BERT of the usual kind, or can't be run here.

    Raise EncoderError where the device is missing.
    """
    if find_spec("tokenizers") is None:
        return None
    if find_spec("torch") is not None and find_spec("numba") is None:
        return None  # sentence-transformers is faster than numpy, and needs no compiled loops
    if device == "cuda":
        if find_spec("torch") is None:
            return None  # sentence-transformers says what to install
        from vecsearch.encoders.cuda import takes_cuda

        takes_cuda(device)
    architecture = read_architecture(source.folder)
    weights = architecture and read_weights(source.folder, architecture)
    tokens = architecture and read_tokens(source.folder / "tokenizer.json", architecture.most)
    if architecture is None or weights is None or tokens is None:
        return None
    return BertEncoder(name, source, architecture, weights, tokens, device)

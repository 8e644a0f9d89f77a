"""The forward pass with torch, for many texts on a CPU.

Texts of similar length come together, packed without padding, some thousand tokens at a time.
torch multiplies matrices, in bfloat16 where the processor does that at once; what stands between,
compiled loops do in few passes over memory (`vecsearch.kernels.bert`). Several batches are worked
on beside each other, a thread each, instead of one batch by all threads; those of another call as
well, so that no thread waits for the last batch of a call.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from vecsearch.encoders.bert.architecture import Architecture
from vecsearch.encoders.bert.weights import Norm, Numbers, Weights
from vecsearch.kernels import bert as kernels

_BATCH: Final = 2048
"""Tokens that are worked on at once: enough for the multiplications, and few for the cache."""

_SCORES: Final = 1 << 22
"""Most scores of attention that are held at once, but for those of a single text."""

_Apply: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


class _Layer(NamedTuple):
    attend: _Apply  # to queries, keys and values, one after another
    output: _Apply
    attention_norm: Norm
    widen: _Apply  # with GELU
    narrow: _Apply
    output_norm: Norm


class _Workers:
    """The threads that batches are worked on by, each of which has one of torch's threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._made = (0, 0)
        self._pool = ThreadPoolExecutor(1)

    def wanted(self) -> int:
        """Return how many threads torch shall have."""
        with self._guard:  # else it could be asked while workers are made
            return torch.get_num_threads()

    def of(self, threads: int) -> ThreadPoolExecutor:
        """Return so many, made anew where their number has changed or the process was forked."""
        with self._guard:
            made = (os.getpid(), threads)
            if self._made != made:
                self._pool, self._made = self._pool_of(threads), made
            return self._pool

    @staticmethod
    def _pool_of(threads: int) -> ThreadPoolExecutor:
        started = threading.Barrier(threads)

        def start() -> None:
            torch.set_num_threads(1)
            started.wait()  # so that each thread starts

        pool = ThreadPoolExecutor(threads)
        try:
            for each in [pool.submit(start) for _ in range(threads)]:
                each.result()
        except BaseException:
            started.abort()  # those that have started don't wait for one that can't
            raise
        finally:
            torch.set_num_threads(threads)  # for all threads but these, which have their number
        return pool


_WORKERS: Final = _Workers()
"""Those of this process."""


class Packed:
    """A model's weights, laid out for torch, in bfloat16 or in float32."""

    def __init__(self, weights: Weights, architecture: Architecture, bfloat16: bool) -> None:
        self._weights = weights
        self._architecture = architecture
        self._dtype = torch.bfloat16 if bfloat16 else torch.float32
        self._layers = [
            _Layer(
                self._linear(
                    np.concatenate([each.query.weight, each.key.weight, each.value.weight]),
                    np.concatenate([each.query.bias, each.key.bias, each.value.bias]),
                ),
                self._linear(*each.output),
                each.attention_norm,
                self._widening(*each.widen),
                self._linear(*each.narrow),
                each.output_norm,
            )
            for each in weights.layers
        ]

    def _linear(self, weight: Numbers, bias: Numbers, then: str = "none") -> _Apply:
        # A copy of its own: the mapped file can't be written to, and torch insists.
        numbers = torch.tensor(weight, dtype=self._dtype)
        added = torch.tensor(bias, dtype=self._dtype)
        try:
            ready = torch.ops.mkldnn._reorder_linear_weight(numbers, _BATCH)
            multiply = torch.ops.mkldnn._linear_pointwise
            multiply(numbers[:1], ready, added, then, [], "none")
        except (AttributeError, RuntimeError):  # not in every build, nor on every processor
            after = functional.gelu if then == "gelu" else torch.nn.Identity()
            return lambda x: after(functional.linear(x, numbers, added))
        return lambda x: multiply(x, ready, added, then, [], "none")

    def _widening(self, weight: Numbers, bias: Numbers) -> _Apply:
        if self._dtype == torch.float32:
            return self._linear(weight, bias, "gelu")
        linear = self._linear(weight, bias)

        def widened(x: torch.Tensor) -> torch.Tensor:
            inner = linear(x)
            kernels.gelu(_array(inner).reshape(-1))
            return inner

        return widened

    def encode(self, texts: Sequence[Sequence[int]]) -> Numbers:
        """Return the pooled vector of each text, given by its tokens' numbers: (texts, width)."""
        vectors = np.empty((len(texts), self._architecture.width), np.float32)
        threads = _WORKERS.wanted()
        batches = _batches([len(text) for text in texts], threads)

        def work(batch: list[int]) -> None:
            with torch.inference_mode():
                vectors[batch] = self._pooled([texts[i] for i in batch])

        if len(batches) == 1:
            work(batches[0])
            return vectors
        try:
            pool = _WORKERS.of(threads)
            begun = [pool.submit(work, batch) for batch in batches]
        except RuntimeError:  # no thread starts any more, as once the main one has ended
            for batch in batches:
                work(batch)
            return vectors
        try:
            for each in begun:
                each.result()
        finally:
            for each in begun:  # after an error
                each.cancel()
        return vectors

    def _pooled(self, texts: Sequence[Sequence[int]]) -> Numbers:
        lengths = np.array([len(text) for text in texts], np.int64)
        starts = np.cumsum(lengths) - lengths
        states = self._states(np.concatenate(texts), starts, lengths).float().numpy()
        if self._architecture.pooling == "cls":
            firsts: Numbers = states[starts]
            return firsts
        sums: Numbers = np.add.reduceat(states, starts)
        sums /= lengths[:, None]
        return sums

    def _states(
        self, tokens: NDArray[np.int64], starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return the last layer's vectors of packed tokens, (tokens, width)."""
        places = np.arange(len(tokens)) - np.repeat(starts, lengths)
        weights, epsilon = self._weights, self._architecture.epsilon
        words = weights.words[tokens]
        kernels.add_and_norm(words, weights.positions[places], *weights.norm, epsilon)
        x = torch.from_numpy(words).to(self._dtype)
        for layer in self._layers:
            attended = layer.output(self._attention(layer.attend(x), starts, lengths))
            kernels.add_and_norm(_array(x), _array(attended), *layer.attention_norm, epsilon)
            narrowed = layer.narrow(layer.widen(x))
            kernels.add_and_norm(_array(x), _array(narrowed), *layer.output_norm, epsilon)
        return x

    def _attention(
        self, packed: torch.Tensor, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return what each token takes from its text's: softmax(q k^T / sqrt(d)) v, packed."""
        if self._dtype == torch.float32:
            return self._attention_by_torch(packed, starts, lengths)
        heads, width = self._architecture.heads, self._architecture.width
        size = width // heads
        taken = packed.new_empty(len(packed), width)
        source = _array(packed).reshape(-1, 3, heads, size)
        target = _array(taken).reshape(-1, heads, size)
        for group in _groups(lengths, heads):
            own, most = lengths[group], int(lengths[group].max())
            shape = (len(own), heads, most)
            longest = -most // kernels.VECTOR * -kernels.VECTOR
            laid = packed.new_empty(3, len(own), heads, longest, size)
            kernels.unpack(source, starts[group], own, _array(laid))
            q, k, v = laid.view(3, -1, longest, size)
            scores = torch.bmm(q[:, :most], k.transpose(1, 2))
            sums = np.empty(shape, np.float32)
            rows = _array(scores).reshape(*shape, longest)
            kernels.exponentials(rows, own, 1 / math.sqrt(size), sums)
            values = _array(torch.bmm(scores, v)).reshape(*shape, size)
            kernels.pack(values, sums, starts[group], own, target)
        return taken

    def _attention_by_torch(
        self, packed: torch.Tensor, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> torch.Tensor:
        """Do the same text by text, which is faster in float32 than the compiled loops are."""
        heads, width = self._architecture.heads, self._architecture.width
        taken = packed.new_empty(len(packed), width)
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
            rows = slice(start, start + length)
            q, k, v = packed[rows].view(1, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            own = functional.scaled_dot_product_attention(q, k, v)
            taken[rows].view(length, heads, -1).copy_(own[0].transpose(0, 1))
        return taken


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    """Return a tensor's memory as the kernels take it."""
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _batches(lengths: Sequence[int], threads: int) -> list[list[int]]:
    """Group texts of similar length, the longest first: no thread shall end with a long batch.

    All have about as many tokens, and where there are several, there are as many for each thread:
    none waits for another.
    """
    total = sum(lengths)
    count = -(-total // _BATCH)
    if count > 1:
        count = -(-count // threads) * threads
    batches: list[list[int]] = [[] for _ in range(count)]
    before = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        batches[(2 * before + lengths[i]) * count // (2 * total)].append(i)
        before += lengths[i]
    return [batch for batch in batches if batch]


def _groups(lengths: NDArray[np.int64], heads: int) -> list[slice]:
    """Cut a batch into groups whose scores are few enough."""
    groups = []
    first = 0
    while first < len(lengths):
        fit = max(1, _SCORES // (heads * int(lengths[first]) ** 2))
        groups.append(slice(first, first + fit))
        first += fit
    return groups

"""Learning from examples: a query moves towards its document and away from those of others.

The more documents a batch has, the better the negatives among them, but a network that remembers
what it did to a thousand texts fills any memory. Gao, Zhang, Han & Callan (Scaling deep contrastive
learning batch size under memory limited setup, RepL4NLP 2021) do it in three passes, which give the
gradient of the whole batch: embed all texts, chunk by chunk, remembering nothing; take the loss,
and its gradient for each vector; embed each chunk again, now remembering, and go on from there.
Both times dropout leaves out the same, since each chunk starts from the same state of chance.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vecsearch.encoders.base import Encoder
from vecsearch.errors import UsageError
from vecsearch.training.base import Example, TextModel
from vecsearch.training.batches import Batch, Batches, Side
from vecsearch.training.losses import (
    check_dims,
    info_nce,
    score_distillation,
    vector_distillation,
)
from vecsearch.training.precision import autocast
from vecsearch.types import Role, Vectors

__all__ = ["ContrastiveSettings", "ContrastiveTask", "Teacher"]


class Teacher(Protocol):
    """A stronger encoder, whose vectors are learnt from."""

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, in order: (texts, its dim) float32."""
        ...


@dataclass(frozen=True, slots=True)
class ContrastiveSettings:
    """What is learnt from examples, and how.

    batch: examples of a step; all of them where there are fewer.
    chunk: texts that are embedded at a time. Where a step has no more, it embeds them once, else
        twice, and takes the memory of one chunk.
    temperature: what cosines are divided by; the lower, the more the nearest negatives count.
    dims: prefixes that must do as vectors too (see `losses.over_prefixes`); give the whole as well.
    weights: how much each prefix counts; equally where there are none.
    contrast: how much InfoNCE counts in the loss.
    teacher_vectors: how much it counts that vectors, turned, are the teacher's.
    teacher_scores: how much it counts that the batch's cosines are the teacher's.
    teacher_temperature: what the teacher's cosines are divided by.
    seed: decides about the batches, and about what the turning of vectors begins with.

    Raise UsageError for what can't be.
    """

    batch: int = 256
    chunk: int = 128
    temperature: float = 0.05
    dims: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    contrast: float = 1.0
    teacher_vectors: float = 0.0
    teacher_scores: float = 0.0
    teacher_temperature: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.contrast, self.teacher_vectors, self.teacher_scores)
        if self.batch < 1 or self.chunk < 1:
            raise UsageError(
                f"A batch has at least one example, and a chunk one text, not {self.batch} and "
                f"{self.chunk}."
            )
        if not (0 < self.temperature < math.inf and 0 < self.teacher_temperature < math.inf):
            raise UsageError(
                f"Temperatures are above 0, not {self.temperature:g} and "
                f"{self.teacher_temperature:g}."
            )
        if not all(0 <= each < math.inf for each in shares) or not any(shares):
            raise UsageError(
                "What counts in the loss (contrast, teacher_vectors, teacher_scores) counts 0 or "
                f"more, and something more than 0; given were {', '.join(map(str, shares))}."
            )

    @property
    def taught(self) -> bool:
        """Whether anything is learnt from a teacher."""
        return bool(self.teacher_vectors or self.teacher_scores)


class ContrastiveTask:
    """A `Task` that learns from examples; see the module and `ContrastiveSettings`.

    Texts in a batch count once, and what is known to answer a query, or says the same, isn't taken
    for wrong. Symmetric examples are learnt both ways, each counting half.

    known: pairs that aren't learnt from, but known to be right as the examples are.

    Raise UsageError without examples, for prefixes that vectors don't have, and where a teacher is
    wanted and none given, or given and not wanted.
    """

    def __init__(
        self,
        model: TextModel,
        examples: Sequence[Example],
        settings: ContrastiveSettings | None = None,
        teacher: Teacher | None = None,
        known: Sequence[Example] = (),
    ) -> None:
        settings = settings or ContrastiveSettings()
        check_dims(settings.dims, settings.weights, model.dim)
        if settings.taught != (teacher is not None):
            raise UsageError(
                "A teacher goes with a share of the loss: give both a teacher and teacher_vectors "
                "or teacher_scores above 0, or neither."
            )
        self._model = model
        self._settings = settings
        self._batches = Batches(examples, settings.batch, settings.seed, known)
        self._teacher = teacher
        self._device = next(model.module.parameters()).device
        self._head = self._new_head(examples[0].document) if settings.teacher_vectors else None
        self._digest = _digest([*examples, *known])
        self.module: nn.Module = model.module
        if self._head is not None:
            self.module = nn.ModuleDict({"model": model.module, "head": self._head})

    @property
    def batch(self) -> int:
        """How many examples a step learns from."""
        return self._batches.size

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides about the steps, by a name for each, as a checkpoint remembers it."""
        settings = {name: str(value) for name, value in asdict(self._settings).items()}
        return {**settings, "examples": self._digest}

    def encoder(self) -> Encoder:
        """See `Task.encoder`."""
        return self._model.encoder()

    def backward(self, step: int) -> float:
        """See `Task.backward`."""
        batch = self._batches.batch(step)
        chunks = _chunks(batch, self._settings.chunk)
        if len(batch.texts) <= self._settings.chunk:
            loss = self._loss(batch, _joined(chunks, map(self._embed, chunks)))
            if loss.requires_grad:  # no text might have a known piece
                loss.backward()  # type: ignore[no-untyped-call]
            return loss.item()
        return self._backward_cached(batch, chunks)

    def _backward_cached(self, batch: Batch, chunks: Sequence[_Chunk]) -> float:
        states, parts = [], []
        with torch.no_grad():
            for chunk in chunks:
                states.append(_Chance.now(self._device))
                parts.append(self._embed(chunk))
        leaves = [part.requires_grad_() for part in parts]
        loss = self._loss(batch, _joined(chunks, leaves))
        loss.backward()  # type: ignore[no-untyped-call]
        for chunk, state, leaf in zip(chunks, states, leaves, strict=True):
            state.restore(self._device)
            again = self._embed(chunk)
            if again.requires_grad:
                torch.autograd.backward(again, leaf.grad)
        return loss.item()

    def _embed(self, chunk: _Chunk) -> Tensor:
        with autocast(self._device):
            vectors = self._model.embed(chunk.texts, chunk.role)
        return vectors.to(torch.promote_types(vectors.dtype, torch.float32))

    def _loss(self, batch: Batch, vectors: Tensor) -> Tensor:
        """Return the mean loss of a batch; vectors: (texts, dim), of all its texts."""
        settings = self._settings
        loss = vectors.new_zeros(())
        if settings.contrast:
            loss = loss + settings.contrast * self._contrast(batch, vectors)
        if self._teacher is None:
            return loss
        teacher = torch.from_numpy(self._teacher.vectors(batch.texts)).to(vectors)
        if self._head is not None:
            apart = vector_distillation(vectors, teacher, self._head)  # (texts,)
            loss = loss + settings.teacher_vectors * apart.mean()
        if settings.teacher_scores:
            asks, answers = batch.forward.asks, batch.forward.answers
            apart = score_distillation(
                vectors[asks],
                vectors[answers],
                teacher[asks],
                teacher[answers],
                temperature=settings.temperature,
                teacher_temperature=settings.teacher_temperature,
                dims=settings.dims,
                weights=settings.weights,
            )  # (examples,)
            loss = loss + settings.teacher_scores * apart.mean()
        return loss

    def _contrast(self, batch: Batch, vectors: Tensor) -> Tensor:
        """Return InfoNCE's mean; a symmetric example's is that of its two directions.

        Both ways after Radford et al., Learning transferable visual models from natural language
        supervision, ICML 2021.
        """
        forward = self._surprises(batch.forward, vectors)  # (examples,)
        if not batch.alike:
            return forward.mean()
        backward = self._surprises(batch.backward, vectors)  # (symmetric,)
        both = torch.from_numpy(batch.symmetric).to(forward.device)
        total = forward[~both].sum() + (forward[both] + backward).sum() / 2
        return total / len(forward)

    def _surprises(self, side: Side, vectors: Tensor) -> Tensor:
        return info_nce(
            vectors[side.asks],
            vectors[side.answers],
            torch.from_numpy(side.positives).to(vectors.device),
            torch.from_numpy(side.counted).to(vectors.device),
            temperature=self._settings.temperature,
            dims=self._settings.dims,
            weights=self._settings.weights,
        )

    def _new_head(self, text: str) -> nn.Linear:
        assert self._teacher is not None  # the settings saw to it
        width = self._teacher.vectors([text]).shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._settings.seed)
            head = nn.Linear(self._model.dim, width, bias=False)
        return head.to(next(self._model.module.parameters()))


class _Chunk(NamedTuple):
    """Texts of one role that are embedded together, and their places in the batch."""

    texts: list[str]
    role: Role
    places: list[int]


def _chunks(batch: Batch, size: int) -> list[_Chunk]:
    """Cut a batch into chunks; texts of like length stand together, so that little is padded."""
    found = []
    first = len(batch.queries)
    roles: Mapping[Role, range] = {
        "query": range(first),
        "document": range(first, len(batch.texts)),
    }
    for role, places in roles.items():
        longest_first = sorted(places, key=lambda place: -len(batch.texts[place]))
        for start in range(0, len(longest_first), size):
            chosen = longest_first[start : start + size]
            found.append(_Chunk([batch.texts[place] for place in chosen], role, chosen))
    return found


def _joined(chunks: Sequence[_Chunk], parts: Iterable[Tensor]) -> Tensor:
    """Return the vectors of all chunks in the order of the batch: (texts, dim)."""
    order = np.argsort(np.concatenate([chunk.places for chunk in chunks]))
    return torch.cat(list(parts))[order]


class _Chance(NamedTuple):
    """The state of torch's random numbers, on the processor and on the device."""

    cpu: Tensor
    cuda: Tensor | None

    @staticmethod
    def now(device: torch.device) -> _Chance:
        cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return _Chance(torch.get_rng_state(), cuda)

    def restore(self, device: torch.device) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, device)


def _digest(examples: Sequence[Example]) -> str:
    digest = hashlib.sha256()
    for each in examples:
        for text in (each.query, each.document, *each.negatives):
            coded = text.encode("utf-8", "surrogatepass")
            digest.update(len(coded).to_bytes(8, "big") + coded)
        digest.update(b"symmetric" if each.symmetric else b"one way")
    return digest.hexdigest()

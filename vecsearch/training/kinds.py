"""What is trained for each kind of encoder, made of the data: a loop's task, or LSA at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from vecsearch.bench.progress import Tell
from vecsearch.bench.vectors import CachedEncoder
from vecsearch.encoders import load_encoder
from vecsearch.encoders.base import Encoder
from vecsearch.encoders.lsa import LSA
from vecsearch.encoders.subwords import Subwords
from vecsearch.errors import EncoderError
from vecsearch.text import PLAIN, analyzer
from vecsearch.training.base import Example, Task, TextModel
from vecsearch.training.data import Data
from vecsearch.training.negatives import Mined, mine
from vecsearch.training.settings import RANK, Kind, TrainingSettings, known
from vecsearch.training.teacher import RememberingTeacher
from vecsearch.types import seen_text

_NEEDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "lsa": ("sklearn",),
    "skipgram": ("torch", "tokenizers"),
    "contrastive-bag": ("torch", "tokenizers"),
    "gru": ("torch", "tokenizers"),
    "transformer": ("torch", "tokenizers"),
    "finetune": ("torch", "sentence_transformers"),
}
_VECTORS: Final = "vectors.sqlite"
_CHUNKS: Final[Mapping[Kind, int]] = {
    "contrastive-bag": 8192,
    "gru": 256,
    "transformer": 256,
    "finetune": 64,  # some 2 GB for MiniLM at 256 tokens
}
"""Texts that a network remembers all about at a time."""

_INSTALL: Final = "pip install torch==2.13.0 sentence-transformers tokenizers scikit-learn peft"
"""However vecsearch itself was installed."""


def check_installed(kind: Kind, settings: TrainingSettings) -> None:
    """Raise EncoderError, with what to install, where a package is missing."""
    needed = [*_NEEDS[kind], *(["peft"] if settings.lora else [])]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        listed = " and ".join(missing)
        raise EncoderError(
            f"Training the kind {kind!r} needs {listed}, which isn't installed. What all "
            f"kinds need: {_INSTALL}"
        )


def texts_of(data: Data) -> list[str]:
    """Return what is seen of the documents that are learnt from."""
    return [seen_text(document.title, document.text) for document in data.documents]


class Made(NamedTuple):
    """What the loop repeats, and how many hard negatives it was given.

    pretraining: what it repeats before that, to the same network.
    """

    task: Task
    negatives: int = 0
    pretraining: Task | None = None


def task_for(
    kind: Kind, name: str, data: Data, settings: TrainingSettings, work: Path, tell: Tell
) -> Made:
    """Make what the loop repeats for a kind; its encoder is the untrained twin, or the base.

    name: what the encoder is to be called.
    work: a folder for vectors, so that none is made twice.
    """
    if kind == "skipgram":
        task = _skipgram(data, settings, tell)
        task.module.to(_device(settings))
        return Made(task)
    model = _model(kind, name, data, settings, tell)
    model.module.to(_device(settings))
    made = _contrastive(model, kind, data, settings, work, tell)
    if not settings.pretrain_steps:
        return made
    from vecsearch.training.masked import MaskedSettings, MaskedTask
    from vecsearch.training.networks import NetworkModel

    assert isinstance(model, NetworkModel)  # `fitted` saw to it
    guessing = MaskedTask(model, texts_of(data), MaskedSettings(seed=settings.seed))
    guessing.module.to(_device(settings))
    return made._replace(pretraining=guessing)


def _device(settings: TrainingSettings) -> str:
    from vecsearch.encoders.cuda import takes_cuda

    return "cuda" if takes_cuda(settings.device) else "cpu"


def _skipgram(data: Data, settings: TrainingSettings, tell: Tell) -> Task:
    from vecsearch.training.skipgram import GROUP, SkipGramSettings, SkipGramTask

    texts = texts_of(data)
    groups = max(1, known(settings.batch) // GROUP)
    learning = SkipGramSettings(dim=known(settings.dim), groups=groups, seed=settings.seed)
    return SkipGramTask(_subwords(texts, settings, tell), texts, learning)


def _model(kind: Kind, name: str, data: Data, settings: TrainingSettings, tell: Tell) -> TextModel:
    """Make the network of a kind that learns from pairs."""
    if kind == "finetune":
        from vecsearch.training.finetune import Finetuned

        rank = RANK if settings.lora else None
        return Finetuned(
            settings.base, name=name, rank=rank, seed=settings.seed, device=settings.device
        )
    texts = texts_of(data)
    subwords = _subwords(texts, settings, tell)
    if kind == "gru" or kind == "transformer":
        from vecsearch.training.networks import network_model

        return network_model(kind, subwords, texts, known(settings.dim), settings.seed)
    from vecsearch.training.bag import bag_model

    return bag_model(subwords, texts, known(settings.dim), settings.seed)


def _contrastive(
    model: TextModel, kind: Kind, data: Data, settings: TrainingSettings, work: Path, tell: Tell
) -> Made:
    from vecsearch.training.contrastive import ContrastiveSettings, ContrastiveTask

    examples: Sequence[Example] = data.examples
    negatives = 0
    if settings.negatives:
        encoder = model.encoder() if kind == "finetune" else None
        found = _mined(data, settings, encoder, work, tell)
        examples, negatives = found.examples, found.added
    teacher = None
    if settings.teacher is not None:
        teacher = RememberingTeacher(
            load_encoder(settings.teacher, settings.device), work / _VECTORS
        )
    learning = ContrastiveSettings(
        batch=known(settings.batch),
        chunk=_CHUNKS[kind],
        dims=_prefixes(model.dim) if kind == "contrastive-bag" else (),
        teacher_vectors=float(teacher is not None and settings.distill == "vectors"),
        teacher_scores=float(teacher is not None and settings.distill == "scores"),
        seed=settings.seed,
    )
    return Made(ContrastiveTask(model, examples, learning, teacher, data.known), negatives)


def _prefixes(dim: int) -> tuple[int, ...]:
    """Return the dimensions after which a vector may be cut: 64, 128, 256 and so on, and all."""
    return (*(each for each in (64, 128, 256, 512) if each < dim), dim)


def _subwords(texts: Sequence[str], settings: TrainingSettings, tell: Tell) -> Subwords:
    from vecsearch.training.vocabulary import train_subwords

    tell("learning a vocabulary", 0)
    return train_subwords(texts, settings.vocabulary, analyzer(PLAIN))


def _mined(
    data: Data, settings: TrainingSettings, encoder: Encoder | None, work: Path, tell: Tell
) -> Mined:
    """Add hard negatives to the examples, found by BM25 and by an encoder where there is one."""
    tell("mining negatives", 0)
    remembering = None if encoder is None else CachedEncoder(encoder, work / _VECTORS)
    return mine(data.examples, data.documents, remembering, settings.negatives, known=data.known)


def train_lsa(data: Data, settings: TrainingSettings) -> tuple[LSA, LSA]:
    """Return LSA's untrained twin, which is TF-IDF by random projection, and LSA."""
    from vecsearch.training import lsa

    trained = lsa.train_lsa(texts_of(data), settings.dim, analyzer("english"), settings.seed)
    return trained.untrained(settings.seed), trained

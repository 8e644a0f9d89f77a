"""How an encoder is to be trained: its kind, and what a person may choose about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar, get_args

from vecsearch.encoders.base import Device
from vecsearch.errors import UnknownName, UsageError

_T = TypeVar("_T")

Kind: TypeAlias = Literal["lsa", "skipgram", "contrastive-bag", "gru", "transformer", "finetune"]
Distill: TypeAlias = Literal["vectors", "scores"]
Supervision: TypeAlias = Literal["judged", "title_body", "neighbours", "inverse_cloze", "two_views"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SUPERVISIONS: Final[tuple[Supervision, ...]] = get_args(Supervision)

ALONE: Final[tuple[Supervision, ...]] = ("title_body", "neighbours", "inverse_cloze")
"""The supervision of a corpus without judgments to learn from."""

RANK: Final = 16
"""Of LoRA adapters where nobody says."""

_LEARNT_BY_PAIRS: Final = ("contrastive-bag", "gru", "transformer", "finetune")
_WITH_SUBWORDS: Final = ("skipgram", "contrastive-bag", "gru", "transformer")


class Usual(NamedTuple):
    """What a kind takes where nobody says.

    epochs: how often each example is seen; it decides about the steps, of which there are `fewest`
        at least and `most` at most.
    dev_documents: how many documents the dev queries are asked of; they are encoded each time.
    evaluations: how often that is; patience: after how many that bring nothing new training ends.
        Skip-gram is evaluated at the end only: what it learns isn't what the dev queries ask, and
        the least trained vectors would be chosen, to which words are merely different.
    """

    dim: int | None
    batch: int | None = None
    learning_rate: float | None = None
    epochs: float = 0
    fewest: int = 0
    most: int = 0
    dev_documents: int = 5000
    evaluations: int = 20
    patience: int = 10


USUAL: Final[Mapping[Kind, Usual]] = {
    "lsa": Usual(None),
    "skipgram": Usual(256, 16_384, 2e-3, 2000, 500, 20_000, evaluations=0),
    "contrastive-bag": Usual(512, 1024, 1e-2, 10, 300, 3_000),
    "gru": Usual(256, 128, 5e-4, 5, 300, 3_000, 1000, 8, 3),
    "transformer": Usual(256, 128, 5e-4, 5, 300, 3_000, 1000, 8, 4),
    "finetune": Usual(None, 32, 2e-5, 4, 20, 2_000, 1000, 4, 2),
}
_ADAPTERS_LEARN: Final = 5e-4
"""Learning rate of adapters, which begin at zero and are few."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What a person may choose about a training; None is what suits the kind and the data.

    supervision: where examples come from; by default from the judgments where the corpus has a
        split "train" or `pairs` are given, else from the corpus alone.
    pairs: a file of examples, as `vecsearch.training.judgments.read_examples` reads them.
    dev_split: the split of a corpus in BEIR layout that progress is measured on; by default "dev",
        and where there is none, queries cut from train.
    dim: numbers of a vector; not for finetune, whose base decides.
    vocabulary: the most subwords that are learnt.
    batch: examples of a step.
    steps, minutes: how long the training lasts; one of the two at most.
    negatives: hard negatives that are mined for each example.
    teacher: a stronger encoder that is learnt from too, by a name that `load_encoder` knows.
    distill: what of a teacher is learnt: its vectors, or its scores of a batch's documents.
    pretrain_steps: steps of masked language modelling before a transformer learns from examples.
    base: the model that finetune goes on from.
    lora: train adapters of rank 16, not the whole model.

    Raise UsageError for what can't be, or doesn't go together.
    """

    supervision: tuple[Supervision, ...] = ()
    pairs: str | None = None
    dev_split: str | None = None
    dim: int | None = None
    vocabulary: int = 20_000
    batch: int | None = None
    steps: int | None = None
    minutes: float | None = None
    learning_rate: float | None = None
    negatives: int = 0
    teacher: str | None = None
    distill: Distill = "vectors"
    pretrain_steps: int = 0
    base: str = "minilm"
    lora: bool = False
    seed: int = 0
    device: Device = "auto"

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        if self.steps is not None and self.minutes is not None:
            raise UsageError("A training lasts so many steps or so many minutes, not both.")
        if self.distill != "vectors" and self.teacher is None:
            raise UsageError(f"The {self.distill} are a teacher's: name it too.")

    def _check_names(self) -> None:
        for kind in self.supervision:
            if kind not in SUPERVISIONS:
                raise UnknownName("kind of supervision", kind, SUPERVISIONS)
        if self.distill not in get_args(Distill):
            raise UnknownName("kind of distillation", self.distill, get_args(Distill))
        if self.device not in get_args(Device):
            raise UnknownName("device", self.device, get_args(Device))

    def _check_numbers(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= least):
                raise UsageError(f"{_said(name)} must be at least {least}, not {value}.")
        if self.seed > _GREATEST_SEED:
            raise UsageError(f"The seed is at most {_GREATEST_SEED:,}, not {self.seed:,}.")
        for name in ("minutes", "learning_rate"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{_said(name)} must be more than 0, not {value}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings in JSON types."""
        return {**asdict(self), "supervision": list(self.supervision)}


_GREATEST_SEED: Final = 2**32 - 1
"""Of what scikit-learn takes."""

_LEAST: Final = {
    "dim": 1,
    "vocabulary": 3,
    "batch": 2,
    "steps": 1,
    "negatives": 0,
    "pretrain_steps": 0,
    "seed": 0,
}


def fitted(kind: str, settings: TrainingSettings) -> TrainingSettings:
    """Fill in what suits a kind: dimensions, batch and learning rate.

    Raise UnknownName for another kind, UsageError for what the kind has no use for.
    """
    usual = USUAL.get(kind)  # type: ignore[call-overload]
    if usual is None:
        raise UnknownName("kind of encoder", kind, KINDS)
    plain = TrainingSettings()
    for name, kinds in _ONLY_FOR.items():
        if not has_use_for(kind, name) and getattr(settings, name) != getattr(plain, name):
            raise UsageError(f"{_said(name)} is for {_listed(kinds)}; {kind} has no use for it.")
    rate = _ADAPTERS_LEARN if settings.lora else usual.learning_rate
    return replace(
        settings,
        dim=settings.dim or usual.dim,
        batch=settings.batch or usual.batch,
        learning_rate=settings.learning_rate or rate,
    )


_ONLY_FOR: Final[Mapping[str, tuple[str, ...]]] = {
    "dim": ("lsa", *_WITH_SUBWORDS),
    "vocabulary": _WITH_SUBWORDS,
    "base": ("finetune",),
    "lora": ("finetune",),
    "pretrain_steps": ("transformer",),
    "supervision": _LEARNT_BY_PAIRS,
    "negatives": _LEARNT_BY_PAIRS,
    "teacher": _LEARNT_BY_PAIRS,
    "pairs": _LEARNT_BY_PAIRS,
    "batch": (*_WITH_SUBWORDS, "finetune"),
    "steps": (*_WITH_SUBWORDS, "finetune"),
    "minutes": (*_WITH_SUBWORDS, "finetune"),
    "learning_rate": (*_WITH_SUBWORDS, "finetune"),
}


def has_use_for(kind: str, name: str) -> bool:
    """Whether a setting makes a difference to a kind."""
    return kind in _ONLY_FOR.get(name, KINDS)


def steps_for(kind: Kind, examples: int, settings: TrainingSettings) -> int:
    """Return how many steps a training of so many examples takes, where nobody says by the kind."""
    usual = USUAL[kind]
    wanted = math.ceil(usual.epochs * examples / known(settings.batch))
    return settings.steps or min(max(wanted, usual.fewest), usual.most)


def known(setting: _T | None) -> _T:
    """Return a setting that `fitted` has filled in."""
    assert setting is not None
    return setting


def learns_from_pairs(kind: Kind) -> bool:
    """Whether a kind learns from examples; the others learn from the documents' texts alone."""
    return kind in _LEARNT_BY_PAIRS


def _said(name: str) -> str:
    """Name a setting as the command line does, but for the dashes."""
    return {"dev_split": "The dev split", "dim": "The number of dimensions"}.get(
        name, f"The setting {name.replace('_', '-')}"
    )


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

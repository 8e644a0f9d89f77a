"""How long a training lasts, and how far each of its steps goes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from vecsearch.errors import UnknownName, UsageError


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a training lasts, and how its learning rate goes.

    steps: how many; or, in place of it,
    minutes: how long the steps and evaluations may take. How many steps that makes is worked out
        from the time of a few at the beginning, and stays so when the training is resumed.
    learning_rate: the highest.
    warm_up: the share of the steps over which the rate rises to it, evenly.
    decay: how it falls from there to almost 0: "linear", or "cosine", which is half a wave
        (Loshchilov & Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017).
    weight_decay: how much of matrices and tables is taken off each step, times the learning rate;
        of nothing else (Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019).
    clip: the longest gradient; a longer one is shortened to it. inf leaves all as they are.
    evaluate_every: the steps between two evaluations, and between two checkpoints; by default so
        many that there are as many evaluations as `evaluations` says. The last step is always
        followed by one.
    patience: how many evaluations in a row may bring nothing new before the training ends early;
        None for as many as there are.
    seed: what dropout and the like follow from.

    Raise UsageError, or UnknownName for another decay, for what can't be.
    """

    steps: int | None = None
    minutes: float | None = None
    learning_rate: float = 1e-3
    warm_up: float = 0.1
    decay: Literal["linear", "cosine"] = "linear"
    weight_decay: float = 0.01
    clip: float = 1.0
    evaluate_every: int | None = None
    evaluations: int = 20
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise UsageError("A training lasts so many steps or so many minutes: give one of them.")
        for name in ("steps", "evaluate_every", "evaluations", "patience", "seed"):
            value, least = getattr(self, name), 0 if name == "seed" else 1
            if value is not None and value < least:
                raise UsageError(f"{name} must be at least {least}, not {value}.")
        for name in ("minutes", "learning_rate", "clip"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} must be more than 0, not {value:g}.")
        if math.inf in (self.minutes, self.learning_rate):
            raise UsageError("minutes and learning_rate must be finite.")
        if not 0 <= self.warm_up <= 1:
            raise UsageError(f"warm_up is a share of the steps, from 0 to 1, not {self.warm_up:g}.")
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError(f"weight_decay must be 0 or more, not {self.weight_decay:g}.")
        if self.decay not in ("linear", "cosine"):
            raise UnknownName("decay", self.decay, ("linear", "cosine"))

    @property
    def identity(self) -> Mapping[str, str]:
        """Everything of it, as a checkpoint remembers it."""
        return {f"schedule.{name}": str(value) for name, value in asdict(self).items()}

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, counted from 0, of so many; it is never 0."""
        warm = round(self.warm_up * steps)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        gone = (step - warm) / (steps - warm)
        left = 1 - gone if self.decay == "linear" else (1 + math.cos(math.pi * gone)) / 2
        return self.learning_rate * left

    def interval(self, steps: int) -> int:
        """Return how many steps there are between evaluations, of so many in all."""
        return self.evaluate_every or math.ceil(steps / self.evaluations)

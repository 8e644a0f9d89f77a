"""AdamW, and its state as tensors that a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vecsearch.training.schedule import Schedule


class Optimizer:
    """AdamW over what of a module learns; Loshchilov & Hutter, ICLR 2019, see `Schedule`.

    Weights decay in matrices and tables, not in biases, scales and single numbers, which the decay
    would only bias.
    """

    def __init__(self, module: nn.Module, schedule: Schedule) -> None:
        learning = [each for each in module.parameters() if each.requires_grad]
        decaying = [each for each in learning if each.ndim >= 2]
        others = [each for each in learning if each.ndim < 2]
        self._parameters = [*decaying, *others]
        self._clip = schedule.clip
        self._adamw = torch.optim.AdamW(
            [
                {"params": decaying, "weight_decay": schedule.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=schedule.learning_rate,
            fused=True,
        )

    def clear(self) -> None:
        """Forget the gradients."""
        self._adamw.zero_grad(set_to_none=True)

    def shorten(self) -> float:
        """Shorten the gradient to the schedule's clip if it is longer; return how long it was."""
        return float(torch.nn.utils.clip_grad_norm_(self._parameters, self._clip))

    def step(self, rate: float) -> None:
        """Move the weights against the gradient."""
        for group in self._adamw.param_groups:
            group["lr"] = rate
        self._adamw.step()

    def state(self) -> dict[str, Tensor]:
        """Return what a later step needs of the earlier ones, by parameter and name."""
        state = self._adamw.state_dict()["state"]
        return {f"{n}.{name}": value for n, held in state.items() for name, value in held.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` returned."""
        held: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            number, _, name = key.partition(".")
            held.setdefault(int(number), {})[name] = value
        groups = self._adamw.state_dict()["param_groups"]
        self._adamw.load_state_dict({"state": held, "param_groups": groups})

"""What torch can do on a CUDA device, asked in one place; AMD's devices are "cuda" to it too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from vecsearch.encoders.base import Device
from vecsearch.errors import EncoderError

T = TypeVar("T")
R = TypeVar("R")


def takes_cuda(device: Device) -> bool:
    """Whether a CUDA device is to be used; raise EncoderError where one is missing."""
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise EncoderError("The device cuda was asked for, but torch finds no CUDA device.")
    return there and device != "cpu"


def cuda_has_bfloat16() -> bool:
    """Whether the CUDA device multiplies bfloat16 by instructions of its own."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def in_parts(work: Callable[[Sequence[T]], R], items: Sequence[T]) -> list[R]:
    """Return what work makes of all items: of all at once, or of halves where memory is short.

    Raise EncoderError where the device's memory is too small for a single one.
    """
    try:
        return [work(items)]
    except torch.OutOfMemoryError:
        if len(items) == 1:
            raise EncoderError(
                "The memory of the CUDA device is too small for a single text now. Free some of "
                "it, or take the device cpu."
            ) from None
    # Only now, for the error holds on to what the attempt had allocated.
    torch.cuda.empty_cache()
    half = len(items) // 2
    return [*in_parts(work, items[:half]), *in_parts(work, items[half:])]

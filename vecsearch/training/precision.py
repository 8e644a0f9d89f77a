"""Half-precision arithmetic where the machine has it: bfloat16 products, float32 weights."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a block within which matrix products are bfloat16 if that is faster on the device.

    It is on CUDA devices that have it, and on processors that have it in hardware; elsewhere it
    would be emulated, and slower than float32. Weights of float64 are left alone.

    Enter it for each pass anew: within one block weights are converted once, and what was converted
    without gradients would be taken again with them.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=_pays(device))


def _pays(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # an older torch can't say
        able = torch.cpu.get_capabilities()
        return bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    return False

"""What this machine has for arithmetic, found without loading torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_PROCESSOR: Final = Path("/proc/cpuinfo")
_MULTIPLIES: Final = re.compile(r"\b(?:amx_bf16|avx512_bf16)\b")
_NVIDIA: Final = (Path("/dev/nvidiactl"), Path("/usr/lib/wsl/lib/libcuda.so.1"))
"""What its driver brings, on Linux and on the Linux within Windows."""

_AMD: Final = Path("/dev/kfd")
"""What its driver brings, on Linux; it is there on many a machine whose torch can't use it."""


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 by instructions of its own; Linux says so."""
    try:
        return bool(_MULTIPLIES.search(_PROCESSOR.read_text(encoding="utf-8")))
    except OSError:
        return False


def may_have_cuda() -> bool:
    """Whether there is a driver for which torch may find a device; AMD's is "cuda" to it too."""
    if any(path.exists() for path in _NVIDIA):
        return True
    return _AMD.exists() and "+rocm" in _torch_version()


def _torch_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("torch")
    except PackageNotFoundError:
        return ""

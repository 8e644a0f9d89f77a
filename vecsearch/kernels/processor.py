"""What the processor can do, as the compiler names it."""

from __future__ import annotations

from functools import cache

from numba.core.registry import cpu_target


@cache
def knows(*features: str) -> bool:
    """Whether the processor has all of these features, such as "avx512f"."""
    known = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    return {f"+{each}" for each in features} <= set(known)

"""On what machine and with which versions figures were taken."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import vecsearch
from vecsearch.bench.cache import code_digest
from vecsearch.bench.system import digest_of

_PACKAGES: Final = (
    "vecsearch",
    "numpy",
    "faiss-cpu",
    "PyStemmer",
    "regex",
    "torch",
    "sentence-transformers",
    "transformers",
    "tokenizers",
    "bm25s",
    "numba",
    "tantivy",
    "scikit-learn",
    "hnswlib",
    "usearch",
)


def environment() -> dict[str, object]:
    """Describe the machine, the versions of packages, and which code this is; in JSON types."""
    return {
        "machine": machine(),
        "python": platform.python_version(),
        "packages": packages(),
        "code": code_digest(),
        "commit": _commit(),
    }


def machine() -> str:
    """Name the machine by what decides about its speed."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"
    )


def packages() -> dict[str, str]:
    """Return the versions of those packages that figures depend on and that are installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def software_digest() -> str:
    """SHA-256 of the code and of all versions that a ranking or a cost can depend on."""
    return digest_of([code_digest(), platform.python_version(), packages()])


class Bystanders:
    """Watches how much of the machine other work takes, from when it is made."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._others = _seconds_of_others()

    def cores(self) -> float | None:
        """Return how many cores they took on average; None where the system doesn't say."""
        now = _seconds_of_others()
        if now is None or self._others is None:
            return None
        return max(now - self._others, 0.0) / max(time.monotonic() - self._start, 1e-9)


def _seconds_of_others() -> float | None:
    """Return CPU seconds, of all cores since the start, that weren't this process's or idle.

    Processes that this one has started count as its own once they have ended.
    """
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, *interrupts = map(int, line.split()[1:9])
    used = (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
    return used - sum(os.times()[:4])


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        name = _said("sysctl", "-n", "machdep.cpu.brand_string")
        if name:
            return name
    return platform.processor() or "unknown processor"


def _commit() -> str | None:
    """Return the commit of the checkout that the package runs from; None for an installed one."""
    root = Path(vecsearch.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    commit = _said("git", "-C", str(root), "rev-parse", "HEAD")
    changed = _said("git", "-C", str(root), "status", "--porcelain", "--", "vecsearch")
    return f"{commit} with changes" if commit and changed else commit


def _said(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

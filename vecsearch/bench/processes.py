"""Starting the processes that do one system's work each, and hearing from them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from vecsearch.bench.contestants import Contestant
from vecsearch.errors import UsageError, VecsearchError

_THREADS: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
_LAST_LINES: Final = 3


def _ignore(count: int) -> None:
    pass


def work(
    task: str,
    contestant: Contestant,
    folder: Path,
    *,
    vectors: Path | None = None,
    reading: bool = True,
    single: bool = False,
    progress: Callable[[int], None] = _ignore,
    **details: object,
) -> Any:  # noqa: ANN401 - what the task returns, in JSON types
    """Do a task of `vecsearch.bench.worker` in a new process and return its result.

    vectors, reading: see `OwnEngine`.
    single: let it have one thread only.
    progress: is called with the number of documents that went in so far.
    details: what the task wants besides.

    Raise UsageError or VecsearchError as the process did, or where it died.
    """
    request = {
        "task": task,
        "system": None if contestant.system is None else contestant.system.definition(),
        "peer": None if contestant.peer is None else str(contestant.peer),
        "folder": str(folder),
        "vectors": None if vectors is None else str(vectors),
        "reading": reading,
        **details,
    }
    environment = dict(os.environ)
    if single:
        environment |= {**dict.fromkeys(_THREADS, "1"), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "vecsearch.bench.worker"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        try:
            return _converse(process, request, contestant.label, errors, progress)
        except BaseException:
            process.kill()
            raise


def _converse(
    process: subprocess.Popen[str],
    request: dict[str, object],
    label: str,
    errors: IO[bytes],
    progress: Callable[[int], None],
) -> Any:  # noqa: ANN401
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        # Left open: the process ends when this one does, however that comes about.
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it died; what it left says why
    for line in process.stdout:
        heard = json.loads(line)
        if "progress" in heard:
            progress(heard["progress"])
        elif "error" in heard:
            kind = UsageError if heard["usage"] else VecsearchError
            raise kind(f"{label}: {heard['error']}")
        else:
            process.wait()
            return heard["result"]
    code = process.wait()
    if code in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    reason = f"it ended with code {code}"
    if code < 0:
        reason = f"it was ended by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            reason += ", as happens where memory runs out"
    errors.seek(0)
    said = errors.read().decode("utf-8", "replace").strip().splitlines()[-_LAST_LINES:]
    raise VecsearchError(f"{label}: its process failed: {reason}. {' | '.join(said)}".strip())

"""Ctrl-C while something is compiled: held back until that has ended, and raised then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from vecsearch import Document, Index, OwnVectors

INTERRUPTED = """
import signal, threading
from numba.core import event

class Once(event.Listener):
    came = False

    def on_start(self, _):
        if not self.came and threading.current_thread() is threading.main_thread():
            self.came = True
            signal.raise_signal(signal.SIGINT)

    def on_end(self, _):
        pass

event.register("numba:compile", Once())
from vecsearch.__main__ import main
main()
"""
"""The command line, interrupted when the first compilation of its main thread begins."""


@pytest.mark.slow
def test_ctrl_c_while_something_is_compiled(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)
    folder, kept = tmp_path / "index", tmp_path / "compiled"
    documents = (Document(f"d{i}", "a", vector=each) for i, each in enumerate(vectors))
    index = Index.create(folder, OwnVectors(16), documents=documents)
    before = index.manifest()
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "compact", str(folder), "--recall", "0.9"],
        env={**os.environ, "NUMBA_CACHE_DIR": str(kept)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 130
    assert ran.stderr.splitlines()[-1].startswith("Error: Interrupted.")
    assert list(kept.rglob("*.nbi"))  # what was being compiled was compiled to its end
    assert index.manifest() == before


class TestHeldBack:
    @pytest.fixture
    def compiling(self):
        from vecsearch.kernels.interruptions import HeldBack

        return HeldBack()

    def test_it_is_raised_at_the_outermost_end(self, compiling) -> None:
        earlier = signal.getsignal(signal.SIGINT)
        compiling.on_start(None)
        compiling.on_start(None)
        signal.raise_signal(signal.SIGINT)
        compiling.on_end(None)
        with pytest.raises(KeyboardInterrupt):
            compiling.on_end(None)
        assert signal.getsignal(signal.SIGINT) is earlier

    def test_one_that_came_isnt_raised_twice(self, compiling) -> None:
        for came in (True, False):
            compiling.on_start(None)
            if came:
                signal.raise_signal(signal.SIGINT)
                with pytest.raises(KeyboardInterrupt):
                    compiling.on_end(None)
            else:
                compiling.on_end(None)

    def test_a_handler_of_the_system_stays(self, compiling) -> None:
        earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            compiling.on_start(None)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            compiling.on_end(None)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, earlier)

    def test_other_threads_change_nothing(self, compiling) -> None:
        earlier = signal.getsignal(signal.SIGINT)
        thread = threading.Thread(target=compiling.on_start, args=(None,))
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGINT) is earlier

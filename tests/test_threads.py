"""Parts of work: each is done once, by several threads or by the calling one alone."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from vecsearch.threads import in_threads


@pytest.mark.parametrize("threads", [1, 2, 9])
@pytest.mark.parametrize("parts", [0, 1, 5, 100])
def test_each_part_is_done_once(parts: int, threads: int) -> None:
    done: list[int] = []
    in_threads(done.append, parts, threads)
    assert sorted(done) == list(range(parts))


def test_so_many_threads_work_at_once() -> None:
    together = threading.Barrier(3)
    in_threads(lambda part: together.wait(300) and None, 3, 3)


@pytest.mark.parametrize("bad", [0, 7])
def test_the_error_of_a_part_is_raised(bad: int) -> None:
    def work(part: int) -> None:
        if part == bad:
            raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        in_threads(work, 8, 3)


def test_where_no_thread_can_be_started_the_calling_one_does_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    done: list[int] = []
    in_threads(done.append, 5, 3)
    assert done == list(range(5))


LATE = """
import threading
import numpy as np
from vecsearch.retrieve.nearest import tiled

kernels = tiled._load()
table = np.random.default_rng(1).normal(size=(9000, 32)).astype(np.float32)

def search():
    threading.main_thread().join()
    candidates, able = tiled.candidates(kernels, table[:40], table, None, 5, 2)
    print(able.all() and (candidates == np.arange(40)[:, None]).any(axis=1).all())

threading.Thread(target=search).start()
"""


def test_a_thread_that_outlives_the_main_one_searches() -> None:
    from vecsearch.retrieve.nearest import tiled

    if tiled._load() is None:
        pytest.skip("the processor has no tiles of bfloat16")
    told = subprocess.run([sys.executable, "-c", LATE], stdout=subprocess.PIPE, timeout=300)
    assert told.stdout == b"True\n"

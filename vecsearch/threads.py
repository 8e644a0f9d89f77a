"""Work in parts, done by several threads, of which the calling one is one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from threading import Thread


def in_threads(work: Callable[[int], None], parts: int, threads: int) -> None:
    """Do all parts of some work, each known by its number, by so many threads.

    The calling thread does them alone where no other can be started, as none can once the main
    thread has ended. Raise what a part raises; others may then be left undone.
    """
    waiting = iter(range(parts))  # shared: whoever is free takes the next
    errors: list[BaseException] = []

    def take() -> None:
        try:
            for part in waiting:
                if errors:
                    break
                work(part)
        except BaseException as error:
            errors.append(error)

    helpers = [Thread(target=take) for _ in range(min(threads, parts) - 1)]
    started = []
    with contextlib.suppress(RuntimeError):
        for each in helpers:
            each.start()
            started.append(each)
    take()
    for each in started:
        each.join()
    if errors:
        raise errors[0]

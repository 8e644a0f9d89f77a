"""The files beneath a folder that a corpus is read from, in a fixed order.

An index may lie within the folder of its corpus. What it holds is no document, so it is passed by,
also while it is still being made.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from vecsearch.corpus.files import reason, shown, suffix
from vecsearch.errors import CorpusError

# The names that vecsearch.store gives what an index holds. They are spelt out once more because
# the store lies above the corpora, which know nothing of it. A writer makes the lock before any
# document is read, and then what an index is made of; a manifest is the last thing it writes.
_LOCK: Final = "LOCK"
_MANIFEST: Final = "manifest.json"
_SEGMENTS: Final = "segments"
_NAMED: Final = 10  # links that a message names
_ENCODER: Final = re.compile(r"encoder-[0-9]+")


def walk(
    folder: Path,
    suffixes: Collection[str],
    on_link: Callable[[str], object] = lambda _: None,
) -> Iterator[str | CorpusError]:
    """Find the files of these suffixes beneath a folder: their paths within it.

    Hidden files and folders and indexes are skipped. Links to folders aren't followed; `on_link`
    hears of each. What can't be looked into is an error, after which the walk goes on.
    """
    pending = [""]  # a stack, so that one folder of each level is held at a time
    while pending:
        within = pending.pop()
        path = folder / within
        try:
            mode = path.stat().st_mode if not within else path.lstat().st_mode
            if stat.S_ISDIR(mode):
                if is_index(path):
                    continue
                names = sorted(os.listdir(path), reverse=True)  # noqa: PTH208 - names, not paths
                prefix = f"{within}/" if within else ""
                pending += [prefix + name for name in names if not name.startswith(".")]
            elif stat.S_ISLNK(mode) and path.is_dir():
                on_link(within)
            elif suffix(within) in suffixes and (stat.S_ISREG(mode) or _links_to_file(path)):
                yield within
        except OSError as error:
            yield CorpusError(shown(path), None, reason(error))


def first(folder: Path, suffixes: Collection[str]) -> str | None:
    """The first file that a walk finds, if any."""
    return next((found for found in walk(folder, suffixes) if isinstance(found, str)), None)


def is_index(folder: Path) -> bool:
    """Whether a folder is a vecsearch index, finished or not; OSError if it can't be told."""
    return (folder / _LOCK).is_file() and (
        (folder / _MANIFEST).is_file()
        or (folder / _SEGMENTS).is_dir()
        or any(_ENCODER.fullmatch(path.name) and path.is_dir() for path in folder.iterdir())
    )


def tell_of_links(links: Sequence[str], folder: str) -> None:
    """Say which links of a folder were passed by, if any were."""
    if links:
        more = len(links) - _NAMED
        logging.getLogger("vecsearch").info(
            "Links to folders aren't followed, so what they lead to in %s isn't read: %s%s. Give "
            "each folder by its own path.",
            folder,
            ", ".join(map(shown, links[:_NAMED])),
            f" and {more:,} more" if more > 0 else "",
        )


def _links_to_file(path: Path) -> bool:
    """Whether it is a link to a file, or to nothing, which is an error to be told."""
    return path.is_symlink() and (path.is_file() or not path.exists())

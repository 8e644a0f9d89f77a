"""A file that a person names is written whole, or it stays as it was."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_KEPT: Final = 30
"""Characters of a name's end, its suffix for one, that the name of what takes its place keeps."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, whose file takes the place of `path` at the end of the block.

    After an error it is removed instead. A pipe or a device is written to itself, and what a link
    leads to is replaced, not the link. Permissions stay. Raise OSError where that can't be.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    try:
        whole = path.resolve()
    except RuntimeError:  # links that lead in a circle, before Python 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
    temporary = beside(whole)
    try:
        yield temporary
        if whole.exists():
            temporary.chmod(whole.stat().st_mode & 0o7777)
        temporary.replace(whole)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def beside(path: Path) -> Path:
    """Return a path in the same folder that nobody else writes to, however long the name is."""
    return path.with_name(f".{os.urandom(8).hex()}.{path.name[-_KEPT:]}")

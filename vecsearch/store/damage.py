"""What explains an error that makes no sense: a file that isn't as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Final

from vecsearch.encoders.base import encode
from vecsearch.encoders.rerankers import score
from vecsearch.errors import VecsearchError
from vecsearch.store.manifest import FileEntry, check_file

_CALLS: Final = (encode.__code__, score.__code__)
"""Where models are called that anybody may write: they get texts, and read no file of an index."""


class Damage:
    """Within its `with` block an error that damaged files explain becomes IndexCorrupt.

    Opening checks sizes only, so flipped bytes may first show as an error from anywhere. The files
    are read only then, so a block that goes well costs nothing. It may be entered again within
    itself, and by several threads.
    """

    def __init__(self, folder: Path, files: Sequence[FileEntry]) -> None:
        self.folder = folder
        self.files = files

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Ours are sentences already, and an interrupt is nobody's damage.
        if not isinstance(error, Exception) or isinstance(error, VecsearchError | OSError):
            return
        if _is_of_another_model(traceback):
            return
        for file in self.files:
            # A writer may have swept what this state had open: that is no damage.
            if (self.folder / file.path).exists():
                try:
                    check_file(self.folder, file)
                except VecsearchError as problem:
                    raise problem from error


def _is_of_another_model(traceback: TracebackType | None) -> bool:
    """Whether an error is of a model that isn't ours: what we called last was that model."""
    frames = [frame for frame, _ in walk_tb(traceback)]
    ours = [each for each in frames if each.f_globals.get("__name__", "").startswith("vecsearch.")]
    return ours[-1:] != frames[-1:] and bool(ours) and ours[-1].f_code in _CALLS

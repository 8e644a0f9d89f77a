"""What explains an error that makes no sense: a file that isn't as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vecsearch.errors import VecsearchError
from vecsearch.store.manifest import FileEntry, check_file


class Damage:
    """Within its `with` block an error that damaged files explain becomes IndexCorrupt.

    Opening checks sizes only, so flipped bytes may first show as an error from anywhere. The files
    are read only then, so a block that goes well costs nothing. It may be entered again within
    itself, and by several threads.
    """

    def __init__(self, folder: Path, files: Sequence[FileEntry]) -> None:
        self._folder = folder
        self._files = files

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        # Ours are sentences already, and an interrupt is nobody's damage.
        if not isinstance(error, Exception) or isinstance(error, VecsearchError | OSError):
            return
        for file in self._files:
            # A writer may have swept what this state had open: that is no damage.
            if (self._folder / file.path).exists():
                try:
                    check_file(self._folder, file)
                except VecsearchError as problem:
                    raise problem from error

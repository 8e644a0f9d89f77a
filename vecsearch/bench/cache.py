"""What a bench worked out, kept by content: rankings, vectors and costs.

The name of an entry is the digest of all that it depends on, so that nothing ever has to be
thrown away as outdated, and a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import vecsearch
from vecsearch.cache import VECTORS, cache_folder
from vecsearch.errors import VecsearchError
from vecsearch.replacing import replacing
from vecsearch.runs import Run


class Cache:
    """A folder with what was worked out before. Several processes may share it.

    folder: made where it is missing; None is the user's own, where indexing keeps vectors too. It
        may be removed at any time: it is made again.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = cache_folder() if folder is None else Path(folder)
        for place in ("rankings", "costs", "scratch"):
            try:
                (self.folder / place).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = (
                    f"{self.folder}: the cache can't be made there ({error.strerror}); name "
                    "another folder with --cache (cache=)."
                )
                raise VecsearchError(reason) from error

    @property
    def vectors(self) -> Path:
        """The file of `CachedEncoder`."""
        return self.folder / VECTORS

    def run(self, key: str) -> Run | None:
        """Return a run that was kept, or None; one that can't be read counts as none."""
        try:
            with gzip.open(self._run(key), "rt", encoding="utf-8") as file:
                run = json.load(file)
        except (OSError, EOFError, ValueError, zlib.error):
            return None
        whole = isinstance(run, dict) and all(isinstance(each, dict) for each in run.values())
        return run if whole else None

    @contextlib.contextmanager
    def keeping_run(self, key: str) -> Iterator[Path]:
        """Give the path that a run is to be written to; it is kept if the block ends well."""
        with replacing(self._run(key)) as path:
            yield path

    def costs(self, key: str) -> Any | None:  # noqa: ANN401 - as it was kept
        """Return costs that were kept, or None."""
        try:
            return json.loads(self._costs(key).read_bytes())
        except (OSError, ValueError):
            return None

    def keep_costs(self, key: str, costs: object) -> None:
        """Keep costs, a value of JSON types."""
        with replacing(self._costs(key)) as path:
            path.write_text(json.dumps(costs), encoding="utf-8")

    def bytes(self) -> int:
        """Return the size of all rankings and costs."""
        return sum(file.stat().st_size for file in self._results())

    def prune(self, most: int) -> None:
        """Remove the rankings and costs that were made first, until at most so many bytes stay."""
        files = sorted(self._results(), key=lambda file: file.stat().st_mtime)
        left = self.bytes()
        for file in files:
            if left <= most:
                return
            left -= file.stat().st_size
            file.unlink()

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a new folder for indexes, which is removed at the end of the block.

        What a process left that was killed is removed as well.
        """
        place = self.folder / "scratch"
        for left in place.iterdir():
            if not _is_alive(left.name.partition("-")[0]):
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=place) as folder:
            yield Path(folder)

    def _results(self) -> list[Path]:
        return [*self.folder.glob("rankings/*"), *self.folder.glob("costs/*")]

    def _run(self, key: str) -> Path:
        return self.folder / "rankings" / f"{key}.json.gz"

    def _costs(self, key: str) -> Path:
        return self.folder / "costs" / f"{key}.json"


def _is_alive(pid: str) -> bool:
    """Whether a process of this number is there; a name that is no number is nobody's."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except OSError:  # there is one, of another user
        pass
    return True


@functools.cache
def code_digest() -> str:
    """SHA-256 of the package's code that a ranking or a cost can depend on."""
    root = Path(vecsearch.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        name = file.relative_to(root).as_posix()
        if not name.startswith(("cli/", "bench/report/")):
            digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()

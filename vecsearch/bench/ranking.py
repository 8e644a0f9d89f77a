"""Runs of systems over a corpus: taken from the cache, or built and ranked in their processes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vecsearch.bench.cache import Cache
from vecsearch.bench.contestants import Contestant
from vecsearch.bench.environment import software_digest
from vecsearch.bench.processes import work
from vecsearch.bench.progress import Tell
from vecsearch.bench.system import digest_of
from vecsearch.errors import CorpusError
from vecsearch.runs import Run


class Indexes:
    """The indexes of one corpus, each built when it is first asked for.

    corpus: its name, for people. source: what `open_corpus` reads. digest: of its documents.
    scratch: an empty folder for the indexes.
    timed: whether builds are to be measured, so that no text's vector is taken from the cache;
        what is encoded is kept there all the same, which counts as indexing.
    """

    def __init__(
        self,
        corpus: str,
        source: str,
        digest: str,
        scratch: Path,
        vectors: Path,
        tell: Tell,
        *,
        timed: bool,
    ) -> None:
        self.corpus = corpus
        self.digest = digest
        self.tell = tell
        self._source = source
        self._scratch = scratch
        self._vectors = vectors
        self._timed = timed
        self.measured: dict[str, list[dict[str, Any]]] = {}
        """What builds took, by the digest of the index; see `worker.build`."""

    def folder(self, contestant: Contestant) -> Path:
        """Return the folder of a system's index."""
        folder = self._scratch / contestant.index_digest
        if contestant.index_digest not in self.measured:
            self._build(contestant, folder)
        return folder

    def build_again(self, contestant: Contestant) -> None:
        """Build a second index, only to measure that."""
        folder = self._scratch / "again"
        self._build(contestant, folder)
        shutil.rmtree(folder)

    def _build(self, contestant: Contestant, folder: Path) -> None:
        what = f"{self.corpus}: {contestant.label}: indexing"
        self.tell(what, 0)
        # What a build that failed left is in the way of nothing: its folder is removed.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        result = work(
            "build",
            contestant,
            folder,
            vectors=self._vectors,
            reading=not self._timed,
            progress=lambda count: self.tell(what, count),
            corpus=self._source,
        )
        if result["digest"] != self.digest:
            raise CorpusError(
                self._source, None, "its documents have changed since the bench began to read them."
            )
        self.measured.setdefault(contestant.index_digest, []).append(result)


def rank(
    queries: Mapping[str, str],
    systems: Sequence[Contestant],
    k: int,
    indexes: Indexes,
    cache: Cache,
) -> dict[str, Run]:
    """Return each system's run, its k best documents a query, and keep it.

    queries: {id: text}.
    """
    runs: dict[str, Run] = {}
    software = software_digest()
    for contestant in systems:
        key = digest_of([indexes.digest, list(queries.items()), contestant.digest, k, software])
        run = cache.run(key)
        if run is None:
            folder = indexes.folder(contestant)
            indexes.tell(f"{indexes.corpus}: {contestant.label}: ranking", 0)
            with cache.keeping_run(key) as out:
                work(
                    "rank",
                    contestant,
                    folder,
                    vectors=cache.vectors,
                    queries=dict(queries),
                    k=k,
                    out=str(out),
                )
            run = cache.run(key)
            assert run is not None  # it was written right now
        runs[contestant.name] = run
    return runs

"""A run that a command measures."""

from __future__ import annotations

from vecsearch.cli.output import counted
from vecsearch.errors import CorpusError
from vecsearch.runs import Run, read_run
from vecsearch.types import Qrels


def read_answering(path: str, qrels: Qrels) -> Run:
    """Read a run that answers at least one of the judged queries; raise CorpusError for another."""
    run = read_run(path)
    if not run:
        raise CorpusError(path, None, "the run answers no query, so there is nothing to measure.")
    if run.keys().isdisjoint(qrels):
        raise CorpusError(
            path,
            None,
            f"the run answers none of the {counted(len(qrels), 'judged query')}: it has queries "
            f"such as {next(iter(run))!r}, the judgments have queries such as "
            f"{next(iter(qrels))!r}.",
        )
    return run

"""Runs as TREC files: from whatever made them, as systems of a comparison, and out again."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vecsearch.bench.contestants import label_of
from vecsearch.bench.judged import JudgedCorpus
from vecsearch.bench.results import Results, SystemEntry
from vecsearch.corpus.files import STANDARD_INPUT
from vecsearch.errors import CorpusError, UsageError, VecsearchError
from vecsearch.runs import TABS_NEEDED, Run, check_ids, read_run, write_run

PLACE: Final = "{corpus}"
"""What stands for the name of the corpus in the path of a run, where there are several."""

_MOST_TIED: Final = 0.1
"""Share of hits with an equal before them from which on a reader must know."""


@dataclass(frozen=True, slots=True)
class GivenRun:
    """A TREC run under a name of its own.

    path: of the file; with "{corpus}" in it, of a file for each corpus.
    """

    name: str
    path: str

    def read(self, corpus: JudgedCorpus) -> tuple[Run, list[str]]:
        """Read the run for a corpus; return it and what a reader of its scores must know.

        Raise CorpusError for documents that the corpus doesn't hold, for a run that answers no
        judged query, and as `read_run` does.
        """
        path = self._path(corpus)
        run = read_run(path)
        if not run:
            raise CorpusError(path, None, "the run is empty.")
        answered = [query for query in corpus.queries if run.get(query)]
        if not answered:
            raise CorpusError(
                path,
                None,
                f"the run answers none of the {len(corpus.queries):,} judged queries of "
                f"{corpus.name}; its first query is {next(iter(run))!r}, theirs "
                f"{next(iter(corpus.queries))!r}.",
            )
        unknown = {
            document: None
            for query in answered
            for document in run[query]
            if document not in corpus.ids
        }
        if unknown:
            raise CorpusError(
                path,
                None,
                f"the run has {len(unknown):,} documents (such as {next(iter(unknown))!r}) that "
                f"{corpus.name} doesn't hold: it is of another corpus, or of another state of it.",
            )
        notes = []
        if len(answered) < len(corpus.queries):
            notes.append(
                f"The run {self.name} answers {len(answered):,} of {len(corpus.queries):,} judged "
                "queries; the others count 0."
            )
        hits = sum(len(run[query]) for query in answered)
        tied = hits - sum(len(set(run[query].values())) for query in answered)
        if tied > _MOST_TIED * hits:
            notes.append(
                f"{tied / hits:.0%} of what the run {self.name} finds has the same score as "
                "something else for its query, such as 0: these are ordered by id, whatever their "
                "rank says, and count as found."
            )
        return run, notes

    def entry(self, label: str, corpora: Sequence[JudgedCorpus]) -> SystemEntry:
        """Return what results say of it."""
        digest = hashlib.sha256()
        for corpus in corpora:
            digest.update(self._path(corpus).read_bytes())
        return {
            "label": label,
            "about": f"a run from {self.path}",
            "kind": "run",
            "definition": {"file": self.path, "sha256": digest.hexdigest()},
            "digest": digest.hexdigest(),
        }

    def _path(self, corpus: JudgedCorpus) -> Path:
        return Path(self.path.replace(PLACE, corpus.name))


def given_runs(runs: Mapping[str, str | Path], corpora: int) -> list[GivenRun]:
    """Check runs by name; with several corpora each path says where the corpus's name goes."""
    found = [GivenRun(name, str(path)) for name, path in runs.items()]
    for run in found:
        if run.path == STANDARD_INPUT:
            raise UsageError("The file of a run is read several times; standard input can't be.")
        if not label_of(run.name).strip():
            raise UsageError(f"The run {run.path} wants a name, as in --run NAME={run.path}.")
        if corpora > 1 and PLACE not in run.path:
            raise UsageError(
                f"There are {corpora} corpora and one run {run.path}: write {PLACE} where the "
                f"name of the corpus stands, as in runs/{PLACE}.run."
            )
    return found


def write_runs(
    runs: Mapping[str, Run], entries: Mapping[str, SystemEntry], folder: Path
) -> list[str]:
    """Write the run of each system as LABEL.run; return what to tell of them.

    Raise VecsearchError where the folder can't be written.
    """
    notes = []
    tabbed = []
    make_folder(folder)
    for name, run in runs.items():
        label = entries[name]["label"]
        rankings = ((query, list(scores.items())) for query, scores in run.items())
        try:
            tabs = check_ids("query", run) | check_ids("document", set().union(*run.values()))
            tag = "".join(label.split()) or "run"
            if write_run(rankings, folder / f"{label}.run", tag, tabs=tabs):
                tabbed.append(name)
        except UsageError as error:  # an id with a tab, for one, which the format can't hold
            notes.append(f"The run of {name} wasn't written: {error}")
            (folder / f"{label}.run").unlink(missing_ok=True)  # an earlier bench's
    if tabbed:
        which = "all runs" if len(tabbed) == len(runs) else f"the runs of {', '.join(tabbed)}"
        notes.append(f"In {which} {TABS_NEEDED}.")
        logging.getLogger("vecsearch").info("%s: in %s %s.", folder, which, TABS_NEEDED)
    with suppress(OSError):  # one that holds anything can't be removed, and shan't be
        folder.rmdir()
        folder.parent.rmdir()
    return notes


def remove_former_runs(out: Path, results: Results) -> None:
    """Remove runs in a report's folder that its results.json names, and these results don't.

    What no bench wrote stays, and so does a run that takes part itself.
    """
    try:
        former = _places(json.loads((out / "results.json").read_text("utf-8")))
        given = [
            Path(str(entry["definition"]["file"]).replace(PLACE, corpus)).resolve()
            for corpus in results["corpora"]
            for entry in results["systems"].values()
            if entry["kind"] == "run"
        ]
        for place in former - _places(results):
            path = out / "runs" / place
            if len(place.parts) == 2 and ".." not in place.parts and path.resolve() not in given:
                path.unlink(missing_ok=True)
                with suppress(OSError):  # there are runs in it
                    path.parent.rmdir()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return  # there was no report, or it can't be read: nothing is known of its runs


def _places(results: Results) -> set[Path]:
    """The paths of the runs of a report, in its folder of runs."""
    labels = [entry["label"] for entry in results["systems"].values()]
    return {
        Path(runs_folder(corpus), f"{label}.run")
        for corpus in results["corpora"]
        for label in labels
    }


def runs_folder(corpus: str) -> str:
    """The name of the folder for the runs over a corpus."""
    return corpus.replace("/", "-")


def make_folder(folder: Path) -> None:
    """Make a folder where there is none; raise VecsearchError where that can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VecsearchError(f"{folder} can't be made ({error.strerror}).") from error

"""The bench: systems compared on judged corpora, by quality, by cost, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from vecsearch.bench.assembling import Found, assemble
from vecsearch.bench.cache import Cache
from vecsearch.bench.contestants import Contestant, contestants, label_of, unique_label
from vecsearch.bench.costs import Costs, costs_key, kept_costs, measure_costs
from vecsearch.bench.environment import Bystanders
from vecsearch.bench.given import (
    given_runs,
    make_folder,
    remove_former_runs,
    runs_folder,
    write_runs,
)
from vecsearch.bench.judged import DocumentsDigest, JudgedCorpus, corpus_name, open_judged
from vecsearch.bench.progress import Tell, counted, silent
from vecsearch.bench.ranking import Indexes, rank
from vecsearch.bench.results import Results
from vecsearch.bench.system import System
from vecsearch.bench.systems import default_systems
from vecsearch.corpus import documents, open_corpus
from vecsearch.errors import UnknownName, UsageError, VecsearchError
from vecsearch.measures import Measure, parse_measure
from vecsearch.runs import Run

PRIMARY: Final = "nDCG@10"
"""The measure that is always there, and by which systems are ordered."""

MEASURES: Final = (PRIMARY, "R@100", "RR@10", "Judged@10")
"""What is measured where nobody says."""

_DEPTH: Final = 100
_WHOLE_DEPTH: Final = 1000
"""How deep a ranking goes for a measure without a cutoff, as in TREC."""


def run(
    corpora: Sequence[str | Path | JudgedCorpus],
    systems: Sequence[str] | Mapping[str, System] | None = None,
    *,
    split: str = "test",
    measures: Sequence[str | Measure] = MEASURES,
    baseline: str | None = None,
    runs: Mapping[str, str | Path] | None = None,
    costs: bool = True,
    out: str | Path | None = None,
    cache: str | Path | None = None,
    opener: Callable[[str | Path], JudgedCorpus] | None = None,
    tell: Tell = silent,
) -> Results:
    """Compare systems on corpora and return all that was found.

    corpora: folders in BEIR layout, or what `open_judged` returns.
    systems: names for `parse_system` and .py files of peers, or values under names of your own; by
        default tfidf, bm25, small, hybrid and rrf; minilm and bm25+minilm where it is installed.
    measures: as for `evaluate`; nDCG@10 is always among them.
    baseline: the system, or run, that the others are compared with; by default bm25, or the first.
    runs: TREC run files by name; with several corpora, "{corpus}" in a path is the corpus's name.
    costs: measure costs too, which takes longer.
    out: the folder that gets report.html, report.md, results.json and runs/CORPUS/SYSTEM.run;
        runs of a former report there, which this one doesn't name, are removed.
    cache: the folder of `Cache`.
    opener: opens a corpus that is none yet, instead of `open_judged` with `split`.
    tell: hears what is being done.

    Rankings come from the cache where nothing that they depend on has changed. Raise UsageError,
    CorpusError or EncoderError before anything long for whatever can't be compared.
    """
    if not corpora or isinstance(corpora, str | Path):
        raise UsageError("A bench wants a list of at least one corpus.")
    check_names(corpora)
    wanted = _measures(measures)
    given = given_runs(runs or {}, len(corpora))
    if systems is None:
        systems = () if given else default_systems()
    taking_part = contestants(systems)
    entries = {name: each.entry() for name, each in taking_part.items()}
    for each in given:
        if each.name in entries:
            raise UsageError(f"{each.name!r} names two systems; give the run another name.")
    chosen = _baseline(baseline, [*entries, *(each.name for each in given)])
    opener = opener or (lambda source: open_judged(source, split, tell=tell))
    judged = [each if isinstance(each, JudgedCorpus) else opener(each) for each in corpora]
    read = {each.name: [one.read(each) for one in given] for each in judged}
    labels = {entry["label"] for entry in entries.values()}
    for each in given:
        entries[each.name] = each.entry(unique_label(label_of(each.name), labels), judged)
    depth = max(_WHOLE_DEPTH if each.cutoff is None else each.cutoff for each in wanted)
    depth = max(depth, _DEPTH)
    kept = Cache(cache)
    if out is not None:
        make_folder(Path(out))
    found = []
    for corpus in judged:
        own, cost = _on_corpus(corpus, list(taking_part.values()), depth, kept, tell, costs=costs)
        theirs = zip(given, read[corpus.name], strict=True)
        every = {**own, **{each.name: scores for each, (scores, _) in theirs}}
        notes = [note for _, notes in read[corpus.name] for note in notes]
        if out is not None:
            notes += write_runs(every, entries, Path(out) / "runs" / runs_folder(corpus.name))
        found.append(Found(corpus, every, notes, cost))
    results = assemble(found, taking_part, entries, chosen, wanted, depth, tell)
    if out is not None:
        from vecsearch.bench.report import write_report  # here, so that Jinja waits for its turn

        remove_former_runs(Path(out), results)
        write_report(results, Path(out))
    return results


def rankings(
    source: str | Path,
    queries: Mapping[str, str],
    systems: Sequence[str] | Mapping[str, System],
    k: int,
    *,
    cache: str | Path | None = None,
    tell: Tell = silent,
) -> dict[str, Run]:
    """Return what each system finds: the k best documents for queries, {id: text}, of any corpus.

    systems, cache, tell: as for `run`; raise as it does.
    """
    kept = Cache(cache)
    taking_part = list(contestants(systems).values())
    digest = DocumentsDigest()
    for document in counted(documents(open_corpus(source)), f"{source}: reading", tell):
        digest.add(document)
    with kept.scratch() as scratch:
        name = Path(source).name
        indexes = Indexes(name, str(source), digest.value, scratch, kept.vectors, tell, timed=False)
        return rank(queries, taking_part, k, indexes, kept)


def _on_corpus(
    corpus: JudgedCorpus,
    systems: Sequence[Contestant],
    depth: int,
    cache: Cache,
    tell: Tell,
    *,
    costs: bool,
) -> tuple[dict[str, Run], Costs | None]:
    """Rank with every system, and measure what that costs."""
    key = costs_key(corpus.digest, corpus.queries, systems)
    cost = kept_costs(cache, key) if costs else None
    measuring = costs and cost is None and bool(systems)
    bystanders = Bystanders()
    with cache.scratch() as scratch:
        indexes = Indexes(
            corpus.name,
            corpus.source,
            corpus.documents_digest,
            scratch,
            cache.vectors,
            tell,
            timed=measuring,
        )
        runs = rank(corpus.queries, systems, depth, indexes, cache)
        for each in systems:
            _check_documents(each, runs[each.name], corpus)
        if measuring:
            cost = measure_costs(corpus.queries, systems, indexes, bystanders)
            cache.keep_costs(key, {"costs": cost[0], "stamp": cost[1]})
    return runs, cost


def _check_documents(system: Contestant, run: Run, corpus: JudgedCorpus) -> None:
    """Refuse documents that aren't there: a peer may number what it should name."""
    unknown = set().union(*run.values()) - corpus.ids
    if unknown:
        raise VecsearchError(
            f"{system.label}: it finds {len(unknown):,} documents (such as {min(unknown)!r}) that "
            f"{corpus.name} doesn't hold, so its scores would be too low."
        )


def _measures(measures: Sequence[str | Measure]) -> list[Measure]:
    """Return measures without repetition, the primary one first."""
    if isinstance(measures, str):
        measures = [measures]
    named = [parse_measure(each) if isinstance(each, str) else each for each in measures]
    return list(dict.fromkeys([parse_measure(PRIMARY), *named]))


def _baseline(name: str | None, known: Sequence[str]) -> str:
    if not known:
        raise UsageError("There is no system and no run to compare.")
    if name is None:
        return "bm25" if "bm25" in known else known[0]
    if name not in known:
        raise UnknownName("system", name, known, "to be the baseline")
    return name


def check_names(corpora: Sequence[str | Path | JudgedCorpus]) -> None:
    """Raise UsageError where two corpora have one name, which results are kept under."""
    names: dict[str, str] = {}
    for each in corpora:
        name, source = (
            (each.name, each.source)
            if isinstance(each, JudgedCorpus)
            else (corpus_name(each), str(each))
        )
        if name in names:
            raise UsageError(
                f"{names[name]} and {source} have the same name, {name!r}, which results are kept "
                "under. Compare on one after the other, or rename a folder."
            )
        names[name] = source

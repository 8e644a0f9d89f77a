"""Writes vecsearch/bench/results.schema.json: types from the TypedDicts, and what each key means.

Run it after a change of vecsearch/bench/results.py: `python tests/results_schema.py`. A test fails
where the file isn't what this makes, or where a key has no description here.
"""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from vecsearch.bench import results

PATH: Final = Path(results.__file__).with_name("results.schema.json")

_NUMBERS: Final = {int: "integer", float: "number", str: "string", bool: "boolean"}

DESCRIPTIONS: Final = {
    "Results": {
        "": "The results.json of a bench: which system finds better on which corpus, by how much, "
        "at what cost, and how sure that is. Times are seconds and sizes bytes throughout. A "
        "reader ignores keys that it doesn't know.",
        "schema": "Version of this layout; a layout that older readers would misunderstand has "
        "a greater one.",
        "vecsearch": "Version of vecsearch that made the results.",
        "created": "When, as ISO 8601 in UTC.",
        "baseline": "The system that all others are compared with: a key of `systems`.",
        "measures": "Names of the measures, such as nDCG@10; systems are ordered by the first.",
        "depth": "How many documents each system ranked for a query.",
        "corpora": "By corpus (the name of its folder): what was searched and asked.",
        "systems": "By system (as it was typed): what it is.",
        "scores": "By corpus, system and measure: the mean over all judged queries.",
        "intervals": "By corpus, system and measure: the 95% bootstrap interval of the mean.",
        "per_query": "By corpus, system, measure and query id: the score.",
        "comparisons": "Every system against the baseline, on every corpus, by every measure.",
        "recall": "By corpus and system: [k, mean recall among the best k], k rising.",
        "features": "By corpus: properties of queries that may go with a system's gains.",
        "costs": "By corpus and system; run files have none, and it is empty where costs weren't "
        "measured.",
        "cost_stamps": "By corpus: when and how its costs were measured, all in one go.",
        "agreement": "Whether peers give the answers of the systems that they stand beside.",
        "queries": "By corpus and query id: the text of each judged query.",
        "details": "By corpus and query id: who ranks what where, for the queries on which systems "
        "differ most, those first.",
        "titles": "By corpus and document id: what to show of each document in `details`.",
        "environment": "Machine, Python, versions of packages, and which code it was.",
    },
    "CorpusEntry": {
        "": "What was searched and asked.",
        "path": "Where the corpus was, as it was given.",
        "digest": "SHA-256 of documents, judged queries and judgments, in hexadecimal.",
        "documents": "How many documents.",
        "queries": "How many judged queries; each counts in every mean.",
        "judgments": "How many judgments of a document for a query.",
        "split": "Which split of the judgments.",
        "notes": "Sentences that a reader of the figures must know.",
        "generated": "How the queries were made, where nobody asked them; else null.",
    },
    "GeneratedEntry": {
        "": "How queries were made without labels.",
        "kind": "What they were made of, such as titles of documents.",
        "seed": "Seed of the random choices.",
        "trust": "Sentences: how far such queries can be trusted, by judged collections.",
    },
    "SystemEntry": {
        "": "What a system is.",
        "label": "Short name for tables; no two systems have the same.",
        "about": "One line that says what it does.",
        "kind": "system: vecsearch's own; peer: another program's; run: rankings from a file.",
        "definition": "Every parameter; of a peer or a run its file and digest.",
        "digest": "SHA-256 of the definition, in hexadecimal.",
    },
    "Comparison": {
        "": "A system against the baseline on one corpus by one measure, paired by query.",
        "corpus": "A key of `corpora`.",
        "measure": "One of `measures`.",
        "baseline": "A key of `systems`.",
        "system": "A key of `systems`.",
        "queries": "How many pairs of scores.",
        "difference": "Mean of (system - baseline), in the measure's own unit.",
        "interval": "95% bootstrap interval of the difference: [low, high].",
        "p": "Paired randomization test, two-sided.",
        "p_holm": "p corrected by Holm over the family.",
        "family": "How many comparisons that is: those by this measure in these results.",
        "exact": "Whether p counts every permutation; else 100,000 were drawn.",
        "effect_size": "Mean difference over its standard deviation; null where all differences "
        "are equal.",
        "wins": "Queries with a higher score than the baseline's.",
        "ties": "Queries with the same score.",
        "losses": "Queries with a lower score.",
        "detectable": "Smallest difference that so many queries show 4 times out of 5.",
        "verdict": "What is shown at a corrected p below .05.",
        "text": "The verdict as a sentence.",
    },
    "Spread": {
        "": "A figure that was measured n times.",
        "median": "The median.",
        "low": "The least.",
        "high": "The most.",
        "n": "How many times.",
    },
    "Percentiles": {
        "": "Seconds for one query, each percentile's spread over the rounds.",
        "p50": "Half of the queries are answered within it, in seconds.",
        "p95": "95% of the queries are, in seconds.",
        "p99": "99% of the queries are, in seconds.",
    },
    "BuildCost": {
        "": "From documents to a searchable index on disk.",
        "seconds": "The whole of it, in seconds.",
        "documents_per_second": "Documents indexed in a second.",
        "stages": "Seconds of read, tokenize, encode and index, of those there are.",
    },
    "Cost": {
        "": "What a system costs on a corpus; each process measured does one system's work only.",
        "build": "From documents to a searchable index on disk, with all threads.",
        "bytes": "Bytes of the index on disk.",
        "bytes_per_document": "The same for each document.",
        "model_bytes": "Bytes of the encoder's files; 0 without one.",
        "build_memory": "Peak resident bytes of the building process.",
        "query_memory": "Peak resident bytes of the querying process.",
        "cold": "Seconds of each query's first time in a new process, on one thread, model loaded.",
        "warm": "Seconds of the same queries again.",
        "warm_latencies": "Seconds of each query, warm, rising.",
        "batch_queries_per_second": "Queries answered in a second, all in one call, all threads.",
        "cold_command": "Seconds from the start of a process to its first answer.",
    },
    "CostStamp": {
        "": "When and under what conditions the costs on a corpus were measured.",
        "measured": "When, as ISO 8601 in UTC.",
        "rounds": "How often everything was measured, systems in turn.",
        "queries": "How many of the judged queries were timed.",
        "others": "Cores that other work took meanwhile, on average; null where unknown.",
        "machine": "Processor, cores, memory and system.",
    },
    "Agreement": {
        "": "Whether a peer gives the answers of the system that it stands beside.",
        "corpus": "A key of `corpora`.",
        "system": "The peer, a key of `systems`.",
        "same_as": "The system that does the same work, a key of `systems`.",
        "overlap": "Mean share of common documents among the best 10, from 0 to 1.",
        "largest_difference": "Of the scores of a common document; null where not comparable.",
    },
    "Feature": {
        "": "How a property of queries goes with a system's gain over the baseline.",
        "system": "A key of `systems`.",
        "baseline": "A key of `systems`.",
        "measure": "One of `measures`.",
        "feature": "Name of the property.",
        "about": "What it is, in a line.",
        "correlation": "Spearman's, with the difference by query, from -1 to 1.",
        "interval": "95% bootstrap interval of the correlation: [low, high].",
        "p": "Chance of so strong a correlation without any.",
        "p_holm": "p corrected by Holm over the features of this pair of systems.",
        "low_difference": "Mean difference in the third of the queries with least of it.",
        "high_difference": "Mean difference in the third with most of it.",
        "text": "What that says, as a sentence; empty where nothing is shown.",
    },
    "Detail": {
        "": "One query looked into.",
        "grades": "By document id: the grade, of judged documents that are relevant or shown.",
        "best": "By system: ids of its best 10 documents, best first.",
        "ranks": "By system and id of a relevant document: its rank from 1, where it has one.",
    },
}


def build() -> dict[str, Any]:
    """Return the schema; KeyError names a class or a key that isn't described."""
    root = _object(results.Results)
    definitions = {
        name: _object(getattr(results, name)) for name in sorted(DESCRIPTIONS) if name != "Results"
    }
    root["properties"]["schema"]["const"] = results.VERSION
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Results of vecsearch bench",
        **root,
        "$defs": definitions,
    }


def _object(kind: Any) -> dict[str, Any]:
    told = DESCRIPTIONS[kind.__name__]
    hints = typing.get_type_hints(kind)
    return {
        "description": told[""],
        "type": "object",
        "properties": {
            key: {"description": told[key], **_type(hint)} for key, hint in hints.items()
        },
        "required": list(hints),
    }


def _type(hint: Any) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _NUMBERS:
        return {"type": _NUMBERS[hint]}
    if hint is object:
        return {}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _type(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    if origin is Union or type(hint).__name__ == "UnionType":
        return {
            "anyOf": [{"type": "null"} if each is type(None) else _type(each) for each in arguments]
        }
    return {"$ref": f"#/$defs/{hint.__name__}"}


def text() -> str:
    """Return the file's content."""
    return json.dumps(build(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")

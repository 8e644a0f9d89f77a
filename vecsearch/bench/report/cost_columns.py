"""The columns of costs: what of a system's costs they show, and how it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vecsearch.bench.report import figures
from vecsearch.bench.report.cells import Column
from vecsearch.bench.report.figures import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """A column of costs: where in a system's `Cost` its figure is, and how it is written."""

    column: Column
    path: Path
    write: Callable[[float], str]


def _documents(value: float) -> str:
    return f"{figures.digits(value)} docs/s"


def _per_document(value: float) -> str:
    return f"{figures.size(value)}/doc"


BRIEF: Final = (
    Measured(
        Column("query p50", "Time of one query, warm, on one thread: the median query.", "cost"),
        ("warm", "p50"),
        figures.seconds,
    ),
    Measured(
        Column("build", "Documents indexed in a second.", "cost"),
        ("build", "documents_per_second"),
        _documents,
    ),
    Measured(
        Column("index", "Bytes on disk for each document.", "cost"),
        ("bytes_per_document",),
        _per_document,
    ),
)
"""What stands beside each system's quality."""

FULL: Final = (
    Measured(
        Column("all", "From documents to an index on disk.", "building"),
        ("build", "seconds"),
        figures.seconds,
    ),
    Measured(
        Column("documents", "Documents indexed in a second.", "building"),
        ("build", "documents_per_second"),
        figures.rate,
    ),
    *(
        Measured(Column(stage, about, "building"), ("build", "stages", stage), figures.seconds)
        for stage, about in (
            ("read", "Reading the corpus."),
            ("tokenize", "Making terms of texts."),
            ("encode", "Making vectors of texts."),
            ("index", "The rest: laying the index out and writing it."),
        )
    ),
    Measured(
        Column("memory", "Most bytes resident in the process that builds.", "building"),
        ("build_memory",),
        figures.size,
    ),
    Measured(Column("index", "Bytes of the index on disk.", "size"), ("bytes",), figures.size),
    Measured(
        Column("a document", "Bytes of the index for each document.", "size"),
        ("bytes_per_document",),
        figures.size,
    ),
    Measured(
        Column("model", "Bytes of the encoder's files.", "size"), ("model_bytes",), figures.size
    ),
    *(
        Measured(
            Column(name, f"{about} {group}, on one thread.", group), (key, name), figures.seconds
        )
        for key, group in (("cold", "query, first time"), ("warm", "query, again"))
        for name, about in (
            ("p50", "Half of the queries are answered within this time:"),
            ("p95", "95% of the queries are answered within this time:"),
            ("p99", "99% of the queries are answered within this time:"),
        )
    ),
    Measured(
        Column("batch", "Queries answered in a second, all in one call.", "querying"),
        ("batch_queries_per_second",),
        figures.rate,
    ),
    Measured(
        Column("memory", "Most bytes resident in the process that answers.", "querying"),
        ("query_memory",),
        figures.size,
    ),
    Measured(
        Column("command", "From the start of a process to its first answer.", "querying"),
        ("cold_command",),
        figures.seconds,
    ),
)
"""What the table of costs has."""

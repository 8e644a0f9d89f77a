"""What a bench found, as it lies in results.json: the one value that all reports are made of.

Every mapping is keyed by corpus (the name of its folder), then by system (as it was typed), then by
measure ("nDCG@10"), then by query id. Seconds and bytes are the units throughout.
`results.schema.json` beside this module is the same as a JSON Schema, for other programs.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, TypedDict

VERSION: Final = 1
"""Version of the layout; one that old readers would misunderstand raises it."""

Verdict: TypeAlias = Literal["better", "worse", "no difference shown"]


class CorpusEntry(TypedDict):
    """What was searched and asked."""

    path: str
    digest: str  # SHA-256 of documents, judged queries and judgments
    documents: int
    queries: int  # judged ones: each counts in every mean
    judgments: int
    split: str
    notes: list[str]  # sentences that a reader of the figures must know
    generated: GeneratedEntry | None  # where the queries were made out of the corpus itself


class GeneratedEntry(TypedDict):
    """How queries were made without labels, and how far such queries can be trusted."""

    kind: str  # "title", "sentence", "rare" or "common"
    seed: int
    trust: str  # sentences: how often their winner was the real one, on judged collections


class SystemEntry(TypedDict):
    """What a system is."""

    label: str  # short, for tables and files: of a file its name without folder and suffix
    about: str  # one line: what it does
    kind: Literal["system", "peer", "run"]  # ours, another program's, or a run file
    definition: dict[str, object]  # every parameter; of a peer or a run, its file and digest
    digest: str


class Comparison(TypedDict):
    """A system against the baseline on one corpus by one measure, paired by query."""

    corpus: str
    measure: str
    baseline: str
    system: str
    queries: int
    difference: float  # mean of (system - baseline)
    interval: list[float]  # [low, high]: 95% bootstrap interval of the difference
    p: float  # paired randomization test, two-sided
    p_holm: float  # corrected over the family
    family: int  # how many comparisons that is: those of this measure in these results
    exact: bool  # every permutation was counted, not 100,000 drawn
    effect_size: float | None  # mean over standard deviation; None where all are equal
    wins: int
    ties: int
    losses: int
    detectable: float  # smallest difference that this many queries show 4 times out of 5
    verdict: Verdict
    text: str  # the verdict as a sentence


class Spread(TypedDict):
    """A figure that was measured n times: median, least and most."""

    median: float
    low: float
    high: float
    n: int


class Percentiles(TypedDict):
    """Seconds for one query: each percentile's spread over the rounds."""

    p50: Spread
    p95: Spread
    p99: Spread


class BuildCost(TypedDict):
    """From documents to a searchable index on disk, with as many threads as the system takes."""

    seconds: Spread
    documents_per_second: Spread
    stages: dict[str, Spread]  # seconds: read, tokenize, encode, index


class Cost(TypedDict):
    """What a system costs on one corpus; each process measured does one system's work only."""

    build: BuildCost
    bytes: int  # of the index on disk
    bytes_per_document: float
    model_bytes: int  # of the encoder's files; 0 without one
    build_memory: Spread  # peak resident bytes of the building process
    query_memory: Spread  # peak resident bytes of the querying process
    cold: Percentiles  # one thread, each query's first time in a new process, model loaded
    warm: Percentiles  # one thread, the same queries again
    warm_latencies: list[float]  # seconds of each query, warm, rising: for its distribution
    batch_queries_per_second: Spread  # all queries in one call, all threads
    cold_command: Spread  # from process start to its first answer, imports and model included


class CostStamp(TypedDict):
    """When and under what conditions all costs of one corpus were measured, in one go."""

    measured: str  # ISO 8601, UTC
    rounds: int
    queries: int  # how many of the judged queries were timed
    others: float | None  # cores that other work took meanwhile, on average; None where unknown
    machine: str


class Agreement(TypedDict):
    """Whether a peer gives the answers of the system it is to be compared with."""

    corpus: str
    system: str
    same_as: str
    overlap: float  # mean share of common documents among the best 10
    largest_difference: float | None  # of scores of common documents; None where not comparable


class Feature(TypedDict):
    """How a property of queries goes with a system's gain over the baseline."""

    system: str
    baseline: str
    measure: str
    feature: str  # "query length", "rarest term", ...
    about: str  # what it is, in a line
    correlation: float  # Spearman's, with the difference per query
    interval: list[float]  # [low, high]: 95% bootstrap
    p: float
    p_holm: float  # over the features of this pair
    low_difference: float  # mean difference in the third of queries with the least of it
    high_difference: float  # and in the third with the most
    text: str  # what that says, as a sentence; "" where nothing is shown


class Detail(TypedDict):
    """One query looked into."""

    grades: dict[str, int]  # document id -> grade, of judged documents that are relevant or shown
    best: dict[str, list[str]]  # system -> ids of its best 10
    ranks: dict[str, dict[str, int]]  # system -> relevant document id -> its rank, where it has one


class Results(TypedDict):
    """The whole of results.json."""

    schema: int
    vecsearch: str
    created: str  # ISO 8601, UTC
    baseline: str
    measures: list[str]
    depth: int  # documents that each system ranked for a query
    corpora: dict[str, CorpusEntry]
    systems: dict[str, SystemEntry]
    scores: dict[str, dict[str, dict[str, float]]]
    intervals: dict[str, dict[str, dict[str, list[float]]]]  # [low, high] of each mean
    per_query: dict[str, dict[str, dict[str, dict[str, float]]]]
    comparisons: list[Comparison]
    recall: dict[str, dict[str, list[list[float]]]]  # [[k, mean recall at k], ...]
    features: dict[str, list[Feature]]
    costs: dict[str, dict[str, Cost]]  # empty where they weren't measured; none for run files
    cost_stamps: dict[str, CostStamp]
    agreement: list[Agreement]
    queries: dict[str, dict[str, str]]  # corpus -> query id -> text
    details: dict[str, dict[str, Detail]]  # corpus -> query: of those where systems differ most
    titles: dict[str, dict[str, str]]  # corpus -> id -> what to show of each document in details
    environment: dict[str, object]

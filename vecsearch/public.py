"""The public names of the package, which `vecsearch` has as its own once one is asked for."""

from vecsearch.corpus import Corpus, Fields, documents, open_corpus, read_qrels, read_queries
from vecsearch.encoders import Encoder, OwnVectors, load_encoder
from vecsearch.encoders.rerankers import Reranker, load_reranker
from vecsearch.errors import VecsearchError
from vecsearch.index import Index
from vecsearch.measures import Measure, Scores, evaluate, parse_measure
from vecsearch.retrieve.base import Retriever
from vecsearch.retrieve.dense import Dense
from vecsearch.retrieve.explanation import ArmPart, Explanation, Remainder, TermPart, TextPart
from vecsearch.retrieve.fusion import Arm, ReciprocalRank, WeightedSum
from vecsearch.retrieve.lexical import Lexical
from vecsearch.retrieve.rerank import Reranked
from vecsearch.retrieve.weighting import BM25, TfIdf, Weighting
from vecsearch.runs import read_run, write_run
from vecsearch.searcher import Searcher
from vecsearch.syncing import Changes, sync
from vecsearch.syntax import Clause
from vecsearch.text import Analyzer, analyzer
from vecsearch.training import TrainingSettings, train
from vecsearch.types import ALL, Document, Hit, Query, Span, TopK
from vecsearch.writer import Writer

__all__ = [
    "ALL",
    "BM25",
    "Analyzer",
    "Arm",
    "ArmPart",
    "Changes",
    "Clause",
    "Corpus",
    "Dense",
    "Document",
    "Encoder",
    "Explanation",
    "Fields",
    "Hit",
    "Index",
    "Lexical",
    "Measure",
    "OwnVectors",
    "Query",
    "ReciprocalRank",
    "Remainder",
    "Reranked",
    "Reranker",
    "Retriever",
    "Scores",
    "Searcher",
    "Span",
    "TermPart",
    "TextPart",
    "TfIdf",
    "TopK",
    "TrainingSettings",
    "VecsearchError",
    "WeightedSum",
    "Weighting",
    "Writer",
    "analyzer",
    "documents",
    "evaluate",
    "load_encoder",
    "load_reranker",
    "open_corpus",
    "parse_measure",
    "read_qrels",
    "read_queries",
    "read_run",
    "sync",
    "train",
    "write_run",
]

"""Corpora: files, folders, databases and data sets, as streams of documents; queries and qrels.

`open_corpus` knows a corpus by its name or its look and gives its reader; `documents` runs one.
`documents_of` makes documents of what a program holds: mappings and frames.
Readers hold one document at a time, so a corpus may be larger than memory, and they hand over
errors as values, each with its file and line, so that a caller may skip one and go on.
"""

from vecsearch.corpus.base import Corpus, Fields, Record, documents, stop
from vecsearch.corpus.beir import BeirFolder
from vecsearch.corpus.folder import DocumentFiles
from vecsearch.corpus.frames import documents_of
from vecsearch.corpus.huggingface import HuggingFaceDataset
from vecsearch.corpus.irds import IrDataset
from vecsearch.corpus.jsonl import JsonLines
from vecsearch.corpus.jsonl_folder import JsonLinesFolder
from vecsearch.corpus.judged import read_qrels, read_queries
from vecsearch.corpus.opening import open_corpus
from vecsearch.corpus.parquet import ParquetFile
from vecsearch.corpus.sqlite import SqliteTable
from vecsearch.corpus.table import Table
from vecsearch.corpus.vectors import read_vectors

__all__ = [
    "BeirFolder",
    "Corpus",
    "DocumentFiles",
    "Fields",
    "HuggingFaceDataset",
    "IrDataset",
    "JsonLines",
    "JsonLinesFolder",
    "ParquetFile",
    "Record",
    "SqliteTable",
    "Table",
    "documents",
    "documents_of",
    "open_corpus",
    "read_qrels",
    "read_queries",
    "read_vectors",
    "stop",
]

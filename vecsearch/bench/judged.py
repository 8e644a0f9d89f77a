"""A judged corpus: documents, queries and grades that fit each other, with a digest of it all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vecsearch.bench.progress import Tell, counted, silent
from vecsearch.bench.results import CorpusEntry, GeneratedEntry
from vecsearch.bench.system import digest_of
from vecsearch.corpus import BeirFolder, Corpus, documents, open_corpus, read_qrels, read_queries
from vecsearch.corpus.files import STANDARD_INPUT
from vecsearch.errors import CorpusError, UsageError
from vecsearch.types import Document, Qrels, Query


class DocumentsDigest:
    """SHA-256 of documents' ids, titles and texts, in their order: all that a ranking sees."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, document: Document) -> None:
        """Take in the next document."""
        for part in (document.id, document.title, document.text):
            coded = part.encode("utf-8", "surrogatepass")
            self._digest.update(len(coded).to_bytes(8, "big") + coded)

    @property
    def value(self) -> str:
        """The digest of those that were added so far."""
        return self._digest.hexdigest()


@dataclass(frozen=True, slots=True)
class JudgedCorpus:
    """What systems are compared on.

    queries: query id -> text, of the judged queries, in the order of the judgments.
    ids: of all documents.
    documents_digest: that of `DocumentsDigest`.
    notes: sentences that a reader of the figures must know.
    generated: how the queries were made, where they were made out of the corpus itself.
    """

    name: str
    source: str
    split: str
    queries: Mapping[str, str]
    qrels: Qrels
    ids: frozenset[str]
    documents_digest: str
    notes: tuple[str, ...]
    generated: GeneratedEntry | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of documents, judged queries and grades."""
        return digest_of([self.documents_digest, self.queries, self.qrels])

    def documents(self) -> Iterator[Document]:
        """Read the documents again."""
        return documents(open_corpus(self.source))

    def entry(self, notes: Sequence[str]) -> CorpusEntry:
        """Return what results say of it, with further notes."""
        return {
            "path": self.source,
            "digest": self.digest,
            "documents": len(self.ids),
            "queries": len(self.queries),
            "judgments": sum(map(len, self.qrels.values())),
            "split": self.split,
            "notes": [*self.notes, *notes],
            "generated": self.generated,
        }


def open_judged(
    source: str | Path,
    split: str = "test",
    queries_file: str | Path | None = None,
    qrels_file: str | Path | None = None,
    tell: Tell = silent,
) -> JudgedCorpus:
    """Read a corpus once and make sure that its queries and judgments fit it.

    source: a folder in BEIR layout; or any corpus, where the files of queries and judgments are
        given, which stand in for those of a folder too.

    Raise CorpusError for judgments of unknown queries or documents, and for whatever can't be read;
    UsageError for a corpus without queries or judgments.
    """
    if str(source) == STANDARD_INPUT:
        raise UsageError("A bench reads its corpus several times; standard input can't be.")
    corpus = open_corpus(source)
    queries, where = _queries(corpus, source, queries_file)
    qrels, judged_in = _qrels(corpus, source, split, qrels_file)
    texts = {query.id: query.text for query in queries}
    unknown = [query for query in qrels if query not in texts]
    if unknown:
        raise CorpusError(
            judged_in,
            None,
            f"it judges {_some('query', 'queries', unknown)} that {where} doesn't hold.",
        )
    asked = {query: texts[query] for query in qrels}
    digest = DocumentsDigest()
    ids = set()
    for document in counted(documents(corpus), f"{source}: reading", tell):
        ids.add(document.id)
        digest.add(document)
    missing = {each: None for grades in qrels.values() for each in grades if each not in ids}
    if missing:
        raise CorpusError(
            judged_in,
            None,
            f"it judges {_some('document', 'documents', list(missing))} that the corpus doesn't "
            "hold. Nothing could find them, so every score would be too low.",
        )
    return JudgedCorpus(
        name=corpus_name(source),
        source=str(source),
        split=split if qrels_file is None else Path(qrels_file).name.split(".")[0],
        queries=asked,
        qrels=qrels,
        ids=frozenset(ids),
        documents_digest=digest.value,
        notes=tuple(_notes(texts, asked, qrels)),
    )


def corpus_name(source: str | Path) -> str:
    """Return what results call a corpus: the name of its folder, or a data set's as it is."""
    path = Path(source)
    return path.resolve().name if path.exists() else str(source)


def _queries(
    corpus: Corpus, source: str | Path, given: str | Path | None
) -> tuple[list[Query], str]:
    """Return the queries and where they are from."""
    if given is not None:
        return read_queries(given), str(given)
    if not isinstance(corpus, BeirFolder):
        raise UsageError(
            f"{source} has no queries: it isn't a folder in BEIR layout. Give --queries FILE and "
            "--qrels FILE; `vecsearch judge` makes judgments, and --no-labels does without."
        )
    return corpus.queries(), "queries.jsonl"


def _qrels(
    corpus: Corpus, source: str | Path, split: str, given: str | Path | None
) -> tuple[Qrels, str]:
    """Return the judgments and where they are from."""
    if given is not None:
        return read_qrels(given), str(given)
    if not isinstance(corpus, BeirFolder) or not corpus.splits:
        raise UsageError(
            f"{source} has no judgments: there is no qrels/{split}.tsv in it. `vecsearch judge` "
            "makes some, --qrels FILE names some, and --no-labels does without."
        )
    return corpus.qrels(split), str(Path(source) / "qrels" / f"{split}.tsv")


def _notes(texts: Mapping[str, str], asked: Mapping[str, str], qrels: Qrels) -> Iterator[str]:
    if len(texts) > len(asked):
        yield (
            f"{len(texts) - len(asked):,} of {len(texts):,} queries have no judgments in this "
            "split; they aren't asked."
        )
    fruitless = [q for q, grades in qrels.items() if not any(g > 0 for g in grades.values())]
    if fruitless:
        yield (
            f"No document is relevant to {_some('query', 'queries', fruitless)}: whatever a system "
            "finds there scores 0 and lowers every mean."
        )
    blank = [query for query, text in asked.items() if not text.strip()]
    if blank:
        yield f"Nothing is found for {_some('query', 'queries', blank)}: there is no word in it."


def _some(one: str, many: str, names: list[str]) -> str:
    """Name the first of several: "3 queries (such as 'q7')"."""
    if len(names) == 1:
        return f"the {one} {names[0]!r}"
    return f"{len(names):,} {many} (such as {names[0]!r})"

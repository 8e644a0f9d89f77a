"""What a training learns from, and what it is measured on while it lasts: never the same queries.

    a split "train", or pairs   dev is a split of its own where there is one, else cut from train
    neither, but a split "dev"  examples are made out of the corpus, dev is that split
    nothing at all              dev is known items: titles that are taken out of their documents

Queries of any other split are held out: an example that asks with the text of one, or of a dev
query, is dropped, wherever it comes from.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from vecsearch.bench.judged import DocumentsDigest, corpus_name
from vecsearch.bench.known_items import Kind as ItemKind
from vecsearch.bench.known_items import KnownItems, make_known_items
from vecsearch.bench.known_items.making import FEWEST_QUERIES
from vecsearch.bench.progress import Tell, silent
from vecsearch.corpus import BeirFolder, documents, open_corpus
from vecsearch.corpus.files import STANDARD_INPUT
from vecsearch.errors import UnknownName, UsageError
from vecsearch.training.base import Example
from vecsearch.training.dev import MOST_QUERIES, Dev, cut_down
from vecsearch.training.held_out import cut_dev, drop_held_out, normalised
from vecsearch.training.judgments import judged_examples, read_examples
from vecsearch.training.settings import ALONE, Supervision, TrainingSettings
from vecsearch.training.supervision import Kind as Alone
from vecsearch.training.supervision import supervise
from vecsearch.types import Document, seen_text

_DEV_ITEMS: Final = 200
_DEV_SHARE: Final = 0.2
_MOST: Final = 10
"""Pairs of a query that are learnt from: else those with hundreds would be most of all."""

_TRAIN: Final = "train"
_TEST: Final = "test"


class Facts(NamedTuple):
    """What a card tells of the data.

    digest: SHA-256 of the documents learnt from.
    examples: how many come from what supervision.
    dropped: how many more asked with the text of a held-out query.
    """

    corpus: str
    digest: str
    documents: int
    examples: Mapping[str, int]
    dropped: int
    held_out_queries: int
    dev: str
    dev_queries: int
    dev_documents: int


@dataclass(frozen=True, slots=True)
class Data:
    """The documents and examples that are learnt from, and the dev set.

    known: all pairs that were judged relevant; not all of them need be learnt from.
    """

    documents: Sequence[Document]
    examples: Sequence[Example]
    known: Sequence[Example]
    dev: Dev
    facts: Facts


@dataclass(frozen=True, slots=True)
class _Judged:
    """Documents with what is known of them: pairs to learn from, a dev set, what is held out."""

    documents: list[Document]
    pairs: list[Example]
    known: list[Example]
    dev: Dev
    held_out: list[str]


def gather(
    source: str,
    settings: TrainingSettings,
    work: Path,
    *,
    most: int,
    pairs: bool = True,
    tell: Tell = silent,
) -> Data:
    """Read a corpus, and make examples and a dev set of it.

    work: a folder where known items may be written, into "known-items"; what was there is replaced.
    most: documents that dev queries are asked of; all that are judged are among them, so that where
        these are more there are fewer queries.
    pairs: whether examples are wanted at all.

    Raise UsageError where there is nothing to learn from or to measure on, and CorpusError for what
    can't be read.
    """
    if source == STANDARD_INPUT:
        raise UsageError("A training reads its corpus several times; standard input can't be.")
    tell(f"{source}: reading", 0)
    found = _judged(source, settings, work)
    dev = cut_down(found.dev, most, settings.seed)
    kinds = _supervision(settings, found) if pairs else ()
    held_out = [*found.held_out, *found.dev.queries.values()]
    examples: list[Example] = []
    counts: dict[str, int] = {}
    dropped = 0
    for kind in kinds:
        made = found.pairs if kind == "judged" else _made(found.documents, kind, settings.seed)
        kept = drop_held_out(made, held_out)
        counts[kind] = len(kept.examples)
        dropped += kept.dropped
        examples += kept.examples
    if pairs and len(examples) < 2:
        raise UsageError(
            f"{source} gives {len(examples)} examples to learn from by {', '.join(kinds)}, and "
            f"{dropped} more that ask what a held-out query asks; a training needs 2 at least. "
            "title_body needs titles, neighbours and inverse_cloze need texts of several sentences."
        )
    random.Random(settings.seed).shuffle(examples)
    facts = Facts(
        corpus=corpus_name(source),
        digest=_digest(found.documents),
        documents=len(found.documents),
        examples=counts,
        dropped=dropped,
        held_out_queries=len(found.held_out),
        dev=found.dev.origin,
        dev_queries=len(dev.queries),
        dev_documents=min(most, len(dev.documents)),
    )
    return Data(found.documents, examples, found.known, dev, facts)


def _made(read: list[Document], kind: Alone, seed: int) -> list[Example]:
    """Make the examples of a kind; none where the documents give none."""
    try:
        return supervise(read, [kind], seed)
    except UsageError:
        return []


def _supervision(settings: TrainingSettings, found: _Judged) -> tuple[Supervision, ...]:
    chosen = settings.supervision or (("judged",) if found.pairs else ALONE)
    if "judged" in chosen and not found.pairs:
        raise UsageError(
            "There are no judgments to learn from: the corpus has no qrels/train.tsv, and no file "
            "of pairs is given. Leave judged out of the supervision."
        )
    return tuple(dict.fromkeys(chosen))


def _judged(source: str, settings: TrainingSettings, work: Path) -> _Judged:
    corpus = open_corpus(source)
    folder = corpus if isinstance(corpus, BeirFolder) else None
    dev_split = _dev_split(source, folder, settings.dev_split)
    if settings.pairs is not None:
        return _from_pairs(list(documents(corpus)), folder, dev_split, settings)
    if folder is not None and (_TRAIN in folder.splits or dev_split is not None):
        return _from_splits(folder, dev_split, settings)
    return _from_known_items(source, folder, work / "known-items", settings.seed)


def _dev_split(source: str, folder: BeirFolder | None, wanted: str | None) -> str | None:
    """Name the split that is the dev set; None where there is none."""
    splits = [] if folder is None else folder.splits
    if wanted in (_TRAIN, _TEST):
        raise UsageError(
            f"The split {wanted!r} can't be the dev split: "
            + ("it is learnt from." if wanted == _TRAIN else "it is for the measuring afterwards.")
        )
    if wanted is not None and wanted not in splits:
        raise UnknownName("split", wanted, splits, f"of {source}")
    return wanted or ("dev" if "dev" in splits else None)


def _from_splits(folder: BeirFolder, dev_split: str | None, settings: TrainingSettings) -> _Judged:
    read = list(documents(folder))
    texts = _queries(folder)
    held_out = _held_out(folder, texts)
    train = folder.qrels(_TRAIN) if _TRAIN in folder.splits else {}
    learnt = {id: texts[id] for id in train if id in texts}
    if dev_split is not None:
        dev = _split_dev(folder, dev_split, read, texts)
    else:
        known = set(map(normalised, held_out))
        fit = {id: text for id, text in learnt.items() if normalised(text) not in known}
        asked = {id: text for id, text in fit.items() if any(g > 0 for g in train[id].values())}
        cut = cut_dev(asked, _share(len(asked)), settings.seed)
        queries = {id: texts[id] for id in cut.dev}
        dev = Dev(read, queries, train, "queries cut from qrels/train.tsv")
        learnt = {id: text for id, text in learnt.items() if id not in queries}
    pairs = judged_examples(read, learnt, train, _MOST, settings.seed)
    return _Judged(read, pairs, judged_examples(read, learnt, train), dev, held_out)


def _from_pairs(
    read: list[Document],
    folder: BeirFolder | None,
    dev_split: str | None,
    settings: TrainingSettings,
) -> _Judged:
    examples = read_examples(str(settings.pairs))
    texts = _queries(folder)
    held_out = _held_out(folder, texts)
    if folder is not None and dev_split is not None:
        dev = _split_dev(folder, dev_split, read, texts)
        return _Judged(read, examples, examples, dev, held_out)
    known = set(map(normalised, held_out))
    distinct = dict.fromkeys(example.query for example in examples)
    asked = {text: text for text in distinct if normalised(text) not in known}
    cut = set(cut_dev(asked, _share(len(asked)), settings.seed).dev)
    kept = [example for example in examples if example.query not in cut]
    answers = [example for example in examples if example.query in cut]
    dev = _dev_of_pairs(read, answers, settings)
    return _Judged(read, kept, examples, dev, held_out)


def _dev_of_pairs(
    read: list[Document], answers: Iterable[Example], settings: TrainingSettings
) -> Dev:
    """Ask the queries of pairs of the corpus, with such of their documents as it lacks."""
    ids = {document.text: document.id for document in read}
    ids.update((seen_text(each.title, each.text), each.id) for each in read)
    pool = list(read)
    queries: dict[str, str] = {}
    names: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for example in answers:
        if example.document not in ids:
            ids[example.document] = f"pairs: {len(ids)}"
            pool.append(Document(ids[example.document], example.document))
        name = names.setdefault(example.query, f"pairs-{len(names) + 1}")
        queries[name] = example.query
        qrels.setdefault(name, {})[ids[example.document]] = 1
    origin = f"queries cut from {Path(str(settings.pairs)).name}"
    return Dev(pool, queries, qrels, origin)


def _from_known_items(source: str, folder: BeirFolder | None, place: Path, seed: int) -> _Judged:
    texts = _queries(folder)
    held_out = _held_out(folder, texts)
    total = sum(1 for _ in documents(open_corpus(source)))
    count = max(FEWEST_QUERIES, min(_DEV_ITEMS, round(_DEV_SHARE * total)))
    made = _known_items(source, place, count, seed)
    items = BeirFolder(place)
    read = list(documents(items))
    queries = {query.id: query.text for query in items.queries()}
    what = "titles or first sentences" if made.kind == "title" else "sentences"
    origin = f"{made.made} {what}, each taken out of its document"
    return _Judged(read, [], [], Dev(read, queries, items.qrels(_TEST), origin), held_out)


def _known_items(source: str, place: Path, count: int, seed: int) -> KnownItems:
    """Write a corpus with queries out of its documents' titles, or else out of any sentences."""
    kinds: tuple[ItemKind, ...] = ("title", "sentence")
    for kind in kinds:
        shutil.rmtree(place, ignore_errors=True)
        with contextlib.suppress(UsageError):
            return make_known_items(open_corpus(source), place, kind, count, seed)
    raise UsageError(
        f"There is nothing to measure progress on: {source} has no judged queries for it, and too "
        f"few documents with a title or a sentence that could be asked for. {FEWEST_QUERIES} are "
        "needed, or qrels/dev.tsv."
    )


def _split_dev(
    folder: BeirFolder, split: str, read: list[Document], texts: Mapping[str, str]
) -> Dev:
    """Ask the queries of a split, but for those that another held-out split asks too."""
    qrels = folder.qrels(split)
    others = [each for each in folder.splits if each not in (_TRAIN, split)]
    elsewhere = {
        normalised(texts[id]) for each in others for id in folder.qrels(each) if id in texts
    }
    queries = {id: texts[id] for id in qrels if id in texts}
    queries = {id: text for id, text in queries.items() if normalised(text) not in elsewhere}
    return Dev(read, queries, qrels, f"qrels/{split}.tsv")


def _queries(folder: BeirFolder | None) -> dict[str, str]:
    """Return the texts of queries by id; none where nobody judged."""
    if folder is None or not folder.splits:
        return {}
    return {query.id: query.text for query in folder.queries()}


def _held_out(folder: BeirFolder | None, texts: Mapping[str, str]) -> list[str]:
    """Return the texts of queries that nothing may be learnt of: of all splits but train."""
    if folder is None:
        return []
    splits = [split for split in folder.splits if split != _TRAIN]
    ids = dict.fromkeys(id for split in splits for id in folder.qrels(split))
    return [texts[id] for id in ids if id in texts]


def _share(queries: int) -> float:
    """Return the share of queries that is cut for dev: a fifth, but no more than are needed."""
    return min(_DEV_SHARE, MOST_QUERIES / max(queries, 1))


def _digest(read: Iterable[Document]) -> str:
    digest = DocumentsDigest()
    for document in read:
        digest.add(document)
    return digest.value

"""Train the encoder that vecsearch ships: a table of 58,000 subword vectors, from scratch.

    python bench/small/make.py WIKI SQUAD --wordnet FOLDER --hpo FILE --icd FILE --out FOLDER

README.md beside this file says where to get each of these. What is learnt:

* a sentence finds the rest of its paragraph, a paragraph its neighbour, a title its paragraph;
* a question finds its paragraph (SQuAD's split "train");
* a word, a disease or a symptom finds its definition, its synonyms and its broader term;
* single words, and sentences, are as near to each other as a teacher (all-MiniLM-L6-v2) has them.

It is trained twice from the same start, and the rows of both are averaged: the second run has the
sentences too, and half of its paragraphs are from those whose words are the most like a medical
ontology's, of which encyclopaedias have few and people's documents more. Batches of paragraphs are
mostly on one topic each: then topic alone doesn't tell them apart, and rows must keep what tells
words apart. Nothing is tuned on test queries: the mixture, the dimension, the number of steps and
the average were chosen on SciFact's train and NFCorpus' dev queries.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import faiss
import numpy as np
import torch
import torch.nn.functional as F
from batches import BATCH, SENTENCE, Batch, Ids, Paragraphs, Sources, split
from numpy.typing import NDArray
from sources import Pair, diseases, passages, phenotypes, questions, wordnet
from torch import Tensor

from vecsearch import load_encoder
from vecsearch.encoders.subwords import GOES_ON, Subwords
from vecsearch.encoders.table import TokenTable
from vecsearch.text import analyzer
from vecsearch.training.bag import KIND
from vecsearch.training.teacher import RememberingTeacher
from vecsearch.training.vocabulary import train_subwords

PIECES: Final = 60_000
KEPT: Final = 58_000
"""Pieces that are shipped: the last to be learnt are the rarest, and 16 MB are the most."""

DIM: Final = 256
CHARACTERS: Final = 400
"""Characters that have a piece of their own: Latin with its accents, Greek, some signs."""

UNTRAINED: Final = 0.15
"""Share of the random rows in the average: what training didn't see stays as it was."""

STEPS: Final = 1600
LEARNING_RATE: Final = 4e-3
WARM_UP: Final = 100
TEMPERATURE: Final = 0.05

SENTENCES: Final = {"scientific": 40_000, "other": 12_000, "medicine": 10_000}
"""How many sentences the teacher is asked about."""

GROUPS: Final = 60
"""Of sentences that are alike to the teacher; a batch is drawn from two."""

NEIGHBOURS: Final = 12
NEAR: Final = 0.4
"""Cosine, of the teacher's centred vectors, above which a word lends another some of its row."""

MIXTURE: Final[Mapping[str, float]] = {
    "cloze": 4.0,
    "neighbours": 2.0,
    "questions": 1.5,
    "wordnet": 1.5,
    "medicine": 1.5,
    "titles": 1.0,
    "words": 1.0,
}
RUNS: Final = (MIXTURE, {**MIXTURE, "sentences": 3.0})


def learn_vocabulary(texts: Iterable[str]) -> Subwords:
    """Learn the pieces from words whose characters are common, frequent words not too much so."""
    rules = analyzer("plain")
    counts = Counter(term for text in texts for term in rules.terms(text))
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        characters.update(dict.fromkeys(word, count))
    common = {character for character, _ in characters.most_common(CHARACTERS)}
    words = (word for word in sorted(counts) if common.issuperset(word) and len(word) <= 24)
    return train_subwords(
        (f"{word} " * min(round(counts[word] ** 0.75), 2000) for word in words), PIECES, rules
    )


def inverse_frequency(subwords: Subwords, texts: Sequence[Ids]) -> NDArray[np.float32]:
    """Return ln((n + 1) / (df + 1)) + 1 for each piece, as scikit-learn's smooth idf."""
    frequency = np.zeros(subwords.size)
    for pieces in texts:
        frequency[np.unique(pieces)] += 1
    return (np.log((len(texts) + 1) / (frequency + 1)) + 1).astype(np.float32)


def random_rows(pieces: int) -> NDArray[np.float32]:
    """Return random unit rows, the untrained twin's."""
    rows = np.random.default_rng(0).standard_normal((pieces, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def whole_words(subwords: Subwords) -> list[int]:
    """Return the pieces that are words, which a teacher can be asked about."""
    return [
        at
        for at, piece in enumerate(subwords.pieces)
        if not piece.startswith(GOES_ON) and len(piece) > 2 and piece.isalpha()
    ]


def centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take away what all vectors have in common, and make them unit vectors."""
    vectors = vectors - vectors.mean(axis=0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def lend(
    rows: NDArray[np.float32], words: Sequence[int], teacher: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Add to the row of each word half of its nearest words', as far as the teacher has them near.

    Rows stay random but for that, so words stay apart; `teacher` has (words, d) centred vectors.
    """
    at = np.array(words)
    lent = rows.copy()
    for start in range(0, len(at), 1000):
        own = np.arange(start, min(start + 1000, len(at)))
        scores = teacher[own] @ teacher.T
        scores[np.arange(len(own)), own] = -1
        near = np.argpartition(-scores, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        shares = np.maximum(np.take_along_axis(scores, near, axis=1) - NEAR, 0) / (1 - NEAR)
        lent[at[own]] += 0.5 * np.einsum("wn,wnd->wd", shares, rows[at[near]])
    return lent / np.linalg.norm(lent, axis=1, keepdims=True)


class Sentences:
    """Sentences with what the teacher makes of them."""

    def __init__(
        self, subwords: Subwords, texts: Sequence[str], teacher: RememberingTeacher
    ) -> None:
        self._vectors = teacher.vectors(texts)
        self._pieces = split(subwords, texts)
        means = faiss.Kmeans(self._vectors.shape[1], GROUPS, niter=10, seed=0, spherical=True)
        means.train(self._vectors)
        self._group = means.index.search(self._vectors, 1)[1][:, 0]

    def loss(self, table: Table, rng: np.random.Generator) -> Tensor:
        """Kullback-Leibler divergence of sentences' similarities from their teacher's."""
        groups = self._group[rng.integers(0, len(self._group), 2)]
        at = np.flatnonzero(np.isin(self._group, groups))
        at = np.array([each for each in at if len(self._pieces[each])])
        at = rng.choice(at, min(BATCH, len(at)), replace=False)
        ours = table.embed([self._pieces[each] for each in at])
        return divergence(ours, torch.from_numpy(self._vectors[at]))


def chosen_sentences(
    found: Sequence[tuple[str, str]], scientific: Ids, medicine: Sequence[Pair]
) -> list[str]:
    """Choose what the teacher is asked about; a paragraph gives one sentence at most."""
    rng = np.random.default_rng(0)
    others = np.setdiff1d(np.arange(len(found)), scientific)
    texts = []
    for name, among in (("scientific", scientific), ("other", others)):
        for paragraph in rng.permutation(among)[: SENTENCES[name]]:
            parts = [
                part for part in SENTENCE.split(found[paragraph][1]) if 6 <= len(part.split()) <= 40
            ]
            if parts:
                texts.append(parts[rng.integers(len(parts))])
    defined = sorted({pair.second for pair in medicine if 4 <= len(pair.second.split()) <= 40})
    texts += [defined[at] for at in rng.permutation(len(defined))[: SENTENCES["medicine"]]]
    return texts


class Table(torch.nn.Module):
    """Rows that learn, times weights that don't."""

    def __init__(self, rows: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        super().__init__()
        self.rows = torch.nn.Parameter(torch.from_numpy(rows.copy()))
        self.weights = torch.from_numpy(weights)

    def embed(self, texts: Sequence[Ids]) -> Tensor:
        """Return the unit sums of texts' rows, a piece that comes n times counting 1 + ln(n)."""
        counted = [np.unique(text, return_counts=True) for text in texts]
        ids = torch.from_numpy(np.concatenate([ids for ids, _ in counted]).astype(np.int64))
        counts = np.concatenate([counts for _, counts in counted]).astype(np.float32)
        starts = torch.from_numpy(np.cumsum([0, *(len(ids) for ids, _ in counted[:-1])]))
        shares = torch.from_numpy(1 + np.log(counts)) * self.weights[ids]
        summed = F.embedding_bag(ids, self.rows, starts, mode="sum", per_sample_weights=shares)
        return F.normalize(summed, dim=1)  # (texts, dim)


def pair_loss(table: Table, batch: Batch) -> Tensor:
    """InfoNCE in both directions, over the texts of the batch that have another key."""
    scores = table.embed(batch.first) @ table.embed(batch.second).T / TEMPERATURE
    keys = torch.from_numpy(batch.keys)
    right = torch.arange(len(keys))
    alike = (keys[:, None] == keys[None, :]) & (right[:, None] != right[None, :])
    scores = scores.masked_fill(alike, -torch.inf)
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def word_loss(table: Table, words: NDArray[np.int64], teacher: NDArray[np.float32]) -> Tensor:
    """Kullback-Leibler divergence of words' similarities from their teacher's."""
    rows = F.normalize(table.rows[torch.from_numpy(words)], dim=1)
    return divergence(rows, torch.from_numpy(teacher))


def divergence(ours: Tensor, teachers: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the similarities of (n, ours) from those of (n, theirs)."""
    itself = torch.eye(len(ours), dtype=torch.bool)
    ours = (ours @ ours.T / TEMPERATURE).masked_fill(itself, -1e4)
    wanted = (teachers @ teachers.T / TEMPERATURE).masked_fill(itself, -1e4)
    return F.kl_div(F.log_softmax(ours, 1), F.softmax(wanted, 1), reduction="batchmean")


def train(
    table: Table,
    mixture: Mapping[str, float],
    sources: Sources,
    words: NDArray[np.int64],
    teacher: NDArray[np.float32],
    sentences: Sentences,
    report: Callable[[int, dict[str, float]], None],
) -> None:
    """Train with Adam; the learning rate falls to zero."""
    rng = np.random.default_rng(0)
    names = list(mixture)
    shares = np.array(list(mixture.values())) / sum(mixture.values())
    optimizer = torch.optim.Adam(table.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99))
    losses: dict[str, float] = {}
    for step in range(STEPS):
        rate = LEARNING_RATE * min(1, (step + 1) / WARM_UP) * (1 - step / STEPS)
        optimizer.param_groups[0]["lr"] = rate
        name = names[rng.choice(len(names), p=shares)]
        if name == "words":
            drawn = np.unique(rng.integers(0, len(words), 2 * BATCH))
            loss = word_loss(table, words[drawn], teacher[drawn])
        elif name == "sentences":
            loss = sentences.loss(table, rng)
        else:
            loss = pair_loss(table, sources.batch(name, rng))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[name] = 0.95 * losses.get(name, loss.item()) + 0.05 * loss.item()
        if (step + 1) % 100 == 0:
            report(step + 1, losses)


def _said(folders: dict[str, list[Pair]]) -> Iterator[str]:
    """Yield the texts of pairs; medicine thrice, for Wikipedia has few of its words."""
    for name, pairs in folders.items():
        for pair in pairs:
            yield from [pair.first, pair.second] * (3 if name == "medicine" else 1)


@click.command()
@click.argument("wiki", type=click.Path(path_type=Path, exists=True))
@click.argument("squad", type=click.Path(path_type=Path, exists=True))
@click.option("--wordnet", "words_folder", type=click.Path(path_type=Path), required=True)
@click.option("--hpo", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--icd", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--cache", type=click.Path(path_type=Path), default=Path("teacher.sqlite"))
@click.option("--twin", type=click.Path(path_type=Path), help="Where to write the untrained twin.")
def main(
    wiki: Path,
    squad: Path,
    words_folder: Path,
    hpo: Path,
    icd: Path,
    out: Path,
    cache: Path,
    twin: Path | None,
) -> None:
    """Train the encoder and write its folder."""
    began = time.monotonic()

    def say(message: str) -> None:
        click.echo(f"{(time.monotonic() - began) / 60:5.1f} min  {message}")

    found = list(passages(wiki))
    pairs = {
        "questions": questions(squad),
        "wordnet": wordnet(words_folder),
        "medicine": phenotypes(hpo) + diseases(icd),
    }
    say(
        f"read {len(found):,} paragraphs, " + str({name: len(each) for name, each in pairs.items()})
    )
    defined = {name: each for name, each in pairs.items() if name != "questions"}
    subwords = learn_vocabulary([*(f"{each.title} {each.text}" for each in found), *_said(defined)])
    say(f"learnt {subwords.size:,} pieces")
    paragraphs = Paragraphs(subwords, found)
    sources = Sources(paragraphs, subwords, pairs)
    weights = inverse_frequency(subwords, [paragraphs.pieces(each) for each in range(len(found))])
    words = whole_words(subwords)
    remembering = RememberingTeacher(load_encoder("minilm"), cache)
    teacher = centred(remembering.vectors([subwords.pieces[each] for each in words]))
    say(f"asked the teacher for {len(words):,} words")
    rows = random_rows(subwords.size)
    if twin is not None:
        write(twin, "untrained twin of small", subwords, rows, weights)
    names = [each.second for each in phenotypes(hpo)]
    paragraphs.find_scientific(subwords, names)
    asked = chosen_sentences(found, paragraphs.scientific, pairs["medicine"])
    sentences = Sentences(subwords, asked, remembering)
    say(f"asked the teacher for {len(asked):,} sentences")
    start = lend(rows, words, teacher)
    paragraphs.group(start * weights[:, np.newaxis])
    say("sorted the paragraphs into topics")
    average = UNTRAINED * rows
    for mixture in RUNS:
        table = Table(start, weights)
        paragraphs.favoured = "sentences" in mixture
        train(
            table,
            mixture,
            sources,
            np.array(words),
            teacher,
            sentences,
            lambda step, losses: say(
                f"step {step:,}: "
                + ", ".join(f"{name} {loss:.2f}" for name, loss in losses.items())
            ),
        )
        average += (1 - UNTRAINED) / len(RUNS) * table.rows.detach().numpy()
    write(out, "small", subwords, average, weights)
    say(f"wrote {out}")


def write(
    folder: Path,
    name: str,
    subwords: Subwords,
    rows: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> None:
    """Write an encoder without the rarest pieces, its rows rounded to eight bits.

    What is shipped weighs rare pieces even more than what was trained: by the square of `weights`.
    """
    folder.mkdir(parents=True)
    kept = Subwords(analyzer("plain"), subwords.pieces[:KEPT])
    weighted = (rows * weights[:, np.newaxis] ** 2)[:KEPT]
    TokenTable.of(KIND, name, kept, weighted, sublinear=True).quantised().save(folder)


if __name__ == "__main__":
    main()

from __future__ import annotations

import copy
import importlib.util
import io
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from vecsearch import documents, open_corpus
from vecsearch.bench.known_items import (
    DEFAULT_KIND,
    KINDS,
    Kind,
    KnownItems,
    make_known_items,
    trust,
    validity,
)
from vecsearch.bench.known_items.removal import says, without
from vecsearch.corpus import BeirFolder
from vecsearch.corpus.base import Record
from vecsearch.errors import CorpusError, UnknownName, UsageError, VecsearchError
from vecsearch.passages import sentences
from vecsearch.text import analyzer
from vecsearch.types import Document, seen_text

LIGHTHOUSE = Path(__file__).resolve().parent.parent / "corpora" / "lighthouse"
REMOVING: tuple[Kind, ...] = ("title", "sentence")
KEYWORDS: tuple[Kind, ...] = ("rare", "common")
VALIDITY = Path(sys.modules["vecsearch.bench"].__path__[0]) / "validity.json"


class Given:
    """A corpus of documents that a test makes."""

    name = "given"
    total_bytes = None
    bytes_read = 0

    def __init__(self, make: Callable[[], Iterable[Document]]) -> None:
        self._make = make
        self.readings = 0

    def read(self) -> Iterator[Record | CorpusError]:
        self.readings += 1
        return (Record(each, "given", None) for each in self._make())


class Made:
    """What was made of a corpus, read by the ordinary readers."""

    def __init__(self, folder: Path, card: KnownItems) -> None:
        corpus = BeirFolder(folder)
        self.card = card
        self.documents = {each.id: each for each in documents(corpus)}
        self.queries = {each.id: each.text for each in corpus.queries()}
        self.qrels = corpus.qrels("test")
        self.lines = (folder / "corpus.jsonl").read_bytes().splitlines()

    @property
    def targets(self) -> dict[str, str]:
        """Document id -> query."""
        return {
            document: self.queries[query]
            for query, grades in self.qrels.items()
            for document in grades
        }


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Made]:
    def made(corpus: object, kind: Kind, count: int = 200, seed: int = 0) -> Made:
        folder = tmp_path / f"made-{len(list(tmp_path.iterdir()))}"
        return Made(folder, make_known_items(corpus, folder, kind, count, seed))

    return made


def lighthouse() -> dict[str, Document]:
    return {each.id: each for each in documents(BeirFolder(LIGHTHOUSE))}


def plain_words(text: str) -> list[str]:
    return analyzer("plain").terms(text)


def runs_of(words: list[str], length: int) -> list[list[str]]:
    return [words[i : i + length] for i in range(len(words) - length + 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_judged_corpus_comes_of_a_sample(make: Callable[..., Made], kind: Kind) -> None:
    made = make(BeirFolder(LIGHTHOUSE), kind, 60)
    assert len(made.queries) == len(made.qrels) == made.card.made == 60
    assert all(grades == {next(iter(grades)): 1} for grades in made.qrels.values())
    assert made.qrels.keys() == made.queries.keys()
    assert len(made.targets) == 60  # each document once
    assert len(set(made.queries.values())) == 60
    for query in made.queries.values():
        assert len(set(analyzer("english").terms(query))) >= 3
    assert list(made.documents) == list(lighthouse())


@pytest.mark.parametrize("kind", REMOVING)
def test_what_is_asked_stands_no_more_in_the_target(make: Callable[..., Made], kind: Kind) -> None:
    before = lighthouse()
    made = make(BeirFolder(LIGHTHOUSE), kind, 100)
    for id, query in made.targets.items():
        left, whole = made.documents[id], before[id]
        assert query in " ".join(seen_text(whole.title, whole.text).split())
        assert query not in " ".join(left.title.split())
        assert query not in " ".join(left.text.split())
        words = plain_words(query)
        assert words not in runs_of(plain_words(seen_text(left.title, left.text)), len(words))
        # Nothing else went: the words that are gone are the query's.
        lost = sorted(plain_words(seen_text(whole.title, whole.text)))
        for word in plain_words(seen_text(left.title, left.text)):
            lost.remove(word)
        assert lost == sorted(words)
        assert left.meta == whole.meta
        assert len(analyzer("english").terms(seen_text(left.title, left.text))) >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_only_targets_are_altered_and_keywords_alter_none(
    make: Callable[..., Made], kind: Kind
) -> None:
    before = lighthouse()
    made = make(BeirFolder(LIGHTHOUSE), kind, 50)
    altered = {id for id, each in made.documents.items() if each != before[id]}
    assert altered == (set(made.targets) if kind in REMOVING else set())
    again = make(BeirFolder(LIGHTHOUSE), kind, 50, seed=1)
    untouched = [i for i, id in enumerate(before) if id not in {*made.targets, *again.targets}]
    assert len(untouched) >= 100
    assert [made.lines[i] for i in untouched] == [again.lines[i] for i in untouched]


def test_a_title_is_the_query_and_a_first_sentence_where_there_is_none(
    make: Callable[..., Made],
) -> None:
    before = lighthouse()
    made = make(BeirFolder(LIGHTHOUSE), "title", 215)
    untitled = 0
    for id, query in made.targets.items():
        title, text = before[id].title, before[id].text
        if query == title:
            assert made.documents[id].title == ""
            assert made.documents[id].text == text
        else:
            untitled += 1
            assert text.startswith(query)
            assert len(set(analyzer("english").terms(title))) < 3
            assert made.documents[id].title == title
    assert 0 < untitled < 150


def test_sentences_are_whole_ones_from_all_over_the_documents(make: Callable[..., Made]) -> None:
    before = lighthouse()
    made = make(BeirFolder(LIGHTHOUSE), "sentence", 200)
    places = []
    for id, query in made.targets.items():
        text = before[id].text
        cut = [" ".join(text[start:end].split()) for start, end in sentences(text, 20)]
        places.append(cut.index(query) / len(cut))
    assert min(places) == 0
    assert 0.2 < sum(places) / len(places) < 0.6  # a place counts by where it begins


def test_a_sentence_is_cut_only_where_it_is_too_long() -> None:
    text = " One two. Three four five six?\n\nSeven e.g. eight "
    found = [text[start:end] for start, end in sentences(text, 3)]
    assert found == ["One two.", "Three four five", "six?", "Seven e.g. eight"]
    assert sentences(" \n", 3) == []
    with pytest.raises(UsageError, match="at least 1 word, not 0"):
        sentences(text, 0)


@pytest.mark.parametrize(("kind", "most", "low", "high"), [("rare", 3, 2, 5), ("common", 5, 5, 43)])
def test_keywords_are_the_terms_of_highest_tf_idf_in_their_range(
    make: Callable[..., Made], kind: Kind, most: int, low: int, high: int
) -> None:
    before = lighthouse()
    seen = {id: seen_text(each.title, each.text) for id, each in before.items()}
    terms = analyzer("english").terms
    counter = CountVectorizer(analyzer=terms)
    counts = counter.fit_transform(seen.values()).toarray()
    frequencies = (counts > 0).sum(axis=0)
    weights = counts * np.log(len(before) / frequencies)
    weights[:, (frequencies < low) | (frequencies >= high)] = 0
    made = make(BeirFolder(LIGHTHOUSE), kind, 40)
    for id, query in made.targets.items():
        row = weights[list(before).index(id)]
        asked = set(terms(query))
        assert 3 <= len(asked) <= most
        least = min(row[counter.vocabulary_[term]] for term in asked)
        assert least > 0
        assert len(asked) == most or (row > 0).sum() == len(asked)
        assert (row > least + 1e-9).sum() < most
        places = [seen[id].index(word) for word in query.split()]  # in their surface form
        assert all(place >= 0 for place in places)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_are_reproducible_and_differ(make: Callable[..., Made], kind: Kind) -> None:
    one, same, other = (make(BeirFolder(LIGHTHOUSE), kind, 40, seed=seed) for seed in (5, 5, 6))
    assert one.targets == same.targets
    assert one.lines == same.lines
    assert one.card == same.card
    assert one.targets.keys() != other.targets.keys()
    assert one.card.source == other.card.source
    assert one.card.fit == other.card.fit


def test_the_card_tells_how_it_was_made(tmp_path: Path) -> None:
    card = make_known_items(open_corpus(LIGHTHOUSE), tmp_path / "made", "title", 500, 3)
    told = json.loads((tmp_path / "made" / "known_items.json").read_text())
    assert told == {
        "kind": "title", "seed": 3, "wanted": 500, "made": card.made, "documents": 215,
        "fit": card.fit, "tried": card.fit, "dropped": card.fit - card.made,
        "source": card.source,
    }  # fmt: skip
    assert 20 <= card.made <= card.fit <= 215
    assert sorted(each.name for each in (tmp_path / "made").rglob("*")) == [
        "corpus.jsonl", "known_items.json", "qrels", "queries.jsonl", "test.tsv",
    ]  # fmt: skip
    assert [each.name for each in tmp_path.iterdir()] == ["made"]


def numbered(count: int, text: str = "") -> list[Document]:
    """Documents that all are fit for a title and for a sentence."""
    return [
        Document(
            f"d{i}",
            f"Sentence alpha{i} beta{i} gamma{i}. {text} Then delta{i} epsilon zeta eta theta iota "
            "kappa lambda omega.",
            f"Heading one{i} two{i}",
        )
        for i in range(count)
    ]


def test_a_document_is_fit_only_if_enough_is_left_and_its_id_can_be_judged(
    make: Callable[..., Made],
) -> None:
    fit = numbered(30)
    unfit = [
        Document("short", "Only five words are here.", "A title of four words"),
        Document("blank", " \n", "A title of four words again"),
        Document("empty", ""),
        Document("a\tb", fit[0].text, "Some heading with a tab in its id"),
        Document("stop", "the and of " * 9, "the and of it"),
    ]
    made = make(Given(lambda: [*fit, *unfit]), "title")
    assert (made.card.documents, made.card.fit, made.card.made) == (35, 30, 30)
    assert set(made.targets) == {each.id for each in fit}


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_that_another_document_answers_is_left_out(
    make: Callable[..., Made], kind: Kind
) -> None:
    originals = list(lighthouse().values())[:120]
    twins = [Document(f"{each.id}-twin", each.text, each.title.upper()) for each in originals[:30]]
    made = make(Given(lambda: [*originals, *twins]), kind, 150)
    assert not {each.id for each in (*originals[:30], *twins)} & set(made.targets)
    assert made.card.dropped >= 50
    assert made.card.made == made.card.tried - made.card.dropped


def test_a_title_said_again_in_the_text_is_taken_out_there_too(make: Callable[..., Made]) -> None:
    again = [
        Document(each.id, f"# {each.title.upper()}!\n\n{each.text} ({each.title})", each.title)
        for each in numbered(25)
    ]
    made = make(Given(lambda: again), "title")
    assert made.card.made == 25
    assert made.documents["d3"].text == "# \n\n" + numbered(25)[3].text


def test_a_text_without_stops_is_asked_for_by_a_stretch_of_it(make: Callable[..., Made]) -> None:
    flat = [Document(f"d{i}", " ".join(f"word{j}x{i}" for j in range(50))) for i in range(25)]
    made = make(Given(lambda: flat), "title")
    for id, query in made.targets.items():
        assert query.split() == [f"word{j}x{id[1:]}" for j in range(20)]
        assert made.documents[id].text.split()[0] == f"word20x{id[1:]}"


def test_any_source_is_read_once_even_a_stream(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Given(lambda: iter(numbered(40)))
    make(corpus, "sentence")
    assert corpus.readings == 1
    lines = (LIGHTHOUSE / "corpus.jsonl").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines), encoding="utf-8"))
    piped = make(open_corpus("-"), "title", 40)
    assert piped.card == make(BeirFolder(LIGHTHOUSE), "title", 40).card


def test_bad_input_is_told_in_sentences(tmp_path: Path) -> None:
    corpus = BeirFolder(LIGHTHOUSE)
    folder = tmp_path / "made"
    with pytest.raises(UnknownName, match=r"no kind of known-item query 'titel'.*'title'"):
        make_known_items(corpus, folder, "titel")  # type: ignore[arg-type]
    with pytest.raises(
        UsageError, match=r"^19 known-item queries tell next to nothing; ask for 20"
    ):
        make_known_items(corpus, folder, "title", 19)
    with pytest.raises(UsageError, match=r"^A seed is a whole number from 0, not -1\.$"):
        make_known_items(corpus, folder, "title", 20, -1)
    few = Given(lambda: [*numbered(7), *(Document(f"x{i}", "nothing here") for i in range(993))])
    with pytest.raises(UsageError) as caught:
        make_known_items(few, folder, "title")
    assert str(caught.value) == (
        "given: 7 of 1,000 documents are fit for known-item queries of the kind 'title', which "
        "need a title, or a first sentence, of 3 terms or more, and 8 terms besides. 20 queries "
        "are the fewest that tell anything; the kind 'sentence' might do."
    )
    same = [Document(f"d{i}", numbered(1)[0].text, numbered(1)[0].title) for i in range(50)]
    with pytest.raises(UsageError, match="50 of the 50 tried are answered by another document"):
        make_known_items(Given(lambda: same), folder, "sentence")
    with pytest.raises(CorpusError, match="holds no document"):
        make_known_items(Given(list), folder, "rare")
    assert list(tmp_path.iterdir()) == []  # nothing is left of a failure
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "file").touch()
    for taken in ("full", "file"):
        with pytest.raises(UsageError, match=f"{taken} exists; .* a new folder"):
            make_known_items(corpus, tmp_path / taken, "title")
    with pytest.raises(VecsearchError, match="can't be written"):
        make_known_items(corpus, tmp_path / "file" / "under", "title")
    (tmp_path / "empty").mkdir()
    assert make_known_items(corpus, tmp_path / "empty", "title", 20).made == 20


WORDS = st.sampled_from(
    ["one", "two", "three", "four", "five", "six", "seven", "The", "the", "don't", "3.14", "Straße",
     "naïve", "nai\u0308ve", "東京都に", "行きました", "ไทยภาษา", "😀", "½", "a_b", "x-y", "—", "(see"]
)  # fmt: skip
TEXTS = st.lists(
    st.tuples(WORDS, st.sampled_from([" ", " ", " ", ". ", "。", "\n\n", "", "! "])), max_size=40
).map(lambda pairs: "".join(word + gap for word, gap in pairs))
LOOSE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ANY = st.builds(
    lambda title, text, loose: (title[:40], text + loose), TEXTS | st.just(""), TEXTS, LOOSE
)


@settings(max_examples=25)
@given(st.lists(ANY, max_size=12), st.sampled_from(KINDS), st.integers(0, 3))
def test_any_documents_make_a_sound_corpus(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[str, str]],
    kind: Kind,
    seed: int,
) -> None:
    odd = [Document(f"odd {i}", text, title) for i, (title, text) in enumerate(drawn)]
    before = {each.id: each for each in [*odd, *list(lighthouse().values())[:45]]}
    folder = tmp_path_factory.mktemp("any") / "made"
    card = make_known_items(Given(lambda: before.values()), folder, kind, 57, seed)
    made = Made(folder, card)
    assert card.made <= card.fit <= card.documents == len(before)
    for id, query in made.targets.items():
        assert query == " ".join(query.split())
        if kind in REMOVING:
            assert not says(made.documents[id], query)
        others = [each for name, each in before.items() if name != id]
        if kind in REMOVING:
            assert not any(says(each, query) for each in others)
    for id, document in made.documents.items():
        if id not in made.targets or kind in KEYWORDS:
            assert document == before[id]


@given(TEXTS, TEXTS, TEXTS)
def test_removal_takes_all_of_it_and_nothing_else(title: str, query: str, text: str) -> None:
    assume(plain_words(query))
    before = Document("d", f"{text} {query} {text}{query}", f"{query} {title}")
    left = without(before, query)
    assert not says(Document("d", left.text), query)
    assert not says(Document("d", left.title), query)
    kept = plain_words(left.text)
    # In the order it was, and less by whole queries; where words run together they may be cut.
    if all(word.isascii() and word.isalnum() for word in plain_words(f"{query} {text}")):
        lost = len(plain_words(before.text)) - len(kept)
        assert lost >= len(plain_words(query))
        words = iter(plain_words(before.text))
        assert all(word in words for word in kept)


def test_the_words_around_what_is_removed_stay_apart() -> None:
    def left(text: str, query: str) -> str:
        return without(Document("d", text), query).text

    assert left("One two. Three four! Five six.", "three four") == "One two.  Five six."
    assert left('He said "three four" twice.', "Three four") == "He said  twice."
    assert left("one/two three/four", "two three") == "one/ four"
    assert left("一二三。四五六。七八九。", "四五六。") == "一二三。 七八九。"
    assert left("a b c", "A, b; c?") == ""
    assert left("x a a b b y", "a b") == "x  y"  # what is left over isn't another one
    assert left("kept", "") == "kept"


def test_the_figures_hang_together() -> None:
    figures = json.loads(VALIDITY.read_text())
    assert set(figures["kinds"]) == set(KINDS)
    assert len(figures["collections"]) >= 5
    assert len(figures["systems"]) >= 7
    for known in figures["kinds"].values():
        each = known["by_collection"]
        assert list(each) == figures["collections"]
        for name in ("tau", "rho", "regret", "bias"):
            assert known[name] == pytest.approx(
                np.mean([one[name] for one in each.values()]), abs=1e-4
            )
        for name in ("won", "sided"):
            counted = sum(one[name] for one in each.values()) * figures["samples"]
            assert known[name] == pytest.approx(counted, abs=2e-3)
    least = min(known["regret"] for known in figures["kinds"].values())
    assert figures["kinds"][figures["default"]]["regret"] == least
    assert figures["default"] == DEFAULT_KIND
    for left_out, choice in figures["leave_one_out"]["by_collection"].items():

        def loss(kind: str, left_out: str = left_out) -> float:
            each = figures["kinds"][kind]["by_collection"]
            return float(np.mean([each[name]["regret"] for name in each if name != left_out]))

        assert loss(choice["kind"]) == pytest.approx(min(map(loss, KINDS)), abs=1e-4)
        own = figures["kinds"][choice["kind"]]["by_collection"][left_out]
        assert {name: choice[name] for name in own} == own


@pytest.mark.parametrize("kind", KINDS)
def test_trust_says_the_figures(kind: Kind) -> None:
    figures = json.loads(VALIDITY.read_text())
    known = figures["kinds"][kind]
    told = trust(kind)
    for name in figures["collections"]:
        assert name in told
    samples = len(figures["collections"]) * figures["samples"]
    assert f"was the real winner in {round(known['won'], 1):g} of {samples} samples" in told
    assert f"they told in {round(known['sided'], 1):g} of {samples} samples" in told
    assert f"is right in {figures['without_measuring']['sided']:g}." in told
    assert f"order of {len(figures['systems'])} systems" in told
    each = known["by_collection"].values()
    for value, digits in (
        (known["tau"], 2),
        (min(one["tau"] for one in each), 2),
        (max(one["tau"] for one in each), 2),
        (known["regret"], 3),
        (max(one["regret"] for one in each), 3),
        (known["bias"], 3),
        (min(one["bias"] for one in each), 3),
        (max(one["bias"] for one in each), 3),
        (figures["without_measuring"]["fixed"], 3),
        (figures["without_measuring"]["random"], 3),
    ):
        assert f" {value:.{digits}f}".replace("0.", ".") in told
    left_out = figures["leave_one_out"]
    chosen = f"lost {left_out['regret']:.3f} on average on the one left out".replace("0.", ".")
    assert (chosen in told) == (kind == DEFAULT_KIND)


def test_trust_advises_by_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = copy.deepcopy(validity.validity())
    monkeypatch.setattr(validity, "validity", lambda: figures)
    known, without = figures["kinds"]["title"], figures["without_measuring"]
    without |= {"random": 0.1, "sided": 12}
    known |= {"regret": 0.049, "tau": 0.41, "sided": 13}
    assert trust("title").endswith(
        "Trust them to keep you from a bad system, not to tell good ones apart; and take no figure "
        "for what people's own queries would get."
    )
    known["sided"] = 12
    assert "apart, nor to decide between bag-of-words and embeddings; and" in trust("title")
    for worse in ({"regret": 0.051}, {"tau": 0.39}):
        known |= {"regret": 0.049, "tau": 0.41} | worse
        assert "Don't choose a system by them" in trust("title")


def test_the_figures_are_those_of_the_study() -> None:
    root = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location("label_free", root / "bench" / "label_free.py")
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    results = json.loads((root / "bench" / "results" / "label_free.json").read_text())
    assert study.validity(results["collections"]) == json.loads(VALIDITY.read_text())
    for found in results["collections"].values():
        assert [len(found["label_free"][kind]) for kind in KINDS] == [len(study.SEEDS)] * 4
        assert all(each.keys() == {*study.SYSTEMS, study.LSA} for each in [found["real"]])


def test_trust_wants_a_kind_that_there_is() -> None:
    with pytest.raises(UnknownName, match=r"no kind of known-item query 'titles'.*'title'"):
        trust("titles")  # type: ignore[arg-type]


def many(count: int) -> Iterator[Document]:
    for i in range(count):
        words = " ".join(f"word{(i + j) * 31 % 997}" for j in range(8))
        yield Document(f"d{i}", words, f"Of thing{i % 4999} and matter{i % 4001} too much")


@pytest.mark.slow
def test_memory_is_bounded_by_the_sample(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            make_known_items(Given(lambda: many(count)), tmp_path / str(count), "title", 100)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(5_000)  # analyzers remember words
    assert peak(200_000) < 3e6

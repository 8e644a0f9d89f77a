"""Features of queries against a naive reading of the corpus, and their sentences against scipy."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from vecsearch.bench.features import explain_differences, features
from vecsearch.bench.spelling import spelling_variants
from vecsearch.corpus import BeirFolder, documents
from vecsearch.errors import UnknownName
from vecsearch.text import analyzer
from vecsearch.types import Document

SAMPLE = Path(__file__).resolve().parent.parent / "corpora" / "lighthouse"
NAMES = ["query length", "rarest term", "mean rarity", "unknown words", "spelling variants"]
NAMES += ["term overlap", "relevant documents", "relevant length"]


def edits(first, second):
    """Damerau's distance with neighbours changing places (optimal string alignment), by table."""
    table = np.zeros((len(first) + 1, len(second) + 1), dtype=int)
    table[:, 0], table[0, :] = range(len(first) + 1), range(len(second) + 1)
    for i in range(1, len(first) + 1):
        for j in range(1, len(second) + 1):
            other = first[i - 1] != second[j - 1]
            steps = [table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + other]
            if i > 1 and j > 1 and first[i - 2 : i] == second[j - 2 : j][::-1]:
                steps.append(table[i - 2, j - 2] + 1)
            table[i, j] = min(steps)
    return table[-1, -1]


words = st.text("abc", min_size=3, max_size=6)


@settings(max_examples=200)
@given(st.sets(words, max_size=6), st.sets(words, max_size=8))
def test_spelling_variants_are_one_edit_away(asked, known):
    expected = {
        word
        for word in asked
        for other in known
        if min(len(word), len(other)) >= 4 and edits(word, other) == 1
    }
    assert spelling_variants(asked, known) == expected


@pytest.mark.parametrize(
    ("word", "known", "is_one"),
    [
        ("recieve", "receive", True),
        ("colour", "color", True),
        ("color", "colour", True),
        ("lamp", "lams", True),
        ("lamp", "lamp", False),
        ("lamp", "palm", False),
        ("abcd", "badc", False),
        ("abcde", "acbed", False),
        ("bat", "cat", False),
        ("bats", "cat", False),
        ("hx250", "hx520", False),
        ("größe", "grösse", False),
        ("größe", "grösze", False),
        ("größe", "grosse", False),
        ("größe", "größer", True),
    ],
)
def test_what_counts_as_a_variant(word, known, is_one):
    assert spelling_variants([word], [known]) == ({word} if is_one else set())


def naive(corpus, queries, qrels):
    """The features as their descriptions say, the whole corpus in memory."""
    terms = analyzer("english").terms
    texts = {d.id: terms(f"{d.title} {d.text}") for d in corpus}
    df = Counter(term for text in texts.values() for term in set(text))
    idf = {term: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for term, n in df.items()}
    found = {name: {} for name in NAMES}
    for query, grades in qrels.items():
        asked = terms(queries[query])
        distinct = set(asked)
        relevant = [d for d, grade in grades.items() if grade > 0]
        found["query length"][query] = len(asked)
        found["relevant documents"][query] = len(relevant)
        known = [idf[term] for term in distinct if term in df]
        if known:
            found["rarest term"][query] = max(known)
            found["mean rarity"][query] = sum(known) / len(known)
        if asked:
            lacking = [term for term in distinct if term not in df]
            found["unknown words"][query] = len(lacking) / len(distinct)
            variants = [
                term
                for term in lacking
                if any(
                    edits(term, other) == 1
                    for other in df
                    if abs(len(term) - len(other)) <= 1
                    and min(len(term), len(other)) >= 4
                    and (term + other).isalpha()
                )
            ]
            found["spelling variants"][query] = len(variants) / len(distinct)
        shared = {d: len(distinct & set(texts[d])) for d in relevant if d in texts}
        if shared and asked:
            most = max(shared.values())
            found["term overlap"][query] = most / len(distinct)
            found["relevant length"][query] = min(
                len(texts[d]) for d in shared if shared[d] == most
            )
    return found


def test_the_features_of_the_sample():
    corpus = BeirFolder(SAMPLE)
    queries = {query.id: query.text for query in corpus.queries()}
    qrels = dict(corpus.qrels("test"))
    twisted = next(iter(qrels))
    queries[twisted] = "colttage lihgt keeper qqqqqqqq F17"  # two variants, one word of nowhere
    found = features(documents(corpus), queries, qrels)
    assert list(found) == NAMES
    expected = naive(list(documents(corpus)), queries, qrels)
    assert found["spelling variants"][twisted] == pytest.approx(2 / 5)
    for name in NAMES:
        assert found[name] == pytest.approx(expected[name]), name


CORPUS = [
    Document("d1", "lamps and wicks", "Oil lamps"),  # oil lamp lamp wick
    Document("d2", "the keeper trims the wick of the lamp at dusk"),
    Document("d3", "fog horn"),
]


def test_features_worked_by_hand():
    queries = {
        "q": "Trim the lamps, keeper: lampp zzz",  # trim lamp keeper lampp zzz
        "stop": "of the",
        "none": "horn",
        "gone": "horn horn",
        "unjudged": "fog",
    }
    qrels = {
        "q": {"d1": 1, "d2": 2, "d3": 0},
        "stop": {"d3": 1},
        "none": {"d3": 0},
        "gone": {"elsewhere": 1},
        "no text": {"d1": 1},
    }
    found = features(iter(CORPUS), queries, qrels)
    rare, common = math.log(1 + 2.5 / 1.5), math.log(1 + 1.5 / 2.5)
    assert found["query length"] == {"q": 5, "stop": 0, "none": 1, "gone": 2}
    assert found["rarest term"] == pytest.approx({"q": rare, "none": rare, "gone": rare})
    assert found["mean rarity"]["q"] == pytest.approx((2 * rare + common) / 3)
    assert found["unknown words"] == {"q": 2 / 5, "none": 0, "gone": 0}
    assert found["spelling variants"] == {"q": 1 / 5, "none": 0, "gone": 0}
    assert found["term overlap"] == {"q": 3 / 5}
    assert found["relevant documents"] == {"q": 2, "stop": 1, "none": 0, "gone": 1}
    assert found["relevant length"] == {"q": 5, "stop": 2}


def test_texts_are_read_by_the_language_that_is_named():
    corpus = [Document("d", "Häuser")]
    qrels = {"q": {"d": 1}}
    assert features(corpus, {"q": "Haus"}, qrels, "german")["term overlap"] == {"q": 1}
    assert features(corpus, {"q": "Haus"}, qrels, "plain")["term overlap"] == {"q": 0}
    with pytest.raises(UnknownName, match="no analyzer 'klingon'"):
        features(corpus, {"q": "Haus"}, qrels, "klingon")


def test_documents_are_not_kept():
    alive = 0

    class Watched(Document):
        def __init__(self, number):
            nonlocal alive
            super().__init__(f"d{number}", f"word{number % 7}")
            alive += 1

        def __del__(self):
            nonlocal alive
            alive -= 1

    def stream():
        for number in range(200):
            assert alive <= 2
            yield Watched(number)

    found = features(stream(), {"q": "word3"}, {"q": {"d3": 1, "d10": 1}})
    assert found["relevant length"] == {"q": 1}


def drawn(count, seed=3):
    """Features that go with the gain, against it, and not at all; one is constant."""
    rng = random.Random(seed)
    base, system, values = {}, {}, {name: {} for name in NAMES}
    for number in range(count):
        query = f"q{number}"
        base[query] = rng.random()
        system[query] = base[query] + rng.uniform(-0.5, 0.5)
        gain = system[query] - base[query]
        values["term overlap"][query] = round(-gain + rng.uniform(-0.3, 0.3), 1)
        values["query length"][query] = round(10 * gain + rng.uniform(-3, 3))
        values["mean rarity"][query] = rng.random()
        values["unknown words"][query] = 0.0
        if number % 2:
            values["rarest term"][query] = gain**3
    values["relevant length"] = {"q1": 1.0, "q2": 2.0, "q3": 3.0}
    return values, base, system


def told(values, base, system, **names):
    names = {"baseline": "bm25", "system": "dense", "measure": "nDCG@10", **names}
    return {each["feature"]: each for each in explain_differences(values, base, system, **names)}


def test_correlations_are_those_of_scipy_over_the_queries_that_have_both():
    values, base, system = drawn(60)
    system["unasked"] = 1.0
    values["mean rarity"]["elsewhere"] = 1.0
    found = told(values, base, system)
    assert list(found) == ["query length", "rarest term", "mean rarity", "term overlap"]
    for name, each in found.items():
        shared = [query for query in base if query in values[name]]
        x = [values[name][query] for query in shared]
        gains = [system[query] - base[query] for query in shared]
        rho, p = scipy.stats.spearmanr(x, gains)
        assert each["correlation"] == pytest.approx(rho, abs=1e-9)
        assert each["p"] == pytest.approx(p, abs=0.02)
        assert each["interval"][0] <= rho <= each["interval"][1]
        assert each["p_holm"] >= each["p"]
        assert (each["system"], each["baseline"], each["measure"]) == ("dense", "bm25", "nDCG@10")
    corrected = sorted((each["p"], each["p_holm"]) for each in found.values())
    running = 0.0
    for place, (p, p_holm) in enumerate(corrected):
        running = max(running, min(1.0, p * (len(corrected) - place)))
        assert p_holm == pytest.approx(running)


def test_the_thirds_divide_equal_queries_fairly():
    values, base, system = drawn(61)
    found = told(values, base, system)
    for name in ("term overlap", "query length", "mean rarity"):
        shared = list(base)
        third = len(shared) // 3
        lows, highs = [], []
        for seed in range(4000):  # the mean over all ways to order equal ones
            rng = random.Random(seed)
            order = sorted(shared, key=lambda q: (values[name][q], rng.random()))
            gains = [system[query] - base[query] for query in order]
            lows.append(sum(gains[:third]) / third)
            highs.append(sum(gains[-third:]) / third)
        assert found[name]["low_difference"] == pytest.approx(np.mean(lows), abs=2e-3)
        assert found[name]["high_difference"] == pytest.approx(np.mean(highs), abs=2e-3)


def test_what_is_shown_is_said_and_nothing_else():
    values, base, system = drawn(60)
    found = told(values, base, system)
    assert found["mean rarity"]["text"] == ""
    low, high = found["term overlap"]["interval"]
    interval = f"{low:+.2f} to {high:+.2f}".replace("0.", ".")
    each = found["term overlap"]
    assert each["text"] == (
        "dense gains on bm25 where the query shares few terms with its relevant documents "
        f"({each['low_difference']:+.3f} in that third of the queries), and falls behind where the "
        f"query shares many terms with a relevant document ({each['high_difference']:+.3f}); "
        f"correlation {each['correlation']:+.2f}, 95% interval {interval}."
    ).replace("(+0.", "(+.").replace("(-0.", "(-.").replace(" -0.", " -.")
    text = found["query length"]["text"]
    assert text.startswith("dense gains on bm25 where the query is long (+.")
    assert "and falls behind where the query is short (-." in text
    worse = {query: value - 2 for query, value in system.items()}
    text = told(values, base, worse)["query length"]["text"]
    assert text.startswith("dense falls least behind bm25 where the query is long (-1.")
    assert ", and most where the query is short (-2." in text
    better = {query: value + 2 for query, value in system.items()}
    text = told(values, base, better)["term overlap"]["text"]
    assert text.startswith("dense gains most on bm25 where the query shares few terms")
    assert ", and least where the query shares many terms with a relevant document (+1." in text


def test_equal_gains_and_too_few_queries_leave_nothing_to_tell():
    values, base, _ = drawn(60)
    assert told(values, base, base) == {}
    values, base, system = drawn(5)
    assert told(values, base, system) == {}
    assert told({}, base, system) == {}


def test_the_same_input_gives_the_same_answer_whatever_its_order():
    values, base, system = drawn(40)
    backwards = {name: dict(reversed(each.items())) for name, each in values.items()}
    assert told(values, base, system) == told(backwards, dict(reversed(base.items())), system)

"""Losses against sums written out, batches against what they promise, gradients in chunks."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import TinyModel, pairs
from torch import nn

from vecsearch.errors import UsageError
from vecsearch.training import contrastive, precision
from vecsearch.training.base import Example
from vecsearch.training.batches import Batches
from vecsearch.training.contrastive import ContrastiveSettings, ContrastiveTask
from vecsearch.training.losses import info_nce, score_distillation, unit, vector_distillation


def random_vectors(rows, dim, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, dim))


def cosine(a, b):
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0


def surprise(query, documents, positive, counted, temperature):
    """InfoNCE of one query, written out."""
    weights = [math.exp(cosine(query, document) / temperature) for document in documents]
    kept = [w for n, w in enumerate(weights) if counted[n] or n == positive]
    return -math.log(weights[positive] / sum(kept))


# ---- The formulas


@given(
    queries=st.integers(1, 5),
    more=st.integers(0, 4),
    temperature=st.floats(0.05, 2),
    seed=st.integers(0, 99),
    dims=st.sampled_from([(), (6,), (2, 6), (1, 3, 5)]),
    weighted=st.booleans(),
)
@settings(max_examples=60)
def test_info_nce_is_its_formula(queries, more, temperature, seed, dims, weighted):
    draw = np.random.default_rng(seed)
    asks, answers = random_vectors(queries, 6, seed), random_vectors(queries + more, 6, seed + 1)
    answers[0] = 0  # a text of unknown words
    positives = draw.permutation(queries + more)[:queries]
    counted = draw.random((queries, queries + more)) < 0.7
    before = counted.copy()
    weights = tuple(range(1, len(dims) + 1)) if weighted else ()
    found = info_nce(
        torch.from_numpy(asks),
        torch.from_numpy(answers),
        torch.from_numpy(positives),
        torch.from_numpy(counted),
        temperature=temperature,
        dims=dims,
        weights=weights,
    )
    shares = weights or [1] * len(dims or (6,))
    for n in range(queries):
        parts = [
            surprise(asks[n, :d], answers[:, :d], positives[n], counted[n], temperature)
            for d in dims or (6,)
        ]
        assert found[n].item() == pytest.approx(np.average(parts, weights=shares), abs=1e-9)
    assert (counted == before).all()


def test_info_nce_by_hand():
    """Two queries that each have cosine 1 with their document and 0 with the other's."""
    both = torch.eye(2)
    everything = torch.ones(2, 2, dtype=torch.bool)
    found = info_nce(both * 7, both, torch.tensor([0, 1]), everything, temperature=1.0)
    assert found.tolist() == pytest.approx([math.log(1 + math.exp(-1))] * 2)
    alone = torch.zeros(2, 2, dtype=torch.bool)
    assert info_nce(both, both, torch.tensor([0, 1]), alone, temperature=1.0).tolist() == [0, 0]


@given(seed=st.integers(0, 99), dims=st.sampled_from([(), (2, 4)]))
@settings(max_examples=30)
def test_score_distillation_is_its_formula(seed, dims):
    asks, answers = random_vectors(3, 4, seed), random_vectors(5, 4, seed + 1)
    taught_asks, taught_answers = random_vectors(3, 7, seed + 2), random_vectors(5, 7, seed + 3)
    found = score_distillation(
        *map(torch.from_numpy, (asks, answers, taught_asks, taught_answers)),
        temperature=0.3,
        teacher_temperature=0.2,
        dims=dims,
    )

    def softmax(scores):
        return [math.exp(s) / sum(map(math.exp, scores)) for s in scores]

    for n in range(3):
        wanted = softmax([cosine(taught_asks[n], each) / 0.2 for each in taught_answers])
        parts = []
        for d in dims or (4,):
            ours = softmax([cosine(asks[n, :d], each[:d]) / 0.3 for each in answers])
            parts.append(sum(p * math.log(p / q) for p, q in zip(wanted, ours, strict=True)))
        assert found[n].item() == pytest.approx(np.mean(parts), abs=1e-9)
    same = score_distillation(
        *map(torch.from_numpy, (asks, answers, asks, answers)), temperature=1, teacher_temperature=1
    )
    assert same.abs().max() < 1e-12


def test_vector_distillation_is_its_formula_and_teaches_its_head():
    ours, theirs = random_vectors(4, 3), random_vectors(4, 5, 1)
    head = nn.Linear(3, 5, bias=False).double()
    found = vector_distillation(torch.from_numpy(ours), torch.from_numpy(theirs), head)
    turned = ours @ head.weight.detach().numpy().T
    wanted = [1 - cosine(a, b) for a, b in zip(turned, theirs, strict=True)]
    assert found.tolist() == pytest.approx(wanted)
    found.sum().backward()
    assert head.weight.grad.abs().max() > 0


def test_zeros_stay_zeros_and_their_gradient_is_finite():
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    assert unit(rows).tolist() == [[0, 0], pytest.approx([0.6, 0.8])]
    unit(rows).sum().backward()
    assert torch.isfinite(rows.grad).all()


@pytest.mark.parametrize(
    ("dims", "weights"),
    [
        ((0,), ()),
        ((9,), ()),
        ((4, 4), ()),
        ((4,), (1, 1)),
        ((4, 8), (-1, 2)),
        ((4,), (0,)),
        ((), (1,)),
    ],
)
def test_prefixes_that_cannot_be_are_told(dims, weights):
    with pytest.raises(UsageError, match=r"prefixes .+[.;]"):
        ContrastiveTask(TinyModel(), pairs(4), ContrastiveSettings(dims=dims, weights=weights))


# ---- Batches


@given(count=st.integers(1, 40), size=st.integers(1, 50), seed=st.integers(0, 5))
@settings(max_examples=60)
def test_batches_follow_from_seed_and_step_alone(count, size, seed):
    examples = pairs(count)
    batches = Batches(examples, size, seed)
    assert batches.size == min(size, count)
    epoch = count // batches.size
    drawn = [batches.examples(step) for step in range(2 * epoch)]
    for start in (0, epoch):
        seen = Counter(e.query for batch in drawn[start : start + epoch] for e in batch)
        assert set(seen.values()) == {1}
        assert len(seen) == epoch * batches.size
    for step in reversed(range(2 * epoch)):
        assert Batches(examples, size, seed).examples(step) == drawn[step]


def test_epochs_and_seeds_differ():
    examples = pairs(30)
    orders = [
        [e.query for step in steps for e in Batches(examples, 10, seed).examples(step)]
        for seed, steps in [(0, range(3)), (0, range(3, 6)), (1, range(3))]
    ]
    assert len({tuple(order) for order in orders}) == 3
    assert len({tuple(sorted(order)) for order in orders}) == 1


TEXTS = st.sampled_from("abcdef")


@given(
    st.lists(
        st.builds(Example, TEXTS, TEXTS, st.lists(TEXTS, max_size=2).map(tuple), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 12),
    st.lists(st.builds(Example, TEXTS, TEXTS), max_size=4),
)
@settings(max_examples=150)
def test_what_is_known_to_be_right_never_counts_as_wrong(examples, size, known):
    """The masks against the rule, checked pair by pair."""
    batches = Batches(examples, size, 0, known)
    chosen, batch = batches.examples(0), batches.batch(0)
    right = {(e.query, e.document) for e in [*examples, *known]}
    right |= {(e.document, e.query) for e in examples if e.symmetric}
    texts = batch.texts
    both = [e for e in chosen if e.symmetric]
    for side, asked in [
        (batch.forward, [(e.query, e.document) for e in chosen]),
        (batch.backward, [(e.document, e.query) for e in both]),
    ]:
        answers = [texts[place] for place in side.answers]
        assert len(set(answers)) == len(answers)
        assert side.counted.shape == (len(asked), len(answers))
        for row, (ask, answer) in enumerate(asked):
            assert texts[side.asks[row]] == ask
            assert answers[side.positives[row]] == answer
            for column, other in enumerate(answers):
                wrong = other != ask and (ask, other) not in right
                assert side.counted[row, column] == (wrong or column == side.positives[row])
    assert set(batch.documents) == {t for e in chosen for t in (e.document, *e.negatives)}
    assert set(batch.queries) == {e.query for e in chosen if not e.symmetric}
    assert set(batch.alike) == {e.query for e in both}
    assert batch.symmetric.tolist() == [e.symmetric for e in chosen]


# ---- The task: gradients in chunks are those of the whole


class Teacher:
    def vectors(self, texts):
        return np.stack([random_vectors(1, 5, len(t) + ord(t[-1]))[0] for t in texts]).astype(
            np.float32
        )


MIXED = [
    *pairs(6),
    *pairs(4, symmetric=True),
    Example("ask0 what0", "another answer", ("hard one", "say1 that1 then1")),
    Example("twice the same", "twice the same", symmetric=True),
    Example("short", "a longer text of several words that says more than others do"),
]

SETTINGS = {
    "plain": {},
    "prefixes": {"dims": (2, 8), "weights": (1.0, 3.0)},
    "taught": {"teacher_vectors": 0.5, "teacher_scores": 2.0, "dims": (4, 8)},
    "taught alone": {"contrast": 0.0, "teacher_vectors": 1.0},
}


def gradients(task, seed=3):
    task.module.train()
    task.module.zero_grad()
    torch.manual_seed(seed)
    loss = task.backward(0)
    return loss, {name: each.grad.clone() for name, each in task.module.named_parameters()}


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_gradients_in_chunks_are_those_of_the_whole(kind, chunk):
    chosen = {"batch": 13, **SETTINGS[kind]}
    teacher = Teacher() if "taught" in kind else None
    found = [
        gradients(
            ContrastiveTask(
                TinyModel(double=True), MIXED, ContrastiveSettings(**chosen, chunk=size), teacher
            )
        )
        for size in (chunk, 1000)
    ]
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-12)
    assert found[0][1].keys() == found[1][1].keys()
    for name, gradient in found[0][1].items():
        assert torch.allclose(gradient, found[1][1][name], atol=1e-12), name
    assert any(gradient.abs().max() > 1e-3 for gradient in found[0][1].values())


def test_the_loss_of_a_batch_is_the_mean_over_examples_written_out():
    model = TinyModel(double=True)
    task = ContrastiveTask(model, MIXED, ContrastiveSettings(batch=13, temperature=0.1))
    loss, _ = gradients(task)
    right = {(e.query, e.document) for e in MIXED}
    right |= {(e.document, e.query) for e in MIXED if e.symmetric}

    def vector(text, role):
        return model.embed([text], role)[0].tolist()

    def mean_surprise(ask, role, answer, candidates):
        kept = [c for c in candidates if c == answer or (c != ask and (ask, c) not in right)]
        documents = [vector(each, "document") for each in kept]
        return surprise(vector(ask, role), documents, kept.index(answer), [True] * len(kept), 0.1)

    documents = sorted({t for e in MIXED for t in (e.document, *e.negatives)})
    alike = sorted({e.query for e in MIXED if e.symmetric})
    total = 0.0
    for e in MIXED:
        if e.symmetric:
            total += mean_surprise(e.query, "document", e.document, documents) / 2
            total += mean_surprise(e.document, "document", e.query, alike) / 2
        else:
            total += mean_surprise(e.query, "query", e.document, documents)
    assert loss == pytest.approx(total / len(MIXED), abs=1e-9)


def test_gradients_in_chunks_with_dropout_are_those_of_one_graph():
    """The oracle embeds the same chunks in the same order, once, all in one graph."""
    settings_ = ContrastiveSettings(batch=13, chunk=4, temperature=0.1)
    loss, found = gradients(ContrastiveTask(TinyModel(dropout=0.5, double=True), MIXED, settings_))
    model = TinyModel(dropout=0.5, double=True)
    task = ContrastiveTask(model, MIXED, settings_)
    batch = Batches(MIXED, 13, 0).batch(0)
    torch.manual_seed(3)
    model.module.train()
    vectors = {}
    for role, places in [
        ("query", range(len(batch.queries))),
        ("document", range(len(batch.queries), len(batch.texts))),
    ]:
        order = sorted(places, key=lambda place: -len(batch.texts[place]))
        for start in range(0, len(order), 4):
            chunk = order[start : start + 4]
            embedded = model.embed([batch.texts[place] for place in chunk], role)
            vectors.update(zip(chunk, embedded, strict=True))
    whole = task._loss(batch, torch.stack([vectors[n] for n in range(len(batch.texts))]))
    whole.backward()
    assert loss == pytest.approx(whole.item(), abs=1e-12)
    for name, each in model.module.named_parameters():
        assert torch.allclose(found[name], each.grad, atol=1e-12), name
    plain, _ = gradients(ContrastiveTask(TinyModel(double=True), MIXED, settings_))
    assert abs(plain - loss) > 1e-3  # dropout did something


def test_a_large_batch_is_embedded_in_chunks():
    model = TinyModel()
    ContrastiveTask(model, pairs(1024), ContrastiveSettings(batch=1024, chunk=100)).backward(0)
    assert max(model.embedded) == 100
    assert sum(model.embedded) == 2 * 2048


def test_half_precision_gives_nearly_the_same(monkeypatch):
    monkeypatch.setattr(precision, "_pays", lambda device: False)
    exact = gradients(ContrastiveTask(TinyModel(), MIXED, ContrastiveSettings(batch=13, chunk=5)))
    monkeypatch.setattr(precision, "_pays", lambda device: True)
    half = gradients(ContrastiveTask(TinyModel(), MIXED, ContrastiveSettings(batch=13, chunk=5)))
    assert half[0] != exact[0]
    assert half[0] == pytest.approx(exact[0], rel=0.02)
    for name, gradient in half[1].items():
        assert gradient.dtype == torch.float32
        assert (
            nn.functional.cosine_similarity(gradient.flatten(), exact[1][name].flatten(), 0) > 0.98
        )
    assert contrastive.autocast is precision.autocast


def test_training_steps_bring_pairs_together():
    model = TinyModel(dim=16)
    task = ContrastiveTask(model, pairs(20), ContrastiveSettings(batch=10, temperature=0.1))
    optimizer = torch.optim.Adam(task.module.parameters(), 0.05)
    losses = []
    for step in range(30):
        optimizer.zero_grad()
        losses.append(task.backward(step))
        optimizer.step()
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) / 4


def test_what_a_task_depends_on_is_told():
    task = ContrastiveTask(TinyModel(), pairs(4))
    same = ContrastiveTask(TinyModel(seed=9), pairs(4))
    other = ContrastiveTask(TinyModel(), [*pairs(3), Example("x", "y")])
    assert task.identity == same.identity
    assert {n for n in task.identity if task.identity[n] != other.identity[n]} == {"examples"}
    changed = ContrastiveTask(TinyModel(), pairs(4), ContrastiveSettings(temperature=0.1))
    assert {n for n in task.identity if task.identity[n] != changed.identity[n]} == {"temperature"}
    assert task.batch == 4
    digests = {
        ContrastiveTask(TinyModel(), [example]).identity["examples"]
        for example in [
            Example("ab", "c"), Example("a", "bc"), Example("ab", "c", ("d",)),
            Example("ab", "c", ("d", "e")), Example("ab", "c", ("de",)), Example("ab", "c", (), True),
            Example("\ud800", "c"),
        ]
    }  # fmt: skip
    assert len(digests) == 7


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"batch": 0}, "batch"),
        ({"chunk": 0}, "chunk"),
        ({"temperature": 0.0}, "above 0"),
        ({"temperature": math.nan}, "above 0"),
        ({"teacher_temperature": -1.0}, "above 0"),
        ({"contrast": 0.0}, "contrast"),
        ({"contrast": -1.0}, "contrast"),
        ({"teacher_scores": math.inf}, "contrast"),
    ],
)
def test_settings_that_cannot_be_are_told(values, told):
    with pytest.raises(UsageError, match=told):
        ContrastiveSettings(**values)


def test_no_examples_and_a_teacher_without_a_share_are_told():
    with pytest.raises(UsageError, match="no examples"):
        ContrastiveTask(TinyModel(), [])
    with pytest.raises(UsageError, match="teacher"):
        ContrastiveTask(TinyModel(), pairs(2), teacher=Teacher())
    with pytest.raises(UsageError, match="teacher"):
        ContrastiveTask(TinyModel(), pairs(2), ContrastiveSettings(teacher_scores=1.0))

"""Models that learn on are the base before the first step, and plain models after the last."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from tiny_bert import DIM, PROMPTS, make_bert

from vecsearch import OwnVectors, load_encoder
from vecsearch.encoders.base import Encoder
from vecsearch.errors import EncoderError, UsageError

needed = [n for n in ("torch", "sentence_transformers", "peft") if find_spec(n) is None]
pytestmark = [
    pytest.mark.slow,  # importing torch and sentence_transformers takes ten seconds
    pytest.mark.skipif(bool(needed), reason=f"not installed: {', '.join(needed)}"),
]

TEXTS = ["red lamp", "", "light house light house", "a", "?", "日本 🦑", "x" * 300, "red " * 90]
TEXTS += [f"{'lamp ' * (i % 7)}{'qwertz'[: i % 6]}" for i in range(30)]
SHAPES = [
    {},
    {"prompts": PROMPTS},
    {"pooling": "cls_token", "normalize": False, "prompts": PROMPTS},
    {"normalize": False, "similarity": "dot"},
]


@pytest.fixture
def finetuned(tmp_path):
    """A function that makes a tiny base, and a model that learns on from it."""
    from vecsearch.training.finetune import Finetuned

    def make(shape=None, **settings):
        folder = make_bert(tmp_path / "base", **(shape or {}))
        return folder, Finetuned(folder, device="cpu", **settings)

    return make


def vectors(model, role="document", texts=TEXTS):
    """What the model gives now, without dropout."""
    import torch

    model.module.eval()
    with torch.no_grad():
        return model.embed(texts, role).numpy()


def learn(model, steps=5):
    """Take steps that pull the vectors of the texts apart."""
    import torch

    model.module.train()
    optimizer = torch.optim.AdamW([p for p in model.module.parameters() if p.requires_grad], 0.01)
    for step in range(steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        found = model.embed(TEXTS, "document")
        (found @ found.T).mean().backward()
        optimizer.step()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [None, 4])
def test_before_the_first_step_it_is_the_base(finetuned, shape, rank):
    folder, model = finetuned(shape, rank=rank)
    base = load_encoder(folder)
    assert model.dim == DIM
    for role in ("query", "document"):
        np.testing.assert_allclose(vectors(model, role), base.encode(TEXTS, role), atol=1e-5)
    assert vectors(model, texts=[]).shape == (0, DIM)
    np.testing.assert_allclose(
        vectors(model, texts=["\ud800 lamp"]), vectors(model, texts=["? lamp"])
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [None, 4])
def test_what_is_saved_is_the_model_as_it_was_and_a_plain_one(finetuned, tmp_path, shape, rank):
    from sentence_transformers import SentenceTransformer

    folder, model = finetuned(shape, rank=rank, name="mine")
    learn(model)
    now = {role: vectors(model, role) for role in ("query", "document")}
    encoder = model.encoder()
    learn(model)  # the encoder stays what it is
    assert np.abs(vectors(model) - now["document"]).max() > 1e-3
    assert np.abs(load_encoder(folder).encode(TEXTS, "document") - now["document"]).max() > 1e-3
    encoder.save(saved := tmp_path / "saved")
    opened = load_encoder(saved)
    plain = SentenceTransformer(str(saved), device="cpu", local_files_only=True)
    assert isinstance(opened, Encoder)
    assert (opened.name, opened.fingerprint) == ("mine", encoder.fingerprint)
    for role, expected in now.items():
        np.testing.assert_allclose(encoder.encode(TEXTS, role), expected, atol=1e-5)
        np.testing.assert_allclose(opened.encode(TEXTS, role), expected, atol=1e-5)
        theirs = getattr(plain, f"encode_{role}")(TEXTS)
        if shape.get("similarity") != "dot":
            theirs = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
        np.testing.assert_allclose(theirs, expected, atol=1e-5)
    assert (saved / "model.safetensors").is_file()
    assert not list(saved.rglob("*adapter*"))
    assert not any("lora" in name for name in plain.state_dict())
    # How it was trained is told beside it, and is no part of what it is.
    (saved / "training.json").write_text("{}")
    assert load_encoder(saved).fingerprint == encoder.fingerprint


@pytest.mark.parametrize("rank", [None, 4])
def test_the_fingerprint_is_of_the_model_whether_it_was_used_or_not(finetuned, rank):
    from vecsearch.training.finetune import Finetuned

    folder, model = finetuned(rank=rank)
    fresh = model.encoder().fingerprint
    vectors(model, "query", ["a short one"])
    assert model.encoder().fingerprint == fresh
    learn(model)
    learnt = model.encoder().fingerprint
    again = Finetuned(folder, rank=rank, device="cpu")
    learn(again)
    assert again.encoder().fingerprint == learnt != fresh
    other = Finetuned(folder, rank=rank, seed=1, device="cpu")
    learn(other)
    assert (other.encoder().fingerprint == learnt) == (rank is None)


def test_adapters_alone_are_trained(finetuned):
    _, model = finetuned(rank=2)
    trained = {n: p for n, p in model.module.named_parameters() if p.requires_grad}
    # Two layers with query, key, value and output; A is (2, 16), B (16, 2).
    assert len(trained) == 2 * 4 * 2
    assert sum(p.numel() for p in trained.values()) == 2 * 4 * 2 * 2 * DIM
    before = {n: p.detach().clone() for n, p in model.module.named_parameters()}
    learn(model)
    for name, weight in model.module.named_parameters():
        assert bool((weight != before[name]).any()) == ("lora_" in name)


def test_every_weight_is_trained_without_adapters(finetuned):
    _, model = finetuned()
    assert all(p.requires_grad for p in model.module.parameters())


@pytest.mark.parametrize("rank", [None, 4])
def test_the_state_of_the_module_is_the_whole_model(finetuned, tmp_path, rank):
    from vecsearch.training.finetune import Finetuned

    folder, model = finetuned(rank=rank)
    learn(model)
    other = Finetuned(folder, rank=rank, device="cpu")
    other.module.load_state_dict(model.module.state_dict())
    np.testing.assert_allclose(vectors(other), vectors(model), atol=1e-6)


def test_a_text_is_read_up_to_the_limit_and_no_model_reads_more_than_it_can(finetuned, tmp_path):
    from vecsearch.training.finetune import Finetuned

    folder, model = finetuned({"most": 32}, longest=8)
    short = ["red " * 6]  # two tokens are the model's marks
    np.testing.assert_allclose(
        vectors(model, texts=["red " * 6 + "house"]), vectors(model, texts=short), atol=1e-6
    )
    model.encoder().save(tmp_path / "saved")
    opened = load_encoder(tmp_path / "saved")
    np.testing.assert_allclose(
        opened.encode(["red " * 6 + "house"], "query"), vectors(model, "query", short), atol=1e-5
    )
    wide = Finetuned(folder, longest=500, device="cpu")
    np.testing.assert_allclose(
        vectors(wide, texts=["red " * 30 + "house"]), vectors(wide, texts=["red " * 30]), atol=1e-6
    )


def test_dropout_works_as_the_module_says_but_not_within_attention(finetuned):
    import torch
    from torch import nn

    _, model = finetuned()
    model.module.train()
    torch.manual_seed(0)
    one, two = (model.embed(TEXTS, "query").detach().numpy() for _ in range(2))
    torch.manual_seed(0)
    again = model.embed(TEXTS, "query").detach().numpy()
    assert np.abs(one - two).max() > 1e-3
    np.testing.assert_array_equal(one, again)
    rates = {n: x.p for n, x in model.module.named_modules() if isinstance(x, nn.Dropout)}
    assert {p for n, p in rates.items() if ".attention." in n} == {0.0}
    assert {p for n, p in rates.items() if ".attention." not in n} == {0.1}


def test_the_order_of_texts_is_kept(finetuned):
    _, model = finetuned({"prompts": PROMPTS})
    whole = vectors(model)
    np.testing.assert_allclose(vectors(model, texts=TEXTS[::-1])[::-1], whole, atol=1e-6)
    for i in (0, 7, 20):
        np.testing.assert_allclose(vectors(model, texts=[TEXTS[i]])[0], whole[i], atol=1e-6)


def test_the_folder_of_an_encoder_goes_with_it(finetuned):
    import gc

    _, model = finetuned()
    encoder = model.encoder()
    folder = encoder._located.folder
    assert folder.is_dir()
    del encoder
    gc.collect()
    assert not folder.exists()


def test_what_can_not_be_finetuned(finetuned, tmp_path):
    from vecsearch.training.finetune import Finetuned

    folder, _ = finetuned()
    with pytest.raises(EncoderError, match="no such folder"):
        Finetuned(tmp_path / "none")
    with pytest.raises(UsageError, match="rank of adapters is 1 or more, not 0"):
        Finetuned(folder, rank=0)
    with pytest.raises(UsageError, match="up to 3 tokens or more, not 2"):
        Finetuned(folder, longest=2)
    (own := tmp_path / "own").mkdir()
    OwnVectors(2).save(own)
    with pytest.raises(UsageError, match="no sentence-transformers model"):
        Finetuned(own)

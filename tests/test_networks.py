"""Networks by hand against torch's own, by finite differences, and under padding."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.topics import SUBWORDS, found, written
from vecsearch.encoders import load_encoder
from vecsearch.encoders.embedding import SHRUNK
from vecsearch.encoders.gru import GRU
from vecsearch.encoders.network import Network, padded
from vecsearch.encoders.transformer import Layer, SelfAttention, Transformer, positions
from vecsearch.errors import EncoderError, UsageError
from vecsearch.training.base import Example
from vecsearch.training.contrastive import ContrastiveSettings, ContrastiveTask
from vecsearch.training.networks import NetworkModel, network_model

KINDS = ("gru", "transformer")
WORDS = [piece for piece in SUBWORDS.pieces if piece.startswith("t")]


def model(kind: str, seed: int = 0, dim: int = 16, longest: int = 32) -> NetworkModel:
    made = network_model(kind, SUBWORDS, [" ".join(WORDS)], dim, seed, longest=longest)
    stir(made.module, seed)
    return made


def stir(module: torch.nn.Module, seed: int, scale: float = 0.2) -> None:
    """Give every parameter some value: a fresh layer adds nothing yet."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, each in module.named_parameters():
            share = scale / SHRUNK if name.endswith("embedding.weight") else scale
            each.add_(torch.randn(each.shape, generator=generator) * share)


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(12, heads=3)
    tokens = torch.randn(4, 7, 12)
    mask = torch.arange(7) < torch.tensor([[7], [4], [1], [6]])
    by_head = [
        layer(tokens).unflatten(2, (3, 4)).transpose(1, 2)
        for layer in (attention.query, attention.key, attention.value)
    ]
    expected = F.scaled_dot_product_attention(*by_head, attn_mask=mask[:, None, None, :])
    expected = attention.output(expected.transpose(1, 2).flatten(2))
    torch.testing.assert_close(attention(tokens, mask), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("make", [lambda: SelfAttention(6, 2), lambda: Layer(6, 2, 0.0)])
def test_gradients_are_those_of_finite_differences(make: Callable[[], torch.nn.Module]) -> None:
    torch.manual_seed(0)
    part = make()
    stir(part, 1)
    part = part.double()
    tokens = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    assert torch.autograd.gradcheck(lambda given: part(given, mask), (tokens,))
    weights = dict(part.named_parameters())
    step = 1e-6
    part(tokens, mask).pow(2).sum().backward()
    for weight in weights.values():
        flat, gradient = weight.data.view(-1), weight.grad.view(-1)
        at = int(gradient.abs().argmax())
        before = float(flat[at])
        around = []
        for moved in (before + step, before - step):
            flat[at] = moved
            around.append(float(part(tokens, mask).detach().pow(2).sum()))
        flat[at] = before
        found = (around[0] - around[1]) / (2 * step)
        assert found == pytest.approx(float(gradient[at]), rel=1e-5, abs=1e-8)  # a key's bias: 0


def test_padding_gets_no_attention() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(8, 2)
    tokens = torch.randn(1, 5, 8)
    mask = torch.tensor([[True, True, True, False, False]])
    other = tokens.clone()
    other[:, 3:] = 1000.0
    kept = attention(tokens, mask)[:, :3]
    torch.testing.assert_close(kept, attention(other, mask)[:, :3])
    torch.testing.assert_close(kept, attention(tokens[:, :3], mask[:, :3]))


def test_positions_differ_and_are_of_one_length() -> None:
    places = positions(300, 32)
    assert torch.cdist(places, places).add(torch.eye(300)).min() > 0.01
    torch.testing.assert_close(places.norm(dim=1), torch.full((300,), 32**0.5))


@pytest.mark.parametrize("kind", KINDS)
def test_order_matters_to_a_network(kind: str) -> None:
    made = model(kind)
    stir(made.module, 1, 1.0)
    encoder = made.encoder()
    one, other = encoder.encode([" ".join(WORDS[:6]), " ".join(WORDS[5::-1])], "query")
    assert one @ other < 0.9995
    if kind == "transformer":  # without positions it is blind to order
        made.module.network.position_scale.data.zero_()
        texts = [" ".join(WORDS[:6]), " ".join(WORDS[5::-1])]
        np.testing.assert_allclose(*made.encoder().encode(texts, "query"), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=8), seed=st.integers(0, 9))
@settings(max_examples=15)
def test_neighbours_in_a_batch_change_no_vector(kind: str, lengths: list[int], seed: int) -> None:
    encoder = model(kind).encoder()
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, length)) for length in lengths]
    together = encoder.encode(texts, "document")
    alone = np.concatenate([encoder.encode([text], "document") for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    expected = [1.0 if length else 0.0 for length in lengths]
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_is_weighed_by_pieces(kind: str) -> None:
    """With fresh layers, which add nothing, it is the plain weighted mean of the embeddings."""
    fresh = network_model(kind, SUBWORDS, ["t0w0 t0w1", "t0w0"], 16)
    if kind == "transformer":
        fresh.module.network.position_scale.data.zero_()
    rows = fresh.module.network.embedding.weight.detach().numpy()
    weights = fresh.module.log_weights.detach().exp().numpy()
    ids = SUBWORDS.encode(["t0w0 t0w1 t0w1"]).ids
    expected = (rows[ids] * weights[ids, None]).sum(axis=0)
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(
        fresh.encoder().encode(["t0w0 t0w1 t0w1"], "query")[0], expected, atol=1e-6
    )
    assert weights[ids[0]] < weights[ids[1]]  # the commoner piece counts less


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_it_is_the_same(kind: str, tmp_path) -> None:
    encoder = model(kind).encoder()
    encoder.save(tmp_path / "saved")
    again = load_encoder(tmp_path / "saved")
    assert isinstance(again, Network)
    assert again.fingerprint == encoder.fingerprint
    assert again.dim == 16
    texts = ["t0w0 t1w1", "t2w3", "nothing known"]
    np.testing.assert_array_equal(again.encode(texts, "query"), encoder.encode(texts, "query"))


@pytest.mark.parametrize("kind", KINDS)
def test_odd_texts(kind: str) -> None:
    encoder = model(kind).encoder()
    assert encoder.encode([], "query").shape == (0, 16)
    found = encoder.encode(["", "\ud800", "unknown", "t0w0 " * 100_000, "t0w0 \udfff"], "query")
    assert found.shape == (5, 16)
    assert np.isfinite(found).all()
    assert not found[:3].any()
    np.testing.assert_allclose(np.linalg.norm(found[3:], axis=1), 1, atol=1e-5)
    with pytest.raises(UsageError, match="item 1"):
        encoder.encode(["t0w0", None], "query")


def test_only_the_start_of_a_long_text_is_read() -> None:
    encoder = model("transformer", longest=4).encoder()
    start = " ".join(WORDS[:4])
    np.testing.assert_allclose(*encoder.encode([start, f"{start} {WORDS[9]}"], "query"), atol=1e-6)


def test_a_batch_holds_a_bounded_number_of_tokens(monkeypatch) -> None:
    monkeypatch.setattr("vecsearch.encoders.network._TOKENS", 20)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, length)) for length in rng.integers(0, 30, 50)]
    parts = list(padded(SUBWORDS, texts, longest=25))
    assert all(part.ids.numel() <= 25 for part in parts)
    seen = np.concatenate([part.texts for part in parts])
    assert sorted(seen) == [at for at, text in enumerate(texts) if text]
    for part in parts:
        for row, at in enumerate(part.texts):
            kept = part.ids[row][part.mask[row]].numpy()
            np.testing.assert_array_equal(kept, SUBWORDS.encode([texts[at]]).ids[:25])


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_network_and_leaves_the_state_of_torch(kind: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    made = [network_model(kind, SUBWORDS, WORDS, 16, seed) for seed in (1, 1, 2)]
    assert torch.rand(1) == expected
    prints = [each.encoder().fingerprint for each in made]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(("kind", "dim", "longest"), [("gru", 15, 9), ("transformer", 12, 9),
                                                       ("gru", 16, 0), ("transformer", 0, 9)])  # fmt: skip
def test_shapes_that_cannot_be(kind: str, dim: int, longest: int) -> None:
    with pytest.raises(UsageError, match="multiple of"):
        network_model(kind, SUBWORDS, WORDS, dim, longest=longest)
    with pytest.raises(UsageError, match="initial vectors"):
        network_model(kind, SUBWORDS, WORDS, 16, initial=np.zeros((3, 16), np.float32))


def test_tensors_that_do_not_belong_to_the_config(tmp_path) -> None:
    import dataclasses

    from vecsearch.encoders.artefact import read_artefact

    model("transformer").encoder().save(tmp_path / "saved")
    artefact = read_artefact(tmp_path / "saved")
    for config in ({"dim": 16, "longest": 9, "layers": 3, "heads": 4}, {"dim": 16, "longest": 9}):
        dataclasses.replace(artefact, config=config).write(tmp_path / "odd")
        with pytest.raises(EncoderError, match="can't be made"):
            load_encoder(tmp_path / "odd")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_that_words_share_a_topic(kind: str) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    examples = [
        Example(written(rng, topic, 0, 5), written(rng, topic, 5, 10))
        for topic in rng.integers(0, 6, 300)
    ]
    learner = network_model(kind, SUBWORDS, [example.query for example in examples], 16)
    before = found(learner.encoder())
    task = ContrastiveTask(learner, examples, ContrastiveSettings(batch=64))
    optimizer = torch.optim.Adam(learner.module.parameters(), lr=5e-3)
    for step in range(80):
        optimizer.zero_grad()
        task.backward(step)
        optimizer.step()
    assert before < 0.5 < 0.8 < found(learner.encoder())


def test_the_modules_have_the_shapes_that_they_say() -> None:
    ids = torch.randint(0, 9, (3, 5))
    mask = torch.arange(5) < torch.tensor([[5], [2], [1]])
    for module in (GRU(9, 8), Transformer(9, 8, 2, 2)):
        assert module(ids, mask).shape == (3, 5, 8)

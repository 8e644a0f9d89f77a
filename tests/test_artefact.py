"""What is written of a trained encoder is read again as it was; damage is told in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vecsearch.encoders.artefact import (
    NOTE,
    TOKENIZER,
    WEIGHTS,
    Artefact,
    read_artefact,
    read_note,
)
from vecsearch.encoders.subwords import Subwords
from vecsearch.errors import EncoderError
from vecsearch.text import analyzer

SUBWORDS = Subwords(analyzer("english"), ["lamp", "##s", "日"])


def made(name="lamps", **changes):
    tensors = {
        "table": np.arange(12, dtype=np.float32).reshape(3, 4),
        "scales": np.array([0.5, 1, 2], np.float32),
        "bytes": np.arange(5, dtype=np.uint8),
        "none": np.zeros((0, 3), np.int8),
        "scalar": np.array(7, np.int64),
    }
    config = {"dim": 4, "sublinear": True, "rates": [0.1, 1e-30], "inner": {"text": "é"}}
    given = {"kind": "skipgram", "config": config, "tensors": tensors, "subwords": SUBWORDS}
    return Artefact(**{"name": name, **given, **changes})


@pytest.fixture
def folder(tmp_path):
    made().write(tmp_path / "deep" / "model")
    return tmp_path / "deep" / "model"


def test_written_and_read_it_is_the_same(folder):
    again, first = read_artefact(folder), made()
    assert (again.kind, again.name, again.config) == (first.kind, first.name, first.config)
    assert again.dim == 4
    assert again.fingerprint == first.fingerprint == read_note(folder).fingerprint
    assert again.subwords.to_dict() == first.subwords.to_dict()
    assert again.tensors.keys() == first.tensors.keys()
    for name, tensor in first.tensors.items():
        assert again.tensors[name].dtype == tensor.dtype
        assert again.tensors[name].shape == tensor.shape
        assert (again.tensors[name] == tensor).all()


@given(
    tensor=arrays.arrays(
        st.sampled_from([np.float32, np.float16, np.int8, np.int64]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_any_tensor_goes_round(tensor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("artefact")
    first = made(tensors={"x": tensor, "turned": tensor.T}, subwords=None)
    first.write(folder)
    again = read_artefact(folder)
    assert again.subwords is None
    assert not (folder / TOKENIZER).exists()
    np.testing.assert_array_equal(again.tensors["x"], tensor)
    np.testing.assert_array_equal(again.tensors["turned"], tensor.T)
    assert again.fingerprint == first.fingerprint


def test_the_fingerprint_is_of_what_vectors_depend_on(folder):
    first = made()
    assert made("another name").fingerprint == first.fingerprint
    assert read_artefact(folder).fingerprint == first.fingerprint
    config = dict(reversed(first.config.items()))
    assert made(config=config).fingerprint == first.fingerprint
    table = first.tensors["table"]
    others = [
        made(kind="lsa"),
        made(config={**first.config, "dim": 5}),
        made(subwords=None),
        made(subwords=Subwords(analyzer("plain"), SUBWORDS.pieces)),
        made(subwords=Subwords(analyzer("english"), SUBWORDS.pieces[::-1])),
        *(
            made(tensors={**first.tensors, "table": each})
            for each in (-table, table.T, table.view(np.int32), table.reshape(4, 3))
        ),
        made(tensors={**first.tensors, "more": table}),
    ]
    digests = {each.fingerprint for each in others} | {first.fingerprint}
    assert len(digests) == len(others) + 1


def test_what_is_for_persons_goes_along_and_checkpoints_dont(folder, tmp_path):
    for name in ("CARD.md", "training.json", "curve.svg", "state.pt"):
        (folder / name).write_text(name)
    (folder / "checkpoints").mkdir()
    artefact = read_artefact(folder)
    artefact.write(tmp_path / "copy")
    names = {file.name for file in (tmp_path / "copy").iterdir()}
    assert names == {NOTE, WEIGHTS, TOKENIZER, "CARD.md", "training.json", "curve.svg"}
    assert (tmp_path / "copy" / "training.json").read_text() == "training.json"
    # Over itself, and after its folder is gone.
    artefact.write(folder)
    assert (folder / "CARD.md").read_text() == "CARD.md"
    for file in folder.iterdir():
        if file.is_file():
            file.unlink()
    artefact.write(tmp_path / "later")
    assert read_artefact(tmp_path / "later").fingerprint == artefact.fingerprint


def test_other_folders_are_none_of_ours(tmp_path):
    assert read_artefact(tmp_path) is None
    assert read_artefact(tmp_path / "nowhere") is None
    (tmp_path / "config.json").write_text("{}")
    assert read_note(tmp_path) is None


def test_a_folder_half_written_is_no_encoder(folder, monkeypatch):
    def fail(*args):
        raise OSError("the disk is full")

    monkeypatch.setattr("safetensors.numpy.save", fail)
    with pytest.raises(OSError, match="full"):
        made("other").write(folder)
    assert read_artefact(folder) is None


def test_two_writers_at_once(folder, monkeypatch):
    write_bytes = Path.write_bytes

    def late(path, content):
        written = write_bytes(path, content)
        monkeypatch.undo()
        made("other").write(folder)  # all of it, between the file of the first and its place
        return written

    monkeypatch.setattr(Path, "write_bytes", late)
    made("first").write(folder)
    assert read_artefact(folder).name == "first"
    assert {file.name for file in folder.iterdir()} == {NOTE, WEIGHTS, TOKENIZER}


@pytest.mark.parametrize("name", [NOTE, TOKENIZER, WEIGHTS])
def test_every_truncation_is_told(folder, name):
    whole = (folder / name).read_bytes()
    step = max(len(whole) // 100, 1)
    # The last line feed of JSON is all that nobody misses.
    for end in range(0, len(whole) - (1 if name.endswith(".json") else 0), step):
        (folder / name).write_bytes(whole[:end])
        with pytest.raises(EncoderError) as caught:
            read_artefact(folder)
        assert name in str(caught.value)
        assert str(caught.value).endswith(".")


@pytest.mark.parametrize("name", [TOKENIZER, WEIGHTS])
def test_every_flipped_byte_is_told(folder, name):
    whole = (folder / name).read_bytes()
    step = max(len(whole) // 200, 1)
    for place in range(0, len(whole) - 1, step):
        changed = bytearray(whole)
        changed[place] ^= 1
        if name == TOKENIZER and whole[place : place + 1].isspace():
            continue
        (folder / name).write_bytes(changed)
        with pytest.raises(EncoderError, match=name):
            read_artefact(folder)


def test_files_that_are_missing_or_of_another_encoder(folder, tmp_path):
    made(kind="lsa").write(tmp_path / "other")
    (folder / WEIGHTS).unlink()
    with pytest.raises(EncoderError, match=rf"{WEIGHTS} is missing"):
        read_artefact(folder)
    (folder / WEIGHTS).write_bytes((tmp_path / "other" / WEIGHTS).read_bytes())
    assert read_artefact(folder) is not None
    (folder / TOKENIZER).unlink()
    with pytest.raises(EncoderError, match=r"trained\.json has the fingerprint of another"):
        read_artefact(folder)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": 2}, r"trained\.json is of format 2; .* Update vecsearch"),
        ({"format": "1"}, "doesn't describe an encoder"),
        ({"kind": 3}, "doesn't describe an encoder"),
        ({"name": None}, "doesn't describe an encoder"),
        ({"config": {}}, "doesn't describe an encoder"),
        ({"config": {"dim": 0}}, "doesn't describe an encoder"),
        ({"config": {"dim": "4"}}, "doesn't describe an encoder"),
        ({"fingerprint": 1}, "doesn't describe an encoder"),
        ({"fingerprint": "0"}, "fingerprint of another encoder"),
    ],
)
def test_a_note_that_says_something_else(folder, change, problem):
    note = json.loads((folder / NOTE).read_text())
    (folder / NOTE).write_text(json.dumps({**note, **change}))
    with pytest.raises(EncoderError, match=problem):
        read_artefact(folder)


@pytest.mark.parametrize("content", ["[]", "3", "null", "\ud800", "[" * 100_000])
@pytest.mark.parametrize("name", [NOTE, TOKENIZER])
def test_json_of_another_shape(folder, name, content):
    (folder / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(EncoderError, match=name):
        read_artefact(folder)


def test_a_tensor_is_asked_for_by_shape_and_dtype():
    artefact = made()
    assert artefact.tensor("table", (np.float32, np.int8), 3, 4) is artefact.tensors["table"]
    assert artefact.tensor("bytes", (np.uint8,), None).shape == (5,)
    for name, dtypes, shape, problem in (
        ("tables", (np.float32,), (3, 4), r"'tables' of 'lamps' .*; there is none"),
        ("table", (np.int8,), (3, 4), r"should be int8 \(3, 4\); it is float32 \(3, 4\)"),
        ("table", (np.float32,), (None, 5), r"should be float32 \(any, 5\)"),
        ("table", (np.float32,), (12,), r"\(12\); it is"),
    ):
        with pytest.raises(EncoderError, match=problem):
            artefact.tensor(name, dtypes, *shape)

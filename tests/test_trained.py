"""Folders of encoders trained here are found, loaded, kept in indexes and compared like any model."""

from __future__ import annotations

import json
import shutil
import sys
import types

import numpy as np
import pytest

from tests.conftest import ROOT
from vecsearch import Document, Index, load_encoder
from vecsearch.bench import suite
from vecsearch.bench.system import _fingerprint
from vecsearch.bench.systems import parse_system
from vecsearch.cli import main
from vecsearch.encoders import available_encoders, encoder_names, locate_encoder
from vecsearch.encoders.artefact import NOTE, WEIGHTS, Artefact
from vecsearch.encoders.subwords import Subwords
from vecsearch.encoders.table import TokenTable
from vecsearch.errors import EncoderError, EncoderMismatch, UsageError
from vecsearch.text import analyzer
from vecsearch.training.lsa import train_lsa

LIGHTHOUSE = ROOT / "corpora" / "lighthouse"
DOCUMENTS = [Document("d1", "red lamps"), Document("d2", "a blue house"), Document("d3", "?")]
PIECES = ["red", "lamp", "##s", "blue", "house", "light"]


def table(seed=0, kind="contrastive-bag"):
    rows = np.random.default_rng(seed).standard_normal((len(PIECES), 6)).astype(np.float32)
    subwords = Subwords(analyzer("plain"), PIECES)
    return TokenTable.of(kind, "lamps", subwords, rows).quantised()


@pytest.fixture(params=["skipgram", "contrastive-bag", "lsa"])
def encoder(request):
    if request.param == "lsa":
        return train_lsa([each.text for each in DOCUMENTS], 2, analyzer("english"), 0)
    return table(kind=request.param)


@pytest.fixture
def folder(encoder, tmp_path):
    encoder.save(tmp_path / "trained")
    (tmp_path / "trained" / "CARD.md").write_text("# A card")
    return tmp_path / "trained"


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Where an encoder lies as if it were the one that is shipped."""
    monkeypatch.setattr("vecsearch.encoders.SHIPPED", {"small": tmp_path / "shipped"})
    _fingerprint.cache_clear()
    yield tmp_path / "shipped"
    _fingerprint.cache_clear()


def test_loaded_from_its_folder_it_is_the_same(encoder, folder):
    located = locate_encoder(folder)
    assert located.fingerprint == encoder.fingerprint
    names = {file.name for file in folder.iterdir()} - {"CARD.md"}
    assert located.bytes == sum((folder / name).stat().st_size for name in names)
    for place in (folder, str(folder)):
        again = load_encoder(place, device="cpu")
        assert type(again) is type(encoder)
        assert (again.name, again.fingerprint) == (encoder.name, encoder.fingerprint)
        texts = [each.text for each in DOCUMENTS]
        assert (again.encode(texts, "query") == encoder.encode(texts, "query")).all()


def test_one_text_is_not_taken_for_a_list_of_its_characters(encoder):
    with pytest.raises(UsageError, match=r"as a list, even one: encode\(\[text\], role\)"):
        encoder.encode("red house", "query")
    with pytest.raises(UsageError, match="no role 'foo'"):
        encoder.encode(["red house"], "foo")


def test_saved_at_a_name_all_may_read_it(encoder, tmp_path):
    encoder.save(str(tmp_path / "saved"))  # a str does too
    plain = tmp_path / "plain"
    plain.touch()
    for file in (tmp_path / "saved").iterdir():
        assert file.stat().st_mode == plain.stat().st_mode


def test_an_index_needs_no_more_than_itself(encoder, folder, tmp_path):
    place = tmp_path / "notes.index"
    Index.create(place, str(folder), documents=DOCUMENTS)
    expected = encoder.encode([each.text for each in DOCUMENTS], "document")
    shutil.rmtree(folder)
    index = Index.open(place)
    assert list(index.verify()) == []
    searcher = index.searcher()
    assert searcher.search("red lamps", by="dense")[0].id == "d1"
    assert searcher.search("house", by="hybrid")[0].id == "d2"
    found = np.concatenate([searcher.vectors(each.id) for each in DOCUMENTS])
    assert (found == expected).all()
    with index.writer() as writer:
        writer.add([Document("d4", "blue houses")])
    assert {hit.id for hit in index.searcher().search("blue house", 2, by="dense")} == {"d2", "d4"}
    (card,) = place.rglob("CARD.md")
    assert card.read_text() == "# A card"
    # And what the index keeps is a trained folder like any other.
    assert load_encoder(card.parent).fingerprint == encoder.fingerprint


def test_an_explanation_is_exact(encoder, folder, tmp_path):
    Index.create(tmp_path / "x.index", load_encoder(folder), documents=DOCUMENTS)
    searcher = Index.open(tmp_path / "x.index").searcher()
    told = searcher.explain("red house", "d2", by="dense")
    assert told.exact
    words = {part.text for part in told.parts if hasattr(part, "text")}
    assert {"blue", "house"} <= words


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_networks_are_loaded_by_their_own_room(kind, tmp_path, monkeypatch):
    seen = []
    room = types.ModuleType("vecsearch.encoders.network")
    room.load_network = lambda artefact, device: seen.append((artefact.kind, device)) or table()
    monkeypatch.setitem(sys.modules, room.__name__, room)
    Artefact(kind, "x", {"dim": 2}, {"w": np.ones(2, np.float32)}).write(tmp_path)
    assert load_encoder(tmp_path, device="cpu").name == "lamps"
    assert seen == [(kind, "cpu")]


def test_kinds_that_nobody_knows(tmp_path):
    Artefact("oracle", "x", {"dim": 2}, {"w": np.ones(2, np.float32)}).write(tmp_path)
    with pytest.raises(EncoderError, match="of the kind 'oracle'; this vecsearch knows skipgram"):
        load_encoder(tmp_path)


def test_damage_is_told_by_every_way_in(folder, tmp_path, capsys):
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:-1])
    with pytest.raises(EncoderError, match=WEIGHTS):
        load_encoder(folder)
    (tmp_path / "notes.jsonl").write_text('{"_id": "1", "text": "red"}')
    with pytest.raises(SystemExit) as caught:
        main(
            ["index", str(tmp_path / "notes.jsonl"), str(tmp_path / "i"), "--encoder", str(folder)]
        )
    assert caught.value.code == 1
    assert WEIGHTS in capsys.readouterr().err
    (folder / NOTE).write_text("{}")
    for way in (load_encoder, locate_encoder, lambda path: parse_system(str(path))):
        with pytest.raises(EncoderError, match=r"trained\.json doesn't describe an encoder"):
            way(folder)


@pytest.mark.slow
def test_a_trained_folder_is_a_system(tmp_path, monkeypatch):
    lines = (LIGHTHOUSE / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    train_lsa([json.loads(line)["text"] for line in lines], 8, analyzer("english"), 0).save(
        tmp_path / "trained"
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "both.toml").write_text('representation = "hybrid"\nencoder = "trained"\n')
    bare, whole = parse_system("trained"), parse_system(f"{tmp_path}/trained")
    assert bare.digest == whole.digest
    assert bare.fingerprint == locate_encoder("trained").fingerprint
    systems = ["trained", "both.toml"]
    found = suite.run([LIGHTHOUSE], systems, costs=False, cache=tmp_path / "cache")
    for name in systems:
        assert found["systems"][name]["definition"]["fingerprint"] == bare.fingerprint
        assert found["scores"]["lighthouse"][name]["nDCG@10"] > 0.1


def test_small_is_kept_by_name(small, tmp_path):
    table().save(small)
    assert encoder_names() == ("small", "minilm")
    listing = available_encoders()[0]
    assert (listing.name, listing.install) == ("small", None)
    assert "6 dimensions" in listing.description
    encoder = load_encoder("small")
    assert (encoder.name, encoder.fingerprint) == ("small", table().fingerprint)
    assert locate_encoder("small").fingerprint == encoder.fingerprint
    assert parse_system("small").fingerprint == encoder.fingerprint

    place = tmp_path / "notes.index"
    Index.create(place, "small", documents=DOCUMENTS)
    assert list(place.rglob(WEIGHTS)) == []
    assert Index.open(place).searcher().search("lamps", by="dense")[0].id == "d1"
    assert Index.open(place).info()["encoder"] == "small"
    table(seed=1).save(small)
    with pytest.raises(EncoderMismatch, match="made by 'small'"):
        Index.open(place).searcher().search("lamps", by="dense")
    shutil.rmtree(small)
    with pytest.raises(EncoderError, match="'small'"):
        Index.open(place).searcher().search("lamps", by="dense")

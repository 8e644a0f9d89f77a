"""A training's folders: bad input costs nothing that was there, and OUT is whole or as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from vecsearch.encoders.artefact import NOTE
from vecsearch.errors import UsageError, VecsearchError
from vecsearch.training.folders import begin, place, settle, work_folder

OLD, NEW = {"kind": "gru", "steps": 30}, {"kind": "gru", "steps": 99}
CHECKPOINT = "checkpoints/last.safetensors"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def began(out, told, *, resume=False, overwrite=False):
    return begin(out, told, resume=resume, overwrite=overwrite)


def learn(work, name=CHECKPOINT, content="learnt"):
    """Leave in a work folder what a training goes on from."""
    (work / name).parent.mkdir(exist_ok=True)
    (work / name).write_text(content)


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def an_encoder(out):
    out.mkdir()
    (out / NOTE).write_text("the old one")


def write(folder):
    (folder / NOTE).write_text("the new one")


@pytest.mark.parametrize("place", [".", "/", ""])
def test_places_without_a_name(place):
    with pytest.raises(UsageError, match="can't be the folder of an encoder; name a new one"):
        began(Path(place), OLD, overwrite=True)


# ---- The work folder


def test_a_training_with_nothing_to_go_on_with_leaves_no_folder(out, tmp_path):
    (began(out, OLD) / "known-items").mkdir()
    settle(out)
    assert names(tmp_path) == []
    began(out, NEW)


@pytest.mark.parametrize("name", [CHECKPOINT, "best/model.safetensors", "vectors.sqlite"])
def test_one_that_can_be_gone_on_with_is_kept(out, name):
    learn(began(out, OLD), name)
    settle(out)
    assert began(out, OLD, resume=True) == work_folder(out)
    assert (work_folder(out) / name).exists()
    with pytest.raises(UsageError, match="holds a training that wasn't finished"):
        began(out, NEW)


def test_what_is_overwritten_is_back_where_the_new_one_comes_to_nothing(out, tmp_path):
    learn(began(out, OLD))
    work = began(out, NEW, overwrite=True)
    assert names(work) == ["settings.json"]
    settle(out)
    assert (began(out, OLD, resume=True) / CHECKPOINT).read_text() == "learnt"
    assert names(tmp_path) == ["out.training"]


def test_what_is_overwritten_goes_once_the_new_one_has_learnt(out, tmp_path):
    learn(began(out, OLD))
    learn(began(out, NEW, overwrite=True), content="anew")
    settle(out)
    assert (began(out, NEW, resume=True) / CHECKPOINT).read_text() == "anew"
    assert names(tmp_path) == ["out.training"]


@pytest.mark.parametrize("learnt", [False, True])
def test_a_run_that_was_killed_is_settled_by_the_next(out, tmp_path, learnt):
    learn(began(out, OLD))
    work = began(out, NEW, overwrite=True)
    if learnt:
        learn(work, content="anew")
    kept, content = (NEW, "anew") if learnt else (OLD, "learnt")
    assert (began(out, kept, resume=True) / CHECKPOINT).read_text() == content
    assert names(tmp_path) == ["out.training"]


def test_a_work_folder_that_cannot_be_made_anew_costs_nothing(out, tmp_path, monkeypatch):
    learn(began(out, OLD))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(VecsearchError, match=r"can't be written \(No space left on device\)"):
        began(out, NEW, overwrite=True)
    monkeypatch.undo()
    assert (began(out, OLD, resume=True) / CHECKPOINT).read_text() == "learnt"
    assert names(tmp_path) == ["out.training"]


def test_a_place_where_no_folder_can_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VecsearchError, match=r"file/out\.training can't be written"):
        began(tmp_path / "file" / "out", OLD)


def test_a_path_that_is_no_text_is_told_before_any_work(tmp_path):
    """Of what reads weights, some takes no other path than UTF-8."""
    for path in (tmp_path / "caf\udce9", tmp_path / "caf\udce9" / "out"):
        with pytest.raises(UsageError, match=r"caf\\udce9.* the path is UTF-8") as caught:
            began(path, OLD)
        assert str(caught.value).isascii()
    assert names(tmp_path) == []


@pytest.mark.parametrize("junk", ["[]", "7", "null", "{", "", b"\xff\xfe{}"])
def test_settings_that_say_nothing_are_told(out, junk):
    work = began(out, OLD)
    learn(work)
    (work / "settings.json").write_bytes(junk if isinstance(junk, bytes) else junk.encode())
    with pytest.raises(UsageError, match=r"settings\.json can't be read \(.+\); begin anew"):
        began(out, OLD, resume=True)
    assert (work / CHECKPOINT).exists()


# ---- OUT


def test_the_new_encoder_stands_at_out_alone(out, tmp_path):
    an_encoder(out)
    learn(began(out, OLD, overwrite=True))
    began(out, NEW, overwrite=True)
    place(out, write)
    assert (out / NOTE).read_text() == "the new one"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [OSError(13, "Permission denied"), KeyboardInterrupt()])
def test_what_stood_at_out_is_there_again_where_it_cannot_be_replaced(out, monkeypatch, error):
    an_encoder(out)
    learn(began(out, OLD, overwrite=True))
    replace = Path.replace

    def refuse(path, target):
        if path.name == "new":
            raise error
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises((VecsearchError, KeyboardInterrupt)) as caught:
        place(out, write)
    assert isinstance(error, KeyboardInterrupt) or "can't be written" in str(caught.value)
    assert (out / NOTE).read_text() == "the old one"
    monkeypatch.undo()
    assert (began(out, OLD, resume=True, overwrite=True) / CHECKPOINT).exists()
    place(out, write)
    assert (out / NOTE).read_text() == "the new one"


def test_what_cannot_be_removed_afterwards_is_no_failure(out, monkeypatch):
    began(out, OLD)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.rmdir", refuse)
    place(out, write)
    assert (out / NOTE).read_text() == "the new one"
    assert work_folder(out).exists()

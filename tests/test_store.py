"""What is on disk: arrays, manifest, segments, merging; damage, and readers beside writers."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import HashEncoder, documents_of, fruit, litter, load_hash_encoder, look

from vecsearch.batch import Batch
from vecsearch.errors import (
    EncoderMismatch,
    FormatTooNew,
    IndexCorrupt,
    IndexNotFound,
    UnknownDocument,
    UsageError,
    VecsearchError,
)
from vecsearch.index import Index
from vecsearch.merging import LARGEST, Size, plan_merges
from vecsearch.store import manifest as manifests
from vecsearch.store.arrays import Array, Stream, open_arrays, write_arrays
from vecsearch.store.documents import Documents, build_documents, encode_document, hash_ids
from vecsearch.store.files import Disk, digest_file
from vecsearch.store.manifest import (
    MANIFEST,
    EncoderEntry,
    FileEntry,
    Manifest,
    Passages,
    SegmentEntry,
    decode_manifest,
    encode_manifest,
    read_manifest,
)
from vecsearch.store.postings import Postings, PostingsBuilder, merge_postings
from vecsearch.store.segment import Rooms, merge_segments, open_segment, write_segment
from vecsearch.text import analyzer
from vecsearch.types import Document, Span

PLAIN = analyzer("plain")
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def no_waiting_for_the_medium(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


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


@settings(deadline=None)
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
    names,
    numbers,
    numbers,
    numbers,
    st.lists(files, max_size=2).map(tuple),
    st.none() | files,
)
encoders = st.builds(
    EncoderEntry, names, numbers, names, names, st.lists(files, max_size=2).map(tuple)
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
    with pytest.raises(FormatTooNew, match=r"version 2.*Upgrade"):
        decode_manifest(sealed(lambda body: body.update(version=2)), Path("m"))
    # However it is sealed, and whatever else is in it.
    future = json.dumps({"body": {"format": "vecsearch-index", "version": 7}, "seal": 1}).encode()
    with pytest.raises(FormatTooNew, match="version 7"):
        decode_manifest(future, Path("m"))
    for strange in (0, -1, "2", None, [], True, 1.5):
        with pytest.raises((IndexCorrupt, FormatTooNew)):
            decode_manifest(sealed(lambda body, v=strange: body.update(version=v)), Path("m"))


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
    look(searcher)
    searcher.search("red apple", where='mark = "old" and n > 3 and tags = "x"')


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

"""The commit point: one JSON file that names every file of an index, replaced in one step.

What the manifest doesn't name doesn't exist: a crash before the replace leaves litter, never a
half-made index, and the next writer sweeps it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from vecsearch.encoders.base import EVEN
from vecsearch.encoders.own import OwnVectors
from vecsearch.errors import (
    FormatTooNew,
    IndexCorrupt,
    IndexNotFound,
    IndexProblem,
    IndexUnreadable,
    VecsearchError,
    folder_beside,
)
from vecsearch.passages import checked_overlap
from vecsearch.store.files import LOCK, Disk, digest_file

MANIFEST: Final = "manifest.json"
SEGMENTS: Final = "segments"
FORMAT: Final = "vecsearch-index"
VERSION: Final = 3
_PLAIN: Final = 2
"""The version without approximate search, as which an index is written that has none."""
_EARLIER: Final = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file by its path below the index folder, its size in bytes and its blake2b digest."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class NearestEntry:
    """How the vectors of a segment are searched, since somebody asked for a recall.

    `contract` is what `vecsearch.retrieve.nearest.contract` keeps; `file` holds the codes, None
    where search is exact.
    """

    contract: Mapping[str, Any]
    file: FileEntry | None


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """A segment: `documents` and `rows` as written, `living` documents that aren't deleted.

    `alive` is the file of the bitmap that says which; None while nothing is deleted.
    `nearest` is None where nobody asked for a recall, and vectors are searched exactly.
    """

    name: str
    documents: int
    rows: int
    living: int
    files: tuple[FileEntry, ...]
    alive: FileEntry | None = None
    nearest: NearestEntry | None = None


@dataclass(frozen=True, slots=True)
class EncoderEntry:
    """The encoder that made the vectors.

    `folder` is the encoder's own copy below the index folder: what `Encoder.save` wrote.
    `hybrid_weight` is what its ranking weighs in a hybrid.
    """

    name: str
    dim: int
    fingerprint: str
    folder: str
    files: tuple[FileEntry, ...]
    hybrid_weight: float = EVEN

    @property
    def embeds_text(self) -> bool:
        """Whether it takes texts; else the vectors came with the documents."""
        return self.fingerprint != OwnVectors(self.dim).fingerprint


@dataclass(frozen=True, slots=True)
class Passages:
    """How long documents are split: at most `words` words, `overlap` of them repeated."""

    words: int
    overlap: int

    @classmethod
    def of(cls, words: int, overlap: int | None = None) -> Passages:
        """Describe passages as `vecsearch.passages.split` takes them, or raise UsageError."""
        return cls(words, checked_overlap(words, overlap))


@dataclass(frozen=True, slots=True)
class Manifest:
    """One state of an index. `generation` counts commits; segment numbers are never reused."""

    analyzer: Mapping[str, Any]
    encoder: EncoderEntry | None = None
    passages: Passages | None = None
    generation: int = 0
    next_segment: int = 1
    segments: tuple[SegmentEntry, ...] = ()

    @property
    def documents(self) -> int:
        """How many documents live."""
        return sum(segment.living for segment in self.segments)

    def files(self) -> Iterator[FileEntry]:
        """Every file that this state needs, besides the manifest."""
        if self.encoder:
            yield from self.encoder.files
        for segment in self.segments:
            yield from segment.files
            if segment.alive:
                yield segment.alive
            if segment.nearest and segment.nearest.file:
                yield segment.nearest.file


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest down; the same manifest always gives the same bytes."""
    body = dataclasses.asdict(manifest)
    tuned = any(segment.nearest for segment in manifest.segments)
    if not tuned:
        for segment in body["segments"]:
            del segment["nearest"]
    return _seal({"format": FORMAT, "version": VERSION if tuned else _PLAIN, **body})


def _seal(body: object) -> bytes:
    checksum = hashlib.blake2b(_canonical(body), digest_size=16).hexdigest()
    return _canonical({"body": body, "checksum": checksum}) + b"\n"


def decode_manifest(data: bytes, path: Path) -> Manifest:
    """Read a manifest back; raise IndexCorrupt for any flipped byte, FormatTooNew by version."""
    try:
        body = json.loads(data)["body"]
        if body["format"] != FORMAT:
            raise IndexCorrupt(path, f"it isn't the manifest of a {FORMAT}.")
        version = body["version"]
        # Before the checksum: a newer format may seal its manifest in another way.
        if version > VERSION:
            raise FormatTooNew(
                f"{path} has format version {version}; this vecsearch reads version {VERSION}. "
                "Upgrade vecsearch to open this index."
            )
        if _seal(body) != data:
            raise IndexCorrupt(path, "its checksum doesn't match its content.")
        if version == _EARLIER:
            raise IndexProblem(
                f"{path} has format version {version}, of an earlier vecsearch; this one reads "
                f"version {VERSION}. Index the corpus again, with --overwrite."
            )
        if version not in (_PLAIN, VERSION):
            raise IndexCorrupt(path, f"its format version {version} was never released.")
        del body["format"], body["version"]
        return _build(body)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, VecsearchError):
            raise
        raise IndexCorrupt(path, "its content isn't what a vecsearch writes.") from None


def _build(body: Mapping[str, Any]) -> Manifest:
    def entry(data: Mapping[str, Any]) -> FileEntry:
        _check_path(data["path"])
        return FileEntry(**data)

    def segment(data: Mapping[str, Any]) -> SegmentEntry:
        _check_path(f"{SEGMENTS}/{data['name']}")
        alive = entry(data["alive"]) if data["alive"] else None
        nearest = data.get("nearest")
        return SegmentEntry(
            **{
                **data,
                "files": tuple(map(entry, data["files"])),
                "alive": alive,
                "nearest": nearest
                and NearestEntry(nearest["contract"], nearest["file"] and entry(nearest["file"])),
            }
        )

    encoder = body["encoder"]
    if encoder:
        _check_path(encoder["folder"])
    passages = body["passages"]
    return Manifest(
        **{
            **body,
            "encoder": encoder
            and EncoderEntry(**{**encoder, "files": tuple(map(entry, encoder["files"]))}),
            "passages": passages and Passages(**passages),
            "segments": tuple(map(segment, body["segments"])),
        }
    )


def _check_path(path: str) -> None:
    place = PurePosixPath(path)
    if place.is_absolute() or ".." in place.parts or not place.parts or "\0" in path:
        raise ValueError(f"the path {path!r} leaves the index folder")


def check_file(folder: Path, file: FileEntry) -> None:
    """Read a file that a manifest names; raise IndexCorrupt unless it is as it was written."""
    path = folder / file.path
    try:
        size = path.stat().st_size
        if size != file.size:
            raise IndexCorrupt(path, f"it has {size} bytes where the manifest says {file.size}.")
        if digest_file(path) != file.digest:
            raise IndexCorrupt(path, "its content isn't what was written.")
    except OSError as error:
        raise IndexUnreadable(path, error) from None


def read_manifest(folder: Path) -> Manifest:
    """Read the current state of the index in `folder`."""
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise IndexNotFound(
            f"There is no index in {folder}: it has no {MANIFEST}."
            f"{folder_beside(folder, lambda each: (each / MANIFEST).is_file())} "
            f"Make one with `vecsearch index CORPUS {folder}`."
        ) from None
    except OSError as error:
        raise IndexUnreadable(path, error) from None
    return decode_manifest(data, path)


def commit(disk: Disk, folder: Path, manifest: Manifest) -> None:
    """Make `manifest` the state of the index. Every file that it names is durable already."""
    path = folder / MANIFEST
    data = encode_manifest(manifest)
    if decode_manifest(data, path) != manifest:
        raise IndexProblem(f"The new state of {folder} can't be written down; nothing was changed.")
    fresh = folder / f"{MANIFEST}.{manifest.generation}"
    # A writer that died here may have left one: it is nobody's, since we hold the lock.
    disk.remove(fresh)
    disk.create(fresh, (data,))
    disk.replace(fresh, path)
    # From here on the new state is what readers see. Were this sync to fail, it still is.
    disk.sync_folder(folder)


def sweep(disk: Disk, folder: Path, manifest: Manifest) -> None:
    """Remove what earlier states and dead writers left below `folder`.

    Only names that vecsearch gives are touched: a person's own file in the folder stays. Litter is
    harmless, so a disk that refuses must not undo a finished commit.
    """
    named = {folder / entry.path for entry in manifest.files()}
    named |= {parent for path in named for parent in path.parents}
    litter = [path for path, _ in _ours(folder) if path not in named]
    if not litter:
        return
    with contextlib.suppress(OSError):
        # Until this is done a power cut could bring the previous manifest back, with its files.
        disk.sync_folder(folder)
        for path in litter:
            with contextlib.suppress(OSError):
                disk.remove(path)


def begin(disk: Disk, folder: Path) -> None:
    """Note that an index is being created in a folder without a manifest, for `foreign_names`."""
    marker = folder / _BEGUN
    if not marker.exists():  # as where a creation died
        disk.create(marker, ())
        disk.sync_folder(folder)


def clear(disk: Disk, folder: Path) -> None:
    """Remove what a failed creation left in a folder that has no manifest."""
    with contextlib.suppress(OSError):
        for path, _ in _ours(folder):
            if path.name != _BEGUN:
                disk.remove(path)
        if (folder / SEGMENTS).exists():
            (folder / SEGMENTS).rmdir()
        disk.remove(folder / _BEGUN)  # until here the rest is known for what it is
        disk.remove(folder / LOCK)  # the last: from here on another writer may be at work


def foreign_names(folder: Path) -> list[str]:
    """List what lies in a folder without a manifest and isn't vecsearch's to remove.

    Only beside the note of `begin` can it be what an index left that was never finished. Elsewhere
    a folder named encoder-7 is somebody's own, and segments are those of an index that was, whose
    manifest was lost.
    """
    ours = {LOCK}
    if (folder / _BEGUN).exists():
        ours |= {path.name for path, _ in _ours(folder)} | {SEGMENTS}
    return sorted(path.name for path in folder.iterdir() if path.name not in ours)


def succession(folder: Path) -> tuple[int, int]:
    """Return the generation and the next segment that a new index in `folder` goes on from.

    They are beyond those of an index that it overwrites, be its manifest readable or not, and of
    one that was never finished: so no name ever means two things.
    """
    try:
        old = read_manifest(folder)
    except IndexProblem:
        used = max((number for _, number in _ours(folder)), default=0)
        return used, used + 1
    return old.generation, old.next_segment


_BEGUN: Final = f"{MANIFEST}.0"
"""A file of no content, which the first commit sweeps: no generation has the number 0."""

_OURS: Final = {
    f"{MANIFEST}.*": rf"{re.escape(MANIFEST)}\.(\d+)",
    "encoder-*": r"encoder-(\d+)",
    f"{SEGMENTS}/*": r"(\d{6,})",
    f"{SEGMENTS}/*/alive.*": r"alive\.(\d+)\.safetensors",
    f"{SEGMENTS}/*/nearest.*": r"nearest\.(\d+)\.faiss",
}
"""Patterns of the paths that vecsearch gives, besides the fixed ones, and of their last parts."""


def _ours(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield what lies below a folder under a name that vecsearch gives, and the number in it."""
    for pattern, name in _OURS.items():
        for path in folder.glob(pattern):
            if match := re.fullmatch(name, path.name, re.ASCII):
                yield path, int(match[1])

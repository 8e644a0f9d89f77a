"""The copy of its encoder that an index keeps, so that the folder alone answers queries."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vecsearch.encoders import load_encoder
from vecsearch.encoders.base import Device, Encoder, hybrid_weight
from vecsearch.errors import EncoderError, IndexCorrupt, IndexUnreadable, UnknownName
from vecsearch.store.files import BLOCK, Disk
from vecsearch.store.manifest import EncoderEntry, FileEntry, check_file


def keep_encoder(disk: Disk, folder: Path, name: str, encoder: Encoder) -> EncoderEntry:
    """Save an encoder below an index folder, durably, and describe it for the manifest."""
    files = []
    with tempfile.TemporaryDirectory(prefix="vecsearch-") as scratch:
        encoder.save(Path(scratch))
        for source in sorted(path for path in Path(scratch).rglob("*") if path.is_file()):
            path = f"{name}/{source.relative_to(scratch).as_posix()}"
            disk.make_folder((folder / path).parent)
            files.append(FileEntry(path, *disk.create(folder / path, _blocks(source))))
    for place in {(folder / file.path).parent for file in files}:
        disk.sync_folder(place)
    return EncoderEntry(
        name=encoder.name,
        dim=int(encoder.dim),
        fingerprint=encoder.fingerprint,
        folder=name,
        files=tuple(files),
        hybrid_weight=hybrid_weight(encoder),
    )


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


class KeptEncoder:
    """The encoder of one state of an index.

    Its files are mapped at the start, so that it can be loaded later even if the index was
    overwritten meanwhile.
    """

    def __init__(self, folder: Path, entry: EncoderEntry) -> None:
        self._folder = folder
        self._entry = entry
        self._contents = {file.path: _map(folder / file.path, file.size) for file in entry.files}

    def load(self, device: Device) -> Encoder:
        """Load the encoder; raise EncoderError where it can't be had on this machine."""
        # As an absolute path it can't be taken for the name of a model on a hub.
        place = (self._folder / self._entry.folder).absolute()
        try:
            if self._complete():
                try:
                    return load_encoder(place, device)
                except (EncoderError, UnknownName, OSError):
                    if self._complete():
                        self._check()
                        raise
            # The index was overwritten meanwhile.
            with tempfile.TemporaryDirectory(prefix="vecsearch-") as scratch:
                for path, content in self._contents.items():
                    target = Path(scratch) / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                return load_encoder(Path(scratch) / self._entry.folder, device)
        except (EncoderError, UnknownName, OSError) as error:
            raise EncoderError(
                f"The encoder {self._entry.name!r} of {self._folder} can't be loaded: {error} "
                "Searching by words, --by bm25, needs none. (If it is one of your own, open the "
                "index with Index.open(folder, encoder=...).)"
            ) from error

    def _check(self) -> None:
        """Raise IndexCorrupt where a file isn't what was written: that explains any failure."""
        for file in self._entry.files:
            check_file(self._folder, file)

    def _complete(self) -> bool:
        return all((self._folder / path).exists() for path in self._contents)


def _map(path: Path, size: int) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            if found != size:
                raise IndexCorrupt(path, f"it has {found} bytes where the manifest says {size}.")
            if size == 0:
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise IndexCorrupt(path, "the manifest names it, but it is missing.") from None
    except OSError as error:
        raise IndexUnreadable(path, error) from None

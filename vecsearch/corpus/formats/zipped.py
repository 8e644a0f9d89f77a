"""Zip files that hold a document, opened only if they can't blow up.

The directory of a zip says how large each of its files becomes, and reading stops there; so what
it says is checked before anything is read. No XML that declares entities is parsed.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from vecsearch.corpus.formats.base import Unreadable, words_of

ZIP_ERRORS: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)
"""What reading a file within a zip may raise, next to OSError."""

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of .doc, and of locked .docx
_LARGEST_GROWTH: Final = 128 << 20  # bytes that a file may become larger by
_HARMLESS: Final = 16 << 20  # bytes up to which no ratio is too high
_HIGHEST_RATIO: Final = 100


@contextmanager
def opened(path: Path, kind: str) -> Iterator[zipfile.ZipFile]:
    """Open the zip that a file of this kind ("Word document") is; Unreadable says what is wrong."""
    with path.open("rb") as file:
        head = file.read(len(_OLE))
        if head == _OLE:
            raise Unreadable(
                f"this isn't a {kind} but an older Office file, or one that is locked with a "
                "password; save it in the present format, without a password."
            )
        if not head.startswith(b"PK"):
            raise Unreadable(f"this isn't a {kind}, which is a zip file.")
        try:
            archive = zipfile.ZipFile(file)
        except (*ZIP_ERRORS, ValueError) as error:
            raise Unreadable(
                f"the {kind} is broken, or breaks off before its end ({words_of(error)}); "
                "was it copied whole?"
            ) from None
        with archive:
            _refuse_bombs(archive, os.fstat(file.fileno()).st_size, kind)
            yield archive


def _refuse_bombs(archive: zipfile.ZipFile, size: int, kind: str) -> None:
    whole = sum(entry.file_size for entry in archive.infolist())
    ratio = whole // max(size, 1)
    if whole - size > _LARGEST_GROWTH or (whole > _HARMLESS and ratio > _HIGHEST_RATIO):
        raise Unreadable(
            f"the {kind} would unpack from {size:,} bytes to {whole:,}, as no honest one does; "
            "it isn't unpacked."
        )


def parsed(xml: bytes) -> ElementTree.Element:
    """Parse XML that comes from a stranger; Unreadable if it isn't well-formed."""
    if b"<!ENTITY" in xml.replace(b"\0", b""):  # in UTF-16 too
        raise Unreadable("it declares entities, by which a small file may unfold without end.")
    try:
        return ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Unreadable(f"its XML is broken ({words_of(error)}).") from None

"""PDF files: every page with text is a document of its own."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vecsearch.corpus.formats.base import Part, Unreadable, needs, words_of
from vecsearch.types import MetaValue

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

_MAGIC: Final = b"%PDF-"
_MAGIC_WITHIN: Final = 1024  # bytes, as other readers have it
# Time grows with the square of these: so many take some five seconds. A dense page has 10,000.
_MOST_STRINGS: Final = 200_000
_SILENCE: Final = logging.NullHandler()

# What programs write as a title where nobody gave one.
_NO_TITLE: Final = re.compile(
    r"(?:untitled|title|slide|document|presentation|powerpoint presentation|new document)?[ \d]*"
    r"|microsoft (?:word|powerpoint|excel) - .*"
    r"|.*\.(?:docx?|pdf|tex|dvi|ps|indd|pptx?|xlsx?|rtf|od[tp]|qxd|pages|html?|md|txt)",
    re.IGNORECASE | re.DOTALL,
)
# The halves are bounded, so that a page without spaces costs no more than another.
_BROKEN_WORD: Final = re.compile(
    r"(?<![^\W\d_])([^\W\d_]{2,40})[-\u00ad\u2010]\n([^\W\d_]{2,40})(?![^\W\d_])"
)


def read(path: Path) -> Iterator[Part | Unreadable]:
    """Read a PDF page by page; a page that can't be read is told, and the others are read."""
    try:
        from pypdf import PdfReader
    except ImportError:
        raise needs("pypdf", ".pdf") from None
    # Its warnings about flaws that it mends would be printed, where nobody handles them.
    logging.getLogger("pypdf").addHandler(_SILENCE)
    with path.open("rb") as file:
        if _MAGIC not in file.read(_MAGIC_WITHIN):
            raise Unreadable("this isn't a PDF, which begins with %PDF.")
        try:
            reader = PdfReader(file)
            _unlock(reader)
            count = len(reader.pages)
        except Unreadable:
            raise
        except Exception as error:  # a broken file makes the library raise whatever it meets
            raise Unreadable(_broken(error)) from None
        if not count:
            raise Unreadable("the PDF holds no page.")
        yield from _pages(reader, count)


def _pages(reader: PdfReader, count: int) -> Iterator[Part | Unreadable]:
    title, meta = _info(reader)
    empty = True
    for number in range(1, count + 1):
        try:
            text = _text(reader.pages[number - 1])
        except Exception as error:
            empty = False
            yield Unreadable(f"page {number} of {count} can't be read ({words_of(error)}).")
            continue
        if text:
            empty = False
            place: dict[str, MetaValue] = {"page": number, "pages": count}
            yield Part(f"page={number}", unbroken(text), title, {**meta, **place})
    if empty:
        raise Unreadable(
            "no page of the PDF holds text: it was scanned, or its letters are drawn; a program "
            "for OCR, such as ocrmypdf, adds the text."
        )


def _text(page: PageObject) -> str:
    contents = page.get_contents()
    data = contents.get_data() if contents is not None else b""
    if data.count(b"(") + data.count(b"<") > _MOST_STRINGS:
        raise ValueError(f"it draws more than {_MOST_STRINGS:,} pieces of text")
    return page.extract_text().strip()


def unbroken(text: str) -> str:
    """Put words together that the ends of lines break: exam-/ple, but not Baden-/Baden.

    A compound that stands elsewhere on the page with its hyphen keeps it.
    """

    def join(broken: re.Match[str]) -> str:
        left, right = broken.groups()
        compound = f"{left}-{right}"
        if not right.islower() or not left[1:].islower():
            return broken[0]
        return compound if compound in text else left + right

    return _BROKEN_WORD.sub(join, text)


def _unlock(reader: PdfReader) -> None:
    """Try the empty password, by which PDFs are locked against changes only."""
    from pypdf.errors import DependencyError

    if not reader.is_encrypted:
        return
    try:
        opened = reader.decrypt("")
    except DependencyError:
        raise Unreadable(
            "the PDF is encrypted by AES, which pypdf reads only with the package cryptography; "
            "`pip install cryptography` installs it."
        ) from None
    if not opened:
        raise Unreadable("the PDF is locked with a password; save it without one.")


def _info(reader: PdfReader) -> tuple[str, dict[str, MetaValue]]:
    """The title and the author, where the file gives them in a form that can be read."""
    try:
        info = reader.metadata
        if info is None:
            return "", {}
        title, author = (_one_line(info.get(name)) for name in ("/Title", "/Author"))
    except Exception:  # then it has none; its pages may be sound
        return "", {}
    return "" if _NO_TITLE.fullmatch(title) else title, {"author": author} if author else {}


def _one_line(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _broken(error: Exception) -> str:
    return (
        f"the PDF is broken, or breaks off before its end ({words_of(error)}); was it copied whole?"
    )

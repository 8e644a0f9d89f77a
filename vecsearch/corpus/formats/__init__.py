"""The formats of files that documents are read from: a table of suffixes and their readers.

A format is a function from a path to the parts of the file, each a document in the making; see
`vecsearch.corpus.formats.base`. Its libraries are imported when a file of its kind is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vecsearch.corpus.formats import epub, html, mail, markdown, pdf, text, word
from vecsearch.corpus.formats.base import Format, Part, Unreadable

FORMATS: Final[Mapping[str, Format]] = {
    ".txt": text.read,
    ".md": markdown.read,
    ".markdown": markdown.read,
    ".html": html.read,
    ".htm": html.read,
    ".pdf": pdf.read,
    ".docx": word.read,
    ".epub": epub.read,
    ".eml": mail.read_message,
    ".mbox": mail.read_mailbox,
}
"""The reader of each suffix, in lower case."""

SUFFIXES: Final = tuple(FORMATS)

__all__ = ["FORMATS", "SUFFIXES", "Format", "Part", "Unreadable"]

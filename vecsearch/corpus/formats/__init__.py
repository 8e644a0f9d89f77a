"""The formats of files that documents are read from: a table of suffixes and their readers.

A format is a function from a path to the parts of the file, each a document in the making; see
`vecsearch.corpus.formats.base`. Its module is imported when a file of its kind is read, and its
libraries too: no other command waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final, cast

from vecsearch.corpus.formats.base import Format, Part, Unreadable

_FORMATS: Final[Mapping[str, str]] = {
    ".txt": "text.read",
    ".md": "markdown.read",
    ".markdown": "markdown.read",
    ".html": "html.read",
    ".htm": "html.read",
    ".pdf": "pdf.read",
    ".docx": "word.read",
    ".epub": "epub.read",
    ".eml": "mail.read_message",
    ".mbox": "mail.read_mailbox",
}
"""The module of this package and the function in it that read files of each suffix."""

SUFFIXES: Final = tuple(_FORMATS)
"""The suffixes that have a reader of their own, in lower case."""

__all__ = ["SUFFIXES", "Format", "Part", "Unreadable", "format_of"]


def format_of(suffix: str) -> Format:
    """Return the reader of a suffix in lower case; that of plain text for an unknown one."""
    module, _, function = _FORMATS.get(suffix, _FORMATS[".txt"]).partition(".")
    return cast(Format, getattr(import_module(f"{__name__}.{module}"), function))

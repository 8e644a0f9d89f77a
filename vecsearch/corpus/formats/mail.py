"""Mail: a message in an .eml file, or the messages of an .mbox file, each a document.

The text is the message's plain text, or what a reader sees of its HTML where there is no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from vecsearch.corpus.files import HEAD, strangeness
from vecsearch.corpus.formats import charsets
from vecsearch.corpus.formats.base import Part, Unreadable, words_of
from vecsearch.corpus.formats.html import page_of
from vecsearch.corpus.seen import SeenIds
from vecsearch.types import MetaValue

if TYPE_CHECKING:
    from email.message import EmailMessage, MIMEPart

_START: Final = b"From "
# A sender, then the date as in C, "Sun Nov 22 10:00:00 2026", some with a zone before the year or
# after it: many a sentence begins with "From ", and some go on with a time.
_NEXT: Final = re.compile(
    rb'From +(?:"[^"]*"\S*|\S+) +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) +'
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d\d? +\d\d?:\d\d(?::\d\d)?"
    rb"(?: +[A-Za-z+-][\w:+-]*){0,2} +\d{4}(?!\S)"
)
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_NO_HEADERS: Final = "it has no headers, such as From: and Subject:, at its start."


def read_message(path: Path) -> Iterator[Part]:
    """Read the message of an .eml file."""
    data = path.read_bytes()
    problem = strangeness(data[:HEAD])
    if problem:
        raise Unreadable("this isn't a message: it looks like a binary file.")
    part, _ = _part(data)
    yield part


def read_mailbox(path: Path) -> Iterator[Part | Unreadable]:
    """Read the messages of an .mbox file, one at a time, each named by its Message-ID.

    A message without one is named by its number, and a second one of the same id by both.
    """
    seen = SeenIds()
    with path.open("rb") as file:
        for number, data in enumerate(_messages(file), 1):
            try:
                part, id = _part(data)
            except Unreadable as problem:
                yield Unreadable(f"message {number} of the mailbox can't be read: {problem}")
                continue
            name = id or f"{number}"
            while not seen.add(name):
                name += f"-{number}"
            yield Part(name, part.text, part.title, part.meta)


def _messages(file: IO[bytes]) -> Iterator[bytes]:
    """Split a mailbox at the lines that begin a message; its quoted "From " lines are restored."""
    first = file.readline()
    if not first:
        raise Unreadable("the mailbox is empty: there is nothing in it.")
    if not first.startswith(_START):
        raise Unreadable('this isn\'t a mailbox: its first line must begin with "From ".')
    lines: list[bytes] = []
    blank = False
    for line in file:
        if blank and _NEXT.match(line):
            yield _QUOTED.sub(rb"\1", b"".join(lines))
            lines = []
        else:
            lines.append(line)
        blank = not line.strip()
    yield _QUOTED.sub(rb"\1", b"".join(lines))


def _part(data: bytes) -> tuple[Part, str]:
    """Make a document of a message; also its Message-ID, if it has one."""
    from email import message_from_bytes  # slow to import

    try:
        message = message_from_bytes(data, policy=charsets.policy())
        if not message.keys():
            raise Unreadable(_NO_HEADERS)
        part = Part("", _body(message), _header(message, "subject"), _meta(message))
        id = "".join(_header(message, "message-id").split()).strip("<>")
    except Unreadable:
        raise
    except Exception as error:  # the standard library's, on messages that break every rule
        raise Unreadable(f"the message is broken ({words_of(error)}).") from None
    return part, id


def _body(message: EmailMessage) -> str:
    body = message.get_body(("plain", "html"))
    if body is None:
        return ""
    text = "\n".join(_decoded(body).splitlines()).strip("\n")
    return page_of(text).text if body.get_content_subtype() == "html" else text


def _decoded(part: MIMEPart) -> str:
    """The text of a part, as far as it can be made out."""
    payload: Any = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    return charsets.letters(data, part.get_content_charset(charsets.ASCII))


def _meta(message: EmailMessage) -> dict[str, MetaValue]:
    meta: dict[str, MetaValue] = {}
    sender = _header(message, "from")
    if sender:
        meta["from"] = sender
    meta["to"] = _recipients(message)
    date = _date(message)
    if date:
        meta["date"] = date
    names = (part.get_filename() for part in message.walk())
    meta["attachments"] = [name for name in names if name]
    return meta


def _header(message: EmailMessage, name: str) -> str:
    """A header's text on one line; empty if it is missing, or the parser fails on it."""
    try:
        return " ".join(str(message[name] or "").split())
    except Exception:  # as the standard library's parser does on some malformed addresses
        return ""


def _recipients(message: EmailMessage) -> list[str]:
    try:
        return [
            str(address) for header in message.get_all("to", []) for address in header.addresses
        ]
    except Exception:
        return []


def _date(message: EmailMessage) -> str | None:
    """The date with its offset; a time in UTC of an unknown place is given in UTC."""
    try:
        moment = message["date"].datetime
        return str((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).isoformat())
    except Exception:
        return None

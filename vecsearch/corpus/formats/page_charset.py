"""Which charset a page of HTML is in, as browsers find it: the HTML standard says how.

A byte order mark counts first, then what a <meta> element within the first 1,024 bytes declares,
then an XML declaration. A page without any, or with one that nobody knows, is UTF-8.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from vecsearch.corpus.files import HEAD, strangeness
from vecsearch.corpus.formats import charsets
from vecsearch.corpus.formats.base import Unreadable, utf8

_SEARCHED: Final = 1024  # bytes in which a declaration counts

_TAG: Final = re.compile(
    rb"""<!--.*?-->|</?([a-z][^\s/>]*)((?:[^>"']|"[^"]*"|'[^']*')*)>""", re.IGNORECASE | re.DOTALL
)
_ATTRIBUTE: Final = re.compile(rb"""([^\s"'>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_CONTENT: Final = re.compile(
    rb"""charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;"']+))""", re.IGNORECASE
)
_XML: Final = re.compile(rb"""<\?xml\s[^>]*?\bencoding\s*=\s*["']([^"'>]+)["']""")

_MEANT: Final = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-8",  # whoever could read the declaration isn't reading UTF-16
    "utf-16-le": "utf-8",
    "utf-16-be": "utf-8",
}
"""Python's names of charsets for which the standard takes another, mostly one that holds it."""

_KNOWN: Final = {
    *_MEANT.values(),
    *(f"cp{number}" for number in (866, *range(1250, 1259))),
    *(f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
    *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "euc_jp", "iso2022_jp"),
}


def decoded(data: bytes) -> str:
    """Decode a page; what is wrong in a charset that isn't UTF-8 becomes U+FFFD.

    Raise Unreadable where it should be UTF-8 and isn't, and for what is no text.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
        _refuse_binary(text[:HEAD].encode())
        return text
    label = "" if data.startswith(codecs.BOM_UTF8) else _declared(data[:_SEARCHED])
    charset = _meant(label) if label else "utf-8"
    if charset is None:
        try:
            return utf8(data)
        except Unreadable as problem:
            raise Unreadable(
                f"the page says that its charset is {label!r}, which no browser knows, and it "
                "isn't UTF-8; correct what it says, or convert it with `iconv`.",
                problem.line,
            ) from None
    if charset == "utf-8":
        return utf8(data)
    _refuse_binary(data[:HEAD])
    if charset == "cp1252":
        return charsets.windows(data)
    return data.decode(charset, "replace")


def _refuse_binary(head: bytes) -> None:
    if problem := strangeness(head):
        raise Unreadable(problem)


def _declared(head: bytes) -> str:
    """Return the label that the beginning of a page declares; "" if there is none."""
    for tag in _TAG.finditer(head):
        if (tag[1] or b"").lower() != b"meta":
            continue
        given: dict[bytes, bytes] = {}
        for name, *values in _ATTRIBUTE.findall(tag[2]):
            given.setdefault(name.lower(), b"".join(values))
        label = given.get(b"charset", b"")
        if not label and given.get(b"http-equiv", b"").lower() == b"content-type":
            content = _CONTENT.search(given.get(b"content", b""))
            label = b"".join(content.groups(b"")) if content else b""
        if label.strip():
            return _text(label)
    declaration = _XML.match(head)
    return _text(declaration[1]) if declaration else ""


def _meant(label: str) -> str | None:
    """Return Python's name of the charset that a label means; None if it is no page's."""
    try:
        name = codecs.lookup(label.lower().removeprefix("x-").replace("windows-", "cp")).name
    except (LookupError, ValueError):
        return None
    meant = _MEANT.get(name, name)
    return meant if meant in _KNOWN else None


def _text(label: bytes) -> str:
    return label.strip().decode("ascii", "backslashreplace")

"""Charsets of mail: letters of bytes that are declared wrongly, as nothing known, or not at all.

They are taken for what was declared, or else for UTF-8, which few other bytes are by chance, or
else for Windows-1252, which whoever declares nothing writes most; it contains Latin-1.
"""

from __future__ import annotations

import codecs
import re
from base64 import b64encode
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from email.message import EmailMessage
    from email.policy import EmailPolicy

ASCII: Final = "ascii"
"""What mail is in that declares nothing; where it has other bytes, they are undeclared."""

_WORD: Final = re.compile(r"=\?([^?*\s]+)(?:\*[^?\s]*)?\?[bBqQ]\?[^?\s]*\?=")
_WINDOWS: Final = {
    code: letter
    for code in range(0x80, 0xA0)
    if (letter := bytes([code]).decode("cp1252", "ignore"))
}


def letters(data: bytes, charset: str) -> str:
    """Decode text of a declared charset; see the top of the module. It never fails.

    Bytes that are wrong in a charset that is known, but for ASCII, become U+FFFD.
    """
    for each in (charset, "utf-8"):
        with suppress(LookupError, ValueError):
            return data.decode(each)
    with suppress(LookupError, ValueError):
        if _is_known(charset):
            return data.decode(charset, "replace")
    return windows(data)


def windows(data: bytes) -> str:
    """Decode Windows-1252; the five bytes that it lacks are the control characters of Latin-1."""
    return data.decode("latin-1").translate(_WINDOWS)


def _is_known(charset: str) -> bool:
    """Whether it is the name of a charset that has more letters than ASCII."""
    try:
        return codecs.lookup(charset).name != ASCII
    except (LookupError, ValueError):
        return False


@cache
def policy() -> EmailPolicy[EmailMessage]:
    """Make the rules for the standard library's parser: its own, with the letters of headers."""
    from email.policy import EmailPolicy  # slow to import

    class _Policy(EmailPolicy):
        def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
            name, value = super().header_source_parse(sourcelines)
            if not value.isascii():  # bytes, which the parser has made surrogates of
                value = letters(value.encode(ASCII, "surrogateescape"), ASCII)
            return name, _WORD.sub(_known_word, value)

    return cast("EmailPolicy[EmailMessage]", _Policy())


def _known_word(word: re.Match[str]) -> str:
    """Write an encoded word of an unknown charset anew, as UTF-8."""
    from email.errors import MessageError
    from email.header import decode_header

    if _is_known(word[1]):
        return word[0]
    try:
        [(data, _)] = decode_header(word[0])
    except (MessageError, ValueError):  # broken in another way too
        return word[0]
    text = letters(data, word[1]) if isinstance(data, bytes) else data
    return f"=?utf-8?b?{b64encode(text.encode()).decode()}?="

"""HTML: a page is one document, its text what a reader sees, a line a block.

The title is taken out of the text, so that no search counts its words twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from vecsearch.corpus.formats.base import Part, Unreadable
from vecsearch.corpus.formats.page_charset import decoded
from vecsearch.types import MetaValue

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser

_UNSEEN: Final = (
    "script, style, template, noscript, nav, body [role=navigation i], body [hidden], "
    "body [aria-hidden=true i]"
)
_BLOCKS: Final = (
    "address, article, aside, blockquote, br, caption, center, dd, details, dialog, dir, div, dl, "
    "dt, fieldset, figcaption, figure, footer, form, h1, h2, h3, h4, h5, h6, header, hgroup, hr, "
    "legend, li, main, menu, ol, optgroup, option, p, pre, search, section, summary, table, td, "
    "th, tr, ul"
)
_BREAK: Final = "\u2029"  # the paragraph separator, which is a break in a page's own text too

# The parser's time grows with the square of the depth: 10,000 take a third of a second.
_DEEPEST: Final = 10_000
_TAG: Final = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_NEVER_DEEP: Final = re.compile(  # elements that have no end, or may lack it
    "area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr|"
    "p|li|dt|dd|option|tr|td|th|thead|tbody|tfoot|colgroup|html|head|body",
    re.IGNORECASE,
)


class Page(NamedTuple):
    """What a page says: its title and text, its first <h1>, and what it says of itself.

    heading: stands in the text too, except where it is the title.
    """

    title: str
    heading: str
    text: str
    meta: dict[str, MetaValue]


def read(path: Path) -> Iterator[Part]:
    """Read a page; its title is its <title>, else its first <h1>."""
    page = page_of(decoded(path.read_bytes()))
    yield Part("", page.text, page.title, page.meta)


def page_of(content: str, title: str = "") -> Page:
    """Read a page from its source; what is hidden, navigation or code is no text.

    title: what the page is called elsewhere; it goes before the names that the page has itself.
    """
    from selectolax.lexbor import LexborHTMLParser

    _refuse_depth(content)
    page = LexborHTMLParser(content)
    meta = _meta(page)
    # Backwards, so that what lies within another is gone before that other is.
    for unseen in reversed(page.css(_UNSEEN)):
        unseen.decompose()
    name, first = page.css_first("head > title"), page.css_first("h1")
    title = title or (_one_line(name.text()) if name else "")
    heading = _one_line(first.text()) if first else ""
    if not title and first:
        title = heading
        first.decompose()
    for block in page.css(_BLOCKS):
        block.insert_before(_BREAK)
        block.insert_after(_BREAK)
    seen = page.body.text() if page.body else ""
    lines = (_one_line(line) for line in seen.split(_BREAK))
    return Page(title, heading, "\n".join(line for line in lines if line), meta)


def _meta(page: LexborHTMLParser) -> dict[str, MetaValue]:
    """Read <html lang> and the meta elements that say what a page is about."""
    meta: dict[str, MetaValue] = {}
    root = page.css_first("html")
    language = root.attributes.get("lang") if root else None
    if language and language.strip():
        meta["language"] = language.strip()
    for element in page.css("head > meta[name][content]"):
        name = (element.attributes["name"] or "").strip().lower()
        value = _one_line(element.attributes["content"] or "")
        if not value or name in meta:
            continue
        if name in ("description", "author"):
            meta[name] = value
        elif name == "keywords":
            meta[name] = [word.strip() for word in value.split(",") if word.strip()]
    return meta


def _refuse_depth(content: str) -> None:
    """Refuse what only a machine nests, before the parser takes minutes for it."""
    if content.count("<") <= _DEEPEST:
        return
    depth = 0
    for tag in _TAG.finditer(content):
        if _NEVER_DEEP.fullmatch(tag[2]):
            continue
        depth = max(0, depth - 1) if tag[1] else depth + 1
        if depth > _DEEPEST:
            raise Unreadable(
                f"the elements of the page lie more than {_DEEPEST:,} deep in each other; "
                "no page that is made for readers does that.",
                content.count("\n", 0, tag.start()) + 1,
            )


def _one_line(text: str) -> str:
    return " ".join(text.split())

"""The title and the text of a file that is one document: plain text, Markdown or HTML.

The title is taken out of the text, so that no search counts its words twice.
"""

from __future__ import annotations

import io
import re
from typing import Final

SUFFIXES: Final = (".txt", ".md", ".html", ".htm")

_FRONT_MATTER: Final = re.compile(r"---[ \t]*\r?\n(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_MARKS: Final = re.compile(r" {0,3}#{1,6}(?=[ \t])")
_UNDERLINE: Final = re.compile(r" {0,3}(?:=+|-+)[ \t]*")
_NO_PARAGRAPH: Final = re.compile(r"\s*$| {4}|\t| {0,3}(?:[>|#=]|[*+-][ \t]|[0-9]+[.)][ \t])")

_UNSEEN: Final = "script, style, template, noscript"
_BLOCKS: Final = (
    "address, article, aside, blockquote, br, caption, center, dd, details, dialog, dir, div, dl, "
    "dt, fieldset, figcaption, figure, footer, form, h1, h2, h3, h4, h5, h6, header, hgroup, hr, "
    "legend, li, main, menu, nav, ol, optgroup, option, p, pre, search, section, summary, table, "
    "td, th, tr, ul"
)
_BREAK: Final = "\u2029"  # the paragraph separator, which is a break in a page's own text too


def title_and_text(suffix: str, content: str) -> tuple[str, str]:
    """Split the content of a file with one of SUFFIXES.

    Plain text has no title. Markdown's is its first heading; nothing else is changed. HTML's is
    its <title>, else its first <h1>; its text is what a reader sees, a line a block.
    """
    if suffix == ".md":
        return _markdown(content)
    if suffix in (".html", ".htm"):
        return _html(content)
    return "", content


def _markdown(content: str) -> tuple[str, str]:
    front_matter = _FRONT_MATTER.match(content)
    start = front_matter.end() if front_matter else 0
    fence = ""  # what opened the code block that the line is in
    paragraph = ""  # the line above, if it is all of a paragraph so far
    blank = True  # the line above
    for line in io.StringIO(content[start:], newline=""):
        bare = line.rstrip("\r\n")
        end = start + len(line)
        bars = _FENCE.fullmatch(bare)
        if fence:
            if bars and bars[1].startswith(fence) and not bars[2].strip():
                fence = ""
        elif bars:
            fence = bars[1]
        elif title := _marked_heading(bare):
            return title, content[:start] + content[end:]
        elif paragraph and _UNDERLINE.fullmatch(bare):
            return paragraph.strip(), content[: start - len(paragraph)] + content[end:]
        # Several lines over a line of dashes are rather a paragraph over a rule.
        alone = blank and not fence and not bars and not _NO_PARAGRAPH.match(bare)
        paragraph = line if alone else ""
        blank = not bare.strip()
        start = end
    return "", content


def _marked_heading(line: str) -> str:
    """The heading in "## heading ##"; the empty text if the line is none."""
    marks = _MARKS.match(line)
    if not marks:
        return ""
    heading = line[marks.end() :].strip()
    opened = heading.rstrip("#")
    return opened.rstrip() if not opened or opened[-1] in " \t" else heading


def _html(content: str) -> tuple[str, str]:
    from selectolax.lexbor import LexborHTMLParser

    page = LexborHTMLParser(content)
    # Backwards, so that what lies within another is gone before that other is.
    for unseen in reversed(page.css(_UNSEEN)):
        unseen.decompose()
    heading = page.css_first("head > title")
    title = _one_line(heading.text()) if heading else ""
    if not title:
        heading = page.css_first("h1")
        title = _one_line(heading.text()) if heading else ""
        if heading:
            heading.decompose()
    for block in page.css(_BLOCKS):
        block.insert_before(_BREAK)
        block.insert_after(_BREAK)
    seen = page.body.text() if page.body else ""
    lines = (_one_line(line) for line in seen.split(_BREAK))
    return title, "\n".join(line for line in lines if line)


def _one_line(text: str) -> str:
    return " ".join(text.split())

"""Markdown: every heading of a file begins a document of its own.

A section's title is the headings that lead to it ("Notes › Cooking › Bread"), and its name is the
heading's anchor, as GitHub makes it ("notes.md#bread"). What stands before the first heading has
the name of the file, and so has a file with one heading at its head, or with none.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple

import regex

from vecsearch.corpus.formats.base import Part, read_text
from vecsearch.corpus.formats.front_matter import front_matter

BETWEEN: Final = " › "
"""What joins the titles that lead to a part of a file."""

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_MARKS: Final = re.compile(r" {0,3}(#{1,6})(?=[ \t])")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-+)[ \t]*")
_NO_PARAGRAPH: Final = re.compile(
    r"\s*$| {4}|\t| {0,3}(?:[>|#=]|[*+-][ \t]|[0-9]+[.)][ \t]|([-*_])[ \t]*(?:\1[ \t]*){2,}$)"
)
_LINK: Final = re.compile(r"!?\[([^][]*)\](?:\([^()]*\)|\[[^][]*\])")
_EMPHASIS: Final = re.compile(r"(?<!\w)(__?)(?=\S)([^_]+)\1(?!\w)")
_NOT_IN_SLUGS: Final = regex.compile(r"[^\p{L}\p{M}\p{N}\p{Pc}\- ]")


class Heading(NamedTuple):
    """A heading: its level from 1, its text, its line from 1, and the characters that it takes."""

    level: int
    text: str
    line: int
    start: int
    end: int


def read(path: Path) -> Iterator[Part]:
    """Read a file section by section; its front matter is the metadata of all of them."""
    return sections(read_text(path))


def sections(content: str) -> Iterator[Part]:
    """Split Markdown at its headings; nothing of the text is left out or changed.

    A heading without a text stands in the titles of the sections beneath it; only where there are
    none it is a document, with an empty text.
    """
    head = front_matter(content)
    found = list(headings(content, head.end))
    file_title = head.title or _title_of_all(found)
    before = content[head.end : found[0].start] if found else content[head.end :]
    if before.strip() or not found:
        line = content.count("\n", 0, head.end) + 1 if found else None
        yield Part("", before, file_title, head.meta, line)
    alone = len(found) == 1 and not before.strip()
    slugs = Slugs()
    above: list[Heading] = []  # the headings that lead to this one, and it
    for heading, following in zip_longest(found, found[1:]):
        slug = slugs.of(heading.text)
        above = [one for one in above if one.level < heading.level] + [heading]
        text = content[heading.end : following.start if following else len(content)]
        if text.strip() or not following or following.level <= heading.level:
            path = [one.text for one in above]
            if file_title and path[0] != file_title:
                path.insert(0, file_title)
            title = BETWEEN.join(path)
            yield Part(
                "" if alone else slug, text, title, head.meta, None if alone else heading.line
            )


def headings(content: str, start: int) -> Iterator[Heading]:
    """Find the headings from a character on, which aren't within a fenced block of code."""
    fence = ""  # what opened the code block that the line is in
    paragraph = ""  # the line above, if it is all of a paragraph so far
    blank = True  # the line above
    first_line = content.count("\n", 0, start) + 1
    for number, line in enumerate(io.StringIO(content[start:], newline=""), first_line):
        bare = line.rstrip("\r\n")
        end = start + len(line)
        bars = _FENCE.fullmatch(bare)
        marked = underline = None
        if fence:
            if bars and bars[1].startswith(fence) and not bars[2].strip():
                fence = ""
        elif bars:
            fence = bars[1]
        elif marked := _marked_heading(bare):
            yield Heading(*marked, number, start, end)
        elif paragraph and (underline := _UNDERLINE.fullmatch(bare)):
            level = 1 if underline[1].startswith("=") else 2
            yield Heading(level, paragraph.strip(), number - 1, start - len(paragraph), end)
        is_heading = bool(marked or underline)
        # Several lines over a line of dashes are rather a paragraph over a rule.
        alone = blank and not fence and not bars and not _NO_PARAGRAPH.match(bare)
        paragraph = line if alone and not is_heading else ""
        blank = is_heading or not bare.strip()
        start = end


class Slugs:
    """The anchors of the headings of a file, by GitHub's rule: each comes once."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}

    def of(self, heading: str) -> str:
        """Give the next heading its anchor: lower case, without punctuation, hyphens for spaces."""
        words = _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", heading)).lower()
        slug = unique = _NOT_IN_SLUGS.sub("", words).strip().replace(" ", "-") or "section"
        while unique in self._uses:
            self._uses[slug] += 1
            unique = f"{slug}-{self._uses[slug]}"
        self._uses[unique] = 0
        return unique


def _title_of_all(found: list[Heading]) -> str:
    """The first heading, if all others stand beneath it; one beside others names only its own."""
    if not found or any(other.level <= found[0].level for other in found[1:]):
        return ""
    return found[0].text


def _marked_heading(line: str) -> tuple[int, str] | None:
    """Read the level and the text of "## heading ##"; None if the line is no heading."""
    marks = _MARKS.match(line)
    if not marks:
        return None
    heading = line[marks.end() :].strip()
    opened = heading.rstrip("#")
    text = opened.rstrip() if not opened or opened[-1] in " \t" else heading
    return (len(marks[1]), text) if text else None

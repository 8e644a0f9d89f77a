"""Word documents (.docx): paragraphs and tables in order, a line each.

Headers, footers, notes and comments are left out, and so is text that a tracked change deletes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vecsearch.corpus.formats.base import Part, Unreadable, needs, words_of
from vecsearch.corpus.formats.zipped import opened
from vecsearch.types import MetaValue

if TYPE_CHECKING:
    from docx.document import Document

_KIND: Final = "Word document"
_SPACE: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PARAGRAPH, _TABLE, _ROW, _CELL = (f"{_SPACE}{name}" for name in ("p", "tbl", "tr", "tc"))
_TEXTS: Final = (f"{_SPACE}t", "{http://schemas.openxmlformats.org/officeDocument/2006/math}t")
_CHARACTERS: Final = {
    f"{_SPACE}tab": "\t",
    f"{_SPACE}br": "\n",
    f"{_SPACE}cr": "\n",
    f"{_SPACE}noBreakHyphen": "-",
}
_LEFT_OUT: Final = (
    *(f"{_SPACE}{name}" for name in ("del", "moveFrom", "pPr", "rPr")),
    # The second form of a drawing, for readers that don't know the first.
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
)
_TITLES: Final = ("Title", "Heading 1")
_HEAD: Final = 50  # paragraphs among which a title is looked for


def read(path: Path) -> Iterator[Part]:
    """Read the document as one; its title is the file's own, else its first heading."""
    try:
        import docx
    except ImportError:
        raise needs("python-docx", ".docx") from None
    with opened(path, _KIND) as archive:
        try:
            document = docx.Document(archive.fp)
            blocks = [block for block in _blocks(document.element.body) if block]
            title, meta = _properties(document)
            title = title or _heading(document)
        except Exception as error:  # a broken file makes the library raise whatever it meets
            raise Unreadable(f"the {_KIND} is broken ({words_of(error)}).") from None
    if blocks and blocks[0] == title:
        del blocks[0]
    yield Part("", "\n".join(blocks), title, meta)


def _blocks(element: Any) -> Iterator[str]:  # noqa: ANN401 - lxml has no types
    """Give the paragraphs beneath an element, and the rows of its tables, cells apart by tabs."""
    for child in element:
        if child.tag == _PARAGRAPH:
            yield "".join(_characters(child)).strip()
        elif child.tag == _TABLE:
            for row in child.iter(_ROW):
                cells = (" ".join(filter(None, _blocks(cell))) for cell in row.iterchildren(_CELL))
                yield "\t".join(cells).strip()
        elif child.tag not in _LEFT_OUT:
            yield from _blocks(child)


def _characters(element: Any) -> Iterator[str]:  # noqa: ANN401
    """Give the text of a paragraph in pieces; a box within it has lines of its own."""
    for child in element:
        if child.tag in _TEXTS:
            yield child.text or ""
        elif child.tag in _CHARACTERS:
            yield _CHARACTERS[child.tag]
        elif child.tag == _PARAGRAPH:
            yield "\n"
            yield from _characters(child)
            yield "\n"
        elif child.tag not in _LEFT_OUT:
            yield from _characters(child)


def _properties(document: Document) -> tuple[str, dict[str, MetaValue]]:
    """Read the title, author and time of making, if the file says them."""
    from docx.opc.constants import RELATIONSHIP_TYPE

    try:
        document.part.package.part_related_by(RELATIONSHIP_TYPE.CORE_PROPERTIES)
    except KeyError:  # the library would make some up
        return "", {}
    properties = document.core_properties
    meta: dict[str, MetaValue] = {}
    if properties.author.strip():
        meta["author"] = properties.author.strip()
    if properties.created:
        meta["created"] = properties.created.replace(tzinfo=timezone.utc).isoformat()
    return properties.title.strip(), meta


def _heading(document: Document) -> str:
    """The first paragraph whose style is a title's; styles have these names in any language."""
    for paragraph in document.paragraphs[:_HEAD]:
        text = "".join(_characters(paragraph._p)).strip()
        if text and paragraph.style is not None and paragraph.style.name in _TITLES:
            return text
    return ""

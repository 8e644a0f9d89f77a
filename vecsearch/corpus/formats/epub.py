"""Books (.epub): every chapter is a document, in the order of reading."""

from __future__ import annotations

import codecs
import posixpath
import re
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from vecsearch.corpus.formats.base import Part, Unreadable, words_of
from vecsearch.corpus.formats.html import Page, page_of
from vecsearch.corpus.formats.markdown import BETWEEN
from vecsearch.corpus.formats.zipped import ZIP_ERRORS, opened, parsed
from vecsearch.types import MetaValue

_KIND: Final = "book"
_CONTAINER: Final = "META-INF/container.xml"
_ENCRYPTION: Final = "META-INF/encryption.xml"
# Fonts are garbled by these; the text is not.
_GARBLED_FONTS: Final = (
    "http://www.idpf.org/2008/embedding",
    "http://ns.adobe.com/pdf/enc#RC",
)
_PAGES: Final = ("application/xhtml+xml", "text/html")
_CONTENTS: Final = "application/x-dtbncx+xml"
# A label ends where another link begins, so that a broken table can't be searched forever.
_LINK: Final = re.compile(
    r"<a\b[^<>]*?\bhref\s*=\s*[\"']([^\"'#<>]*)[^<>]*>(.*?)(?=</?a\b)", re.DOTALL
)
_MARKUP: Final = re.compile(r"<[^<>]*>")
_DECLARED: Final = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
# HTML ignores the slash, and would take the rest of the chapter for the title or the script.
_CLOSED_AT_ONCE: Final = re.compile(
    r"<(title|script|style|textarea|iframe|noscript|template|nav)\b([^<>]*)/>", re.IGNORECASE
)


class _Chapter(NamedTuple):
    path: str  # within the zip
    number: int  # in the order of reading, from 1


class _Book(NamedTuple):
    title: str
    meta: dict[str, MetaValue]
    chapters: list[_Chapter]
    labels: dict[str, str]  # of the table of contents, by path


def read(path: Path) -> Iterator[Part | Unreadable]:
    """Read a book chapter by chapter; one that can't be read is told, and the others are read."""
    with opened(path, _KIND) as archive:
        _refuse_encrypted(archive)
        book = _book(archive)
        empty = True
        for chapter in book.chapters:
            try:
                label = book.labels.get(chapter.path, "")
                page = page_of(_source(archive, chapter.path), label)
            except Unreadable as problem:
                empty = False
                yield Unreadable(f"the chapter {chapter.path!r} can't be read: {problem}")
                continue
            if page.text:
                empty = False
                yield _part(book, chapter, page)
        if empty:
            raise Unreadable("no chapter of the book holds text; its pages may be pictures.")


def _part(book: _Book, chapter: _Chapter, page: Page) -> Part:
    own = page.title if page.title != book.title else page.heading
    title = BETWEEN.join(filter(None, [book.title, own]))
    return Part(chapter.path, page.text, title, {**book.meta, "chapter": chapter.number})


def _refuse_encrypted(archive: zipfile.ZipFile) -> None:
    if _ENCRYPTION not in archive.namelist():
        return
    for method in _xml(archive, _ENCRYPTION).iterfind(".//{*}EncryptionMethod"):
        if method.get("Algorithm") not in _GARBLED_FONTS:
            raise Unreadable(
                "the book is encrypted (DRM), so that only its shop's reader opens it."
            )


def _book(archive: zipfile.ZipFile) -> _Book:
    """Read the package: what the book is, and the order of its chapters."""
    rootfile = _xml(archive, _CONTAINER).find(".//{*}rootfile")
    package_path = rootfile.get("full-path", "") if rootfile is not None else ""
    package = _xml(archive, package_path)
    items = {item.get("id"): item for item in package.iterfind(".//{*}manifest/{*}item")}
    spine = [items.get(ref.get("idref")) for ref in package.iterfind(".//{*}spine/{*}itemref")]
    pages = [item for item in spine if item is not None and item.get("media-type") in _PAGES]
    paths = dict.fromkeys(_resolved(package_path, item.get("href", "")) for item in pages)
    chapters = [_Chapter(path, number) for number, path in enumerate(paths, 1)]
    if not chapters:
        raise Unreadable("the book's package names no chapter.")
    titles, authors, languages = (
        [
            _one_line("".join(each.itertext()))
            for each in package.iterfind(f".//{{*}}metadata/{{*}}{name}")
        ]
        for name in ("title", "creator", "language")
    )
    meta: dict[str, MetaValue] = {}
    if authors:
        meta["author"] = authors if len(authors) > 1 else authors[0]
    if languages:
        meta["language"] = languages[0]
    return _Book(titles[0] if titles else "", meta, chapters, _labels(archive, package_path, items))


def _labels(
    archive: zipfile.ZipFile, package_path: str, items: dict[str | None, Element]
) -> dict[str, str]:
    """Read the tables of contents: the first label of each path; none if they can't be read."""
    labels: dict[str, str] = {}
    for item in items.values():
        is_navigation = "nav" in item.get("properties", "").split()
        if not is_navigation and item.get("media-type") != _CONTENTS:
            continue
        path = _resolved(package_path, item.get("href", ""))
        try:
            pairs = _links(_source(archive, path)) if is_navigation else _points(archive, path)
        except Unreadable:  # a book can be read without
            continue
        for target, label in pairs:
            labels.setdefault(_resolved(path, target), label)
    return labels


def _links(source: str) -> list[tuple[str, str]]:
    """The targets and labels of an EPUB 3 table of contents."""
    return [
        (target, _one_line(unescape(_MARKUP.sub("", label))))
        for target, label in _LINK.findall(source)
    ]


def _points(archive: zipfile.ZipFile, path: str) -> list[tuple[str, str]]:
    """The targets and labels of an EPUB 2 table of contents."""
    pairs = []
    for point in _xml(archive, path).iterfind(".//{*}navPoint"):
        label, content = point.find("{*}navLabel/{*}text"), point.find("{*}content")
        if label is not None and content is not None:
            pairs.append((content.get("src", ""), _one_line(label.text or "")))
    return pairs


def _resolved(base: str, href: str) -> str:
    """The path within the zip that a link in the file `base` leads to."""
    target = unquote(href.split("#", 1)[0])
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), target))


def _xml(archive: zipfile.ZipFile, name: str) -> Element:
    try:
        return parsed(_bytes(archive, name))
    except Unreadable as problem:
        raise Unreadable(f"the {_KIND} is broken: its {name!r} can't be read: {problem}") from None


def _source(archive: zipfile.ZipFile, name: str) -> str:
    """The source of a chapter, as HTML."""
    data = _bytes(archive, name)
    declared = _DECLARED.match(data)
    encoding = declared[1].decode() if declared else "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        text = data.decode("utf-8-sig" if encoding.lower() == "utf-8" else encoding)
    except (ValueError, LookupError) as error:
        raise Unreadable(
            f"its text isn't {encoding} as it should be ({words_of(error)})."
        ) from None
    return _CLOSED_AT_ONCE.sub(r"<\1\2></\1>", text)


def _bytes(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError:
        raise Unreadable("the file isn't there.") from None
    except ZIP_ERRORS as error:
        raise Unreadable(f"its data is broken ({words_of(error)}).") from None


def _one_line(text: str) -> str:
    return " ".join(text.split())

"""Files of a folder: what each format gives, and a sentence for each way in which one is broken."""

from __future__ import annotations

import base64
import gzip
import io
import logging
import mailbox
import os
import random
import re
import sys
import tracemalloc
import zipfile
import zlib
from email.message import EmailMessage

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from toy import HashEncoder

from vecsearch.corpus import DocumentFiles, documents, open_corpus
from vecsearch.corpus.formats import SUFFIXES, Unreadable
from vecsearch.corpus.formats.front_matter import front_matter
from vecsearch.corpus.formats.markdown import Slugs, headings, sections
from vecsearch.corpus.formats.pdf import unbroken
from vecsearch.errors import CorpusError
from vecsearch.index import Index


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path):
    return list(documents(open_corpus(path)))


def own(document):
    """The metadata that the file itself gives."""
    return {name: document.meta[name] for name in document.meta if name not in ("file", "modified")}


def told(path):
    """The only thing that a reading gives, an error: its line and problem."""
    (error,) = open_corpus(path).read()
    assert isinstance(error, CorpusError)
    assert error.path == str(path)
    assert re.fullmatch(r"[^\n]{20,300}[.…?]", error.problem)
    return error.line, error.problem


# What every file has


def test_files_have_their_path_and_time(tmp_path, monkeypatch):
    note = put(tmp_path, "a/note.md", "---\nfile: x\nmodified: y\nby: z\n---\n# A\n1\n# B\n2")
    text = put(tmp_path, "b.txt", "x")
    os.utime(note, (0, 1795373479.9))
    os.utime(text, (0, -0.5))
    monkeypatch.chdir(tmp_path)
    for corpus in tmp_path, ".":
        one, two, three = read(corpus)
        wanted = {"by": "z", "file": str(note), "modified": "2026-11-22T18:51:19+00:00"}
        assert one.meta == two.meta == wanted
        assert three.meta == {"file": str(text), "modified": "1969-12-31T23:59:59+00:00"}
    index = Index.create(tmp_path / "index", HashEncoder(), documents=documents(open_corpus(".")))
    searcher = index.searcher()
    for where, found in [
        ("modified >= 2026-11-01", {"a/note.md#a", "a/note.md#b"}),
        ("modified >= 2026-11-23", set()),
        ("modified < 1970-01-01", {"b.txt"}),
        (f'file = "{text}"', {"b.txt"}),
    ]:
        assert {hit.id for hit in searcher.search("x", by="bm25", where=where)} <= found
        assert searcher.mask(where).sum() == len(found)


def test_a_time_that_no_calendar_has(tmp_path):
    path = put(tmp_path, "a.txt", "x")
    try:
        os.utime(path, ns=(0, 2**62 * 2 - 1))
    except OSError:
        pytest.skip("the file system has no such time")
    meta = read(path)[0].meta
    assert meta["modified"] is None or meta["modified"] > "2200"


def test_no_id_comes_twice_among_files_and_their_parts(tmp_path):
    put(tmp_path, "a.md", "# A\n1\n# B.md\n2\n")
    put(tmp_path, "a.mbox#b.txt", "x")
    message = b"From x Mon Jan  1 10:00:00 2024\nMessage-ID: <b.txt>\nSubject: s\n\nx\n"
    put(tmp_path, "a.mbox", message)
    first, error, *rest = open_corpus(tmp_path).read()
    ids = [record.document.id for record in (first, *rest)]
    assert ids == ["a.mbox#b.txt", "a.md#a", "a.md#bmd"]
    assert "comes a second time" in error.problem


def test_files_of_every_kind_that_are_none_are_told_and_the_others_read(tmp_path):
    for suffix in SUFFIXES:
        put(tmp_path, f"broken{suffix}", b"\x00\xff\x00broken\x01\x02")
    put(tmp_path, "z.TXT", "fine")
    errors = []
    good = list(documents(open_corpus(tmp_path), errors.append))
    assert [document.id for document in good] == ["z.TXT"]
    assert [error.path for error in errors] == sorted(
        str(tmp_path / f"broken{s}") for s in SUFFIXES
    )
    for error in errors:
        assert re.search(r"binary file|isn't a |needs py", error.problem)
    with pytest.raises(CorpusError, match=r"broken\.docx: "):
        read(tmp_path)


def test_halves_of_characters_are_put_together_or_replaced(tmp_path):
    content = '---\na: "\\ud83d\\ude00"\nb: ["\\ud800"]\ntitle: "x\\udfff"\n---\n'
    (document,) = read(put(tmp_path, "a.md", content))
    assert (document.title, own(document)) == ("x\ufffd", {"a": "😀", "b": ["\ufffd"]})


@settings(max_examples=150)
@given(
    st.binary(max_size=300),
    st.sampled_from(SUFFIXES),
    st.sampled_from([b"", b"%PDF-", b"PK\3\4", b"From \n", b"---\n"]),
)
def test_any_bytes_give_documents_or_sentences(tmp_path_factory, data, suffix, start):
    path = put(tmp_path_factory.getbasetemp(), f"any{suffix}", start + data)
    for each in open_corpus(path).read():
        str(each).encode()
        if isinstance(each, CorpusError):
            assert each.path == str(path)
            assert "\n" not in each.problem
        else:
            each.document.text.encode()


# Markdown


def test_every_heading_begins_a_document(tmp_path):
    content = (
        "---\ntitle: Notes\ntags: [a, b]\n---\nBefore.\n"
        "# Cooking\n"
        "## Bread & *butter*\nRye.\n```\n# no heading\n```\n"
        "### Rolls ###\n\nWheat.\n\n"
        "Jam\n---\nPlums.\n"
        "# Empty leaf\n"
        "# Cooking\nAgain."
    )
    path = put(tmp_path, "notes.md", content)
    found = read(path)
    assert [(d.id, d.title, d.text) for d in found] == [
        ("notes.md", "Notes", "Before.\n"),
        (
            "notes.md#bread--butter",
            "Notes › Cooking › Bread & *butter*",
            "Rye.\n```\n# no heading\n```\n",
        ),
        ("notes.md#rolls", "Notes › Cooking › Bread & *butter* › Rolls", "\nWheat.\n\n"),
        ("notes.md#jam", "Notes › Cooking › Jam", "Plums.\n"),
        ("notes.md#empty-leaf", "Notes › Empty leaf", ""),
        ("notes.md#cooking-1", "Notes › Cooking", "Again."),
    ]
    assert all(own(d) == {"tags": ["a", "b"]} for d in found)
    assert [record.line for record in open_corpus(path).read()] == [5, 7, 12, 16, 19, 20]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("# A\na\n## B\nb", [("#a", "A", "a\n"), ("#b", "A › B", "b")]),
        ("## 1.1\na\n## 1.0\nb", [("#11", "1.1", "a\n"), ("#10", "1.0", "b")]),
        ("# A\n# B\n## C\nc\n", [("#a", "A", ""), ("#c", "B › C", "c\n")]),
        ("---\ntitle: A\n---\n# A\na\n## B\nb", [("#a", "A", "a\n"), ("#b", "A › B", "b")]),
        ("intro\n# A\n", [("", "A", "intro\n"), ("#a", "A", "")]),
        ("### A\na\n# B\nb", [("#a", "A", "a\n"), ("#b", "B", "b")]),
        ("---\ntitle: 7\nx: 1\n---\n", [("", "7", "")]),
        ("# A\n## B\n### C\n", [("#c", "A › B › C", "")]),
        ("\ufeff# A\r\na\r\n## B\r\nb\r\n", [("#a", "A", "a\r\n"), ("#b", "A › B", "b\r\n")]),
    ],
)
def test_sections(tmp_path, content, wanted):
    for name in "n.md", "n.markdown":
        found = read(put(tmp_path, name, content))
        assert [(d.id.removeprefix(name), d.title, d.text) for d in found] == wanted


def test_anchors_are_those_of_github():
    slugs = Slugs()
    wanted = {
        "Hello, World!": "hello-world",
        "foo": "foo",
        "Foo": "foo-1",
        "foo 1": "foo-1-1",
        "FOO": "foo-2",
        "snake_case v1.2 – a/b": "snake_case-v12--ab",
        "Über Straße": "über-straße",
        "[link](http://x.y/z) and ![pic][1]": "link-and-pic",
        "日本語、です": "日本語です",
        "हिन्दी": "हिन्दी",
        "What it _does..._ to __all__ _x": "what-it-does-to-all-_x",
        "!?": "section",
        "...": "section-1",
    }
    assert {heading: slugs.of(heading) for heading in wanted} == wanted


@given(st.lists(st.sampled_from(["a", "b", "a 1", "a-1", "A", "a 1 1", "?", "section"])))
def test_anchors_come_once(texts):
    slugs = Slugs()
    made = [slugs.of(text) for text in texts]
    assert len(set(made)) == len(made)


LINES = [
    "# A",
    "## B b",
    "### A",
    "#",
    "```",
    "~~~",
    "T",
    "===",
    "---",
    "text one",
    "",
    "- item",
    "    # code",
    "a: b",
]


@settings(max_examples=400)
@given(
    st.lists(st.sampled_from(LINES), max_size=14), st.sampled_from(["\n", "\r\n"]), st.booleans()
)
@example(["---", "a: b", "---", "# A", "text one"], "\n", True)
def test_all_text_is_in_one_section_in_order(lines, newline, ended):
    content = newline.join(lines) + (newline if ended else "")
    try:
        head = front_matter(content)
    except Unreadable:
        assume(False)
    found = list(headings(content, head.end))
    parts = list(sections(content))
    rest, at = "", head.end
    for heading in found:
        rest += content[at : heading.start]
        at = heading.end
        assert heading.text in content[heading.start : heading.end]
        assert content.count("\n", 0, heading.start) + 1 == heading.line
    rest += content[at:]
    assert "".join("".join(part.text for part in parts).split()) == "".join(rest.split())
    at = head.end
    for part in parts:  # each is a stretch of the file, as it stands there
        at = content.index(part.text, at) + len(part.text)
    assert len({part.fragment for part in parts}) == len(parts)
    words = " ".join(part.title for part in parts)
    assert all(heading.text in words for heading in found)


@pytest.mark.parametrize(
    ("block", "meta"),
    [
        ("date: 2026-11-22", {"date": "2026-11-22"}),
        ("at: 2026-11-22 10:20:30+02:00", {"at": "2026-11-22T10:20:30+02:00"}),
        ("n: 1\nf: 1.5\nb: true\nz:\nt: '1'", {"n": 1, "f": 1.5, "b": True, "z": None, "t": "1"}),
        ("a: True\nb: FALSE\nc: ~\nd: null", {"a": True, "b": False, "c": None, "d": None}),
        ("a: -3\nb: 1.10\nc: 0.5\nd: 1e-05", {"a": -3, "b": 1.1, "c": 0.5, "d": 1e-05}),
        ("a: 'true'\nb: \"~\"\nc: '01'\nd: ''", {"a": "true", "b": "~", "c": "01", "d": ""}),
        ("a: !!str 1\nb: !!int 3\nc: !!int 010", {"a": "1", "b": 3, "c": "010"}),
        ("<<: {a: 1}\nb: [=, <<]", {"<<.a": 1, "b": ["=", "<<"]}),
        ("tags: [a, 2026-01-02, {x: 1}]", {"tags": ["a", "2026-01-02", '{"x":1}']}),
        ("author: {name: x, born: {year: 1}}", {"author.name": "x", "author.born.year": 1}),
        ("metadata: {lang: en}\n2020: x\nyes: 1", {"lang": "en", "2020": "x", "yes": 1}),
        ("title: [a, b]", {"title": ["a", "b"]}),
        ("b: !!binary aGk=\ns: !!set {a, b}", {"b": "aGk=", "s.a": None, "s.b": None}),
        ("# comment\n\na: b", {"a": "b"}),
    ],
)
def test_front_matter(tmp_path, block, meta):
    for end in "---", "...":
        (document,) = read(put(tmp_path, "a.md", f"---\n{block}\n{end}\ntext"))
        assert (document.text, own(document)) == ("text", meta)


@pytest.mark.parametrize(
    "text",
    (
        "yes NO on Off y 01234 0o17 0x1F 0b1 1_000 +5 .5 5. 1e5 1e+999 12:30 190:20:30 .inf -.INF "
        ".nan nUlL " + "1" * 5000
    ).split(),
)
def test_what_only_looks_like_a_number_or_a_boolean_is_text(text):
    found = front_matter(f"---\na: {text}\nb: [{text}, x]\nc: {{d: {text}}}\n---\n")
    assert found.meta == {"a": text, "b": [text, "x"], "c.d": text}


@pytest.mark.parametrize(
    ("written", "title"),
    [(text, text) for text in ("Yes", "1.10", "007", "true", "2026-11-22", "2026-02-30", "12:30")]
    + [("'~'", "~"), ("!!str null", "null"), ("", ""), ("~", ""), ("null", "")]
    + [("2026-11-22 10:20:30+02:00", "2026-11-22 10:20:30+02:00"), (">-\n  a\n  b", "a b")],
)
def test_a_title_is_text_as_it_is_written(written, title):
    found = front_matter(f"---\ntitle: {written}\n---\n")
    assert (found.title, found.meta) == (title, {})


@pytest.mark.parametrize(
    "content",
    [
        "---\njust text\n---\nx",
        "---\n- a\n- b\n---\nx",
        "---\n---\nx",
        "---\n\n* a: [\n---\n",
        "---\na: b\n",
        "--- a\nb: c\n---\n",
        "\n---\na: b\n---\n",
        "---\nA note: so: what\n---\n",
    ],
)
def test_other_blocks_between_dashes_are_text(tmp_path, content):
    (document,) = read(put(tmp_path, "a.md", content))
    assert (document.text, own(document)) == (content, {})


@pytest.mark.parametrize(
    ("block", "line", "words"),
    [
        ("title: a: b", 2, "put in quotes"),
        ("a: 1\nb: [1, 2", 4, "put in quotes"),
        ("a: 1\nb: @x", 3, "put in quotes"),
        ("a: 1\nb: *x", 3, "put in quotes"),
        ("a: &x 1", 2, "anchor or alias"),
        ("a: 1\nb: &x [1]\nc: [*x, *x]", 3, "anchor or alias"),
        ("a: !!python/object:os.system x", 2, "put in quotes"),
        ("a: [1,\n !x y]", 3, '"!x" is no type of YAML\'s; a value that begins with ! is put'),
        ("a: !!timestamp x", 2, '"x" is no date'),
        ("a: 1\nb: 2\na: 3", 4, 'the field "a" is given a second time'),
        ("title: x\ntitle: x", 3, "a second time"),
        ("a:\n  b: 1\n  'b': 2", 4, 'the field "b" is given a second time'),
        ("a: 1\ndate: 2026-02-30", 3, '"2026-02-30" is no date'),
        ("a: 1\n? [x, y]\n: z", 3, "the name of a field must be a text"),
        ("a: " + "[" * 15_000, 2, "nested too deeply"),
        ("a: " + "x" * 17_000, 1, "more than 16,384 characters"),
        ("a: \x07", 1, "a character that YAML forbids"),
        ("a: 1\n\tb: 2", 3, "put in quotes"),
        ("k: 1\nmetadata: {k: 2}", 1, "the front matter: the field 'k' has two values, 2 and 1"),
    ],
)
def test_broken_front_matter(tmp_path, block, line, words):
    put(tmp_path, "z.txt", "fine")
    path = put(tmp_path, "a.md", f"---\n{block}\n---\n# A\ntext")
    error, last = open_corpus(tmp_path).read()
    assert (error.path, error.line, last.document.id) == (str(path), line, "z.txt")
    assert words in error.problem
    assert error.problem.endswith(".")


# HTML


def test_pages_lose_what_no_reader_reads_and_keep_what_they_say_of_themselves(tmp_path):
    page = (
        '<html lang="de"><head><title>T</title><meta name="Author" content=" A  B ">'
        '<meta name=keywords content="x, y z,,"><meta name=description content="">'
        "<meta name=description content=D><meta name=author content=other></head><body hidden>"
        "<nav>n<nav>m</nav></nav><div role=Navigation>r</div><p hidden>h<p aria-hidden=TRUE>a"
        "<header>top</header><p aria-hidden=false>text</p></body></html>"
    )
    (document,) = read(put(tmp_path, "a.html", page))
    assert (document.title, document.text) == ("T", "top\ntext")
    meta = {"language": "de", "author": "A B", "keywords": ["x", "y z"], "description": "D"}
    assert own(document) == meta


def test_pages_nested_by_machines_are_refused_at_once(tmp_path):
    for element in "<div>", "<b>", "<DIV class='x'>":
        assert "10,000 deep" in told(put(tmp_path, "a.html", "\n" + element * 100_000))[1]
    flat = "<div>x</div><p>y<br><li>" * 20_000
    assert read(put(tmp_path, "a.html", flat))[0].text.count("x") == 20_000


# PDF


def pdf(*pages, info=b""):
    """A PDF file by hand: a page of lines for each text, and of raw objects for bytes."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * i) for i in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for i, page in enumerate(pages):
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>"
            b"/Contents %d 0 R>>" % (5 + 2 * i)
        )
        if isinstance(page, str):
            lines = (b"(%s)Tj T*" % line.encode("cp1252") for line in page.split("\n"))
            page = stream(b"BT/F1 12 Tf 14 TL 50 700 Td %s ET" % b" ".join(lines))
        objects.append(page)
    objects.append(b"<<%s>>" % info)
    out, starts = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        starts.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    size = len(objects) + 1
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d/Root 1 0 R/Info %d 0 R>>\n"
        b"startxref\n%d\n%%%%EOF\n" % (size, table, size, size - 1, len(out))
    )


def stream(data, keys=b""):
    return b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(data), keys, data)


def deflated(data):
    return stream(zlib.compress(data), b"/Filter/FlateDecode")


@pytest.fixture
def pypdf():
    return pytest.importorskip("pypdf")


def test_every_page_is_a_document(tmp_path, pypdf):
    put(tmp_path, "z.txt", "fine")
    data = pdf("An exam-\nple café", "", "third", info=b"/Title(A Paper)/Author(Ann)")
    put(tmp_path, "paper.pdf", b"\n" + data)
    one, three, _ = read(tmp_path)
    assert (one.id, one.title, one.text) == ("paper.pdf#page=1", "A Paper", "An example café")
    assert (three.id, three.text) == ("paper.pdf#page=3", "third")
    assert own(three) == {"page": 3, "pages": 3, "author": "Ann"}


@pytest.mark.parametrize(
    "title",
    [
        "Microsoft Word - thesis.doc",
        "final_v2.PDF",
        "untitled",
        "Untitled 1",
        " ",
        "Document1",
        "a/b.tex",
    ],
)
def test_titles_that_programs_make_up(tmp_path, pypdf, title):
    path = put(tmp_path, "a.pdf", pdf("x", info=b"/Title(%s)/Author 9 0 R" % title.encode()))
    (document,) = read(path)
    assert (document.title, own(document)) == ("", {"page": 1, "pages": 1})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("an exam-\nple here", "an example here"),
        ("Exam-\nples", "Examples"),
        ("soft\u00ad\nware", "software"),
        ("Baden-\nBaden", "Baden-\nBaden"),
        ("UTF-\nmb", "UTF-\nmb"),
        ("page 1-\n2 and x-\ny", "page 1-\n2 and x-\ny"),
        ("well-known and well-\nknown", "well-known and well-known"),
        ("überra-\nschend", "überraschend"),
        ("a - \nb", "a - \nb"),
        ("x" * 100_000 + "-\n" + "y" * 100_000, "x" * 100_000 + "-\n" + "y" * 100_000),
    ],
)
def test_words_that_lines_break(text, wanted):
    assert unbroken(text) == wanted


BOMB = b"\0" * 80_000_000


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "isn't a PDF, which begins with %PDF"),
        (b"hello", "isn't a PDF"),
        (b"%PDF-1.4\n", "breaks off before its end"),
        (pdf("x")[:400], "was it copied whole?"),
        (pdf("x")[:-12], "was it copied whole?"),
        (pdf("x").replace(b"/Kids[4 0 R]", b"/Kids[2 0 R]"), "broken"),
        (pdf("x").replace(b"/Pages 2 0 R", b"/Pages" + b"[" * 30_000), "broken"),
        (pdf(), "holds no page"),
        (pdf("", " "), "OCR"),
        (pdf(deflated(b"BT/F1 12 Tf " + b"(a)Tj " * 300_000 + b"ET")), "page 1 of 1 can't be read"),
    ],
)
def test_broken_pdfs(tmp_path, pypdf, capfd, data, words):
    line, problem = told(put(tmp_path, "a.pdf", data))
    assert line is None
    assert words in problem
    assert capfd.readouterr() == ("", "")


def test_pages_beside_a_broken_one_are_read(tmp_path, pypdf, capfd):
    path = put(tmp_path, "a.pdf", pdf("one", deflated(BOMB), "three"))
    errors = []
    found = list(documents(open_corpus(path), errors.append))
    assert [document.id for document in found] == ["a.pdf#page=1", "a.pdf#page=3"]
    assert [(error.path, error.line) for error in errors] == [(str(path), None)]
    assert errors[0].problem.startswith("page 2 of 3 can't be read (")
    with pytest.raises(CorpusError, match="page 2 of 3"):
        read(path)
    assert capfd.readouterr() == ("", "")


def test_locked_pdfs(tmp_path, pypdf):
    for password, name in ("secret", "locked.pdf"), ("", "open.pdf"):
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf("text")))
        writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
        writer.write(tmp_path / name)
    assert "locked with a password" in told(tmp_path / "locked.pdf")[1]
    assert read(tmp_path / "open.pdf")[0].text == "text"


def test_pdfs_with_flips_give_pages_or_sentences(tmp_path, pypdf, capfd):
    whole, chance = pdf("one page", "two pages", info=b"/Title(T)"), random.Random(3)
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 12)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        for each in DocumentFiles(put(tmp_path, "a.pdf", data)).read():
            assert "\n" not in getattr(each, "problem", "")
    assert capfd.readouterr() == ("", "")


def test_the_warnings_of_the_library_reach_those_who_listen_only(tmp_path, pypdf, caplog):
    path = put(tmp_path, "a.pdf", pdf("x").replace(b"startxref\n", b"startxref\n1"))
    with caplog.at_level(logging.WARNING):
        assert read(path)[0].text == "x"
    assert caplog.records


@pytest.mark.parametrize(
    ("name", "library", "package"),
    [("a.pdf", "pypdf", "pypdf"), ("a.docx", "docx", "python-docx")],
)
def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch, name, library, package):
    monkeypatch.setitem(sys.modules, library, None)
    problem = told(put(tmp_path, name, b"x"))[1]
    assert package in problem
    assert "pip install 'vecsearch[documents]'" in problem


# Word


@pytest.fixture
def word():
    docx = pytest.importorskip("docx")

    def make(title=""):
        document = docx.Document()
        document.core_properties.title, document.core_properties.author = title, "Ann"
        document.sections[0].header.paragraphs[0].text = "header"
        document.add_paragraph("")
        document.add_heading("Report", 0)
        document.add_paragraph("Before.\tTab")
        table = document.add_table(2, 2)
        for number, cell in enumerate(cell for row in table.rows for cell in row.cells):
            cell.text = f"c{number}"
        table.cell(1, 1).add_paragraph("more")
        document.add_paragraph("After.")
        out = io.BytesIO()
        document.save(out)
        return out.getvalue()

    return make


def rezipped(data, changed):
    """The zip with some of its files changed, or left out for None."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            content = changed.get(name, source.read(name))
            if content is not None:
                target.writestr(name, content)
    return out.getvalue()


BODY, CORE = "word/document.xml", "docProps/core.xml"
WORD = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{}</w:body></w:document>'


def test_word_documents(tmp_path, word):
    (document,) = read(put(tmp_path, "a.docx", word()))
    assert (document.id, document.title) == ("a.docx", "Report")
    assert document.text == "Before.\tTab\nc0\tc1\nc2\tc3 more\nAfter."
    assert own(document) == {"author": "Ann", "created": "2013-12-23T23:15:00+00:00"}
    assert read(put(tmp_path, "a.docx", word("Named")))[0].title == "Named"


def test_a_zip_may_not_grow_without_bound_either(tmp_path, word, monkeypatch):
    path = put(tmp_path, "a.docx", rezipped(word(), {"docProps/app.xml": b"<a/>" * 50_000}))
    assert read(path)[0].id == "a.docx"
    monkeypatch.setattr("vecsearch.corpus.formats.zipped._LARGEST_GROWTH", 100_000)
    assert "it isn't unpacked" in told(path)[1]


def test_words_in_changes_boxes_and_controls(tmp_path, word):
    run = "<w:r><w:t>{}</w:t></w:r>"
    body = (
        f"<w:sdt><w:sdtContent><w:p>{run.format('control')}</w:p></w:sdtContent></w:sdt>"
        f"<w:p><w:ins>{run.format('new')}</w:ins><w:del>{run.format('old')}</w:del>"
        "<w:r><w:br/><w:t>line</w:t><w:noBreakHyphen/></w:r>"
        f"<w:r><w:pict><w:txbxContent><w:p>{run.format('box')}</w:p></w:txbxContent></w:pict></w:r></w:p>"
    )
    whole = word()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        relations = archive.read("_rels/.rels")
    relations = re.sub(rb"<Relationship [^>]*core-properties[^>]*/>", b"", relations)
    data = rezipped(whole, {BODY: WORD.format(body), CORE: None, "_rels/.rels": relations})
    (document,) = read(put(tmp_path, "a.docx", data))
    assert document.text == "control\nnew\nline-\nbox"
    assert (document.title, own(document)) == ("", {})


def test_broken_word_documents(tmp_path, word, capfd):
    whole = word()
    entities = (
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY a{i} "{(f"&a{i - 1};" if i else "&a;") * 10}">' for i in range(10))
        + "]>"
    )
    bomb = WORD.format("<w:p><w:r><w:t>&a9;</w:t></w:r></w:p>")
    spaces = b" " * 20_000_000
    cases = [
        (b"", "isn't a Word document"),
        (b"text", "isn't a Word document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "older Office file"),
        (whole[: len(whole) // 2], "was it copied whole?"),
        (whole[:-4], "was it copied whole?"),
        (rezipped(whole, {BODY: spaces}), "it isn't unpacked"),
        (rezipped(whole, {BODY: b"<a><b></a>"}), "broken"),
        (rezipped(whole, {BODY: None}), "broken"),
        (rezipped(whole, {CORE: b"<a>"}), "broken"),
        (rezipped(whole, {BODY: entities + bomb}), "broken"),
        (rezipped(whole, {BODY: WORD.format("<w:ins>" * 5000)}), "broken"),
        (whole.replace(b"PK\x01\x02", b"PK\x01\x03"), "broken"),
    ]
    for data, words in cases:
        assert words in told(put(tmp_path, "a.docx", data))[1]
    put(tmp_path, "b.docx", whole)
    error, record = open_corpus(tmp_path).read()
    assert isinstance(error, CorpusError)
    assert record.document.id == "b.docx"
    assert capfd.readouterr() == ("", "")


# Books

CONTAINER = '<container xmlns="urn:x"><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>The
Book</dc:title><dc:creator>Ann</dc:creator>{}<dc:language>en</dc:language></metadata>
<manifest><item id="toc" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
<item id="1" href="text/one%20a.xhtml" media-type="application/xhtml+xml"/>
<item id="2" href="text/two.xhtml" media-type="application/xhtml+xml"/>
<item id="3" href="text/three.html" media-type="application/xhtml+xml"/>
<item id="4" href="cover.jpg" media-type="image/jpeg"/></manifest>
<spine><itemref idref="4"/><itemref idref="1"/><itemref idref="2"/><itemref idref="1"/><itemref idref="3"/><itemref idref="9"/></spine></package>"""
NCX = '<ncx xmlns="urn:y"><navMap><navPoint><navLabel><text>First</text></navLabel><content src="text/one%20a.xhtml#start"/></navPoint></navMap></ncx>'
CHAPTER = '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{}</body></html>'
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OPS/book.opf": PACKAGE.format(""),
    "OPS/toc.ncx": NCX,
    "OPS/nav.xhtml": CHAPTER.format(
        '<nav><a\nhref="text/two.xhtml"><b>Second</b> &amp;c</a></nav>'
    ),
    "OPS/text/one a.xhtml": CHAPTER.format("<h1>I</h1><p>It began.</p>"),
    "OPS/text/two.xhtml": CHAPTER.format("<p>Went&nbsp;on.</p>").encode("utf-16"),
    "OPS/text/three.html": '<?xml version="1.0" encoding="iso-8859-1"?><html><body><h1>Last</h1>café</body></html>'.encode(
        "latin-1"
    ),
}


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_every_chapter_of_a_book_is_a_document(tmp_path):
    found = read(put(tmp_path, "b.epub", zipped(BOOK)))
    assert [(d.id, d.title, d.text) for d in found] == [
        ("b.epub#OPS/text/one a.xhtml", "The Book › First", "I\nIt began."),
        ("b.epub#OPS/text/two.xhtml", "The Book › Second &c", "Went on."),
        ("b.epub#OPS/text/three.html", "The Book › Last", "café"),
    ]
    assert [own(d) for d in found] == [
        {"author": "Ann", "language": "en", "chapter": number} for number in (1, 2, 3)
    ]
    two = PACKAGE.format("<dc:creator>Bob</dc:creator>")
    fonts = '<encryption><EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></encryption>'
    book = {**BOOK, "OPS/book.opf": two, "META-INF/encryption.xml": fonts, "OPS/toc.ncx": "<"}
    first = read(put(tmp_path, "b.epub", zipped(book)))[0]
    assert (first.title, first.meta["author"]) == ("The Book › I", ["Ann", "Bob"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"META-INF/container.xml": "<"},
            "'META-INF/container.xml' can't be read: its XML is broken",
        ),
        ({"META-INF/container.xml": "<a/>"}, "broken"),
        ({"OPS/book.opf": "<a/>"}, "names no chapter"),
        ({"OPS/book.opf": "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"}, "declares entities"),
        (
            {"OPS/book.opf": "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>".encode("utf-16")},
            "declares entities",
        ),
        ({"META-INF/encryption.xml": '<e><EncryptionMethod Algorithm="aes"/></e>'}, "DRM"),
        ({"OPS/text/two.xhtml": b" " * 20_000_000}, "it isn't unpacked"),
        (
            {"OPS/text/one a.xhtml": "", "OPS/text/two.xhtml": "", "OPS/text/three.html": ""},
            "no chapter of the book holds text",
        ),
    ],
)
def test_broken_books(tmp_path, changes, words):
    assert words in told(put(tmp_path, "b.epub", zipped({**BOOK, **changes})))[1]


def test_chapters_beside_a_broken_one_are_read(tmp_path):
    book = {**BOOK, "OPS/text/two.xhtml": b"<p>\xe9</p>"}
    del book["OPS/text/one a.xhtml"]
    path = put(tmp_path, "b.epub", zipped(book))
    missing, wrong, last = open_corpus(path).read()
    assert "'OPS/text/one a.xhtml' can't be read: the file isn't there." in missing.problem
    assert "'OPS/text/two.xhtml' can't be read: its text isn't utf-8" in wrong.problem
    assert last.document.meta["chapter"] == 3
    cut = zipped(BOOK)
    assert "was it copied whole?" in told(put(tmp_path, "b.epub", cut[:-30]))[1]
    assert "isn't a book" in told(put(tmp_path, "b.epub", gzip.compress(cut)))[1]


# Mail


def message(text="Hello\n", **headers):
    made = EmailMessage()
    made["From"] = "Ann Ö <ann@x.org>"
    made["To"] = "Bob <bob@y.org>, c@z.org"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made


def test_a_message(tmp_path):
    made = message("Grüße\n", Subject="Two\tplans é", Date="Sun, 22 Nov 2026 10:00:00 +0200")
    made.add_alternative("<p>no</p>", subtype="html")
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="päper.pdf")
    (document,) = read(put(tmp_path, "m.eml", bytes(made)))
    assert (document.id, document.title, document.text) == ("m.eml", "Two plans é", "Grüße")
    assert own(document) == {
        "from": "Ann Ö <ann@x.org>",
        "to": ["Bob <bob@y.org>", "c@z.org"],
        "date": "2026-11-22T10:00:00+02:00",
        "attachments": ["päper.pdf"],
    }


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Content-Type: text/html\n\n<p>a<p>b<script>c</script>", "a\nb"),
        (b"Content-Type: text/plain; charset=nonsense\n\ncaf\xc3\xa9", "café"),
        (b"Content-Type: text/plain; charset=utf-8\n\ncaf\xe9", "caf\ufffd"),
        (b"Content-Type: text/plain; charset=latin-1\r\n\r\ncaf\xe9\r\nx\r\n", "café\nx"),
        (b"Content-Transfer-Encoding: base64\n\n!!!", ""),
        (b"Content-Type: multipart/mixed\n\nno boundary", ""),
        (b"Content-Type: image/png\n\nx", ""),
        (b"Subject: =?nonsense?q?=ff?= \xff\xfe\nTo: <<@@,;:\nFrom: \xff\nDate: never\n\nx", "x"),
        (b"To: " + b"(" * 5000 + b"\n\nx", "x"),
    ],
)
def test_messages_against_the_rules(tmp_path, raw, text):
    (document,) = read(put(tmp_path, "m.eml", raw + b"" if b"\n\n" in raw else raw))
    assert document.text == text
    assert "date" not in document.meta


WESTERN = b"\x80 caf\xe9 \x81"  # the last byte is none of Windows-1252


@pytest.mark.parametrize(
    ("declared", "body", "text"),
    [
        (None, WESTERN, "€ café \x81"),
        (None, "€ café".encode(), "€ café"),
        ("us-ascii", WESTERN, "€ café \x81"),
        ("nonsense", WESTERN, "€ café \x81"),
        ("nonsense", "€ café".encode(), "€ café"),
        ("hex", WESTERN, "€ café \x81"),
        ("utf-8", b"caf\xe9 \xc3\xa9", "caf\ufffd é"),
        ("shift_jis", "猫".encode("shift_jis") + b"\xff", "猫\ufffd"),
        ("iso-2022-jp", "é猫".encode(), "é猫"),
        ("koi8-r", "кот".encode("koi8-r"), "кот"),
    ],
)
@pytest.mark.parametrize("coded", [False, True])
def test_letters_of_bodies(tmp_path, declared, body, text, coded):
    kind = f"Content-Type: text/plain; charset={declared}\n" if declared else ""
    coding = "Content-Transfer-Encoding: base64\n" if coded else ""
    raw = f"Subject: s\n{kind}{coding}\n".encode() + (base64.b64encode(body) if coded else body)
    (document,) = read(put(tmp_path, "m.eml", raw))
    assert document.text == text


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        (b"caf\xe9 \x96 \x80", "café – €"),
        ("café – €".encode(), "café – €"),
        (b"na\xefve\n caf\xe9", "naïve café"),
        (b"=?nonsense?q?caf=E9?= =?x-no?B?6Q==?= \xe9", "caféé é"),
        (b"=?nonsense?q?caf=C3=A9?= =?us-ascii?q?=E9?=", "caféé"),
        (b"=?koi8-r?b?y8/U?= =?utf-8*en?q?=C3=A9?=", "котé"),
        (b"=?nonsense?b?a?= x", None),
    ],
)
def test_letters_of_headers(tmp_path, subject, title):
    raw = b"From: J\xf6rg <j@x.org>\nTo: =?x-no?q?=C4nn?= <a@x>, b@y\nSubject: " + subject
    raw += b'\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n\nhi\n--b\n'
    raw += b'Content-Disposition: attachment; filename="p\xe4.pdf"\n\nx\n--b--\n'
    (document,) = read(put(tmp_path, "m.eml", raw))
    assert title is None or document.title == title
    assert document.text == "hi"
    assert own(document) == {
        "from": "Jörg <j@x.org>",
        "to": ["Änn <a@x>", "b@y"],
        "attachments": ["pä.pdf"],
    }


def test_messages_that_are_none(tmp_path):
    assert "no headers" in told(put(tmp_path, "m.eml", "Dear all,\n\nhello"))[1]
    assert "no headers" in told(put(tmp_path, "m.eml", ""))[1]
    nested = "".join(
        f'Content-Type: multipart/mixed; boundary="{i}"\n\n--{i}\n' for i in range(3000)
    )
    assert "the message is broken" in told(put(tmp_path, "m.eml", nested))[1]


def test_a_mailbox(tmp_path):
    path = tmp_path / "mail.mbox"
    box = mailbox.mbox(path)
    for made in (
        message("From here on\nFrom 1:00 quoted\n", Subject="1", Message_ID="<a@x>"),
        message(Subject="2", Date="Sun, 22 Nov 2026 10:00:00 -0000"),
        message(Subject="3", Message_ID="<a@x>"),
        message(Subject="4", Message_ID="<b@x>"),
    ):
        box.add(made)
    box.close()
    found = read(path)
    assert [d.id for d in found] == [f"mail.mbox#{name}" for name in ("a@x", "2", "a@x-3", "b@x")]
    assert [d.title for d in found] == ["1", "2", "3", "4"]
    assert found[0].text == "From here on\nFrom 1:00 quoted"
    assert found[1].meta["date"] == "2026-11-22T10:00:00+00:00"
    assert found[1].meta["attachments"] == []


def test_broken_mailboxes(tmp_path):
    path = put(tmp_path, "a.mbox", "Subject: x\n\ny")
    assert 'must begin with "From "' in told(path)[1]
    start = "From x Mon Jan  1 10:00:00 2024"
    raw = f"From x\n\nno headers\n\n{start}\nSubject: s\n\nFrom a sentence\n\nFrom us"
    error, good = open_corpus(put(tmp_path, "a.mbox", raw)).read()
    assert error.problem.startswith("message 1 of the mailbox can't be read: it has no headers")
    assert good.document.text == "From a sentence\n\nFrom us"
    assert told(put(tmp_path, "a.mbox", ""))[1] == "the mailbox is empty: there is nothing in it."


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        ("From ann@x.org Mon Jan  1 10:00:00 2024", True),
        ("From MAILER-DAEMON Sun Nov 22 09:05:07 2026\r", True),
        ("From - Sun Nov 22 10:00:00 2026", True),
        ('From "ann b"@x.org Sun Nov 22 10:00 2026', True),
        ("From 12@xxx Sun Nov 22 10:00:00 +0000 2026", True),
        ("From ann@x.org Sun Nov 22 10:00:00 EST 2026 remote from y", True),
        ("From ann@x.org  Sun Nov 22 10:00:00 2026 +0100", True),
        ("From the beginning of 10:30 on, nobody spoke in 2024", False),
        ("From Monday 10:00:00 2024", False),
        ("From ann Mon Jan 1 10:00", False),
        ("From ann Mon Jan 1 10:00:00 20245", False),
        ("From what I heard on Mon Jan 1 10:00:00 2024", False),
    ],
)
def test_where_a_message_of_a_mailbox_begins(tmp_path, line, begins):
    raw = f"From x\nSubject: a\n\nhello\n\n{line}\nSubject: b\n\nx\n"
    found = read(put(tmp_path, "a.mbox", raw))
    assert [each.title for each in found] == (["a", "b"] if begins else ["a"])
    assert begins or line in found[0].text


def test_the_memory_of_a_mailbox_is_that_of_a_message(tmp_path):
    one = b"From x Mon Jan  1 10:00:00 2024\nSubject: s\n\n" + b"word " * 20_000 + b"\n\n"
    path = put(tmp_path, "a.mbox", one * 60)
    corpus = open_corpus(path)
    next(corpus.read())
    tracemalloc.start()
    count = sum(1 for _ in documents(corpus))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 60
    assert peak < 2_500_000 < path.stat().st_size

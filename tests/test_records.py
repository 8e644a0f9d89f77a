"""Records of tables, databases, data sets and frames: values against what was put in, and errors."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import sqlite3
import sys
import tracemalloc
import uuid
from contextlib import closing
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecsearch.corpus import (
    Fields,
    IrDataset,
    ParquetFile,
    Record,
    SqliteTable,
    documents_of,
    open_corpus,
)
from vecsearch.corpus.libraries import said
from vecsearch.corpus.record import BadRecord, document_of
from vecsearch.corpus.values import document_from, without_bytes
from vecsearch.errors import CorpusError, UsageError
from vecsearch.types import Document, Query

DEFAULT = Fields()


def read(source, fields=DEFAULT):
    """Documents, and (line, problem) of errors, in order."""
    return [
        (each.line, each.problem) if isinstance(each, CorpusError) else each.document
        for each in open_corpus(source, fields).read()
    ]


def only_problem(source, *words, fields=DEFAULT):
    """Assert that nothing but an error comes, a sentence with these words; its line."""
    ((line, problem),) = read(source, fields)
    assert problem.endswith((".", "…", "?"))
    for word in words:
        assert word in problem
    return line


# Values


def meta_of(**fields):
    return dict(document_from({"id": "a", "text": "", **fields}, DEFAULT).meta)


class Colour(str, Enum):
    RED = "red"


UTC = dt.timezone.utc


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("é"), "é"),
        (Colour.RED, "red"),
        (math.nan, None),
        (np.float32("nan"), None),
        (Decimal("NaN"), None),
        (np.datetime64("NaT"), None),
        (np.timedelta64("NaT"), None),
        (Decimal("2.50"), 2.5),
        (Decimal("12"), 12),
        (Decimal("1E+3"), 1000),
        (dt.date(2020, 2, 29), "2020-02-29"),
        (dt.time(1, 2, 3), "01:02:03"),
        (dt.datetime(2020, 1, 2, 3, 4, 5, 6), "2020-01-02T03:04:05.000006"),
        (dt.datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T00:00:00+00:00"),
        (np.datetime64("2020-01-02"), "2020-01-02"),
        (np.datetime64("2020-01-02T03:04:05.000000007"), "2020-01-02T03:04:05"),
        (np.datetime64("+20200-01-01T00:00"), "20200-01-01T00:00"),
        (dt.timedelta(hours=1, microseconds=500_000), 3600.5),
        (np.timedelta64(1500, "ms"), 1.5),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("a/b"), "a/b"),
        (np.array([1, 2]), [1, 2]),
        (np.array(7), 7),
        (np.array(["2020-01-01"], "datetime64[ns]"), ["2020-01-01T00:00:00"]),
        (("x", None), ["x", None]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({2, 1}), [1, 2]),
        ([{"a": np.int8(1)}], ['{"a":1}']),
    ],
)
def test_values_of_other_libraries(value, wanted):
    found = meta_of(x=value)["x"]
    assert (found, type(found)) == (wanted, type(wanted))
    json.dumps(found)


def test_a_nested_mapping_gets_dotted_names():
    assert meta_of(a={"b": np.int64(1), "c": {"d": Decimal("0.5")}}) == {"a.b": 1, "a.c.d": 0.5}


def test_values_of_pandas():
    pd = pytest.importorskip("pandas")
    nanoseconds = pd.Timestamp("2020-01-01T00:00:00.000000001")
    fields = {
        "a": pd.NaT,
        "b": pd.NA,
        "c": nanoseconds,
        "d": pd.Series([1, 2]),
        "e": pd.Timedelta("1s"),
    }
    wanted = {"a": None, "b": None, "c": "2020-01-01T00:00:00", "d": [1, 2], "e": 1.0}
    assert meta_of(**fields) == wanted


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"x": b"x"}, "the field 'x' holds bytes"),
        ({"x": [memoryview(b"x")]}, "the field 'x' holds bytes"),
        ({"x": {"y": bytearray(b"x")}}, "the field 'y' holds bytes"),
        ({"x": 1j}, "the field 'x' holds a value of the type complex"),
        ({"x": object()}, "a value of the type object; it takes text, numbers"),
        ({3: "x"}, "the name of a field must be a text, not 3"),
        ({"x": Decimal("Infinity")}, "too large for a float"),
        ({"x": Decimal("1E+999")}, "too large for a float"),
        ({"text": math.nan}, "the text, field 'text', is null"),
        ({"id": 1.5}, "the id, field 'id', must be a text or integer, not 1.5"),
    ],
)
def test_values_that_are_refused(record, words):
    with pytest.raises(BadRecord) as caught:
        document_from({"id": "a", "text": "", **record}, DEFAULT)
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")


def test_what_holds_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(BadRecord, match="nested too deeply"):
        meta_of(x=loop)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def outcome(make, record):
    try:
        return make(record, DEFAULT)
    except BadRecord as problem:  # an infinite number
        return str(problem)


@given(st.dictionaries(st.text(), plain, max_size=4))
def test_values_of_json_stay(record):
    record = {**record, "_id": "a", "title": "", "text": "t"}
    assert outcome(document_from, record) == outcome(document_of, record)


def test_bytes_are_left_out_of_what_is_not_used():
    record = {"a": b"x", "b": {"c": b"y", "d": 1}, "e": 2, "text": b"z"}
    assert without_bytes(record, ["text"]) == {"b": {"d": 1}, "e": 2, "text": b"z"}


# Frames

ROWS = [
    {
        "id": i,
        "text": f"text {i}",
        "title": f"é{i}",
        "day": dt.date(2020, 1, i),
        "at": dt.datetime(2020, 1, i, 1, 2, 3, 4),
        "price": Decimal(f"{i}.25"),
        "share": i / 2,
        "ok": i % 2 == 0,
        "tags": [f"t{i}", "u"],
        "by": {"name": f"n{i}", "age": i},
    }
    for i in range(1, 4)
]
WANTED = [
    Document(
        str(i),
        f"text {i}",
        f"é{i}",
        {
            "day": f"2020-01-0{i}",
            "at": f"2020-01-0{i}T01:02:03.000004",
            "price": i + 0.25,
            "share": i / 2,
            "ok": i % 2 == 0,
            "tags": [f"t{i}", "u"],
            "by.name": f"n{i}",
            "by.age": i,
        },
    )
    for i in range(1, 4)
]


def frames():
    pd, pl, pa = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    table = pa.Table.from_pylist(ROWS)
    return {
        "dicts": ROWS,
        "a generator": (row for row in ROWS),
        "pandas": pd.DataFrame(ROWS),
        "pandas with an index": pd.DataFrame(ROWS).set_index("id"),
        "pandas with two": pd.DataFrame(ROWS).set_index(["id", "day"]),
        "pandas of its own types": pd.DataFrame(ROWS).convert_dtypes(),
        "polars": pl.DataFrame(ROWS),
        "polars, lazy": pl.DataFrame(ROWS).lazy(),
        "a table": table,
        "a batch": table.to_batches()[0],
        "a reader": table.to_reader(max_chunksize=2),
    }


def test_frames_give_the_same_documents():
    for name, frame in frames().items():
        assert list(documents_of(frame)) == WANTED, name


def test_a_named_index_is_no_column_where_a_column_has_its_name():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"id": ["a"], "text": ["x"]}, index=pd.Index(["b"], name="id"))
    assert list(documents_of(frame)) == [Document("a", "x")]


def test_missing_values_of_frames_are_null():
    pd, pl = map(pytest.importorskip, ("pandas", "polars"))
    data = {"id": ["a", "b"], "text": ["x", "y"], "n": [0.5, None], "s": ["s", None]}
    wanted = [
        Document("a", "x", "", {"n": 0.5, "s": "s"}),
        Document("b", "y", "", {"n": None, "s": None}),
    ]
    for frame in pd.DataFrame(data), pd.DataFrame(data).convert_dtypes(), pl.DataFrame(data):
        assert list(documents_of(frame)) == wanted


def test_documents_pass_and_mappings_are_made_ones():
    first = Document("a", "x", "", {"odd": object()})
    found = list(documents_of([first, {"id": 1, "contents": "y"}]))
    assert found[0] is first
    assert found[1] == Document("1", "y")
    assert list(documents_of(first)) == [first]
    assert list(documents_of({"k": "b", "t": "z"}, Fields(id="k", text="t"))) == [
        Document("b", "z")
    ]
    assert list(documents_of([])) == []


def test_items_are_taken_one_at_a_time():
    def items():
        yield {"id": "a", "text": ""}
        raise AssertionError("taken too early")

    assert next(documents_of(items())).id == "a"


@pytest.mark.parametrize("wrong", ["text", b"bytes", 3, None, object()])
def test_what_holds_no_documents(wrong):
    with pytest.raises(UsageError, match=f"of the type {type(wrong).__name__}; give a Document, a"):
        documents_of(wrong)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("text", "a document is a Document or a mapping of its fields, not of the type str"),
        ({"text": "x"}, "no field '_id' or 'id' for the id; fields here: 'text'"),
        ({"id": "a"}, "no field 'text' or 'contents'"),
        ({"id": "a", "text": "x", "raw": b""}, "the field 'raw' holds bytes"),
    ],
)
def test_the_item_that_makes_no_document_is_named(item, words):
    found = documents_of([{"id": "a", "text": ""}, item])
    next(found)
    with pytest.raises(UsageError) as caught:
        next(found)
    assert str(caught.value).startswith("Item 2 makes no document: ")
    assert words in str(caught.value)


def test_two_columns_of_one_name_in_a_frame():
    pd, pa = map(pytest.importorskip, ("pandas", "pyarrow"))
    double = pd.DataFrame([["a", "x", "y"]], columns=["id", "text", "text"])
    table = pa.table([["a"], ["x"], ["y"]], names=["id", "text", "text"])
    for frame in double, table:
        with pytest.raises(UsageError, match="Two columns of the frame are named 'text'"):
            list(documents_of(frame))
    with pytest.raises(UsageError, match=r"Item 1 .* must be a text, not 0"):
        list(documents_of(pd.DataFrame([["a"]])))


# Parquet and Arrow


@pytest.fixture
def pa():
    return pytest.importorskip("pyarrow")


def write(path, table, **options):
    """Write a table in the format of the path's suffix; .ipc is a stream here."""
    from pyarrow import feather, ipc, parquet

    if path.suffix == ".parquet":
        parquet.write_table(table, path, **options)
    elif path.suffix == ".feather":
        feather.write_feather(table, str(path), **options)
    else:
        make = ipc.new_stream if path.suffix == ".ipc" else ipc.new_file
        with make(path, table.schema) as writer:
            writer.write_table(table, **options)
    return path


COLUMNS = ("c.parquet", "c.arrow", "c.feather", "c.ipc", "C.PARQUET")


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(tmp_path, pa, name):
    path = tmp_path / name
    write(tmp_path / name.lower(), pa.Table.from_pylist(ROWS)).rename(path)
    assert read(path) == WANTED
    assert [(r.path, r.line) for r in open_corpus(path).read()] == [
        (str(path), line) for line in (1, 2, 3)
    ]
    chosen = read(path, Fields(id="title", text="text", title="text"))
    assert chosen[0].id == "é1"
    assert chosen[0].meta["id"] == 1


def test_arrow_types_that_json_has_not(tmp_path, pa):
    table = pa.table(
        {
            "id": pa.array(["a", "b"]).dictionary_encode(),
            "text": pa.array(["x", "y"], pa.large_string()),
            "at": pa.array([1_500, None], pa.timestamp("ns", "UTC")),
            "time": pa.array([1_500, None], pa.time64("ns")),
            "took": pa.array([1_500_000_001, None], pa.duration("ns")),
            "raw": pa.array([b"x", None]),
            "raw.x": pa.array([b"x", None], pa.binary(1)),
            "in": pa.array([{"raw": b"x", "n": 1}, None]),
            "__index_level_0__": [1, 2],
        }
    )
    for name in COLUMNS[:4]:
        first, second = read(write(tmp_path / name, table))
        at = "1970-01-01T00:00:00.000001"
        assert first == Document(
            "a", "x", "", {"at": f"{at}+00:00", "time": at[11:], "took": 1.5, "in.n": 1}
        )
        assert second == Document(
            "b", "y", "", {"at": None, "time": None, "took": None, "in": None}
        )


def test_a_frame_of_pandas_comes_back_from_parquet(tmp_path, pa):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(ROWS).assign(id=["1", "2", "3"]).set_index("id")
    frame.to_parquet(tmp_path / "c.parquet")
    assert read(tmp_path / "c.parquet") == list(documents_of(frame)) == WANTED


arrow_rows = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.text(st.characters(exclude_categories=["Cs"])),
            "n": st.none() | st.integers(-(2**63), 2**63 - 1),
            "x": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "at": st.none() | st.datetimes(),
            "tags": st.none() | st.lists(st.none() | st.text("ab", max_size=2), max_size=2),
        }
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40)
@given(rows=arrow_rows, name=st.sampled_from(COLUMNS[:4]), group=st.integers(1, 3))
def test_rows_survive_columns(tmp_path_factory, rows, name, group):
    pa = pytest.importorskip("pyarrow")
    schema = pa.schema(
        {
            "id": pa.int32(),
            "text": pa.string(),
            "n": pa.int64(),
            "x": pa.float64(),
            "at": pa.timestamp("us"),
            "tags": pa.list_(pa.string()),
        }
    )
    table = pa.Table.from_pylist([{"id": i, **row} for i, row in enumerate(rows)], schema)
    path = tmp_path_factory.getbasetemp() / name
    option = {"c.parquet": "row_group_size", "c.feather": "chunksize"}.get(name, "max_chunksize")
    wanted = []
    for i, row in enumerate(rows):
        meta = {key: value for key, value in row.items() if key != "text"}
        meta["at"] = meta["at"] and meta["at"].isoformat()
        wanted.append(Document(str(i), row["text"], "", meta))
    assert read(write(path, table, **{option: group})) == wanted


def test_ids_of_columns_come_once(tmp_path, pa):
    table = pa.table({"id": [1, 2, 1], "text": ["x", None, "z"]})
    first, null, twice = read(write(tmp_path / "c.parquet", table))
    assert first == Document("1", "x")
    assert null == (2, "the text, field 'text', is null; an empty text would be \"\".")
    assert twice == (3, "the id '1' comes a second time; each id must come once only.")


@pytest.mark.parametrize("name", COLUMNS[:4])
def test_broken_columns(tmp_path, pa, name):
    rows = {"id": list(range(5000)), "text": [f"{pow(3, i, 10**15 + 37)}" for i in range(5000)]}
    path = write(tmp_path / name, pa.table(rows))
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert only_problem(path, "file") is None
    path.write_bytes(b"id,text\n1,x\n" * 9)
    assert only_problem(path, "file") is None
    path.write_bytes(whole[: len(whole) // 2])
    assert "broken, cut short or of another kind" in read(path)[-1][1]
    third = len(whole) // 3
    path.write_bytes(whole[:third] + b"\xff" * 200 + whole[third + 200 :])
    for found in read(path):
        assert isinstance(found, Document) or found[1].endswith(".")
    path.unlink()
    path.mkdir()
    assert [str(each) for each in ParquetFile(path).read()] == [
        f"{path}: can't be read: Is a directory."
    ]
    path.rmdir()
    assert [str(each) for each in ParquetFile(path).read()] == [f"{path}: there is no such file."]


@settings(max_examples=60)
@given(st.data())
def test_flipped_bytes_of_columns_are_no_crash(tmp_path_factory, data):
    pa = pytest.importorskip("pyarrow")
    name = data.draw(st.sampled_from(COLUMNS[:4]))
    path = tmp_path_factory.getbasetemp() / name
    whole = bytearray(write(path, pa.Table.from_pylist(ROWS)).read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    for each in open_corpus(path).read():
        assert isinstance(each, Record | CorpusError)


def test_feather_of_version_1_is_told(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "c.feather").write_bytes(b"FEA1" + bytes(20) + b"FEA1")
    assert only_problem(tmp_path / "c.feather", "Feather of version 1") is None


def test_text_of_columns_that_is_not_utf8(tmp_path, pa):
    offsets = np.array([0, 1, 2, 3], np.int32)
    text = pa.StringArray.from_buffers(3, pa.py_buffer(offsets), pa.py_buffer(b"a\xffc"))
    table = pa.table({"id": [1, 2, 3], "text": text})
    for name in COLUMNS[:4]:
        first, bad, last = read(write(tmp_path / name, table))
        assert [first.text, last.text] == ["a", "c"]
        assert bad[0] == 2
        assert "UTF8" in bad[1]


def test_times_that_no_calendar_has(tmp_path, pa):
    data = {"id": [1, 2, 3], "text": ["x", "y", "z"]}
    for days, kind in ([0, 2**31 - 1, 1], pa.date32()), ([0, 2**62, 1], pa.duration("s")):
        numbers = pa.array(days, pa.int32() if kind == pa.date32() else pa.int64())
        table = pa.table({**data, "on": numbers.cast(kind)})
        first, bad, last = read(write(tmp_path / "a.parquet", table))
        assert (first.id, last.id) == ("1", "3")
        problem = (
            "the column 'on' holds a date, time or duration that is too large; dates are of the "
            "years 1 to 9999."
        )
        assert bad == (2, problem)
        found = documents_of(table)
        next(found)
        with pytest.raises(UsageError) as caught:
            next(found)
        assert str(caught.value) == f"Item 2 makes no document: {problem}"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (Fields(text="body"), "no field 'body' for the text; fields here: 'key', 'text'"),
        (Fields(), "no field '_id' or 'id' for the id; fields here: 'key', 'text'"),
        (Fields(id="key", title="head"), "no field 'head' for the title"),
    ],
)
def test_missing_columns(tmp_path, pa, fields, words):
    path = write(tmp_path / "c.parquet", pa.table({"key": [1], "text": ["x"]}))
    fields = Fields(fields.id or ("key" if fields.text else None), fields.title, fields.text)
    assert only_problem(path, words, fields=fields) is None


def test_columns_twice_and_bytes_as_text(tmp_path, pa):
    twice = pa.table([["a"], ["x"], ["y"]], names=["id", "text", "text"])
    only_problem(write(tmp_path / "a.arrow", twice), "two columns are named 'text'")
    raw = pa.table({"id": ["a"], "text": [b"x"]})
    line = only_problem(write(tmp_path / "b.parquet", raw), "the field 'text' holds bytes")
    assert line == 1


def test_without_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    only_problem(tmp_path / "c.parquet", "pyarrow: pip install 'vecsearch[tables]'")


@pytest.mark.parametrize("name", COLUMNS[:4])
def test_columns_are_read_in_parts(tmp_path, pa, name):
    # Words that don't compress, so that what is held is what is read.
    rows = 2000
    noise = np.random.default_rng(0).integers(97, 123, (rows, 4000), np.uint8)
    table = pa.table({"id": range(rows), "text": [bytes(row).decode() for row in noise]})
    option = {"c.parquet": "row_group_size", "c.feather": "chunksize"}.get(name, "max_chunksize")
    path = write(tmp_path / name, table, **{option: 250})
    size = path.stat().st_size
    del table
    corpus = open_corpus(path)
    assert (corpus.total_bytes, corpus.bytes_read) == (size, 0)
    before = pa.total_allocated_bytes()
    most, shares = 0, []
    tracemalloc.start()
    for i, _ in enumerate(corpus.read()):
        if i % 50 == 0:
            most = max(most, pa.total_allocated_bytes() - before)
            shares.append(corpus.bytes_read)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < size / 2
    assert peak < size / 2
    assert shares == sorted(shares)
    assert len(set(shares)) > 4
    assert corpus.bytes_read == size
    assert next(corpus.read()).line == 1


# SQLite


def database(path, *statements):
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path


NOTES = (
    "CREATE TABLE notes (key TEXT, head TEXT, body TEXT, n REAL, pic BLOB)",
    "INSERT INTO notes VALUES ('a', 'T', 'x é', 1.5, x'00'), ('b', NULL, '', NULL, NULL)",
)


def snapshot(folder):
    """What lies in a folder."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_a_table_of_a_database(tmp_path):
    path = database(tmp_path / "my no%tes?.db", *NOTES)
    wanted = [
        Document("a", "x é", "T", {"n": 1.5}),
        Document("b", "", "", {"n": None, "pic": None}),
    ]
    place = str(path).replace("%", "%25").replace("?", "%3F")
    options = "text=body&id=key&title=head"
    before = snapshot(tmp_path)
    for source in (
        f"sqlite:{place}?table=notes&{options}",
        f"sqlite:{place}?{options}",
        f"sqlite://{place.replace(' ', '%20')}?{options}",
    ):
        assert read(source) == wanted
    fields = Fields("key", "head", "body")
    assert read(path, fields) == read(f"sqlite:{place}?text=body", fields) == wanted
    assert snapshot(tmp_path) == before
    corpus = open_corpus(path, fields)
    assert [(r.path, r.line) for r in corpus.read()] == [(str(path), 1), (str(path), 2)]
    assert corpus.bytes_read == corpus.total_bytes == path.stat().st_size


@pytest.mark.parametrize("name", ["a.db", "a.sqlite", "a.SQLITE3"])
def test_ids_of_rows(tmp_path, name):
    path = database(
        tmp_path / name,
        "CREATE TABLE plain (text)",
        "INSERT INTO plain (rowid, text) VALUES (7, 'x'), (3, 'y')",
        "CREATE TABLE taken (rowid, text)",
        "INSERT INTO taken VALUES ('r', 'x')",
        "CREATE TABLE ids (id INTEGER PRIMARY KEY, text)",
        "INSERT INTO ids VALUES (5, 'x')",
        "CREATE TABLE without (k TEXT PRIMARY KEY, text) WITHOUT ROWID",
        "CREATE VIEW seen AS SELECT text, 'v' AS _id, 1 AS id FROM plain LIMIT 1",
        "CREATE VIEW nameless AS SELECT text FROM plain",
    )
    assert read(f"sqlite:{path}?table=plain") == [Document("3", "y"), Document("7", "x")]
    assert read(f"sqlite:{path}?table=plain&id=ROWID")[0].id == "3"
    assert read(f"sqlite:{path}?table=taken") == [Document("1", "x", "", {"rowid": "r"})]
    assert read(f"sqlite:{path}?table=taken&id=rowid") == [Document("r", "x")]
    assert read(f"sqlite:{path}?table=ids") == [Document("5", "x")]
    assert read(f"sqlite:{path}?table=seen") == [Document("v", "y", "", {"id": 1})]
    for table in "without", "nameless":
        only_problem(f"sqlite:{path}?table={table}", "no field '_id' or 'id' for the id")


def test_the_table_is_the_only_one_or_named(tmp_path):
    path = tmp_path / "a.db"
    database(path, "CREATE TABLE notes (id, text)", "INSERT INTO notes VALUES (1, 'x')")
    database(path, "CREATE VIEW seen AS SELECT * FROM notes")
    assert read(path) == [Document("1", "x")]
    database(path, 'CREATE TABLE "an ""other" (id, text, "select" TEXT)')
    database(path, """INSERT INTO "an ""other" VALUES (2, 'y', 'z')""")
    only_problem(path, "several tables: 'an \"other', 'notes', 'seen'; choose one, as in sqlite:")
    assert read(f'sqlite:{path}?table=an+"other') == [Document("2", "y", "", {"select": "z"})]
    only_problem(f"sqlite:{path}?table=nots", "no table 'nots'. Did you mean 'notes'?", "'seen'")
    only_problem(f"sqlite:{path}?table=NOTES", "no table 'NOTES'. Did you mean 'notes'?")
    database(tmp_path / "v.db", "CREATE VIEW v AS SELECT 1 AS id, 'x' AS text")
    assert read(tmp_path / "v.db") == [Document("1", "x")]
    database(tmp_path / "b.db", "CREATE VIEW v AS SELECT * FROM gone")
    only_problem(tmp_path / "b.db", "no such table: main.gone")


def test_the_tables_of_a_text_index_are_one(tmp_path):
    try:
        path = database(tmp_path / "a.db", "CREATE VIRTUAL TABLE f USING fts5(text)")
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no fts5")
    if sqlite3.sqlite_version_info < (3, 37):
        pytest.skip("this SQLite doesn't list what an index keeps for itself")
    database(path, "INSERT INTO f VALUES ('x')")
    assert read(path) == [Document("1", "x")]


def test_rows_of_a_database_that_make_no_document(tmp_path):
    path = database(
        tmp_path / "a.db",
        "CREATE TABLE t (id, text, x)",
        "INSERT INTO t VALUES (1, 'a', 1), (2, x'00', 1), (3, CAST(x'C3' AS TEXT), 1), "
        "(4, 'd', CAST(x'FF' AS TEXT)), (1.5, 'e', 1), (6, NULL, 1), (1, 'g', 1), (8, 'h', 9e999)",
    )
    found = read(path)
    assert found[0] == Document("1", "a", "", {"x": 1})
    for line, words in [
        (2, "the column 'text' holds a BLOB"),
        (3, "the text in the column 'text' isn't UTF-8"),
        (4, "the text in the column 'x' isn't UTF-8"),
        (5, "must be a text or integer, not 1.5"),
        (6, "is null"),
        (7, "comes a second time"),
        (8, "too large for a float"),
    ]:
        assert found[line - 1][0] == line
        assert words in found[line - 1][1]
    errors = [each for each in SqliteTable(path).read() if isinstance(each, CorpusError)]
    assert [str(each).partition(": ")[0] for each in errors] == [
        f"{path}, row {number}" for number in range(2, 9)
    ]


def test_databases_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr("vecsearch.corpus.sqlite._PATIENCE", 0.1)
    path = database(tmp_path / "a.db", *NOTES)
    fields = Fields("key", "head", "body")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        only_problem(path, "locked by another program", fields=fields)
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    only_problem(path, "damaged or cut short", fields=fields)
    path.write_bytes(os.urandom(8192))
    only_problem(path, "no SQLite database, or an encrypted one", fields=fields)
    path.write_bytes(b"")
    only_problem(path, "the database holds no table", fields=fields)
    only_problem(f"sqlite:{path}?table=t", "there is no table 't'. Tables here: none")
    path.unlink()
    assert [str(each) for each in SqliteTable(path).read()] == [f"{path}: there is no such file."]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CorpusError, match="there is no such file or folder"):
        open_corpus(f"sqlite:{path}")
    with pytest.raises(CorpusError, match="this is a folder, not an SQLite database"):
        open_corpus(f"sqlite:{tmp_path}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_database_that_may_not_be_read(tmp_path):
    path = database(tmp_path / "a.db", *NOTES)
    path.chmod(0)
    only_problem(path, "it can't be opened; may you read it")


def test_damage_within_a_database_is_told_where_it_is_met(tmp_path):
    path = database(tmp_path / "a.db", "CREATE TABLE t (id, text)")
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = [(i, f"{i} " * 300) for i in range(500)]
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    whole = path.read_bytes()
    path.write_bytes(whole[: 4096 * 100] + bytes(4096) + whole[4096 * 101 :])
    *_, (_, problem) = read(path)
    assert "damaged or cut short" in problem


def test_a_log_beside_a_database(tmp_path):
    path = database(tmp_path / "a.db", "PRAGMA journal_mode=WAL", *NOTES)
    fields = Fields("key", "head", "body")
    before = snapshot(tmp_path)
    assert len(before) == 1
    assert [d.id for d in read(path, fields)] == ["a", "b"]
    assert snapshot(tmp_path) == before
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("INSERT INTO notes (key, body) VALUES ('c', 'new')")
        writer.commit()
        before = snapshot(tmp_path)
        assert len(before) == 3
        reading = open_corpus(path, fields).read()
        assert next(reading).document.id == "a"
        writer.execute("INSERT INTO notes (key, body) VALUES ('d', 'newer')")
        writer.commit()
        assert [each.document.id for each in reading] == ["b", "c"]  # as it was at the start
        before = snapshot(tmp_path)
        assert [d.id for d in read(path, fields)] == ["a", "b", "c", "d"]
        after = snapshot(tmp_path)
        # What both share is the memory of this one process, where locks are noted.
        assert {len(each.pop("a.db-shm")[0]) for each in (before, after)} == {32768}
        assert after == before
        left = snapshot(tmp_path)
    # As a crash leaves it, and as somebody copies it who forgets a file.
    for name, (content, _) in left.items():
        path.with_name(name).write_bytes(content)
    before = snapshot(tmp_path)
    assert len(before) == 3
    assert [d.id for d in read(path, fields)] == ["a", "b", "c", "d"]
    assert snapshot(tmp_path) == before
    path.with_name("a.db-shm").unlink()
    before = snapshot(tmp_path)
    only_problem(path, "its log 'a.db-wal' holds changes", "wal_checkpoint", fields=fields)
    assert snapshot(tmp_path) == before


def test_a_database_that_changes_where_no_lock_can_be_had(tmp_path, monkeypatch):
    monkeypatch.setattr("vecsearch.corpus.sqlite._ROWS", 1)
    path = database(tmp_path / "a.db", "PRAGMA journal_mode=WAL", *NOTES)
    reading = open_corpus(path, Fields("key", "head", "body")).read()
    assert next(reading).document.id == "a"
    database(path, "DELETE FROM notes")
    (error,) = reading
    assert "changed while it was read" in str(error)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            st.none()
            | st.integers(-(2**63), 2**63 - 1)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(exclude_categories=["Cs"])),
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["UTF-8", "UTF-16le"]),
)
def test_rows_survive_a_database(tmp_path_factory, rows, encoding):
    path = tmp_path_factory.mktemp("db") / "a.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA encoding='{encoding}'")
        connection.execute("CREATE TABLE t (text, x)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    assert read(path) == [
        Document(str(i), text, "", {"x": x}) for i, (text, x) in enumerate(rows, 1)
    ]


def test_rows_of_a_database_are_streamed(tmp_path):
    path = database(tmp_path / "a.db", "CREATE TABLE t (id, text)")
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = ((i, f"{i} " * 2000) for i in range(2000))
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    corpus = open_corpus(path)
    tracemalloc.start()
    shares = [corpus.bytes_read for _ in corpus.read()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < corpus.total_bytes / 4
    assert shares == sorted(shares)
    assert len(set(shares)) > 100


# Sources


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("", "'sqlite:' names nothing after its colon"),
        ("?table=x", "names nothing"),
        ("a.db?tabel=x", "no key 'tabel'. Did you mean 'table'? Known: table, id, title, text."),
        ("a.db?where=x", "no key 'where'. Known: table"),
        ("a.db?table", "is key=value"),
        ("a.db?table=", "the key 'table' takes one value, once"),
        ("a.db?text=x&text=y", "the key 'text' takes one value, once"),
    ],
)
def test_sources_that_mean_nothing(rest, words):
    with pytest.raises(UsageError) as caught:
        open_corpus(f"sqlite:{rest}")
    assert words in str(caught.value)


def test_fields_chosen_twice(tmp_path):
    path = database(tmp_path / "a.db", *NOTES)
    with pytest.raises(UsageError, match=r"The text is in the field 'body' by .* and in 'head'"):
        open_corpus(f"sqlite:{path}?text=body", Fields(text="head"))
    open_corpus(f"sqlite:{path}?text=body", Fields(text="body"))


def test_the_nearest_name_is_suggested(tmp_path):
    (tmp_path / "notes.jsonl").write_text("")
    with pytest.raises(CorpusError) as caught:
        open_corpus(tmp_path / "notse.jsonl")
    assert caught.value.problem == (
        f"there is no such file or folder. Did you mean '{tmp_path / 'notes.jsonl'}'?"
    )
    for name in "NOTSE.JSONL", "NOTES":
        with pytest.raises(CorpusError, match=r"Did you mean '.*/notes\.jsonl'\?$"):
            open_corpus(tmp_path / name)
    with pytest.raises(CorpusError, match=r"no such file or folder\.$"):
        open_corpus(tmp_path / "elsewhere")
    with pytest.raises(CorpusError, match=r"Did you mean 'sqlite:notes\.db\?table=x'\?$"):
        open_corpus("sqlit:notes.db?table=x")
    with pytest.raises(CorpusError, match=r"Did you mean 'hf:owner/name'\?$"):
        open_corpus("HF:owner/name")
    with pytest.raises(UsageError, match=r"no key 'TABLE'\. Did you mean 'table'"):
        open_corpus("sqlite:notes.db?TABLE=x")
    with pytest.raises(UsageError, match="'ir:' names nothing"):
        open_corpus("ir:")


# Hugging Face's data sets


@pytest.fixture
def hub(monkeypatch, capfd):
    """The library without a network; what it is made to do it must do silently."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    capfd.readouterr()
    yield datasets
    assert capfd.readouterr() == ("", "")


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def test_a_folder_of_data_files(tmp_path, hub, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.jsonl").write_text(lines({"head": "T", "body": "x"}, {"head": "", "body": 3}))
    options = "?text=body&title=head"
    first, bad = read(f"hf:{folder}{options}")
    assert first == Document("0", "x", "T")
    assert bad[0] == 2
    (folder / "train.jsonl").write_text(lines({"_id": 7, "text": "x", "at": "2020-01-01"}))
    (folder / "test.jsonl").write_text(lines({"_id": 8, "text": "y", "at": None}))
    wanted = [Document("7", "x", "", {"at": "2020-01-01T00:00:00"})]
    monkeypatch.chdir(tmp_path)
    for source in f"hf:{folder}", "hf:./data", "hf:data?split=train":
        assert read(source) == wanted
    corpus = open_corpus(f"hf:{folder}?split=test")
    for _ in range(2):
        (record,) = corpus.read()
        assert record == Record(Document("8", "y", "", {"at": None}), f"hf:{folder}", 1)
    assert (corpus.total_bytes, corpus.bytes_read) == (None, 0)
    only_problem("hf:data?split=tset", "no split 'tset'. Did you mean 'test'?", "'train', 'test'")
    only_problem("hf:data?text=body", "no field 'body' for the text; fields here: '_id', 'text'")
    only_problem("hf:data?config=x", "it can't be read: ", "'x' not found")
    (folder / "train.jsonl").rename(folder / "validation.jsonl")
    only_problem("hf:data", "several splits: 'validation', 'test'; choose one")


def test_data_sets_of_the_hub_that_cannot_be_had(tmp_path, hub, monkeypatch):
    monkeypatch.chdir(tmp_path)
    only_problem("hf:nobody/nothing", "it can't be read: ", "'nobody/nothing'")
    for name in "./gone", "/gone":
        only_problem(f"hf:{name}", "there is no such folder")
    only_problem(f"hf:{tmp_path}", "it can't be read: ")
    with pytest.raises(UsageError, match=r"no key 'spilt'\. Did you mean 'split'"):
        open_corpus("hf:a/b?spilt=train")


def test_broken_data_files(tmp_path, hub):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    assert only_problem(f"hf:{tmp_path}", "it can't be read: ") is None
    (tmp_path / "a.parquet").unlink()
    (tmp_path / "a.jsonl").write_text(lines({"id": 1, "text": "x"}) + "{oops\n")
    assert "it can't be read: " in read(f"hf:{tmp_path}")[-1][1]


def test_a_data_set_that_was_saved(tmp_path, hub, capfd):
    made = hub.Dataset.from_dict({"id": ["a"], "text": ["x"], "raw": [b"x"]})
    made.save_to_disk(str(tmp_path / "one"))
    hub.DatasetDict({"a": made, "b": made}).save_to_disk(str(tmp_path / "two"))
    capfd.readouterr()
    assert read(f"hf:{tmp_path / 'one'}") == [Document("a", "x")]
    assert read(f"hf:{tmp_path / 'two'}?split=b") == [Document("a", "x")]
    assert read(tmp_path / "one" / "data-00000-of-00001.arrow") == [Document("a", "x")]
    assert list(documents_of(made.remove_columns("raw"))) == [Document("a", "x")]


def test_without_datasets(tmp_path, monkeypatch):
    for name in "datasets", "ir_datasets":
        monkeypatch.setitem(sys.modules, name, None)
    only_problem(f"hf:{tmp_path}", "datasets: pip install 'vecsearch[datasets]'")
    only_problem("ir:beir/scifact", "ir_datasets: pip install 'vecsearch[datasets]'")


# ir_datasets


class Paper(NamedTuple):
    doc_id: str
    title: str
    abstract: str
    year: int
    pages: bytes
    authors: tuple[str, ...]

    def default_text(self):
        return f"{self.title} {self.abstract}"


class Topic(NamedTuple):
    query_id: str
    title: str
    narrative: str

    def default_text(self):
        return self.title


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """The registry of ir_datasets, which keeps its files elsewhere, with data sets of our own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IR_DATASETS_HOME", str(home))
        ir_datasets = pytest.importorskip("ir_datasets")
    (home / "docs.tsv").write_text("d1\tfirst text\nd2\tsecond text\nd1\tagain\n")
    (home / "queries.tsv").write_text("q1\twhat?\nq2\twhy?\n")
    (home / "qrels").write_text("q1 0 d1 1\nq1 0 d2 0\nq2 0 d2 2\nq1 0 d1 2\n")
    make = ir_datasets.create_dataset
    ours = {
        "vs-toy": make(str(home / "docs.tsv")),
        "vs-toy/test": make(*(str(home / f) for f in ("docs.tsv", "queries.tsv", "qrels"))),
        "vs-gone": make(str(home / "gone.tsv")),
        "vs-papers": ir_datasets.Dataset(_Papers()),
    }
    for name, dataset in ours.items():
        ir_datasets.registry.register(name, dataset)
    yield ir_datasets.registry
    for name in ours:
        del ir_datasets.registry._registered[name]


class _Papers:
    """Documents without a field named text, and topics; then the library fails."""

    def docs_iter(self):
        yield Paper("p1", "A title", "An abstract. " * 40, 2020, b"raw", ("x", "y"))
        yield Paper("p2", "", "short", 2021, b"", ())
        raise RuntimeError("the archive is\nbroken.")

    def docs_handler(self):
        return self

    def queries_iter(self):
        return iter([Topic("1", "asked", "at length")])

    def queries_handler(self):
        return self


def test_a_data_set_of_ir_datasets(registry, capfd):
    corpus = open_corpus("ir:vs-toy/test")
    assert isinstance(corpus, IrDataset)
    for _ in range(2):
        first, second, twice = corpus.read()
        assert first == Record(Document("d1", "first text"), "ir:vs-toy/test", 1)
        assert second.document.id == "d2"
        assert "'d1' comes a second time" in str(twice)
    assert corpus.queries() == [Query("q1", "what?"), Query("q2", "why?")]
    assert corpus.qrels() == {"q1": {"d1": 2, "d2": 0}, "q2": {"d2": 2}}
    assert (corpus.total_bytes, corpus.bytes_read) == (None, 0)
    assert capfd.readouterr() == ("", "")


def test_the_text_of_papers(registry):
    first, second, failure = read("ir:vs-papers")
    assert first == Document(
        "p1", ("An abstract. " * 40), "A title", {"year": 2020, "authors": ["x", "y"]}
    )
    assert second == Document("p2", "short", "", {"abstract": "short", "year": 2021, "authors": []})
    assert failure == (3, "it can't be read: the archive is broken.")
    assert open_corpus("ir:vs-papers").queries() == [Query("1", "asked")]
    chosen = read("ir:vs-papers", Fields(id="title", title="doc_id", text="abstract"))[0]
    assert (chosen.id, chosen.title, chosen.text) == ("A title", "p1", "An abstract. " * 40)


def test_data_sets_that_cannot_be_had(registry):
    only_problem("ir:vs-toy/tset", "knows no data set of this name. Did you mean 'vs-toy/test'")
    only_problem("ir:VS-TOY/TEST", "of this name. Did you mean 'vs-toy/test'?")
    only_problem("ir:zzzzzzzz", "of this name.")
    only_problem("ir:vs-gone", "must be fetched by hand", "gone.tsv")
    toy = open_corpus("ir:vs-toy")
    for judged, words in (toy.queries, "no queries"), (toy.qrels, "no judgments"):
        with pytest.raises(CorpusError, match=f"this data set has {words}; it is in 'vs-toy/test'"):
            judged()
    with pytest.raises(CorpusError, match="knows no data set"):
        open_corpus("ir:vs-toi").qrels()


def test_complaints_are_one_line():
    assert said(ValueError("a\n  b.")) == "a b"
    assert said(KeyError()) == "KeyError"
    assert len(said(ValueError("x" * 1000))) < 500

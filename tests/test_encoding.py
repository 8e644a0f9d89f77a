"""Rows become the vectors that the encoder gives for them, whatever is known, repeated or fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy import HashEncoder, look

from vecsearch import Document, Index
from vecsearch.cache import VECTORS, cache_folder
from vecsearch.encoding import Encoding, Rows
from vecsearch.errors import EncoderError, VecsearchWarning


class Costly(HashEncoder):
    """Is worth a cache, and remembers what it was asked to encode."""

    costly = True

    def __init__(self, salt="", dim=16):
        super().__init__(salt, dim)
        self.calls = []

    def encode(self, texts, role):
        if role == "document":
            self.calls.append(list(texts))
        return super().encode(texts, role)

    @property
    def texts(self):
        return [text for call in self.calls for text in call]


@pytest.fixture
def small(monkeypatch):
    """Sizes at which a few rows are many."""
    for name, size in {"_LOT": 4, "_FIRST": 2, "_WINDOW": 8, "_CALL": 3}.items():
        monkeypatch.setattr(f"vecsearch.encoding.{name}", size)
    monkeypatch.setattr("vecsearch.encoding._CALL_CHARACTERS", 12)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vecsearch" / VECTORS


def vectors_of(encoding, added):
    rows = Rows(16, encoding)
    for each in added:
        rows.add(each)
    return np.concatenate([np.zeros((0, 16), np.float32), *rows.blocks()])


def encoded(texts):
    """What they are, one by one: blank texts have zeros."""
    encoder = HashEncoder()
    found = [encoder.encode([each if each.strip() else ""], "document") for each in texts]
    return np.concatenate([np.zeros((0, 16), np.float32), *found])


texts = st.sampled_from(["", " \n", "a", "b", "a b", "b a c", "long " * 9, "é", "\ud800"])
texts |= st.text("abc ", max_size=6)
additions = st.lists(st.lists(texts, min_size=1, max_size=5), max_size=12)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.lists(additions, min_size=1, max_size=3), st.booleans(), st.data())
def test_histories(small, monkeypatch, tmp_path_factory, corpora, costly, data):
    """Several writers after another, rows with their vectors in between."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    seen = []
    for corpus in corpora:
        encoder = Costly()
        encoder.costly = costly
        given = [(rows, data.draw(st.booleans())) for rows in corpus]
        told = []
        encoding = Encoding(lambda encoder=encoder: encoder, lambda *each: told.append(each))  # noqa: B023
        found = vectors_of(encoding, [encoded(rows) if known else rows for rows, known in given])
        encoding.close()
        rows = [row for each in corpus for row in each]
        assert np.array_equal(found, encoded(rows))
        assert told == sorted(told)
        assert all(done <= taken for done, taken in told)
        assert not rows or told[-1] == (len(rows), len(rows))
        assert all(len(call) <= (3 if costly else 4) for call in encoder.calls)
        assert all(len(call) == 1 or sum(map(len, call)) <= 12 for call in encoder.calls)
        wanted = {row for rows, known in given if not known for row in rows if row.strip()}
        assert set(encoder.texts) <= wanted
        if costly:
            assert len(encoder.texts) == len(set(encoder.texts))
            assert set(encoder.texts) == wanted - set(seen)
            seen += encoder.texts


def test_like_is_encoded_with_like(cache):
    """Sorted by length over more than a call, the longest first."""

    class Quick(Costly):
        def _vector(self, text):
            return np.ones(self.dim)

    encoder = Quick()
    encoding = Encoding(lambda: encoder)
    rows = ["word " * (n * 7919 % 997) + str(n) for n in range(3000)]
    vectors_of(encoding, [rows[n : n + 10] for n in range(0, 3000, 10)])
    encoding.close()
    lengths = [[len(text) for text in call] for call in encoder.calls]
    assert max(map(len, encoder.calls)) == 128
    assert all(call == sorted(call, reverse=True) for call in lengths)
    spread = [max(call) - min(call) for call in lengths if len(call) == 128]
    assert np.mean(spread) < 5 * 997 / 5


def test_the_same_calls_whatever_the_time(cache, small):
    """What is encoded together depends on the texts alone: so do the last bits of vectors."""

    class Slow(Costly):
        costly = False

        def encode(self, texts, role):
            time.sleep(0.002 * len(self.calls))
            return super().encode(texts, role)

    class Quick(Slow):
        costly = False
        encode = Costly.encode

    calls = []
    for kind in (Quick, Slow):
        encoder = kind()
        encoding = Encoding(lambda encoder=encoder: encoder)
        vectors_of(encoding, [[f"text {n * 7 % 50}"] for n in range(70)])
        encoding.close()
        calls.append(encoder.calls)
    assert calls[0] == calls[1]


def test_documents_are_taken_while_others_are_encoded(tmp_path, cache):
    """The encoder's first call ends when many more documents were taken; else never."""
    taken = threading.Event()

    class Waiting(Costly):
        def encode(self, texts, role):
            assert taken.wait(300), "nothing was taken meanwhile"
            return super().encode(texts, role)

    def documents():
        for n in range(1200):
            if n == 1000:
                taken.set()
            yield Document(str(n), f"text {n}")

    index = Index.create(tmp_path / "index", Waiting(), documents=documents())
    assert index.info()["documents"] == 1200


def test_not_too_many_rows_wait(cache, small):
    """They are in memory: two windows, and what is looked up."""
    ahead = []
    encoding = Encoding(Costly, lambda done, taken: ahead.append(taken - done))
    vectors_of(encoding, [[f"text {n}"] for n in range(200)])
    encoding.close()
    assert max(ahead) <= 2 * 8 + 4


@pytest.mark.parametrize("overlapping", [False, True])
def test_an_encoder_that_overlaps_is_called_by_two_threads(cache, small, overlapping):
    """Each waits for the other then; any other encoder is never called by two."""
    both = threading.Barrier(2, timeout=300)
    inside = []

    class Overlapping(Costly):
        overlaps = overlapping
        most = 0

        def encode(self, texts, role):
            inside.append(texts)
            self.most = max(self.most, len(inside))
            if overlapping:
                both.wait()
            time.sleep(0.001)
            inside.remove(texts)
            return super().encode(texts, role)

    encoder = Overlapping()
    encoding = Encoding(lambda: encoder)
    given = [f"text {n}" for n in range(8)]  # four calls
    found = vectors_of(encoding, [given])
    encoding.close()
    assert len(encoder.calls) == 4
    assert encoder.most == 1 + overlapping
    assert np.array_equal(found, encoded(given))


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("at", range(1, 9))
def test_an_encoder_that_fails_loses_nothing(cache, small, at, overlapping):
    alone = threading.Lock()

    class Failing(Costly):
        overlaps = overlapping
        failed = False

        def encode(self, texts, role):
            with alone:
                if not self.failed and len(self.calls) + 1 == at:
                    self.failed = True
                    raise EncoderError("out of order")
                return super().encode(texts, role)

    encoder = Failing()
    encoding = Encoding(lambda: encoder)
    rows = Rows(16, encoding)
    given = [f"text {n % 25}" for n in range(40)]
    errors = 0
    for row in given:
        try:
            rows.add([row])
        except EncoderError:
            errors += 1
    try:
        blocks = rows.blocks()
    except EncoderError:
        errors += 1
        blocks = rows.blocks()
    encoding.close()
    assert errors == 1
    assert np.array_equal(np.concatenate(blocks), encoded(given))
    assert sorted(encoder.texts) == sorted(set(given))


def test_a_wrong_encoder_is_named_and_changes_nothing(tmp_path, cache):
    class Wrong(Costly):
        def encode(self, texts, role):
            return super().encode(texts, role)[:, :3]

    with pytest.raises(EncoderError, match="'hash' gave an array of shape"):
        Index.create(tmp_path / "index", Wrong(), documents=[Document("a", "kettle")])
    assert not (tmp_path / "index").exists()


def corpus_of(count, changed=()):
    return [
        Document(str(n), f"document {n} of many" + " changed" * (n in changed))
        for n in range(count)
    ]


def test_one_percent_changed_is_one_percent_encoded(tmp_path, cache):
    encoder = Costly()
    Index.create(tmp_path / "one", encoder, documents=corpus_of(1000))
    assert len(encoder.texts) == 1000
    encoder.calls = []
    changed = range(0, 1000, 100)
    index = Index.create(tmp_path / "two", encoder, documents=corpus_of(1000, changed))
    assert len(encoder.texts) == 10
    kept = look(index.searcher())
    plain = Index.create(tmp_path / "three", HashEncoder(), documents=corpus_of(1000, changed))
    assert look(plain.searcher()) == kept
    encoder.calls = []
    with index.writer() as writer:
        writer.add(corpus_of(1000, range(0, 1000, 50)))
    assert len(encoder.texts) == 10
    encoder.calls = []
    index.reencode(encoder)
    assert encoder.texts == []


def test_what_is_cheap_to_encode_is_not_kept(tmp_path, cache):
    Index.create(tmp_path / "index", HashEncoder(), documents=corpus_of(9))
    Index.create(tmp_path / "small", "small", documents=corpus_of(9))
    assert not cache.exists()


def test_a_cache_that_cant_be_used_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(VecsearchWarning, match="what is encoded isn't kept") as told:
        index = Index.create(tmp_path / "index", Costly(), documents=corpus_of(1000))
    assert len(told) == 1
    plain = Index.create(tmp_path / "plain", HashEncoder(), documents=corpus_of(1000))
    assert look(index.searcher()) == look(plain.searcher())


@pytest.mark.parametrize("at", [0, 700])
def test_damage_while_indexing(tmp_path, cache, at):
    """Every other page of the file becomes noise."""
    Index.create(tmp_path / "one", Costly(), documents=corpus_of(1000))

    def documents():
        for n, each in enumerate(corpus_of(1000)):
            if n == at:
                with cache.open("r+b") as file:
                    for page in range(1, cache.stat().st_size // 8192, 2):
                        file.seek(8192 * page)
                        file.write(os.urandom(8192))
            yield each

    index = Index.create(tmp_path / "two", Costly(), documents=documents())
    plain = Index.create(tmp_path / "plain", HashEncoder(), documents=corpus_of(1000))
    assert look(index.searcher()) == look(plain.searcher())
    encoder = Costly()
    Index.create(tmp_path / "three", encoder, documents=corpus_of(1000, range(10)))
    assert len(encoder.texts) < 1000


PROGRAM = """
import sys, time
from toy import HashEncoder
import vecsearch.index
from vecsearch.cli import main

class Slow(HashEncoder):
    costly = True

    def encode(self, texts, role):
        with open(sys.argv[1], "a") as log:
            log.write("".join(f"{text}\\n" for text in texts) + "--\\n")
        time.sleep(float(sys.argv[2]))
        return super().encode(texts, role)

vecsearch.index.choose_encoder = lambda *_: Slow()
main(["index", *sys.argv[3:], "--encoder", "slow", "--overwrite"])
"""


def run(log, seconds, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, log, str(seconds), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def calls_of(log):
    """The texts of each call that was begun."""
    content = log.read_text() if log.exists() else ""
    return [call.splitlines() for call in content.split("--\n") if call]


@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_interrupted_goes_on_where_it_was(tmp_path, cache, ended):
    corpus, folder = tmp_path / "corpus.jsonl", tmp_path / "index"
    rows = [{"id": str(n), "text": f"text {n} " + "word " * (n % 9)} for n in range(1500)]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    Index.create(folder, "small", documents=corpus_of(3))
    before = Index.open(folder).info()
    process = run(tmp_path / "first", 0.3, str(corpus), str(folder))
    while len(calls_of(tmp_path / "first")) < 4:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(ended)
    _, said = process.communicate(timeout=300)
    if ended == signal.SIGINT:
        assert process.returncode == 130
        assert "Interrupted" in said
        assert "Traceback" not in said
    assert Index.open(folder).info() == before
    assert Index.open(folder).verify() == []
    begun = calls_of(tmp_path / "first")
    *done, _ = begun if ended == signal.SIGKILL else [*begun, []]
    done = {text for call in done for text in call}
    assert len(done) > 200
    process = run(tmp_path / "second", 0, str(corpus), str(folder))
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "Indexed 1,500 documents" in out
    again = [text for call in calls_of(tmp_path / "second") for text in call]
    assert not done & set(again)
    assert len(done) + len(again) == len(rows)


def test_the_command(tmp_path, cache):
    def cache_command(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "vecsearch", "cache", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    Index.create(tmp_path / "index", Costly(), documents=corpus_of(1000))
    ranking = cache_folder() / "rankings" / "one.json.gz"
    ranking.parent.mkdir()
    ranking.write_bytes(bytes(5000))
    code, out, _ = cache_command("--json")
    found = json.loads(out)
    assert code == 0
    assert found["folder"] == str(cache.parent)
    assert (found["vectors"], found["rankings_bytes"]) == (1000, 5000)
    assert found["vectors_bytes"] <= cache.stat().st_size
    _, out, _ = cache_command("--prune", "100kB")
    assert "of 4.0 GB at most" in out
    assert 0 < json.loads(cache_command("--json")[1])["vectors"] < 1000
    assert cache.stat().st_size <= 100_000
    assert ranking.exists()
    found = json.loads(cache_command("--prune", "0", "--json")[1])
    assert (found["vectors"], found["rankings_bytes"]) == (0, 0)
    assert not ranking.exists()
    for wrong in ("-1", "many", "3 PB"):
        code, _, said = cache_command(f"--prune={wrong}")
        assert code == 2
        assert "no size such as 0, 500MB" in said
    assert cache_command("more")[0] == 2


def test_a_warning_is_a_sentence(tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"id": "a", "text": "kettle"}\n')
    (tmp_path / "file").touch()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "log", "0", corpus, tmp_path / "index"],
        env={**env, "XDG_CACHE_HOME": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        check=True,
    )
    [line] = done.stderr.splitlines()
    place = Path(tmp_path / "file" / "vecsearch" / VECTORS)
    assert line.startswith(f"Warning: {place}: the cache of vectors can't be used (")

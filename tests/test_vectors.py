"""Vectors kept by text: the same as the encoder's own, and made once."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy import HashEncoder
from vecsearch.bench.vectors import CachedEncoder, Deferred
from vecsearch.errors import EncoderError


class Counting(HashEncoder):
    """Remembers what it was asked to encode."""

    def __init__(self, salt=""):
        super().__init__(salt)
        self.asked = []

    def encode(self, texts, role):
        self.asked += [(role, text) for text in texts]
        return super().encode(texts, role)


TEXTS = st.lists(st.text(max_size=8), max_size=20)


@settings(max_examples=40)
@given(st.lists(st.tuples(TEXTS, st.sampled_from(["document", "query"])), max_size=5))
def test_the_same_vectors_and_no_text_twice(tmp_path_factory, calls):
    path = tmp_path_factory.mktemp("vectors") / "kept.sqlite"
    plain, counting = HashEncoder(), Counting()
    cached = CachedEncoder(counting, path)
    for texts, role in calls:
        assert np.array_equal(cached.encode(texts, role), plain.encode(texts, role))
        again = len(counting.asked)
        assert np.array_equal(cached.encode(texts, role), plain.encode(texts, role))
        assert len(counting.asked) == again
    new = CachedEncoder(Counting(), path)
    for texts, role in calls:
        new.encode(texts, role)
    assert new._encoder.asked == []


def test_a_role_or_another_encoder_is_another_vector(tmp_path):
    path = tmp_path / "kept.sqlite"
    one, other = Counting("one"), Counting("other")
    for encoder in (one, other):
        CachedEncoder(encoder, path).encode(["kettle"], "document")
    CachedEncoder(one, path).encode(["kettle"], "query")
    assert one.asked == [("document", "kettle"), ("query", "kettle")]
    assert other.asked == [("document", "kettle")]


def test_a_timed_build_encodes_all_and_keeps_it(tmp_path):
    path = tmp_path / "kept.sqlite"
    encoder = Counting()
    for _ in range(2):
        CachedEncoder(encoder, path, reading=False).encode(["kettle"], "document")
    assert len(encoder.asked) == 2
    CachedEncoder(encoder, path).encode(["kettle"], "document")
    assert len(encoder.asked) == 2


def test_what_was_encoded_before_a_failure_stays(tmp_path):
    path = tmp_path / "kept.sqlite"

    class Failing(Counting):
        def encode(self, texts, role):
            if "bad" in texts:
                raise KeyboardInterrupt
            return super().encode(texts, role)

    cached = CachedEncoder(Failing(), path)
    cached.encode(["good"], "document")
    with pytest.raises(KeyboardInterrupt):
        cached.encode(["bad"], "document")
    after = Counting()
    CachedEncoder(after, path).encode(["good"], "document")
    assert after.asked == []


def test_threads_share_a_file(tmp_path):
    texts = [f"text {i}" for i in range(200)]
    wanted = HashEncoder().encode(texts, "document")
    wrong = []

    def encode():
        found = CachedEncoder(HashEncoder(), tmp_path / "kept.sqlite").encode(texts, "document")
        if not np.array_equal(found, wanted):
            wrong.append(found)

    threads = [threading.Thread(target=encode) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_more_texts_than_are_asked_for_at_once(tmp_path):
    texts = [str(i) for i in range(1200)]
    cached = CachedEncoder(Counting(), tmp_path / "kept.sqlite")
    first = cached.encode(texts, "document")
    assert np.array_equal(cached.encode(texts[::-1], "document"), first[::-1])
    assert len(cached._encoder.asked) == 1200


def test_a_deferred_encoder_is_loaded_when_it_has_to_encode(tmp_path):
    loaded = []

    def load():
        loaded.append(1)
        return HashEncoder()

    plain, path = HashEncoder(), tmp_path / "kept.sqlite"

    def deferred():
        return CachedEncoder(Deferred("hash", plain.dim, plain.fingerprint, load), path)

    deferred().encode(["kettle"], "query")
    assert loaded == [1]
    cached = deferred()
    cached.encode(["kettle"], "query")
    assert loaded == [1]
    cached.encode(["lamp", "oil"], "query")
    cached.encode(["wick"], "query")
    assert loaded == [1, 1]


def test_a_wrong_encoder_is_named(tmp_path):
    class Wrong(HashEncoder):
        def encode(self, texts, role):
            return np.zeros((1, 2))

    with pytest.raises(EncoderError, match="'hash' gave an array of shape"):
        CachedEncoder(Wrong(), tmp_path / "kept.sqlite").encode(["a", "b"], "query")

"""Kept vectors: what was put in comes out, or nothing does; never an error, never another vector."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import HashEncoder

from vecsearch.cache import KeptVectors, Keys, cache_folder
from vecsearch.errors import VecsearchError, VecsearchWarning

DIM = 32


def key_of(number):
    return number.to_bytes(16, "big")


def vector_of(number, dim=DIM):
    return np.random.default_rng(number).standard_normal(dim).astype(np.float32)


def put(kept, numbers, dim=DIM):
    numbers = list(numbers)
    kept.put(list(map(key_of, numbers)), np.array([vector_of(n, dim) for n in numbers]))


def get(kept, numbers, dim=DIM):
    """The numbers whose vectors are there; each is checked."""
    found = kept.get(list(map(key_of, numbers)))
    known = {int.from_bytes(key, "big") for key in found}
    for number in known:
        assert np.array_equal(found[key_of(number)], vector_of(number, dim))
    return known


NUMBERS = st.lists(st.integers(0, 30), max_size=12)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["put", "get", "close"]), st.booleans(), NUMBERS)))
def test_what_was_put_in_comes_out(tmp_path_factory, history):
    path = tmp_path_factory.mktemp("kept") / "vectors.sqlite"
    there = set()
    with KeptVectors(path) as one, KeptVectors(path) as other:
        for work, which, numbers in history:
            kept = one if which else other
            if work == "put":
                put(kept, numbers)
                there |= set(numbers)
            elif work == "get":
                assert get(kept, numbers) == there & set(numbers)
            else:
                kept.close()
        assert one.size().vectors == len(there)


def test_more_keys_than_are_asked_for_at_once(tmp_path):
    with KeptVectors(tmp_path / "v") as kept:
        put(kept, range(1300))
        assert get(kept, range(1200, 2500)) == set(range(1200, 1300))


def test_keys_tell_all_that_vectors_depend_on_apart():
    texts = ["", "a", "b", "ab", "a" * 1000, "\ud800", "é"]
    encoder, other = HashEncoder(), HashEncoder("other")
    half = HashEncoder()
    half.precision = "bf16"
    keys = [
        key
        for each in (encoder, other, half)
        for role in ("document", "query")
        for key in Keys(each, role).of(texts)
    ]
    assert len(set(keys)) == 6 * len(texts)
    assert Keys(HashEncoder(), "query").of(["a"]) == Keys(encoder, "query").of(["a"])


def test_it_lies_where_caches_lie(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "vecsearch"
    with KeptVectors() as kept:
        put(kept, [1])
    assert (tmp_path / "vecsearch" / "vectors.sqlite").is_file()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/.cache/vecsearch")


# ---- Room


def test_what_wasnt_used_for_the_longest_time_goes(tmp_path, monkeypatch):
    limit = 300_000
    path = tmp_path / "v"
    for run in range(20):
        monkeypatch.setattr(time, "time", lambda run=run: 1_000_000 + 10 * run)
        with KeptVectors(path, limit) as kept:
            if run:
                assert get(kept, range(50)) == set(range(50))  # these are in use all the time
                put(kept, range(1000 * run, 1000 * run + 100), dim=DIM)
            else:
                put(kept, range(50))
                put(kept, range(500, 600), dim=DIM)
            for n in range(8):
                put(kept, range(1000 * run + 100 * n, 1000 * run + 100 * n + 60))
            size = kept.size()
            assert size.bytes <= limit
    assert path.stat().st_size <= limit
    with KeptVectors(path, limit) as kept:
        assert get(kept, range(50)) == set(range(50))
        assert get(kept, range(19_700, 19_760)) == set(range(19_700, 19_760))
        assert get(kept, range(500, 600)) == set()


def test_more_than_has_room_is_not_kept(tmp_path):
    with KeptVectors(tmp_path / "v", 100_000) as kept:
        put(kept, range(5))
        put(kept, range(100, 1000))
        assert get(kept, range(1000)) == set()
        put(kept, range(3))
        assert get(kept, range(5)) == {0, 1, 2}


def test_pruning(tmp_path, monkeypatch):
    path = tmp_path / "v"
    monkeypatch.setattr(time, "time", lambda: 1000)
    with KeptVectors(path) as kept:
        put(kept, range(3000))
    monkeypatch.setattr(time, "time", lambda: 2000)
    with KeptVectors(path) as kept:
        assert len(get(kept, range(0, 3000, 30))) == 100
        before = kept.size().bytes
        kept.prune(before // 2)
        assert kept.size().bytes <= before // 2
        assert 1000 < kept.size().vectors < 1500
        assert len(get(kept, range(0, 3000, 30))) == 100
        kept.prune(0)
        assert kept.size().vectors == 0
        put(kept, range(4))
    assert path.stat().st_size < 100_000
    with KeptVectors(path) as kept:
        assert get(kept, range(10)) == set(range(4))


# ---- Damage


def check_mended(path):
    """Whatever the file is: no wrong vector comes of it, and what is put in now comes out."""
    with warnings.catch_warnings(), KeptVectors(path) as kept:
        warnings.simplefilter("ignore", VecsearchWarning)
        found = get(kept, range(300))
        put(kept, range(290, 320))
        again = get(kept, range(320))
        assert again == set() or again >= set(range(290, 320))
        return found, again


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "v"
    with KeptVectors(path) as kept:
        put(kept, range(300))
    return path


def test_flipped_bytes(whole, tmp_path):
    content = whole.read_bytes()
    chance = random.Random(0)
    places = [*range(0, 100, 7), *(chance.randrange(len(content)) for _ in range(60))]
    places += [page * 8192 + chance.randrange(16) for page in range(len(content) // 8192)]
    path = tmp_path / "v"
    lost = mended = 0
    for at in places:
        damaged = bytearray(content)
        damaged[at] ^= chance.choice([1, 16, 128, 255])
        path.write_bytes(damaged)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        found, again = check_mended(path)
        lost += len(found) < 300
        mended += bool(again)
    assert lost > 10
    assert mended > 0.8 * len(places)


def test_torn_files(whole, tmp_path):
    content = whole.read_bytes()
    path = tmp_path / "v"
    for length in [0, 1, 50, 100, 5000, 8192, 20_000, len(content) // 2, len(content) - 1]:
        path.write_bytes(content[:length])
        assert check_mended(path)[1]
        path.write_bytes(content[:length] + bytes(len(content) - length))
        check_mended(path)


def test_a_damaged_vector_is_made_and_kept_again(whole, tmp_path):
    path = tmp_path / "v"
    content = whole.read_bytes()
    at = content.index(vector_of(7).tobytes())
    path.write_bytes(content[: at + 9] + bytes([content[at + 9] ^ 4]) + content[at + 10 :])
    with KeptVectors(path) as kept:
        assert get(kept, range(300)) == set(range(300)) - {7}
        put(kept, [7])
        assert get(kept, range(300)) == set(range(300))
        assert kept.size().vectors == 300


def test_a_file_that_isnt_a_cache(tmp_path):
    path = tmp_path / "v"
    path.write_text("something else entirely, of some length" * 300)
    assert check_mended(path) == (set(), set(range(290, 320)))


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "v"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE precious (thing)")
    base.commit()
    base.close()
    before = path.read_bytes()
    kept = KeptVectors(path)
    with pytest.warns(VecsearchWarning, match=r"/v: the cache of vectors can't be used \(it is an"):
        put(kept, [1])
    assert get(kept, [1]) == set()  # said once
    kept.close()
    assert path.read_bytes() == before


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    kept = KeptVectors(tmp_path / "file" / "v")
    with pytest.warns(VecsearchWarning, match="so what is encoded isn't kept"):
        put(kept, [1])
    assert get(kept, [1]) == set()  # said once
    assert kept.size().vectors == 0
    kept.prune(0)


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    kept = KeptVectors()  # whoever doesn't use it isn't told
    with pytest.warns(VecsearchWarning, match="no home folder"):
        put(kept, [1])
    assert get(kept, [1]) == set()
    with pytest.raises(VecsearchError, match="no home folder"):
        cache_folder()


def run(program, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
        **options,
    )


FULL = """
import resource, signal, sys, warnings
from pathlib import Path
from test_cache import get, put
from vecsearch.cache import KeptVectors
from vecsearch.errors import VecsearchError, VecsearchWarning
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
with KeptVectors(Path(sys.argv[1])) as kept, warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for start in range(0, 2000, 100):
        put(kept, range(start, start + 100))
    assert [each.category for each in told] == [VecsearchWarning], told
    assert get(kept, range(2000)) == set()
with KeptVectors(Path(sys.argv[1])) as kept:
    found = get(kept, range(2000))
    assert set(range(100)) <= found, found
    assert not any(number in found for number in range(1000, 2000))
"""


def test_a_full_disk(tmp_path):
    process = run(FULL, tmp_path / "v", stderr=subprocess.PIPE)
    assert process.communicate(timeout=300)[1] == ""
    assert process.returncode == 0


# ---- Several at once

SHARING = """
import sys
from pathlib import Path
from test_cache import get, put
from vecsearch.cache import KeptVectors
print("ready", flush=True)
sys.stdin.readline()
for turn in range(15):
    with KeptVectors(Path(sys.argv[1]), int(sys.argv[2])) as kept:
        start = 20 * turn + int(sys.argv[3])
        put(kept, range(start, start + 60))
        found = get(kept, range(500))
        assert found >= set(range(start, start + 60)), found
"""


@pytest.mark.parametrize("limit", [10**9, 250_000])
def test_processes_share_a_file(tmp_path, limit):
    """All of them make it, at the same moment; in the second case they make room, too."""
    path = tmp_path / "v"
    pipe = subprocess.PIPE
    every = {"stdin": pipe, "stdout": pipe, "stderr": pipe}
    sharing = [run(SHARING, path, limit, n, **every) for n in range(4)]
    assert [each.stdout.readline() for each in sharing] == ["ready\n"] * 4
    for each in sharing:
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in sharing:
        assert each.communicate(timeout=300)[1] == ""
        assert each.returncode == 0
    with KeptVectors(path) as kept:
        assert get(kept, range(500)) == set(range(343))


KILLED = """
import itertools, sys
from pathlib import Path
from test_cache import put
from vecsearch.cache import KeptVectors
kept = KeptVectors(Path(sys.argv[1]))
for number in itertools.count():
    put(kept, range(10 * number, 10 * number + 10))
    print(number, flush=True)
"""


def test_what_was_put_in_survives_a_kill(tmp_path):
    for turn in range(3):
        path = tmp_path / f"v{turn}"
        process = run(KILLED, path, stdout=subprocess.PIPE)
        for _ in range(5 + 20 * turn):
            process.stdout.readline()
        process.kill()
        last = int((process.communicate()[0].split() or [4 + 20 * turn])[-1])
        with KeptVectors(path) as kept:
            there = get(kept, range(10 * last + 30))
        assert there >= set(range(10 * last + 10))


def test_a_forked_process_opens_its_own(tmp_path):
    with KeptVectors(tmp_path / "v") as kept:
        put(kept, range(3))
        child = os.fork()
        if not child:
            code = 1
            try:
                put(kept, range(3, 6))
                code = get(kept, range(9)) != set(range(6))
                kept.close()
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert get(kept, range(9)) == set(range(6))

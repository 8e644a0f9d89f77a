"""Mapped safetensors, beside the library that writes them; and equal numbers, beside numpy's."""

import json

import hypothesis.extra.numpy as made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from vecsearch.groups import groups
from vecsearch.tensors import map_tensors

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]


def test_it_reads_what_the_library_writes(tmp_path):
    path = tmp_path / "t.safetensors"
    arrays = {name: np.arange(6).reshape(2, 3).astype(name) for name in DTYPES}
    save_file({**arrays, "none": np.zeros((0, 4), "f4"), "one": np.float32(7)[None]}, path)
    found, known = map_tensors(path), load_file(path)
    assert found.keys() == known.keys()
    for name, array in known.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert not found[name].flags.writeable


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"a": None},
        {"a": {"dtype": "F32", "shape": [1]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}},  # beyond the end
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}},
        {"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [10**30, 10**30 + 4]}},
        {"a": {"dtype": "F32", "shape": [10**30], "data_offsets": [0, 4]}},
        {"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}},
    ],
)
def test_another_header_is_an_error(tmp_path, header):
    path = tmp_path / "t"
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(ValueError, match=r"header|fit|buffer|offset"):
        map_tensors(path)


@pytest.mark.parametrize("content", [b"", b"1234567", b"\xff" * 8, b"\xff" * 40, bytes(8)])
def test_what_is_no_such_file_is_an_error(tmp_path, content):
    path = tmp_path / "t"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        map_tensors(path)


@given(made.arrays(np.int64, st.integers(0, 40), elements=st.integers(-3, 12)))
def test_groups_are_those_of_numpy(numbers):
    values, first, which, counts = np.unique(
        numbers, return_index=True, return_inverse=True, return_counts=True
    )
    found = groups(numbers)
    np.testing.assert_array_equal(found.values, values)
    np.testing.assert_array_equal(found.first, first)
    np.testing.assert_array_equal(found.which, which)
    np.testing.assert_array_equal(found.counts, counts)


def test_a_header_is_checked_before_it_is_believed(tmp_path):
    path = tmp_path / "t.safetensors"
    save_file({"a": np.zeros(3, np.float32)}, path)

    def refuse(header):
        assert json.loads(header)["a"]["shape"] == [3]
        raise ValueError("so it isn't")

    with pytest.raises(ValueError, match="so it isn't"):
        map_tensors(path, refuse)

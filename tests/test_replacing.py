"""A file that a person names: whole, or as it was."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from vecsearch.replacing import replacing


def write(path: Path, text: str) -> None:
    with replacing(path) as place:
        place.write_text(text)


def test_a_new_file_and_one_that_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in ("one", "two"):
        write(path, text)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("letter", ["n", "é", "語"])
def test_a_name_as_long_as_can_be(tmp_path: Path, letter: str) -> None:
    path = tmp_path / (letter * ((255 - 4) // len(letter.encode())) + ".run")
    for text in ("one", "two"):
        write(path, text)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as place:
        place.write_text("first to begin")
        write(path, "second")
        assert path.read_text() == "second"
    assert path.read_text() == "first to begin"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_all_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for before in (None, "before"):
        if before:
            path.write_text(before)
        with pytest.raises(TypeError), replacing(path) as place:
            place.write_text(b"half")  # type: ignore[arg-type]
        with pytest.raises(UnicodeEncodeError):
            write(path, "half \ud800")
        assert [each.read_text() for each in tmp_path.iterdir()] == ([before] if before else [])


def test_a_link_stays_and_what_it_leads_to_keeps_its_permissions(tmp_path: Path) -> None:
    path, link = tmp_path / "there" / "a.txt", tmp_path / "link"
    path.parent.mkdir()
    path.write_text("before")
    path.chmod(0o600)
    link.symlink_to(path)
    write(link, "after")
    assert link.is_symlink()
    assert path.read_text() == "after"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()), daemon=True)
    reader.start()
    write(path, "through it")
    reader.join(30)
    assert read == ["through it"]
    assert path.is_fifo()


def test_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"):
        write(tmp_path / "a", "no")


def test_a_folder_is_no_place_to_write(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        write(tmp_path, "no")
    assert list(tmp_path.iterdir()) == []

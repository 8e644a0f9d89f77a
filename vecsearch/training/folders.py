"""Where a training writes: a folder beside OUT while it lasts, OUT itself at the very end.

`OUT.training` holds checkpoints and what a resumed run must find as it was; OUT appears whole, or
not at all. A training that is begun anew replaces an unfinished one only once it has something to
go on with itself: until then the other is in `OUT.training.replaced`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from vecsearch.encoders.artefact import NOTE
from vecsearch.encoders.pretrained import TRAINING
from vecsearch.encoders.saved import SAVED
from vecsearch.errors import UsageError, VecsearchError

_ENDING: Final = ".training"
_REPLACED: Final = ".replaced"
_SETTINGS: Final = "settings.json"
_DIGEST: Final = "documents.sha256"
_NEW: Final = "new"
_OLD: Final = "old"
_WORTH_KEEPING: Final = ("*.safetensors", "*.sqlite")
"""Checkpoints, and vectors that were made: something to go on with."""
_OURS: Final = (NOTE, SAVED, TRAINING, "modules.json")
"""A folder with one of these holds an encoder, and may be overwritten if somebody says so."""


def work_folder(out: Path) -> Path:
    """Return the folder of a training while it lasts."""
    return out.with_name(out.name + _ENDING)


def best_folder(out: Path) -> Path:
    """Return the folder, within that, where the best encoder so far is kept."""
    return work_folder(out) / "best"


def _replaced(out: Path) -> Path:
    return out.with_name(out.name + _ENDING + _REPLACED)


def begin(out: Path, told: dict[str, Any], *, resume: bool, overwrite: bool) -> Path:
    """Make the work folder of a training, or find the one to go on with; see `work_folder`.

    told: all that decides what the training does, in JSON types; a resumed run has the same.

    Raise UsageError where OUT, or the work folder, isn't as `resume` and `overwrite` want it.
    """
    if not out.name:
        raise UsageError(f"{out} can't be the folder of an encoder; name a new one.")
    work = work_folder(out)
    if not _is_utf8(out):
        raise UsageError(
            f"{str(out)!r} can't be the folder of an encoder: weights are only read from where the "
            "path is UTF-8. Name another folder."
        )
    _check_out(out, overwrite=overwrite)
    try:
        if _replaced(out).exists():  # of a run that was killed
            settle(out)
        if resume:
            _check_same(work, told)
        elif work.exists() and not overwrite:
            raise UsageError(
                f"{work} holds a training that wasn't finished. Resume it (--resume), or begin "
                "anew (--overwrite)."
            )
        else:
            if work.exists():
                work.replace(_replaced(out))
            work.mkdir(parents=True)
            (work / _SETTINGS).write_text(json.dumps(told, indent=1), encoding="utf-8")
    except OSError as error:
        settle(out)
        raise VecsearchError(f"{work} can't be written ({error.strerror or error}).") from error
    return work


def _is_utf8(path: Path) -> bool:
    try:
        return bool(str(path).encode())
    except UnicodeEncodeError:  # other bytes are halves of characters to Python
        return False


def _check_out(out: Path, *, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise UsageError(f"{out} exists. Name a new folder, or overwrite it (--overwrite).")
    if not out.is_dir() or not any((out / name).is_file() for name in _OURS):
        raise UsageError(f"{out} holds something else than an encoder; it isn't overwritten.")


def _check_same(work: Path, told: dict[str, Any]) -> None:
    path = work / _SETTINGS
    if not path.is_file():
        raise UsageError(f"There is no training to resume: {work} isn't there, or has nothing yet.")
    try:
        stored = json.loads(path.read_bytes())
        if not isinstance(stored, dict):
            raise ValueError("it holds no settings")
    except ValueError as error:
        raise UsageError(f"{path} can't be read ({error}); begin anew (--overwrite).") from None
    differing = [name for name in told if stored.get(name) != told[name]]
    if differing:
        name = differing[0]
        raise UsageError(
            f"The training in {work} has {name.replace('_', '-')} {stored.get(name)!r}, not "
            f"{told[name]!r}; a resumed one has the same settings. Begin anew (--overwrite), or "
            "name another OUT."
        )


def pin(out: Path, digest: str) -> None:
    """Remember the digest of the documents; raise UsageError where a resumed training had others.

    Their vocabulary decides what the rows of a checkpoint stand for.
    """
    path = work_folder(out) / _DIGEST
    try:
        if not path.exists():
            path.write_text(digest, encoding="ascii")
        same = path.read_bytes() == digest.encode()
    except OSError as error:
        raise VecsearchError(f"{path} can't be used ({error.strerror or error}).") from error
    if not same:
        raise UsageError(
            f"The training in {path.parent} began with other documents than the corpus has now; a "
            "resumed one has the same. Begin anew (--overwrite), or name another OUT."
        )


def settle(out: Path) -> None:
    """Keep a training that has something to go on with, else bring back what it was to replace."""
    work, replaced = work_folder(out), _replaced(out)
    if any(file for pattern in _WORTH_KEEPING for file in work.rglob(pattern)):
        shutil.rmtree(replaced, ignore_errors=True)
        return
    shutil.rmtree(work, ignore_errors=True)
    if replaced.exists():
        replaced.replace(work)


def place(out: Path, write: Callable[[Path], None]) -> None:
    """Let a folder be written beside OUT, then rename it to OUT, and remove the work folder."""
    work = work_folder(out)
    new = work / _NEW
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        write(new)
        _swap(new, out, work / _OLD)
    except OSError as error:
        raise VecsearchError(f"{out} can't be written ({error.strerror or error}).") from error
    for done in (work, _replaced(out)):
        shutil.rmtree(done, ignore_errors=True)


def _swap(new: Path, out: Path, old: Path) -> None:
    """Rename a folder to OUT; where that fails, what was there before is there again."""
    there = out.exists()
    if there:
        out.replace(old)
    try:
        new.replace(out)
    except BaseException:
        if there:
            old.replace(out)
        raise

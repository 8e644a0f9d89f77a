"""Where a training writes: a folder beside OUT while it lasts, OUT itself at the very end.

`OUT.training` holds checkpoints and what a resumed run must find as it was; OUT appears whole, or
not at all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from vecsearch.encoders.artefact import NOTE
from vecsearch.encoders.pretrained import SAVED, TRAINING
from vecsearch.errors import UsageError, VecsearchError

_ENDING: Final = ".training"
_SETTINGS: Final = "settings.json"
_NEW: Final = "new"
_OURS: Final = (NOTE, SAVED, TRAINING, "modules.json")
"""A folder with one of these holds an encoder, and may be overwritten if somebody says so."""


def work_folder(out: Path) -> Path:
    """Return the folder of a training while it lasts."""
    return out.with_name(out.name + _ENDING)


def best_folder(out: Path) -> Path:
    """Return the folder, within that, where the best encoder so far is kept."""
    return work_folder(out) / "best"


def begin(out: Path, told: dict[str, Any], *, resume: bool, overwrite: bool) -> Path:
    """Make the work folder of a training, or find the one to go on with; see `work_folder`.

    told: all that decides what the training does, in JSON types; a resumed run has the same.

    Raise UsageError where OUT, or the work folder, isn't as `resume` and `overwrite` want it.
    """
    work = work_folder(out)
    if not out.name:
        raise UsageError(f"{out} can't be the folder of an encoder; name a new one.")
    _check_out(out, overwrite=overwrite)
    try:
        if resume:
            _check_same(work, told)
        elif work.exists() and not overwrite:
            raise UsageError(
                f"{work} holds a training that wasn't finished. Resume it (--resume), or begin "
                "anew (--overwrite)."
            )
        else:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            (work / _SETTINGS).write_text(json.dumps(told, indent=1), encoding="utf-8")
    except OSError as error:
        raise VecsearchError(f"{work} can't be written ({error.strerror or error}).") from error
    return work


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


def abandon(out: Path) -> None:
    """Remove the work folder of a training that ended before there was anything to go on with."""
    work = work_folder(out)
    if not any(work.rglob("*.safetensors")):
        shutil.rmtree(work, ignore_errors=True)


def place(out: Path, write: Callable[[Path], None]) -> None:
    """Let a folder be written beside OUT, then rename it to OUT, and remove the work folder."""
    work = work_folder(out)
    new = work / _NEW
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        write(new)
        if out.exists():
            out.replace(work / "old")
        new.replace(out)
        shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise VecsearchError(f"{out} can't be written ({error.strerror or error}).") from error

"""The note in the folder of a saved encoder: what it is called, and which package has its model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

from vecsearch.errors import EncoderError

SAVED: Final = "encoder.json"


class Saved(NamedTuple):
    """What is noted beside the model, or in its stead.

    package: the short name of the package that has the model, if one has.
    fingerprint: that of the model whose weights were converted, or that a package has; None for a
        true copy.
    seen: what the package's files were like when that was worked out: see `LocatedModel.seen`.
    """

    name: str
    package: str | None
    fingerprint: str | None
    seen: str | None = None


def read_saved(folder: Path) -> Saved | None:
    """Read the note of a folder that holds such a note; None for any other folder."""
    path = folder / SAVED
    if not path.is_file():
        return None
    try:
        saved = json.loads(path.read_bytes())
        known = (saved.get("fingerprint"), saved.get("seen"))
        return Saved(str(saved["name"]), saved["package"], *known)
    except (ValueError, KeyError, TypeError) as error:
        raise EncoderError(f"{path} can't be read ({error}).") from None

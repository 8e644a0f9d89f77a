"""Where an index may be created: a new folder, an empty one, or that of an index to overwrite."""

from __future__ import annotations

from pathlib import Path

from vecsearch.errors import IndexCorrupt, IndexExists, IndexProblem
from vecsearch.store.files import LOCK
from vecsearch.store.manifest import MANIFEST, SEGMENTS, foreign_names, read_manifest


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Raise IndexExists unless an index may be created in `folder`."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            break
        if place.is_symlink() or place.exists():
            kind = "a file" if place.exists() else "a link to nothing"
            raise IndexExists(f"{place} is {kind}; an index is a folder, and lies in one.")
    if not folder.exists():
        return
    if (folder / MANIFEST).exists():
        if not _is_index(folder):
            raise IndexExists(
                f"{folder} holds a {MANIFEST} that isn't an index's; name a new folder."
            )
        if not overwrite:
            raise IndexExists(
                f"{folder} holds an index already. Add to it with `vecsearch add`, or replace it "
                "with --overwrite (overwrite=True)."
            )
    elif foreign := foreign_names(folder):
        if (folder / LOCK).exists() and (folder / SEGMENTS).exists():
            raise IndexExists(
                f"{folder} holds the segments of an index whose {MANIFEST} is missing, so nothing "
                "was touched. Put the manifest back, name a new folder, or remove this one."
            )
        raise IndexExists(
            f"{folder} isn't empty and holds no index (it has {foreign[0]!r}); name a new folder."
        )


def _is_index(folder: Path) -> bool:
    """Say whether the manifest in a folder is ours: other programs have files of its name too."""
    try:
        read_manifest(folder)
    except IndexCorrupt:
        return (folder / LOCK).exists()  # a damaged index has at least this
    except IndexProblem:
        pass
    return True

"""The command that looks after what is kept between commands: cache."""

from __future__ import annotations

import re
from typing import Final

import click

from vecsearch.bench.cache import Cache
from vecsearch.cache import LIMIT, KeptVectors
from vecsearch.cli.options import json_option
from vecsearch.cli.output import print_json, print_pairs, size

_UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _bytes(ctx: click.Context, param: click.Parameter, given: str | None) -> int | None:
    """Read a number of bytes as a person writes it."""
    if given is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Z]*)", given.strip().upper(), re.ASCII)
    if not found or found[2] not in _UNITS:
        raise click.BadParameter(f"{given!r} is no size such as 0, 500MB or 2.5GB.")
    return int(float(found[1]) * _UNITS[found[2]])


@click.command(epilog="Example: vecsearch cache --prune 500MB")
@click.option(
    "--prune",
    "most",
    metavar="SIZE",
    callback=_bytes,
    help="Keep at most so much, such as 500MB; 0 removes all. What wasn't used for the longest "
    "time goes, vectors before rankings.",
)
@json_option
def cache(most: int | None, as_json: bool) -> None:
    """Say what is kept to save work, or remove some of it.

    Indexing keeps the vectors of texts, so that no text is encoded twice, and bench its rankings.
    Removing them costs time only: what is needed is made again.
    """
    rankings = Cache()
    with KeptVectors(rankings.vectors) as vectors:
        if most is not None:
            vectors.prune(max(most - rankings.bytes(), 0))
            rankings.prune(most)
        held = vectors.size()
    found = {
        "folder": str(rankings.folder),
        "vectors": held.vectors,
        "vectors_bytes": held.bytes,
        "vectors_limit": LIMIT,
        "rankings_bytes": rankings.bytes(),
    }
    if as_json:
        print_json(found)
    else:
        print_pairs(
            {
                "folder": rankings.folder,
                "vectors": f"{held.vectors:,}, {size(held.bytes)}, of {size(LIMIT)} at most",
                "rankings": size(rankings.bytes()),
            }
        )

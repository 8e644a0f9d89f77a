"""Opening an index for a command, so that damage to it is named and not shown as a traceback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from vecsearch.encoders import Device
from vecsearch.errors import VecsearchError
from vecsearch.index import Index


@contextlib.contextmanager
def opened(folder: Path, device: Device = "auto") -> Iterator[Index]:
    """Open an index; within the block an error that a damaged file explains names the file.

    Opening checks sizes only, so flipped bytes may first show as an error from anywhere.
    """
    index = Index.open(folder, device=device)
    try:
        yield index
    except (VecsearchError, OSError, click.ClickException):
        raise
    except Exception as error:
        for problem in index.verify():
            raise problem from error
        raise

"""Results as a page that a person reads, as Markdown for a README, and as JSON for a program."""

from __future__ import annotations

import json
from pathlib import Path

from vecsearch.bench.report.html import page
from vecsearch.bench.report.markdown import markdown
from vecsearch.bench.results import Results
from vecsearch.errors import VecsearchError
from vecsearch.replacing import replacing

__all__ = ["markdown", "page", "write_report"]


def write_report(results: Results, folder: Path) -> None:
    """Write results.json, report.html and report.md into a folder, made if it isn't there.

    Each file is replaced whole or keeps what it held. Raise VecsearchError where the folder
    can't be written to.
    """
    files = {
        "results.json": json.dumps(results, indent=1, allow_nan=False) + "\n",
        "report.html": page(results),
        "report.md": markdown(results),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with replacing(folder / name) as place:
                place.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise VecsearchError(
            f"The report can't be written to {folder} ({error.strerror}); name another folder."
        ) from error

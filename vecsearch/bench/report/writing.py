"""The files of a report, each whole or not there."""

from __future__ import annotations

import json
import os
from pathlib import Path

from vecsearch.bench.report.markdown import markdown
from vecsearch.bench.report.page import page
from vecsearch.bench.results import Results
from vecsearch.errors import VecsearchError


def write_report(results: Results, folder: Path) -> None:
    """Write results.json, report.md and report.html into a folder, which is made if missing.

    A file that is there is replaced. Raise VecsearchError where that fails.
    """
    contents = {
        "results.json": json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        "report.md": markdown(results),
        "report.html": page(results),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            temporary = folder / f".{os.getpid()}.{name}"
            try:
                # A document may hold half a surrogate pair, which no file can.
                temporary.write_text(content, encoding="utf-8", errors="replace")
                temporary.replace(folder / name)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise VecsearchError(
            f"{folder}: the report can't be written ({error.strerror or error})."
        ) from error

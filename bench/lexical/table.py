"""The measurements as the table of MEASUREMENTS.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

MARKS: Final = ("<!-- lexical -->", "<!-- end of lexical -->")


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a Markdown table of what was measured."""
    yield "| what | figure | goal |"
    yield "| --- | --- | --- |"
    if "builds" in found:
        each = found["builds"]
        yield f"| build, times as fast as bm25s | {each['bm25s_ratio']:.1f} | 10 |"
        tantivy = each["tantivy_ratio"]
        yield f"| build, times as fast as tantivy with two threads | {tantivy:.1f} | 4 |"
        yield f"| bytes on disk, of those of the text | {each['bytes_of_text']:.2f} | 1.5 |"
    if "queries" in found:
        for depth in ("top10", "top100"):
            each = found["queries"][depth]
            yield (
                f"| query, {depth.replace('top', 'top ')}, times as fast as the faster peer: mean, "
                f"p50, p99 | {each['mean_ms_ratio']:.1f}, {each['p50_ms_ratio']:.1f}, "
                f"{each['p99_ms_ratio']:.1f} | 3 |"
            )
        same = found["queries"]["same"]
        yield (
            "| greatest relative difference from bm25s' scores; overlap of the first ten with "
            f"tantivy's | {same['bm25s_worst_relative_difference']:.1e}; "
            f"{same['tantivy_overlap_at_10']:.2f} | 1e-5 |"
        )
    if "batches" in found:
        share = found["batches"]["threads_of_processes"]
        yield f"| two threads, of the speed of two processes | {share:.2f} | .85 |"
    if "live" in found:
        each = found["live"]
        yield (
            f"| after {each['commits']} commits ({each['segments']} segments) and 10% deletes, "
            f"of the time of a clean index | {each['mean_ratio']:.2f} | 1.3 |"
        )
    if "cold" in found:
        ratio = found["cold"]["ratio"]
        yield f'| cold command, of the time of `python -c "import numpy"` | {ratio:.1f} | 3 |'
    if "memory" in found:
        sizes = ", ".join(f"{int(size):,}" for size in found["memory"])
        peaks = ", ".join(f"{each['peak_mb']:,.0f}" for each in found["memory"].values())
        yield f"| MB of memory, but for mapped files, to build {sizes} documents | {peaks} | flat |"
    if "growth" in found:
        for size, each in found["growth"].items():
            yield (
                f"| {int(size):,} documents: build, query mean, p99 | {each['build_s']:.1f} s, "
                f"{each['mean_ms']:.2f} ms, {each['p99_ms']:.2f} ms | |"
            )


def written(document: str, found: Mapping[str, Any]) -> str:
    """Return the document with the table between its marks."""
    start, end = (document.index(mark) for mark in MARKS)
    lines = "\n".join(table(found))
    source = (
        "Source: [bench/results/lexical.json](bench/results/lexical.json) "
        f"({found['environment']['machine']}), made by [bench/lexical](bench/lexical/README.md)."
    )
    return f"{document[: start + len(MARKS[0])]}\n{lines}\n\n{source}\n{document[end:]}"

"""Results for people: report.html, report.md, and results.json for other programs."""

from vecsearch.bench.report.markdown import markdown
from vecsearch.bench.report.writing import write_report

__all__ = ["markdown", "write_report"]

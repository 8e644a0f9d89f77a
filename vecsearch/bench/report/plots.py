"""Pictures: in work."""

from vecsearch.bench.results import Results


def pareto_latency(results: Results, corpus: str) -> str:
    """Nothing yet."""
    return ""


def pareto_build(results: Results, corpus: str) -> str:
    """Nothing yet."""
    return ""


def recall(results: Results, corpus: str) -> str:
    """Nothing yet."""
    return ""


def latencies(results: Results, corpus: str) -> str:
    """Nothing yet."""
    return ""


def differences(results: Results, corpus: str, system: str) -> str:
    """Nothing yet."""
    return ""

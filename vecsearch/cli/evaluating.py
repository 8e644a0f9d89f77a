"""The command that measures a run against judgments: eval."""

from __future__ import annotations

import click

from vecsearch.cli.completion import complete_file
from vecsearch.cli.options import json_option, measures_option
from vecsearch.cli.output import print_json, print_pairs
from vecsearch.cli.runs import read_answering
from vecsearch.corpus import read_qrels
from vecsearch.measures import evaluate, parse_measure

_DEFAULT = ("nDCG@10", "R@100", "RR@10", "AP")


@click.command(
    "eval",
    epilog="Example: vecsearch eval run.trec corpora/lighthouse/qrels/test.tsv --measure nDCG@10",
)
@click.argument("run_file", metavar="RUN", shell_complete=complete_file)
@click.argument("qrels_file", metavar="QRELS", shell_complete=complete_file)
@measures_option(_DEFAULT)
@json_option
def evaluate_run(run_file: str, qrels_file: str, measures: tuple[str, ...], as_json: bool) -> None:
    """Measure a TREC run against judgments (BEIR's .tsv or TREC's four columns).

    A judged query that the run doesn't answer counts 0.
    """
    wanted = dict.fromkeys(map(parse_measure, measures or _DEFAULT))  # each once, as it is written
    qrels = read_qrels(qrels_file)
    scores = evaluate(read_answering(run_file, qrels), qrels, list(wanted))
    means = {str(measure): scores.mean(measure) for measure in wanted}
    queries = len(next(iter(scores.per_query.values())))
    if as_json:
        print_json({**means, "queries": queries})
    else:
        print_pairs({**{name: f"{mean:.4f}" for name, mean in means.items()}, "queries": queries})

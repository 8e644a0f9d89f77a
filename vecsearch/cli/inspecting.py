"""Commands that only look: info, verify, encoders."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from vecsearch.cli.options import (
    index_argument,
    json_option,
    recall_queries_options,
    work_options,
)
from vecsearch.cli.output import counted, print_json, print_pairs, size
from vecsearch.cli.recall import checked, evidence, promised
from vecsearch.cli.vectors import read_query_vectors
from vecsearch.corpus import read_queries
from vecsearch.encoders import Device, available_encoders
from vecsearch.index import Index
from vecsearch.retrieve.nearest.contract import Contract


@click.command(epilog="Example: vecsearch info notes.index --json")
@index_argument
@json_option
def info(index_folder: Path, as_json: bool) -> None:
    """Say what INDEX holds."""
    found = Index.open(index_folder).info()
    if as_json:
        print_json(found)
    else:
        if found["passages"]:
            found["passages"] = "{words} words, {overlap} of them repeated".format(
                **found["passages"]
            )
        nearest = found.pop("nearest")
        gone = f"{counted(found['deleted'])}, whose rows `vecsearch compact` removes"
        found["deleted"] = gone if found["deleted"] else None
        shown = {name: value for name, value in found.items() if value is not None}
        print_pairs({**shown, "bytes": f"{found['bytes']:,} ({size(found['bytes'])})"})
        if nearest:
            outgrown = nearest.pop("outgrown")
            contract = Contract.from_dict(nearest)
            for line in (promised(contract), *evidence(contract), outgrown):
                if line:
                    print_pairs({"nearest": line})


@click.command(epilog="Example: vecsearch verify notes.index")
@index_argument
@click.option(
    "--recall",
    is_flag=True,
    help="Also measure again the recall that `compact` promised; exit 1 unless it is kept.",
)
@recall_queries_options
@work_options
def verify(
    index_folder: Path,
    recall: bool,
    queries: str | None,
    vectors_file: str | None,
    device: Device,
) -> None:
    """Read every byte of INDEX and name each file that isn't as it was written."""
    if not recall and (queries or vectors_file):
        raise click.UsageError("Queries go with --recall.")
    problems = Index(index_folder).verify()
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    if problems:
        sys.exit(1)
    click.echo(f"{index_folder} is whole.")
    if recall:
        found = Index.open(index_folder, device=device).check_recall(
            queries=read_queries(queries) if queries else None,
            vectors=read_query_vectors(vectors_file) if vectors_file else None,
        )
        if not found:
            click.echo("No recall was promised: search is exact.")
        for contract, again in found:
            click.echo(checked(contract, again))
        if any(again.bound < contract.target for contract, again in found):
            sys.exit(1)


@click.command(epilog="Example: vecsearch encoders")
@json_option
def encoders(as_json: bool) -> None:
    """List the encoders that have a name here."""
    for listing in available_encoders():
        if as_json:
            print_json(listing._asdict())
        else:
            state = "installed" if listing.install is None else f"install: {listing.install}"
            click.echo(f"{listing.name}  {listing.description}  ({state})")
    if not as_json:
        click.echo("Or name a model's folder, owner/model on a hub, or none.")

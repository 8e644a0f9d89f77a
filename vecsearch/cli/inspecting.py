"""Commands that only look: info, verify, encoders."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from vecsearch.cli.options import index_argument, json_option
from vecsearch.cli.output import print_json, print_pairs, size
from vecsearch.encoders import available_encoders
from vecsearch.index import Index


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
        shown = {name: value for name, value in found.items() if value is not None}
        print_pairs({**shown, "bytes": f"{found['bytes']:,} ({size(found['bytes'])})"})


@click.command(epilog="Example: vecsearch verify notes.index")
@index_argument
def verify(index_folder: Path) -> None:
    """Read every byte of INDEX and name each file that isn't as it was written."""
    problems = Index(index_folder).verify()
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    if problems:
        sys.exit(1)
    click.echo(f"{index_folder} is whole.")


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

"""Run the command line with `python -m vecsearch`."""

from vecsearch.cli import main

main()

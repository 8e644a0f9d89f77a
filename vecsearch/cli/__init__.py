"""The command line: thin commands that parse, call the library and print.

One room per verb's concern; `app` holds the group, and the one place where errors become sentences.
"""

from vecsearch.cli.app import main

__all__ = ["main"]

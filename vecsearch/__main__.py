"""The command line's entry: `vecsearch`, or `python -m vecsearch`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still being loaded ends it without a traceback."""
    try:
        from vecsearch.cli import main as command
    except KeyboardInterrupt:
        sys.stderr.write("Error: Interrupted.\n")
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()

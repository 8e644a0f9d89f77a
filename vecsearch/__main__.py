"""The command line's entry: `vecsearch`, or `python -m vecsearch`."""

import os
import signal


def main() -> None:
    """Run the command line; Ctrl-C while it is still being loaded ends it without a traceback."""
    heard = signal.getsignal(signal.SIGINT)
    if heard is signal.default_int_handler:  # a shell's background job ignores it
        signal.signal(signal.SIGINT, _end)
    from vecsearch.cli import main as command

    signal.signal(signal.SIGINT, heard)
    command()


def _end(*_: object) -> None:
    """End the process at once: an exception might be lost within whatever is being imported."""
    os.write(2, b"Error: Interrupted.\n")
    os._exit(130)


if __name__ == "__main__":
    main()

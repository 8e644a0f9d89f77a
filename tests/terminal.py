"""A terminal to test with: a real pseudo-terminal, and an emulator that knows what it shows."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyte

PATIENCE = 300
"""Seconds that a test waits for what it expects: machines are slow at times."""

UP, TAB, CTRL_A, CTRL_C, CTRL_D = "\x1b[A", "\t", "\x01", "\x03", "\x04"


class _Screen(pyte.Screen):
    """A screen that answers what a program asks of its terminal, such as where the cursor is."""

    def __init__(self, columns: int, lines: int, answer: Callable[[bytes], None]) -> None:
        super().__init__(columns, lines)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data.encode())


class Terminal:
    """A process in a terminal of its own; `raw` is every byte that it has written."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], size: tuple[int, int], cwd: Path
    ) -> None:
        self._parent, child = pty.openpty()
        columns, lines = size
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._screen = _Screen(columns, lines, self._write)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        # What is written whenever keys are going to be read: an editor has pastes marked.
        self._sign = b"> " if env["TERM"] == "dumb" else b"\x1b[?2004h"
        self._process = subprocess.Popen(
            list(command),
            stdin=child,
            stdout=child,
            stderr=child,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal
        )
        os.close(child)

    def type(self, text: str) -> None:
        """Press keys."""
        self._write(text.encode())

    def shows(self, *texts: str) -> str:
        """Wait until the screen shows all of these, in any order; return its lines."""
        return self.until(lambda text: all(each in text for each in texts), repr(texts))

    def prompts(self, prompt: str = ">") -> str:
        """Wait until the last line is nothing but a prompt; return what the screen shows."""
        return self.until(lambda text: text.endswith(prompt), f"a prompt {prompt!r}")

    def enter(self, line: str, prompt: str = ">") -> str:
        """Type a line at the prompt; return what the screen shows at the next prompt."""
        return self.press(f"{line}\r", prompt)

    def press(self, keys: str, prompt: str = ">") -> str:
        """Press keys that lead to another prompt; return what the screen shows then."""
        before = self.raw.count(self._sign)
        self.type(keys)
        return self.until(
            lambda text: self.raw.count(self._sign) > before and text.endswith(prompt),
            f"a prompt after {keys!r}",
        )

    def until(self, test: Callable[[str], bool], what: str) -> str:
        """Wait until what the screen shows passes a test; return it."""
        limit = time.monotonic() + PATIENCE
        while not test(self.text):
            assert time.monotonic() < limit, f"never came: {what}\n{self.text}"
            if not self._read(0.2) and self._process.poll() is not None:
                assert test(self.text), f"ended before {what}\n{self.text}"
        return self.text

    @property
    def text(self) -> str:
        """What the screen shows, without the spaces at the end of each line."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def ends(self) -> int:
        """Wait for the end of the process; return its exit code."""
        limit = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            assert time.monotonic() < limit, f"never ended\n{self.text}"
            self._read(0.2)
        while self._read(0):
            pass
        return self._process.returncode

    def close(self) -> None:
        """End the process, if it hasn't."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._parent)

    def _write(self, data: bytes) -> None:
        os.write(self._parent, data)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._parent], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._parent, 65536)
        except OSError:  # the last process has closed it
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)


@contextlib.contextmanager
def terminal(
    *command: object, cwd: Path, size: tuple[int, int] = (80, 24), **env: object
) -> Iterator[Terminal]:
    """Run a command in a terminal of so many columns and lines."""
    given = {**os.environ, "TERM": "xterm-256color", **{k: str(v) for k, v in env.items()}}
    for name in ("COLUMNS", "LINES", *(["NO_COLOR"] if "NO_COLOR" not in env else [])):
        given.pop(name, None)
    opened = Terminal(list(map(str, command)), given, size, cwd)
    try:
        yield opened
    finally:
        opened.close()

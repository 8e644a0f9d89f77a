"""The prompt on a terminal: line editing, history, completion, and Ctrl-C that stops a query."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click
import numpy as np
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.shortcuts import CompleteStyle

from vecsearch.cli.output import counted
from vecsearch.cli.shell import view
from vecsearch.cli.shell.commands import Outcome, perform
from vecsearch.cli.shell.completion import completions
from vecsearch.cli.shell.news import News
from vecsearch.cli.shell.screen import Screen, is_dumb
from vecsearch.cli.shell.session import Session
from vecsearch.cli.shell.tasks import Task, end_process_if_busy

_PATIENCE: Final = 0.7
"""Seconds after which a person is told that something is under way."""


def interact(session: Session) -> None:
    """Ask a person for lines, and do what they say, until Ctrl-D or :quit."""
    prompt = _Prompt(session)
    prompt.greet()
    while prompt.step():
        pass
    end_process_if_busy()


class _Prompt:
    """The state of the loop: the session as it is now, and what goes on beside it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._screen = Screen()
        self._news = News()
        self._read = _read_plainly if is_dumb() else _Editor(_Completer(self)).read
        self._loading = Task(lambda: _load_encoder(session))

    def greet(self) -> None:
        """Say what is open."""
        text = (
            f"{self.session.index.folder.name}: {counted(len(self.session.searcher))}, "
            f"searched by {', '.join(self.session.retrievers)}. :help lists the commands."
        )
        self._screen.show(view.sentence(text))

    def step(self) -> bool:
        """Do one line; say whether the prompt goes on. Ctrl-C ends the step, whatever it does."""
        try:
            if text := self._news.since(self.session):
                self._screen.show(view.sentence(text))
            line = self._read(f"{self.session.by}> ")
        except EOFError:
            return False
        except KeyboardInterrupt:
            self._screen.show(view.sentence("Ctrl-D or :quit leaves."))
            return True
        try:
            return self._answer(line)
        except KeyboardInterrupt:
            self._screen.stopped()
        except Exception as error:
            self._screen.error(error)
        return True

    def _answer(self, line: str) -> bool:
        outcome = self._waited_for(Task(lambda: perform(self.session, line)))
        self.session = outcome.session
        if outcome.page is not None:
            self._screen.show(outcome.page, long=outcome.long)
        return not outcome.over

    def _waited_for(self, task: Task[Outcome]) -> Outcome:
        if not task.wait(_PATIENCE):
            loading = not self._loading.wait(0)
            what = "Loading the encoder" if loading else "Working"
            self._screen.passing(f"{what} … Ctrl-C stops it.")
        return task.result()


def _read_plainly(prompt: str) -> str:
    """Return a line as the terminal gives it; raise KeyboardInterrupt, EOFError as `input` does.

    `input` alone forgets a Ctrl-C that comes just before it waits; the pipe remembers it.
    """
    click.echo(prompt, nl=False)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    before = signal.set_wakeup_fd(wake)
    try:
        select.select([sys.stdin, woken], [], [])
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(wake)
    return input()


class _Editor:
    """Reads lines that can be edited, completed, and brought back."""

    def __init__(self, completer: Completer) -> None:
        self._session: PromptSession[str] = PromptSession(
            history=_history(),
            completer=completer,
            complete_style=CompleteStyle.READLINE_LIKE,
            complete_while_typing=False,
            enable_suspend=True,
        )

    def read(self, prompt: str) -> str:
        """Return a line; a blank one where Ctrl-C gave up what had been typed.

        Raise KeyboardInterrupt where nothing had been, EOFError for Ctrl-D.
        """
        try:
            return self._session.prompt(prompt)
        except KeyboardInterrupt:
            if not self._session.default_buffer.text:
                raise
            return ""


class _Completer(Completer):
    """Hands what could come next to prompt-toolkit."""

    def __init__(self, prompt: _Prompt) -> None:
        self._prompt = prompt

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        with contextlib.suppress(Exception):  # a damaged index is told about when it is asked
            typed, words = completions(self._prompt.session, document.text_before_cursor)
            for word in words:
                yield Completion(word, start_position=-len(typed))


def _load_encoder(session: Session) -> None:
    """Have the encoder loaded before it is needed; what fails is said when it is needed."""
    if session.searcher.default == "hybrid":
        with contextlib.suppress(Exception):
            nothing = np.zeros(session.searcher.snapshot.rows, np.bool_)
            session.searcher.retriever("dense").retrieve(["warm"], 1, nothing)


class _FileHistory(FileHistory):
    """A history whose file may stop being writable without anybody being bothered."""

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):
            super().store_string(string)


def _history() -> History:
    """Open the file of earlier lines, for its owner's eyes only; where that fails, remember."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        path = Path(state).expanduser() / "vecsearch" / "history"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
        path.chmod(0o600)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return InMemoryHistory()
    return _FileHistory(path)

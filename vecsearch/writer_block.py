"""The `with` block in which an index is changed."""

from __future__ import annotations

import contextlib
from typing import Any, NoReturn

from vecsearch.errors import UsageError
from vecsearch.writer import Writer


class WriterBlock(contextlib.AbstractContextManager[Writer]):
    """A `with` block that changes an index; its writer is there within it only."""

    def __init__(self, block: contextlib.AbstractContextManager[Writer]) -> None:
        self._block = block

    def __enter__(self) -> Writer:
        return self._block.__enter__()

    def __exit__(self, *failure: Any) -> bool | None:  # noqa: ANN401 - as any block's
        return self._block.__exit__(*failure)

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(Writer, name):
            raise UsageError(
                f"A writer is for a block: `with index.writer() as writer: writer.{name}(...)`."
            )
        raise AttributeError(name)

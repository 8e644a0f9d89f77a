"""What other processes did to the index since it was opened, told once."""

from __future__ import annotations

from vecsearch.cli.output import counted
from vecsearch.cli.shell.session import Session
from vecsearch.errors import VecsearchError


class News:
    """Looks at the manifest, which is cheap, and remembers what it has told."""

    def __init__(self) -> None:
        self._told: int | str | None = None

    def since(self, session: Session) -> str | None:
        """Return a sentence where there is something new to tell."""
        try:
            manifest = session.index.manifest()
        except VecsearchError as error:
            key: int | str = str(error)
            text = f"{error} Until then the prompt answers from what it had opened."
        else:
            key = manifest.generation
            if key == session.searcher.generation:
                self._told = None
                return None
            change = difference(manifest.documents - len(session.searcher))
            text = f"{session.index.folder.name} has changed ({change}): :reload to see it."
        if key == self._told:
            return None
        self._told = key
        return text


def difference(count: int) -> str:
    """Write how the number of documents changed."""
    if not count:
        return "as many documents as before"
    return f"{counted(abs(count))} {'more' if count > 0 else 'fewer'}"

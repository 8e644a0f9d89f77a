"""Front matter: the metadata at the head of a Markdown file, YAML between lines of dashes."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vecsearch.corpus.formats.base import Unreadable
from vecsearch.corpus.record import metadata_of, quoted
from vecsearch.types import MetaValue

if TYPE_CHECKING:
    import yaml

_OPENING: Final = re.compile(r"---[ \t]*\r?\n")
_CLOSING: Final = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_KEY: Final = re.compile(r"(?:[ \t]*#.*\n)*[^\W\d][\w.-]*[ \t]*:(?:\s|\Z)")
_LARGEST: Final = 1 << 14  # characters; YAML is read slowly, these in up to two seconds
_DEEPEST: Final = 50
_ADVICE: Final = "a value that holds any of : # * & [ { is put in quotes."


class FrontMatter(NamedTuple):
    """What the head of a file says: `end` is where the text begins, 0 if there is no such head."""

    title: str
    meta: dict[str, MetaValue]
    end: int


NONE: Final = FrontMatter("", {}, 0)


def front_matter(content: str) -> FrontMatter:
    """Read the front matter of a file, if it has any.

    A block between lines of dashes that isn't a mapping is text. One that begins like a mapping
    and is broken raises Unreadable with the line. Dates become ISO text; aliases, with which a
    small block can stand for an endless one, are refused.
    """
    opening = _OPENING.match(content)
    closing = _CLOSING.search(content, opening.end()) if opening else None
    if not opening or not closing:
        return NONE
    block = content[opening.end() : closing.start()]
    try:
        fields = _fields(block)
    except Unreadable:
        if not _KEY.match(block):
            return NONE
        raise
    if fields is None:
        return NONE
    title = fields.get("title")
    used = set() if isinstance(title, dict | list) else {"title"}
    meta = metadata_of(fields, used)
    return FrontMatter(str(title) if used and title is not None else "", meta, closing.end())


def _fields(block: str) -> dict[str, object] | None:
    """Parse the block into JSON's types; None if it isn't a mapping."""
    import yaml

    if len(block) > _LARGEST:
        raise Unreadable(f"the front matter has more than {_LARGEST:,} characters.", 1)
    try:
        _refuse_bombs(block)
        loader = yaml.SafeLoader(block)
        try:
            node = loader.get_single_node()
            if not isinstance(node, yaml.MappingNode):
                return None
            return _mapping(loader, node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(
            f"the front matter isn't valid YAML ({error.problem}); {_ADVICE}",
            _line(mark),
        ) from None
    except yaml.YAMLError:
        raise Unreadable("the front matter holds a character that YAML forbids.", 1) from None


def _refuse_bombs(block: str) -> None:
    """Refuse what takes the parser forever, or stands for an endless mapping."""
    import yaml

    depth = 0
    for event in yaml.parse(block, Loader=yaml.SafeLoader):
        if getattr(event, "anchor", None) is not None:
            raise Unreadable(
                "the front matter holds an anchor or alias of YAML, which isn't read; "
                "a value that begins with & or * is put in quotes.",
                _line(event.start_mark),
            )
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise Unreadable("the front matter is nested too deeply.", _line(event.start_mark))


def _line(mark: Any) -> int:  # noqa: ANN401 - there are two classes of marks
    """The line of the file that a mark in the block stands for; the first, if there is none."""
    return mark.line + 2 if mark else 1


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[str, object]:
    import yaml

    fields: dict[str, object] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise Unreadable(
                "front matter: the name of a field must be a text; " + _ADVICE,
                _line(key.start_mark),
            )
        fields[key.value] = _value(loader, value)
    return fields


def _value(loader: yaml.SafeLoader, node: yaml.Node) -> object:
    import yaml

    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, element) for element in node.value]
    line = _line(node.start_mark)
    try:
        value = loader.construct_object(node)
    except (ValueError, ArithmeticError):  # such as 2026-02-30, or an integer of 5000 digits
        raise Unreadable(
            f"front matter: {quoted(node.value)} is no date or number that there is; "
            "to keep it as text, put it in quotes.",
            line,
        ) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise Unreadable(
            f"front matter: {quoted(node.value)} is no finite number; "
            "to keep it as text, put it in quotes.",
            line,
        )
    if isinstance(value, date):  # or a time
        return value.isoformat()
    if isinstance(value, int | float) and ":" in node.value:
        return node.value  # 12:30 is 750 in YAML, and the time of day to everybody else
    return value if value is None or isinstance(value, str | int | float) else node.value

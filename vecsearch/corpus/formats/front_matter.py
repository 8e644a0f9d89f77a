"""Front matter: the metadata at the head of a Markdown file, YAML between lines of dashes.

What isn't in quotes is typed by its look, as in YAML 1.2: true and false are booleans, null, a
tilde or nothing is null, and decimal numbers are numbers, by the rule for the cells of a table; so
yes, NO, 01234, 0x1F, 12:30, 1e5 and .inf are text. Dates and times become ISO text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vecsearch.corpus.formats.base import Unreadable
from vecsearch.corpus.record import BadRecord, metadata_of, quoted
from vecsearch.corpus.table import typed
from vecsearch.types import MetaValue

if TYPE_CHECKING:
    import yaml

_OPENING: Final = re.compile(r"---[ \t]*\r?\n")
_CLOSING: Final = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_KEY: Final = re.compile(r"(?:[ \t]*#.*\n)*[^\W\d][\w.-]*[ \t]*:(?:\s|\Z)")
_LARGEST: Final = 1 << 14  # characters; YAML is read slowly, these in up to two seconds
_DEEPEST: Final = 50
_ADVICE: Final = "a value that holds any of : # * & [ { is put in quotes."
_PLAIN: Final = "plain"  # the tag of a value that has neither quotes nor a tag of its own
_YAML: Final = "tag:yaml.org,2002:"
_TIME: Final = f"{_YAML}timestamp"
_TEXT: Final = tuple(_YAML + kind for kind in ("str", "binary"))
_BY_LOOK: Final = (_PLAIN, *(_YAML + kind for kind in ("bool", "float", "int", "null")))
_NULLS: Final = frozenset({"~", "null", "Null", "NULL"})


class FrontMatter(NamedTuple):
    """What the head of a file says: `end` is where the text begins, 0 if there is no such head."""

    title: str
    meta: dict[str, MetaValue]
    end: int


NONE: Final = FrontMatter("", {}, 0)


def front_matter(content: str) -> FrontMatter:
    """Read the front matter of a file, if it has any.

    A block between lines of dashes that isn't a mapping is text. One that begins like a mapping
    and is broken raises Unreadable with the line; so does a field that is given twice. The title
    is text as it is written, whatever it looks like. Aliases, with which a small block can stand
    for an endless one, are refused.
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
    try:
        meta = metadata_of(fields, used)
    except BadRecord as problem:
        raise Unreadable(f"the front matter: {problem}", 1) from None
    return FrontMatter(title if isinstance(title, str) else "", meta, closing.end())


def _fields(block: str) -> dict[str, object] | None:
    """Parse the block into JSON's types; None if it isn't a mapping."""
    import yaml

    if len(block) > _LARGEST:
        raise Unreadable(f"the front matter has more than {_LARGEST:,} characters.", 1)
    try:
        _refuse_bombs(block)
        loader = yaml.SafeLoader(block)
        loader.yaml_implicit_resolvers = _resolvers()
        try:
            node = loader.get_single_node()
            if not isinstance(node, yaml.MappingNode):
                return None
            return _mapping(loader, node, texts=("title",))
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


def _resolvers() -> dict[str | None, list[tuple[str, re.Pattern[str]]]]:
    """By its first character, the tags that a plain value may have; None is any character."""
    import yaml

    found: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {
        first: [pair for pair in pairs if pair[0] == _TIME]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return {**found, None: [(_PLAIN, re.compile(""))]}


def _mapping(
    loader: yaml.SafeLoader, node: yaml.MappingNode, texts: tuple[str, ...] = ()
) -> dict[str, object]:
    """The fields of a mapping; those that `texts` names are as they are written, or null."""
    import yaml

    fields: dict[str, object] = {}
    for key, value in node.value:
        line = _line(key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            raise Unreadable("front matter: the name of a field must be a text; " + _ADVICE, line)
        if key.value in fields:
            raise Unreadable(
                f"front matter: the field {quoted(key.value)} is given a second time; several "
                "values of one field are a list, [a, b].",
                line,
            )
        as_written = key.value in texts and isinstance(value, yaml.ScalarNode)
        fields[key.value] = _as_written(value) if as_written else _value(loader, value)
    return fields


def _value(loader: yaml.SafeLoader, node: yaml.Node) -> object:
    import yaml

    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, element) for element in node.value]
    if node.tag == _TIME:
        return _time(loader, node)
    if node.tag in _BY_LOOK:
        return typed(node.value) if node.value not in _NULLS else None
    if node.tag in _TEXT:
        return node.value
    raise Unreadable(
        f"front matter: {quoted(node.tag)} is no type of YAML's; a value that begins with ! is "
        "put in quotes.",
        _line(node.start_mark),
    )


def _as_written(node: yaml.ScalarNode) -> str | None:
    return None if node.tag in _BY_LOOK and node.value in _NULLS else node.value


def _time(loader: yaml.SafeLoader, node: yaml.Node) -> str:
    """Write a date or a time as ISO text."""
    try:
        return str(loader.construct_object(node).isoformat())
    except (ValueError, ArithmeticError, AttributeError):  # such as 2026-02-30
        raise Unreadable(
            f"front matter: {quoted(node.value)} is no date that there is; "
            "to keep it as text, put it in quotes.",
            _line(node.start_mark),
        ) from None

"""Make a judged corpus of the docstrings of the running Python's standard library.

Usage: python corpora/pydocs/make.py [FOLDER]

It takes seconds and no network, and writes corpus.jsonl, queries.jsonl and qrels/ in BEIR layout
into FOLDER, by default the folder of this file. The same Python makes the same bytes. CARD.md says
what the corpus is, and what its figures mean.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from documented import Documented, documented

_QUERY_WORDS: Final = range(4, 31)
_LEFT_WORDS: Final = 8
"""What a docstring must still say without its summary, for the summary to be a query."""

_QRELS: Final = "qrels"
_SPLITS: Final = ("train", "train", "train", "dev", "test")

_CALL: Final = re.compile(
    r"(?P<call>[\w.]+\(.*?\)\s*(?:-+>\s*[^:\n]*?)?)\s*(?:(?:\s--|:)\s+(?P<summary>.*)|$)"
)
_SENTENCE_END: Final = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!etc)\.(?=\s+[^a-z\s])|:(?=\s*$)")
_MARKUP: Final = re.compile(
    r":[a-z:]+:`~?([^`<]+?)(?:\s*<[^`]*>)?`|`+([^`]+)`+|\*{1,2}(\w+)\*{1,2}"
)
_CODE: Final = re.compile(r"=|->|>>>")
_WORD: Final = re.compile(r"[^\W\d_]{2,}|\b[aI]\b")


class Item(NamedTuple):
    """An object whose docstring is taken apart: its first sentence, and what its document says.

    `left` is what the docstring says besides; the document's text is that, after the signature.
    """

    of: Documented
    summary: str
    left: str

    @property
    def text(self) -> str:
        """The text of the document."""
        return f"{self.of.signature}\n\n{self.left}".strip()


def main() -> None:
    """Make the corpus and say what is in it."""
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit("Usage: python corpora/pydocs/make.py [FOLDER]")
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else Path(__file__).resolve().parent
    try:
        (folder / _QRELS).mkdir(parents=True, exist_ok=True)  # before the work, if it can't be
    except OSError as error:
        sys.exit(f"Error: {error}")
    objects = documented()
    if not any(each.line for each in objects):
        sys.exit(f"Error: the sources of the standard library aren't beside {sys.executable}.")
    items = [Item(each, *taken_apart(each.docstring)) for each in objects]
    queries = known_items(items)
    judged: dict[str, list[str]] = {split: [] for split in _SPLITS}
    for name in queries:
        judged[split_of(name)].append(f"{name}\t{name}\t1")
    try:
        for split, lines in judged.items():
            write(folder / _QRELS / f"{split}.tsv", ["query-id\tcorpus-id\tscore", *lines])
        asked = ({"_id": name, "text": text} for name, text in queries.items())
        write(folder / "queries.jsonl", map(to_json, asked))
        write(folder / "corpus.jsonl", (to_json(record(each)) for each in items))
    except OSError as error:
        sys.exit(f"Error: {error}")
    counts = ", ".join(f"{len(lines):,} {split}" for split, lines in judged.items())
    print(f"{folder}: {len(objects):,} documents, {len(queries):,} queries ({counts}).")


def taken_apart(docstring: str) -> tuple[str, str]:
    """Split a docstring into its first sentence, without markup, and the rest.

    Older docstrings begin with calls, "pop([index]) -> item -- remove and return item at index":
    those belong to the rest.
    """
    head, _, tail = docstring.strip().partition("\n\n")
    calls = []
    lines = head.splitlines()
    while lines and (call := _CALL.match(lines[0])):
        calls.append(call["call"])
        lines = [call["summary"], *lines[1:]] if call["summary"] else lines[1:]
        if call["summary"]:
            break
    if not lines and tail:
        summary, rest = taken_apart(tail)
        return summary, "\n".join([*calls, rest])
    paragraph = " ".join(" ".join(lines).split())
    end = _SENTENCE_END.search(paragraph)
    first, more = (paragraph[: end.end()], paragraph[end.end() :]) if end else (paragraph, "")
    summary = _MARKUP.sub(lambda match: match[match.lastindex or 0], first).rstrip(" .:;-")
    rest = "\n".join([*calls, more.strip()]).strip()
    return summary, f"{rest}\n\n{tail}".strip()


def known_items(items: Sequence[Item]) -> dict[str, str]:
    """Choose the summaries that are queries: name of the document -> text of the query.

    A summary that several objects share asks for none of them, and what is left of its document
    must say something and not say the summary again.
    """
    sharing = Counter(plain(item.summary) for item in items)
    return {
        item.of.name: item.summary
        for item in items
        if is_sentence(item.summary)
        and sharing[plain(item.summary)] == 1
        and len(_WORD.findall(item.left)) >= _LEFT_WORDS
        and plain(item.summary) not in plain(f"{item.of.name} {item.text}")
    }


def is_sentence(summary: str) -> bool:
    """Whether a summary could be asked: some words, not a page, and no code."""
    return (
        len(_WORD.findall(summary)) >= _QUERY_WORDS.start
        and len(summary.split()) in _QUERY_WORDS
        and not _CODE.search(summary)
    )


def plain(text: str) -> str:
    """Write words in lower case with a space between them, and nothing else."""
    return " ".join(re.findall(r"\w+", text.lower()))


def split_of(query: str) -> str:
    """Draw a query's split by its name, so that it stays the same in every Python."""
    digest = hashlib.sha256(query.encode()).digest()
    return _SPLITS[digest[0] * len(_SPLITS) // 256]


def record(item: Item) -> dict[str, object]:
    """Write an object as a document: its name, how it is called, and all but its summary."""
    of = item.of
    metadata: dict[str, str | int] = {
        "kind": of.kind,
        "module": of.module,
        "python": platform.python_version(),
    }
    if of.line is not None:
        metadata["line"] = of.line
    return {"_id": of.name, "title": of.name, "text": item.text, "metadata": metadata}


def to_json(value: Mapping[str, object]) -> str:
    """Write a line of JSON."""
    return json.dumps(value, ensure_ascii=False)


def write(path: Path, lines: Iterable[str]) -> None:
    """Write a text file whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
    fresh.replace(path)


if __name__ == "__main__":
    main()

"""What the shipped encoder learns from: texts, and pairs of texts that mean much the same."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree

from vecsearch import documents, open_corpus, read_qrels, read_queries
from vecsearch.training.held_out import normalised

_MARKER: Final = re.compile(r"\((?:a|p|ip)\)$")
_EXAMPLE: Final = re.compile(r'"([^"]+)"')
_QUOTED: Final = re.compile(r'"(.*?)(?<!\\)"')
_NOTES: Final = ("inclusionTerm", "includes")


class Pair(NamedTuple):
    """Two texts that belong together."""

    first: str
    second: str


class Passage(NamedTuple):
    """A paragraph of an article; those of one article follow each other."""

    title: str
    text: str


def passages(folder: Path) -> Iterator[Passage]:
    """Yield the paragraphs of a BEIR corpus.jsonl.gz."""
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            yield Passage(entry["title"], entry["text"])


def questions(folder: Path) -> list[Pair]:
    """Return the questions of the split "train" with their paragraphs.

    A question that has the text of one of the split "test" is left out.
    """
    texts = {query.id: query.text for query in read_queries(folder / "queries.jsonl")}
    held_out = {normalised(texts[each]) for each in read_qrels(folder / "qrels" / "test.tsv")}
    paragraphs = {
        each.id: f"{each.title} {each.text}" for each in documents(open_corpus(str(folder)))
    }
    return [
        Pair(texts[query], paragraphs[found])
        for query, grades in read_qrels(folder / "qrels" / "train.tsv").items()
        for found in grades
        if normalised(texts[query]) not in held_out
    ]


class _Synset(NamedTuple):
    words: list[str]
    definition: str
    examples: list[str]
    broader: list[tuple[str, str]]


def wordnet(folder: Path) -> list[Pair]:
    """Return words with their definitions, synonyms, broader words and examples of their use.

    folder: with WordNet's data.noun, data.verb, data.adj and data.adv, as its manual page wndb(5WN)
        describes them.
    """
    synsets: dict[tuple[str, str], _Synset] = {}
    for name, letter in (("noun", "n"), ("verb", "v"), ("adj", "a"), ("adv", "r")):
        for line in (folder / f"data.{name}").read_text(encoding="utf-8").splitlines():
            if not line.startswith("  "):  # those are the licence
                fields = line.split(" | ", 1)[0].split()
                synsets[letter, fields[0]] = _synset(fields, line.split(" | ", 1)[1].strip())
    return [pair for synset in synsets.values() for pair in _related(synset, synsets)]


def _synset(fields: list[str], gloss: str) -> _Synset:
    count = int(fields[3], 16)
    words = [_MARKER.sub("", word).replace("_", " ") for word in fields[4 : 4 + 2 * count : 2]]
    pointers = fields[5 + 2 * count :]
    broader = [
        (pointers[at + 2].replace("s", "a"), pointers[at + 1])
        for at in range(0, 4 * int(fields[4 + 2 * count]), 4)
        if pointers[at] in ("@", "@i")
    ]
    return _Synset(words, gloss.split('; "')[0], _EXAMPLE.findall(gloss), broader)


def _related(synset: _Synset, synsets: Mapping[tuple[str, str], _Synset]) -> Iterator[Pair]:
    for word in synset.words:
        yield Pair(word, synset.definition)
        for other in synset.words:
            if other != word:
                yield Pair(word, f"{other} {synset.definition}")
    for place in synset.broader[:1]:
        if place in synsets:
            yield Pair(synset.words[0], synsets[place].words[0])
    for example in synset.examples:
        yield Pair(example, synset.definition)


def phenotypes(file: Path) -> list[Pair]:
    """Return the Human Phenotype Ontology's terms with definitions, synonyms and broader terms.

    file: its hp.obo, as the OBO flat file format 1.4 describes it.
    """
    terms: dict[str, dict[str, list[str]]] = {}
    for block in file.read_text(encoding="utf-8").split("\n\n"):
        if block.startswith("[Term]") and "is_obsolete: true" not in block:
            term: dict[str, list[str]] = {}
            for line in block.splitlines()[1:]:
                key, _, value = line.partition(": ")
                term.setdefault(key, []).append(value)
            terms[term["id"][0]] = term
    return [pair for term in terms.values() for pair in _named(term, terms)]


def _named(
    term: Mapping[str, list[str]], terms: Mapping[str, Mapping[str, list[str]]]
) -> Iterator[Pair]:
    name = term["name"][0]
    names = [name, *(_quoted(each) for each in term.get("synonym", ()))]
    for other in names[1:]:
        yield Pair(other, name)
    for definition in term.get("def", ())[:1]:
        for each in names:
            yield Pair(each, _quoted(definition))
    for broader in term.get("is_a", ()):
        place = broader.split(" ")[0]
        if place in terms:
            yield Pair(name, terms[place]["name"][0])


def _quoted(value: str) -> str:
    found = _QUOTED.match(value)
    return found[1] if found else ""


def diseases(file: Path) -> list[Pair]:
    """Return the entries of ICD-10-CM with what they include and the broader entry.

    file: the tabular list in XML, as the CDC's National Center for Health Statistics gives it out.
    """
    return list(_entries(ElementTree.parse(file).getroot(), ""))


def _entries(element: ElementTree.Element, broader: str) -> Iterator[Pair]:
    description = element.findtext("desc") or broader
    if description != broader:
        for kind in _NOTES:
            for note in element.findall(f"{kind}/note"):
                yield Pair(note.text or "", description)
        if broader:
            yield Pair(description, broader)
    for child in element:
        if child.tag in ("chapter", "section", "diag"):
            yield from _entries(child, description)

"""Systems by name: a short one, a TOML file, or an encoder that is to be compared.

In a file any of these lines may be left out but the first:

    representation = "hybrid"   # tfidf, bm25, dense or hybrid
    analyzer = "english"        # as `vecsearch index --analyzer`
    passages = 200              # words; without it documents are whole
    encoder = "small"           # of dense and hybrid: a name, a model's folder, or owner/model
    index = "flat"              # exact search over the embeddings

    [weighting]                 # of bm25: k1, b, variant, delta; of tfidf: sublinear, smooth, l2
    k1 = 0.9

    [fusion]                    # of hybrid
    method = "rrf"              # or "min-max", a weighted sum of scores scaled to 0..1
    words = "bm25"              # or "tfidf", which [weighting] is then for
    weights = [0.5, 0.5]        # of words and of embeddings; by default what suits the encoder
    depth = 100                 # documents of each that are fused
    constant = 60               # of rrf
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from vecsearch.bench.system import FORMULAS, Fusion, Representation, System, one_of
from vecsearch.encoders import DEFAULT, encoder_names, installed
from vecsearch.errors import CorpusError, EncoderError, UnknownName, UsageError
from vecsearch.retrieve.weighting import BM25, TfIdf

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_T = TypeVar("_T", bound="BM25 | TfIdf | Fusion")

SHORT_NAMES: Final = ("tfidf", "bm25", "dense", "hybrid", "rrf", *encoder_names())
"""Systems that have a name: rrf is hybrid by reciprocal ranks, an encoder's name is dense by it."""

FUSED: Final = "bm25+"
"""Stands before an encoder in the name of the hybrid by it."""

_TYPES: Final = {"analyzer": str, "encoder": str, "passages": int, "index": str}
_TYPE_NAMES: Final = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list of two numbers",
}


def parse_system(name_or_path: str) -> System:
    """Return the system that a short name, a TOML file or an encoder's folder or hub name means.

    "bm25+ENCODER" is the hybrid of BM25 and that encoder.

    Raise UnknownName or UsageError for what means none, CorpusError for a file that can't be read,
    EncoderError for an encoder that can't be had.
    """
    if Path(name_or_path).suffix == ".toml":
        return _read(Path(name_or_path))
    if name_or_path in get_args(Representation):
        return system_from({"representation": name_or_path})
    if name_or_path == "rrf":
        return System("hybrid", fusion=Fusion(method="rrf"))
    encoder = name_or_path.removeprefix(FUSED)
    if encoder not in encoder_names() and "/" not in encoder and not Path(encoder).is_dir():
        place = "an encoder's folder or hub name"
        choices = [*SHORT_NAMES, f"{FUSED}ENCODER", "a file.toml", "a peer.py", place]
        raise UnknownName("system", name_or_path, choices)
    return System("dense" if encoder == name_or_path else "hybrid", encoder=encoder)


def default_systems() -> tuple[str, ...]:
    """Name the systems that are compared where nobody says which."""
    stronger = ("minilm", f"{FUSED}minilm") if installed("minilm") else ()
    return ("tfidf", "bm25", DEFAULT, "hybrid", "rrf", *stronger)


def system_from(given: Mapping[str, Any]) -> System:
    """Read a definition; raise UsageError for a key or a value that has no meaning."""
    values = dict(given)
    if "representation" not in values:
        known = ", ".join(get_args(Representation))
        raise UsageError(f"A system says what its representation is: one of {known}.")
    words = one_of("representation", values.pop("representation"), get_args(Representation))
    representation: Any = words  # checked right above
    values.pop("fingerprint", None)  # it is of what the encoder was
    tables = {name: values.pop(name) for name in ("fusion", "weighting") if name in values}
    _check("system", values, _TYPES, [*_TYPES, "representation", "fusion", "weighting"])
    fusion = weighting = None
    if "fusion" in tables:
        fusion = _made(Fusion, "fusion", tables["fusion"])
    if words == "hybrid":
        words = fusion.words if fusion else Fusion().words
    if "weighting" in tables:
        if words not in FORMULAS:
            raise UsageError(f"The representation {words} has no weighting.")
        weighting = _made(FORMULAS[words], "weighting", tables["weighting"])
    return System(representation, **values, weighting=weighting, fusion=fusion)


def _read(path: Path) -> System:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(path, None, f"the system can't be read ({error.strerror}).") from None
    try:
        text = data.decode()
        return _system_of(text, path.parent)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}, isn't TOML: it isn't UTF-8 ({error}).") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} isn't TOML: {error}.") from None
    except (UsageError, EncoderError) as error:
        kind = UsageError if isinstance(error, UsageError) else EncoderError
        raise kind(f"{path}{_where(text, path.parent, str(error))}: {error}") from None


def _system_of(text: str, folder: Path) -> System:
    """Read a definition in TOML; a folder beside the file may be its encoder."""
    given = tomllib.loads(text)
    encoder = given.get("encoder")
    if isinstance(encoder, str) and (folder / encoder).is_dir():
        given["encoder"] = str(folder / encoder)
    return system_from(given)


def _where(text: str, folder: Path, problem: str) -> str:
    """Say with which line of a definition a problem begins; "" for what is lacking.

    TOML's values don't know their lines: so it is read again, each time a line more.
    """
    lines = text.split("\n")
    for count in range(len(lines) + 1):
        try:
            _system_of("\n".join(lines[:count]), folder)
        except tomllib.TOMLDecodeError:  # within a value of several lines
            continue
        except (UsageError, EncoderError) as error:
            if str(error) == problem:
                return f", line {count}" if count else ""
    return ""


def _made(kind: type[_T], table: str, given: object) -> _T:
    """Make a value of a table; the types of the defaults are those of the parameters."""
    if not isinstance(given, Mapping):
        raise UsageError(f"[{table}] is a table of parameters, not {given!r}.")
    types = {each.name: type(each.default) for each in dataclasses.fields(kind)}
    types = {name: float if each is type(None) else each for name, each in types.items()}
    _check(table, given, types, types)
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v is not None
    }
    return kind(**values)


def _check(
    what: str, given: Mapping[str, Any], types: Mapping[str, type], known: Iterable[str]
) -> None:
    """Raise UsageError unless every key is known and every value is of its type."""
    for name, value in given.items():
        if name not in types:
            raise UnknownName("parameter", name, known, f"of a {what}")
        if value is not None and not _is_a(types[name], value):
            expected = _TYPE_NAMES[types[name]]
            raise UsageError(f"The {name} of a {what} is {expected}, not {value!r}.")


def _is_a(kind: type, value: object) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is tuple:
        return isinstance(value, list | tuple) and all(_is_a(float, each) for each in value)
    return isinstance(value, (int, float) if kind is float else kind)

"""Every documented object of the running Python's standard library, without running its code.

What is written in Python is parsed, never imported. What is written in C has no source here, so
those modules are imported, which does no more than load them, and looked at. Tests, tools for
porting, editors and generated texts are left out.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import sys
import sysconfig
import types
import warnings
from collections.abc import Iterator
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

# fmt: off
_LEFT_OUT: Final = frozenset({
    "__pycache__", "_bundled", "dist-packages", "idlelib", "lib-dynload", "lib2to3", "pydoc_data",
    "site-packages", "test", "tests", "turtledemo",
})
# fmt: on
_TERMINAL: Final = frozenset({"_tkinter", "readline"})
"""Modules that take hold of the terminal or the screen when they are imported."""

_Definition: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS: Final = (ast.If, ast.Try, ast.With, ast.ExceptHandler)
"""What a definition may stand in without another name: "if the platform has it"."""

_SLOTS: Final = (types.WrapperDescriptorType, types.MethodWrapperType)
"""Operators such as __add__ of a type in C: all types have the same sentence for each."""


class Documented(NamedTuple):
    """A module, class, function, method or property that has a docstring, cleaned of its indent.

    `signature` is how it is called, "glob(self, pattern)"; `line` is None for what is in C.
    """

    name: str
    kind: str
    module: str
    line: int | None
    signature: str
    docstring: str


def documented() -> list[Documented]:
    """Find every documented object, in the order of their names.

    Of several of one name the first counts: Python before C, above before below.
    """
    sources = {module: _parsed(path) for module, path in _source_files()}
    found: dict[str, Documented] = {}
    for module, tree in sources.items():
        for each in _in_source(tree, module, "module", module):
            found.setdefault(each.name, each)
    for name in sorted(sys.stdlib_module_names - _TERMINAL):
        if _is_compiled(name):
            for each in _in_compiled(name, sources):
                found.setdefault(each.name, each)
    return [found[name] for name in sorted(found)]


def _source_files() -> Iterator[tuple[str, Path]]:
    """Yield each module's name and file."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in sys.stdlib_module_names and _LEFT_OUT.isdisjoint(parts):
            yield ".".join(parts).removesuffix(".__init__"), path


def _parsed(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in strings that a later Python refuses
        return ast.parse(path.read_bytes(), path)


def _in_source(
    node: ast.Module | _Definition, name: str, kind: str, module: str
) -> Iterator[Documented]:
    """Yield what is documented at a node that has a name, and within it."""
    docstring = ast.get_docstring(node)
    if docstring:
        line = getattr(node, "lineno", 1)
        yield Documented(name, kind, module, line, _signature(node), docstring)
    if kind in ("module", "class"):
        for child in _definitions(node):
            yield from _in_source(child, f"{name}.{child.name}", _kind(child, kind), module)


def _definitions(node: ast.AST) -> Iterator[_Definition]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Definition):
            yield child
        elif isinstance(child, _BLOCKS):
            yield from _definitions(child)


def _kind(node: _Definition, around: str) -> str:
    if isinstance(node, ast.ClassDef):
        return "class"
    decorators = {ast.unparse(each).rpartition(".")[2] for each in node.decorator_list}
    if decorators & {"property", "cached_property"}:
        return "property"
    return "method" if around == "class" else "function"


def _signature(node: ast.Module | _Definition) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"{node.name}({ast.unparse(node.args)}){returns}"
    return ""


def _is_compiled(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and (
        spec.origin == "built-in" or isinstance(spec.loader, ExtensionFileLoader)
    )


def _in_compiled(name: str, sources: dict[str, ast.Module]) -> Iterator[Documented]:
    """Yield what is documented in a module that is written in C."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a module will go
            module = importlib.import_module(name)
    except ImportError:  # a system library is missing here
        return
    front = "os" if name in ("nt", "posix") else name.removeprefix("_")
    fronted = _taken_from(name, sources[front]) if front in sources else frozenset()
    if module.__doc__ and name not in sources:
        yield Documented(name, "module", name, None, "", inspect.cleandoc(module.__doc__))
    for member, value in sorted(vars(module).items()):
        own = getattr(value, "__module__", None) in (name, front)
        home = front if member in fronted or "*" in fronted else name
        if own and isinstance(value, type) and value.__name__ == member:
            yield from _in_type(value, f"{home}.{member}", home)
        elif own and inspect.isbuiltin(value):
            yield from _compiled(value, f"{home}.{member}", "function", home)


def _taken_from(name: str, tree: ast.Module) -> frozenset[str]:
    """Name what a module's source imports from another: {"*"} is everything."""
    return frozenset(
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == name
        for alias in node.names
    )


def _in_type(value: type, name: str, module: str) -> Iterator[Documented]:
    yield from _compiled(value, name, "class", module)
    for member, attribute in sorted(vars(value).items()):
        if isinstance(attribute, _SLOTS) or member in ("__doc__", "__new__"):
            continue
        data = inspect.isgetsetdescriptor(attribute) or inspect.ismemberdescriptor(attribute)
        if data or callable(attribute) or isinstance(attribute, classmethod | staticmethod):
            kind = "property" if data else "method"
            yield from _compiled(attribute, f"{name}.{member}", kind, module)


def _compiled(value: object, name: str, kind: str, module: str) -> Iterator[Documented]:
    docstring = getattr(value, "__doc__", None)
    if not isinstance(docstring, str) or not docstring.strip():
        return
    parameters = getattr(value, "__text_signature__", None) or ""
    # The first parameter of a function in C is its module, which nobody passes.
    parameters = re.sub(r"\$(module(, /(?!\w))?(, )?)?", "", parameters)
    signature = f"{name.rpartition('.')[2]}{parameters}"
    yield Documented(name, kind, module, None, signature, inspect.cleandoc(docstring))

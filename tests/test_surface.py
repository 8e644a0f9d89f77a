"""What `import vecsearch` gives and costs, and what ships with it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import types
from importlib.resources import files

import vecsearch

HEAVY = ["torch", "faiss", "sentence_transformers", "transformers", "sklearn", "scipy"]
HEAVY += ["rich", "click", "selectolax", "huggingface_hub"]


def test_importing_loads_nothing_heavy():
    script = f"import sys, vecsearch; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_all_names_are_there_and_no_other():
    public = {
        name
        for name, value in vars(vecsearch).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public == set(vecsearch.__all__)
    assert len(vecsearch.__all__) == len(set(vecsearch.__all__))


def test_all_is_sorted_as_ruff_sorts_it():
    """Constants, then classes, then the rest, each in natural order."""

    def key(name):
        kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
        return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]

    assert vecsearch.__all__ == sorted(vecsearch.__all__, key=key)


def test_everything_public_is_documented():
    undocumented = []
    for name in vecsearch.__all__:
        value = getattr(vecsearch, name)
        if isinstance(value, type):
            methods = {m: v for m, v in vars(value).items() if not m.startswith("_")}
            callables = {m: v for m, v in methods.items() if isinstance(v, types.FunctionType)}
            undocumented += [f"{name}.{m}" for m, v in callables.items() if not v.__doc__]
        if (isinstance(value, type) or callable(value)) and not value.__doc__:
            undocumented.append(name)
    assert undocumented == []


def test_the_package_is_typed():
    assert (files("vecsearch") / "py.typed").is_file()


def test_the_top_module_only_gathers_names():
    source = (files("vecsearch") / "__init__.py").read_text(encoding="utf-8")
    docstring, *statements = ast.parse(source).body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(each, ast.ImportFrom | ast.Assign) for each in statements)

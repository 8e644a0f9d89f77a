"""What `import vecsearch` gives and costs, and what ships with it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import types
from importlib.metadata import version
from importlib.resources import files

import pytest

import vecsearch

HEAVY = ["torch", "faiss", "sentence_transformers", "transformers", "sklearn", "scipy"]
HEAVY += ["rich", "click", "selectolax", "huggingface_hub"]


def test_importing_loads_nothing_heavy():
    script = f"import sys; from vecsearch import *; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "use",
    [
        "import vecsearch; vecsearch.Index",
        "import vecsearch; vecsearch.errors.UsageError",
        "from vecsearch import Index, BM25",
        "from vecsearch import *; Index, BM25",
        "import vecsearch; assert set(vecsearch.__all__) < set(dir(vecsearch))",
        "import vecsearch, pydoc; assert 'class Index(' in pydoc.render_doc(vecsearch, renderer=pydoc.plaintext)",
    ],
)
def test_the_names_are_there_from_the_start(use):
    subprocess.run([sys.executable, "-c", use], check=True)


def test_importing_alone_loads_nothing_of_others():
    script = "import sys, vecsearch; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'vecsearch' has no attribute 'Indx'"):
        _ = vecsearch.Indx


def test_all_names_are_there_and_no_other():
    assert vecsearch.Index
    public = {
        name
        for name, value in vars(vecsearch).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public - {"TYPE_CHECKING"} == set(vecsearch.__all__)
    assert len(vecsearch.__all__) == len(set(vecsearch.__all__))


def test_names_that_are_shown_are_public():
    assert {name for name in dir(vecsearch) if not name.startswith("__")} == set(vecsearch.__all__)
    assert vecsearch.__version__ == version("vecsearch")


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


def test_the_public_names_are_only_gathered():
    source = (files("vecsearch") / "public.py").read_text(encoding="utf-8")
    docstring, *statements = ast.parse(source).body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(each, ast.ImportFrom | ast.Assign) for each in statements)

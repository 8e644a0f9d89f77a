"""Other programs as systems: a Python file with an `Engine` under the name ENGINE."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from traceback import walk_tb

from vecsearch.bench.engine import Engine
from vecsearch.errors import UsageError, folder_beside


def load_peer(path: Path) -> Engine:
    """Run the file of a peer, which is code like any other, and return its engine.

    Raise UsageError for a file that can't be run, naming what it lacks, or that has no engine.
    """
    if not path.is_file():
        hint = folder_beside(path, Path.is_file)
        raise UsageError(f"There is no file {path} to take a peer from.{hint}")
    # Not under the file's own name: bm25s.py wants to import the library of that name.
    name = f"vecsearch_peer_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # for a .py there is always one
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise UsageError(
            f"{path} needs {error.name or error}, which isn't installed. "
            "pip install 'vecsearch[bench]' brings the peers."
        ) from None
    except SyntaxError as error:
        place = f"{path}, line {error.lineno}" if error.lineno else f"{path}"
        raise UsageError(f"{place}: it isn't Python ({error.msg}).") from None
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        frames = walk_tb(error.__traceback__)
        lines = [line for frame, line in frames if frame.f_globals is vars(module)]
        place = f"{path}, line {lines[-1]}" if lines else f"{path}"
        raise UsageError(f"{place}: it can't be run as a peer ({reason}).") from error
    engine = getattr(module, "ENGINE", None)
    if not isinstance(engine, Engine):
        raise UsageError(
            f"{path} defines no ENGINE with about, same_as, build and open, as "
            "vecsearch.bench.engine.Engine has them."
        )
    return engine


def peer_digest(path: Path) -> str:
    """SHA-256 of the Python files in a peer's folder, since it may share code with others."""
    digest = hashlib.sha256(path.name.encode())
    for file in sorted(path.parent.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()

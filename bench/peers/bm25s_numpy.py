"""bm25s without numba: slower to answer, but nothing has to be compiled before the first answer."""

from __future__ import annotations

import runpy
from pathlib import Path

ENGINE = runpy.run_path(str(Path(__file__).with_name("bm25s.py")))["Engine"]("numpy")

"""What may be built over the vectors of a segment, and how far a search of it goes.

A structure is a code for each vector, and where the codes lie: in one list, in lists around
centroids (IVF), of which the nearest are visited, or in a graph of neighbours (HNSW, Malkov and
Yashunin 2018), which is walked towards the query.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, cast

Codes: TypeAlias = Literal["pq2", "pq4", "pq8", "rabitq", "sq8", "bf16", "float32"]

_MEANINGS: Final[Mapping[Codes, str]] = {
    "pq2": "4 bits stand for 2 numbers of a vector (product quantization)",
    "pq4": "4 bits stand for 4 numbers of a vector (product quantization)",
    "pq8": "4 bits stand for 8 numbers of a vector (product quantization)",
    "rabitq": "1 bit stands for a number of a vector (RaBitQ)",
    "sq8": "8 bits stand for a number of a vector (scalar quantization)",
    "bf16": "16 bits stand for a number of a vector (bfloat16)",
    "float32": "the numbers of a vector themselves",
}
_ROW: Final = 8
"""Bytes that a list takes for the number of a row."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What is built.

    codes: what stands for a vector.
    lists: around centroids; 1 for none.
    links: of a row to others on a graph's upper levels (M), twice as many on its lowest; 0 for no
        graph.
    """

    codes: Codes
    lists: int = 1
    links: int = 0

    @property
    def name(self) -> str:
        """Its name in tables."""
        if self.links:
            return f"hnsw{self.links}-{self.codes}"
        return self.codes if self.lists == 1 else f"ivf{self.lists}-{self.codes}"

    def meanings(self) -> dict[str, str]:
        """Say for a person what the parts of its name mean."""
        told = {}
        if self.links:
            told[f"hnsw{self.links}"] = (
                f"a graph, walked towards the query, in which each row knows {self.links} near "
                f"ones, twice as many on its lowest level"
            )
        elif self.lists > 1:
            told[f"ivf{self.lists}"] = (
                f"{self.lists:,} lists around centroids, of which the nearest are read"
            )
        return {**told, self.codes: _MEANINGS[self.codes]}

    @property
    def width(self) -> int:
        """For how many numbers a code of product quantization stands."""
        return int(self.codes.removeprefix("pq"))

    def factory(self, dim: int) -> str:
        """Its name in FAISS's words."""
        if self.codes.startswith("pq"):
            padded = _padded(dim, 2 * self.width)
            return f"RR{padded},IVF{self.lists},PQ{padded // self.width}x4fs"
        if self.codes == "rabitq":
            return f"RR{_padded(dim, 8)},IVF{self.lists},RaBitQfs"
        place = f"HNSW{self.links}" if self.links else f"IVF{self.lists}"
        return f"{place},{_FACTORY[self.codes]}"

    def bytes_per_vector(self, dim: int) -> float:
        """Return about how much memory a vector takes."""
        if self.codes.startswith("pq"):
            code = _padded(dim, 2 * self.width) / self.width / 2
        elif self.codes == "rabitq":
            code = _padded(dim, 8) / 8 + 8  # two numbers beside the bits
        else:
            code = dim * _BYTES[self.codes]
        if self.links:
            # An upper level holds 1 in `links` rows of the one below; a level and an offset a row.
            return code + 4 * self.links * (2 + 1 / (self.links - 1)) + 12
        return code + _ROW

    @classmethod
    def named(cls, name: str) -> Structure:
        """Return the structure of a name; raise ValueError where there is none."""
        found = re.fullmatch(r"(?:ivf(\d+)-|hnsw(\d+)-)?(\w+)", name)
        if not found or found[3] not in _MEANINGS:
            raise ValueError(f"no structure is called {name!r}")
        return cls(cast(Codes, found[3]), int(found[1] or 1), int(found[2] or 0))

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Structure:
        """Read what a contract keeps; `width` is how it was said while there was nothing but pq."""
        if "width" in kept:
            return cls.named(cls(cast(Codes, f"pq{kept['width']}"), kept["lists"]).name)
        return cls.named(cls(**kept).name)


_FACTORY: Final[Mapping[Codes, str]] = {"sq8": "SQ8", "bf16": "SQbf16", "float32": "Flat"}
_BYTES: Final[Mapping[Codes, int]] = {"sq8": 1, "bf16": 2, "float32": 4}


def _padded(dim: int, unit: int) -> int:
    return math.ceil(dim / unit) * unit


@dataclass(frozen=True, slots=True)
class Effort:
    """What is spent where `k` rows are wanted.

    probes: lists visited; in a graph the rows that are kept in sight on the way (efSearch).
    candidates: rows that are scored exactly.
    nearness: of these lists only those are visited whose centroid's product with the query is at
        least this share of the nearest one's, or as many as hold the candidates: what is asked for
        plainly has its neighbours in a few lists. None for all of them.
    """

    k: int
    probes: int
    candidates: int
    nearness: float | None = None

    def for_k(self, k: int, *, graph: bool) -> Effort:
        """Return what is spent where another number of rows is wanted: as much for each of them."""
        more = max(k / self.k, 1.0)
        probes = math.ceil(self.probes * more) if graph else self.probes
        return Effort(k, probes, math.ceil(self.candidates * more), self.nearness)

    def to_dict(self) -> dict[str, float | None]:
        """Return plain numbers, to be kept."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Effort:
        """Read what `to_dict` gave; there were efforts without a nearness."""
        nearness = kept.get("nearness")
        return cls(
            int(kept["k"]),
            int(kept["probes"]),
            int(kept["candidates"]),
            None if nearness is None else float(nearness),
        )

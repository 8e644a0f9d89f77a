"""A table of vectors, one for each subword, learnt by skip-gram or by contrastive training.

What a subword weighs is folded into its row, so a text's vector is a plain sum of rows.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.artefact import Artefact
from vecsearch.encoders.bags import Bag, BagEncoder, Rows
from vecsearch.encoders.subwords import Subwords
from vecsearch.errors import EncoderError, UsageError
from vecsearch.types import Vectors

_GREATEST: Final = 127
"""Of a number of eight bits, so that negative numbers reach as far as positive ones."""


class TokenTable(BagEncoder):
    """An encoder by a table of subword vectors.

    artefact: its tensors are "table", (pieces, dim) float32, or int8 with "scales", (pieces,)
        float32, by which the rows are multiplied; config says whether it is "sublinear": then a
        subword that a text has n times counts 1 + ln(n), else n. Raise EncoderError for another.
    """

    def __init__(self, artefact: Artefact) -> None:
        if artefact.subwords is None:
            raise EncoderError(f"The table of {artefact.place} has no subwords.")
        pieces = artefact.subwords.size
        rows = artefact.tensor("table", (np.float32, np.int8), pieces, artefact.dim)
        if rows.dtype == np.int8:
            scales = artefact.tensor("scales", (np.float32,), pieces)
        else:
            scales = np.ones(pieces, np.float32)
        bag = Bag(rows, scales, bool(artefact.config.get("sublinear", False)))
        super().__init__(artefact, artefact.subwords, bag)
        self.subwords = artefact.subwords

    @staticmethod
    def of(
        kind: str, name: str, subwords: Subwords, rows: Vectors, *, sublinear: bool = False
    ) -> TokenTable:
        """Make an encoder of rows, (pieces, dim) float32, with the subwords' weights in them.

        Raise EncoderError where they aren't finite.
        """
        if not np.isfinite(rows).all():
            raise EncoderError(f"The rows of the table {name!r} aren't all finite numbers.")
        config = {"dim": int(rows.shape[1]), "sublinear": sublinear}
        return TokenTable(Artefact(kind, name, config, {"table": rows}, subwords))

    @property
    def rows(self) -> Vectors:
        """The vectors of the subwords, (pieces, dim): a copy."""
        return self._bag.rows * self._bag.scales[:, np.newaxis]

    def prefix(self, dim: int) -> TokenTable:
        """Keep the first `dim` numbers of every vector, which Matryoshka training makes good ones.

        Raise UsageError unless there are as many.
        """
        if not 1 <= dim <= self.dim:
            raise UsageError(f"A prefix of {self.name!r} has 1 to {self.dim} numbers, not {dim}.")
        rows = self._bag.rows[:, :dim].copy()
        return self._with(rows, f"{self.name}-{dim}")

    def quantised(self) -> TokenTable:
        """Round the numbers of each row to eight bits, with one scale a row."""
        rows = self.rows
        scales = np.abs(rows).max(axis=1) / np.float32(_GREATEST)
        rounded = np.rint(rows / np.where(scales > 0, scales, 1)[:, np.newaxis])
        return self._with(rounded.astype(np.int8), self.name, scales)

    def _with(self, rows: Rows, name: str, scales: NDArray[np.float32] | None = None) -> TokenTable:
        tensors = {**self._artefact.tensors, "table": rows}
        if scales is not None:
            tensors["scales"] = scales
        config = {**self._artefact.config, "dim": int(rows.shape[1])}
        return TokenTable(Artefact(self._artefact.kind, name, config, tensors, self.subwords))

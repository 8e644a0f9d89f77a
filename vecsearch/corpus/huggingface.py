"""Data sets of Hugging Face: one of the hub by its name, or a local folder of data files.

They are read as streams by `datasets`, of the extra `datasets`: nothing is stored, and a reading of
a data set of the hub takes a network. Code that a data set brings is never run. Columns of bytes,
pictures, sounds and films are left out. A split without a column `_id` or `id` has the numbers of
its rows as ids, from "0".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from vecsearch.corpus.base import DEFAULT_FIELDS, Fields, Record
from vecsearch.corpus.libraries import INSTALL, quiet, quietly, said
from vecsearch.corpus.record import BadRecord, resolved
from vecsearch.corpus.seen import unique
from vecsearch.corpus.values import document_from, without_bytes
from vecsearch.errors import CorpusError, did_you_mean

_ROW: Final = "row number"  # the field of the id that a row has by its place
_SAVED: Final = ("dataset_dict.json", "state.json")  # what `save_to_disk` leaves in a folder


class HuggingFaceDataset:
    """A split of a data set; its size is unknown before it is read."""

    total_bytes: Final = None
    bytes_read: Final = 0

    def __init__(
        self,
        name: str,
        split: str | None = None,
        config: str | None = None,
        fields: Fields = DEFAULT_FIELDS,
    ) -> None:
        """Name a data set: owner/name, or a folder, which is known by its being there.

        split: by default the only one, else `train`.
        config: the subset, where the data set has several.
        """
        self.name = f"hf:{name}"
        self._data = name
        self._split = split
        self._config = config
        self._fields = fields

    def read(self) -> Iterator[Record | CorpusError]:
        """Read from the start; `line` is the number of the row, from 1."""
        return unique(self._records(), "row")

    def _records(self) -> Iterator[Record | CorpusError]:
        number = 0
        try:
            with _silence():
                rows, fields = self._prepared()
            for number, row in enumerate(quietly(rows, _silence), 1):
                yield self._record(row, number, fields)
        except BadRecord as problem:
            yield CorpusError(self.name, None, str(problem))
        except ImportError as error:
            missing = error.name or "datasets"
            yield CorpusError(self.name, None, f"reading it takes {missing}: {INSTALL}.")
        except Exception as error:
            # Its errors differ from version to version; all mean that the data can't be had.
            reason = said(error).partition(" Example of usage")[0]
            yield CorpusError(
                self.name, number + 1 if number else None, f"it can't be read: {reason}.", "row"
            )

    def _record(
        self, row: Mapping[str, object], number: int, fields: Fields
    ) -> Record | CorpusError:
        record = without_bytes(row, fields.names)
        if fields.id == _ROW:
            record[_ROW] = str(number - 1)
        try:
            return Record(document_from(record, fields), self.name, number)
        except BadRecord as problem:
            return CorpusError(self.name, number, str(problem), "row")

    def _prepared(self) -> tuple[Iterable[Mapping[str, object]], Fields]:
        """Find the rows of the split, and which fields they have."""
        splits = _loaded(self._data, self._config)
        rows = splits[self._chosen(list(splits))]
        if rows.features is None:  # those of some formats show in the first rows only
            rows = rows._resolve_features()
        seen = [name for name, kind in rows.features.items() if not _is_media(kind)]
        rows = rows.select_columns(seen)
        fields = self._fields
        if not fields.id and not {"_id", "id"} & set(seen):
            fields = replace(fields, id=_ROW)
            seen = [*seen, _ROW]
        return rows, resolved(fields, seen)

    def _chosen(self, splits: list[str]) -> str:
        if self._split in splits:
            return self._split
        listing = ", ".join(map(repr, splits)) or "none"
        if self._split is not None:
            hint = did_you_mean(self._split, splits)
            raise BadRecord(f"there is no split {self._split!r}.{hint} Splits here: {listing}.")
        if len(splits) == 1:
            return splits[0]
        if "train" in splits:
            return "train"
        raise BadRecord(f"it has several splits: {listing}; choose one, as in {self.name}?split=…")


def _loaded(name: str, config: str | None) -> Mapping[str, Any]:
    """Load the splits of a data set."""
    import datasets

    folder = Path(name)
    if folder.is_dir():
        if any((folder / file).is_file() for file in _SAVED):
            saved = datasets.load_from_disk(str(folder))
            return saved if isinstance(saved, Mapping) else {"train": saved}
        name = str(folder)
    elif name.startswith(("/", ".")):
        raise BadRecord("there is no such folder.")
    loaded = datasets.load_dataset(name, config, streaming=True, trust_remote_code=False)
    return loaded  # type: ignore[no-any-return]


def _is_media(kind: object) -> bool:
    """Whether a column holds files, such as pictures, which `datasets` would decode."""
    return hasattr(kind, "decode") and type(kind).__name__ != "Json"


@contextmanager
def _silence() -> Iterator[None]:
    """Show no progress bars and log nothing."""
    with quiet("datasets", "huggingface_hub", "fsspec"):
        import datasets

        shown = not datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()
        try:
            yield
        finally:
            if shown:
                datasets.enable_progress_bars()

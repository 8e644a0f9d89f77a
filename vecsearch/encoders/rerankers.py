"""Models that read a query and a text together and say how well the one answers the other.

A cross-encoder gives a pair one score. Late interaction gives every token a vector and adds up,
over the query's tokens, the similarity with the text's nearest (ColBERT: Khattab and Zaharia, SIGIR
2020). Both are too slow for a collection, and good for the best of a ranking:
see `vecsearch.retrieve.rerank`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders import encoder_names
from vecsearch.encoders.base import Device, check_device, encodable
from vecsearch.errors import EncoderError, UsageError, folder_beside

_T = TypeVar("_T")

_JSON: Final[dict[type, str]] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
"""What a value of JSON is called, by its type."""

_COLBERT: Final = "HF_ColBERT"
"""What ColBERT's own checkpoints call their architecture."""


@runtime_checkable
class Reranker(Protocol):
    """Scores texts against one query. It remembers nothing: the same pair has the same score.

    One that has a method `load()` is told by it that texts will come, before time is taken.
    """

    @property
    def name(self) -> str:
        """What the model is called in tables and runs."""
        ...

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return how well each text answers the query, (texts,) float32; higher is better."""
        ...


def score(reranker: Reranker, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Score texts, (texts,) float32, and make sure of what came: anybody may write a re-ranker.

    Raise EncoderError unless it is a finite number for each.
    """
    scores = np.asarray(reranker.score(query, texts), np.float32)
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise EncoderError(
            f"The re-ranker {reranker.name!r} gave an array of shape {scores.shape} for "
            f"{len(texts)} texts; a finite score for each is wanted."
        )
    return scores


class _Model:
    """A model of sentence-transformers; how it scores is what its kinds differ in.

    It is loaded when there is a text to be read: torch alone takes seconds.
    """

    _kind: ClassVar[str]
    """What loads it in sentence-transformers, by which models also say what they are."""

    def __init__(self, name: str, folder: Path, device: Device) -> None:
        self.name = name
        self._folder = folder
        self._device = device
        # Tokenizers change their own state while they work: one thread at a time.
        self._guard = threading.Lock()

    def load(self) -> None:
        """Load the model; raise EncoderError where it can't be, or gives a pair several scores."""
        with self._guard:
            _ = self._model

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Reranker.score`."""
        if not texts:
            return np.zeros(0, np.float32)
        with self._guard:
            scores = self._score(
                encodable(query, 0),
                [encodable(text, place) for place, text in enumerate(texts)],
            )
        return np.ascontiguousarray(scores, np.float32)

    def _score(self, query: str, texts: Sequence[str]) -> Any:  # noqa: ANN401 - what numpy takes
        raise NotImplementedError

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - untyped there
        from vecsearch.encoders import pretrained  # here, since few programs come here

        model = pretrained.load_model(self._folder, self._device, self._kind)
        labels = getattr(model, "num_labels", 1)
        if labels != 1:
            raise EncoderError(
                f"The model in {self._folder} gives a pair {labels} scores; a re-ranker gives it "
                "one."
            )
        return model


class CrossEncoder(_Model):
    """A cross-encoder of sentence-transformers, or a sequence classifier with one output."""

    _kind = "CrossEncoder"

    def _score(self, query: str, texts: Sequence[str]) -> Any:  # noqa: ANN401
        return self._model.predict([(query, text) for text in texts], show_progress_bar=False)


class LateInteraction(_Model):
    """A multi-vector encoder of sentence-transformers."""

    _kind = "MultiVectorEncoder"

    def _score(self, query: str, texts: Sequence[str]) -> Any:  # noqa: ANN401
        asked = self._model.encode_query([query], show_progress_bar=False)
        given = self._model.encode_document(list(texts), show_progress_bar=False)
        return self._model.similarity(asked, given)[0].float().cpu().numpy()


def load_reranker(name_or_path: str | Path, device: Device = "auto") -> Reranker:
    """Find a cross-encoder or a late-interaction model: a folder, or "owner/model" on a hub.

    It is loaded when it first scores a text. Raise EncoderError where there is none, where it would
    run code of its own, and for a model that gives texts vectors instead of pairs a score. One that
    can't be loaded, or gives a pair several scores, raises EncoderError when it first scores.
    """
    from vecsearch.encoders import pretrained

    check_device(device)
    folder = _located(name_or_path)
    kind = _kind(folder)
    pretrained.refuse_foreign_code(folder)
    name = "-".join(Path(name_or_path).resolve().name.split())  # it is a column of a run
    return kind(name, folder, device)


def _located(name_or_path: str | Path) -> Path:
    from vecsearch.encoders import pretrained

    folder, name = Path(name_or_path), str(name_or_path)
    if not name:
        raise UsageError("The name of the re-ranker is empty; a dot stands for this folder.")
    if name in encoder_names() and not folder.exists():
        raise EncoderError(f"{name!r} is an encoder: it gives texts vectors, and scores no pairs.")
    if folder.is_dir():
        return folder
    if isinstance(name_or_path, str) and pretrained.is_hub_name(name) and not folder.exists():
        return pretrained.locate_hub(name).folder
    hint = folder_beside(folder, Path.is_dir)
    raise EncoderError(
        f"There is no re-ranker {name!r}: it is the folder of a model, or owner/model on a hub."
        f"{hint}"
    )


def _kind(folder: Path) -> type[_Model]:
    """Tell what a folder holds by what it says of itself; raise EncoderError for anything else."""
    said = _read(folder / "config_sentence_transformers.json", "model_type", str)
    architectures = _read(folder / "config.json", "architectures", list) or [""]
    architecture = architectures[0]
    if not isinstance(architecture, str):
        raise EncoderError(
            f"{folder / 'config.json'} names the architecture {architecture!r}, which is no text."
        )
    for kind in (CrossEncoder, LateInteraction):
        if said == kind._kind:
            return kind
    if architecture == _COLBERT:
        return LateInteraction
    if said is None and architecture.endswith("ForSequenceClassification"):
        return CrossEncoder
    raise EncoderError(
        f"{folder} holds no re-ranker: that is a cross-encoder, a sequence classifier or a "
        f"multi-vector encoder, and this is {said or architecture or 'no model'}."
    )


def _read(path: Path, name: str, wanted: type[_T]) -> _T | None:
    """Read one value of a JSON file; None where there is no file, or no such value."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(f"{path} can't be read ({error}).") from None
    if not isinstance(found, dict):
        raise EncoderError(f"{path} holds {_JSON[type(found)]}; a model's holds an object.")
    value = found.get(name)
    if value is not None and not isinstance(value, wanted):
        raise EncoderError(
            f"{name} of {path} is {_JSON[type(value)]}; it would be {_JSON[wanted]}."
        )
    return value

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
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders import encoder_names
from vecsearch.encoders.base import Device, encodable
from vecsearch.errors import EncoderError, UsageError, folder_beside

_COLBERT: Final = "HF_ColBERT"
"""What ColBERT's own checkpoints call their architecture."""


@runtime_checkable
class Reranker(Protocol):
    """Scores texts against one query. It remembers nothing: the same pair has the same score."""

    @property
    def name(self) -> str:
        """What the model is called in tables and runs."""
        ...

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return how well each text answers the query, (texts,) float32; higher is better."""
        ...


class _Model:
    """A model of sentence-transformers; how it scores is what its kinds differ in."""

    def __init__(self, name: str, model: Any) -> None:  # noqa: ANN401 - untyped there
        self.name = name
        self._model = model
        # Tokenizers change their own state while they work: one thread at a time.
        self._guard = threading.Lock()

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


class CrossEncoder(_Model):
    """A cross-encoder of sentence-transformers, or a sequence classifier with one output."""

    def _score(self, query: str, texts: Sequence[str]) -> Any:  # noqa: ANN401
        return self._model.predict([(query, text) for text in texts], show_progress_bar=False)


class LateInteraction(_Model):
    """A multi-vector encoder of sentence-transformers."""

    def _score(self, query: str, texts: Sequence[str]) -> Any:  # noqa: ANN401
        asked = self._model.encode_query([query], show_progress_bar=False)
        given = self._model.encode_document(list(texts), show_progress_bar=False)
        return self._model.similarity(asked, given)[0].float().cpu().numpy()


_KINDS: Final[dict[str, type[_Model]]] = {
    "CrossEncoder": CrossEncoder,
    "MultiVectorEncoder": LateInteraction,
}
"""By the name of what loads them in sentence-transformers, by which they also say what they are."""


def load_reranker(name_or_path: str | Path, device: Device = "auto") -> Reranker:
    """Load a cross-encoder or a late-interaction model, from a folder or a hub ("owner/model").

    Raise EncoderError where there is none, where it would run code of its own, and for a model that
    gives texts vectors instead of pairs a score.
    """
    from vecsearch.encoders import pretrained  # here, since few programs come here

    folder = _located(name_or_path)
    kind = _kind(folder)
    model = pretrained.load_model(folder, device, kind)
    labels = getattr(model, "num_labels", 1)
    if labels != 1:
        raise EncoderError(
            f"The model in {folder} gives a pair {labels} scores; a re-ranker gives it one."
        )
    name = "-".join(Path(name_or_path).resolve().name.split())  # it is a column of a run
    return _KINDS[kind](name, model)


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


def _kind(folder: Path) -> str:
    """Tell what a folder holds by what it says of itself; raise EncoderError for anything else."""
    said = _read(folder / "config_sentence_transformers.json").get("model_type")
    architecture = str((_read(folder / "config.json").get("architectures") or [""])[0])
    if said in _KINDS:
        return str(said)
    if architecture == _COLBERT:
        return "MultiVectorEncoder"
    if said is None and architecture.endswith("ForSequenceClassification"):
        return "CrossEncoder"
    raise EncoderError(
        f"{folder} holds no re-ranker: that is a cross-encoder, a sequence classifier or a "
        f"multi-vector encoder, and this is {said or architecture or 'no model'}."
    )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path} can't be read ({error}).") from None
    return found if isinstance(found, dict) else {}

"""Models trained by others, run by sentence-transformers: from a package, a folder or a hub.

Whatever the source, it comes down to a folder of files. The fingerprint digests those that the
vectors depend on, and saving copies just them, so that a copy has the same fingerprint.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from vecsearch.encoders.base import (
    Device,
    Encoder,
    TokenVectors,
    check_role,
    encodable,
    require_list,
)
from vecsearch.encoders.bert.encoder import read_bert
from vecsearch.encoders.saved import SAVED, Saved
from vecsearch.encoders.words import word_spans
from vecsearch.errors import EncoderError
from vecsearch.types import Role, Span, Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from vecsearch.encoders import Packaged

TRAINING: Final = "training.json"
"""How a model was trained here, in its folder; its vectors don't depend on that."""

_PATTERNS: Final = ("*.json", "*.txt", "*.model", "*.safetensors")
_WEIGHTS_WITHOUT_SAFETENSORS: Final = "pytorch_model*.bin"
_ROUTERS: Final = ("router_config.json", "config.json")
_MOST_MODULES: Final = 1000
PROMPTS: Final = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""By role, what a model may call the prompt that goes before a text; the first that it has."""

_SMALLEST: Final = 1e-12
_NEAR: Final = 1e-4
"""How far a sum of tokens' vectors may be from the text's vector, in any number of it."""

_INSTALL: Final = "pip install torch sentence-transformers"


class Pretrained:
    """A sentence-transformers model with its own prompts, pooling, length limit and scaling.

    Rows have unit length, but for a model that is meant for the dot product: its lengths stay.
    """

    costly = True

    def __init__(self, located: LocatedModel, device: Device) -> None:
        folder, saved = located
        self.name = saved.name
        self._located = located
        self._model = load_model(folder, device)
        dim = self._model.get_embedding_dimension()
        if dim is None:
            raise EncoderError(f"The model in {folder} doesn't say how long its vectors are.")
        self.dim = int(dim)
        self.fingerprint = located.fingerprint
        # Tokenizers change their own state while they work: one thread at a time.
        self._guard = threading.Lock()

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """See `Encoder.encode`."""
        check_role(role)
        clean = [encodable(text, i) for i, text in enumerate(require_list(texts))]
        if not clean:
            return np.zeros((0, self.dim), np.float32)
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        # A model made for the dot product says so; every other is compared by the cosine.
        unit = self._model.similarity_fn_name != "dot"
        from vecsearch.encoders.cuda import in_parts

        def work(some: Sequence[str]) -> Vectors:
            vectors: Vectors = encode(some, show_progress_bar=False, normalize_embeddings=unit)
            return vectors

        with self._guard:
            vectors = np.concatenate(in_parts(work, clean))
        return np.ascontiguousarray(vectors, np.float32)

    def encode_tokens(self, text: str, role: Role) -> TokenVectors | None:
        """See `TokenEncoder.encode_tokens`; None for all but the mean of the tokens' vectors."""
        clean = encodable(text, 0)
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        features: Any  # tensors by name
        with self._guard:
            features = encode(clean, show_progress_bar=False, output_value=None)
            if "token_embeddings" not in features:
                return None
            spans = self._word_spans(clean, role, features["input_ids"].tolist())
        tokens = features["token_embeddings"].float().cpu().numpy()
        whole = features["sentence_embedding"].float().cpu().numpy()
        if spans is None or tokens.shape[1:] != whole.shape:
            return None
        if self._model.similarity_fn_name != "dot":
            whole = whole / max(np.linalg.norm(whole), _SMALLEST)
        total = np.linalg.norm(tokens.sum(axis=0))
        vectors = tokens * (np.linalg.norm(whole) / max(total, _SMALLEST))
        # Told from the numbers, in which pooling and whatever layers follow it have their say.
        if not np.allclose(vectors.sum(axis=0), whole, atol=_NEAR):
            return None
        return TokenVectors(spans, np.ascontiguousarray(vectors, np.float32))

    def _word_spans(
        self, text: str, role: Role, ids: Sequence[int]
    ) -> tuple[Span | None, ...] | None:
        """Say of which word each token is; None where those that the model saw can't be placed."""
        tokenizer = self._model.tokenizer
        if not tokenizer.is_fast:
            return None
        prompts = (self._model.prompts.get(name) for name in PROMPTS[role])
        prompt = next((each for each in prompts if each), "")
        found = tokenizer(
            prompt + text, truncation=True, max_length=len(ids), return_offsets_mapping=True
        )
        if found["input_ids"] != ids:
            return None
        before = len(prompt)
        places = [(start - before, end - before) for start, end in found["offset_mapping"]]
        return word_spans(places, found.word_ids(), text)

    def save(self, folder: Path) -> None:
        """See `LocatedModel.save`."""
        self._located.save(folder, self._model)


def _copy(files: Sequence[Path], source: Path, target: Path) -> None:
    for file in files:
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


class LocatedModel(NamedTuple):
    """A model's folder, and what was noted there of where it comes from."""

    folder: Path
    saved: Saved

    @property
    def fingerprint(self) -> str:
        """The digest of the files that its vectors depend on.

        It takes a reading of them all, once in a process while they stay as they are.
        """
        return self.saved.fingerprint or _fingerprint(self.folder, self.seen)

    @property
    def seen(self) -> str:
        """A digest of when its files were changed and how large they are: quick, and only here."""
        files = [(file.name, file.stat()) for file in _files(self.folder)]
        states = [(name, state.st_size, state.st_mtime_ns) for name, state in files]
        return hashlib.sha256(repr(states).encode()).hexdigest()

    def remembering(self, saved: Saved) -> LocatedModel:
        """Take a packaged model's fingerprint from a note, if its files are as they were then."""
        if saved.fingerprint is None or saved.seen != self.seen:
            return self
        return self._replace(saved=self.saved._replace(fingerprint=saved.fingerprint))

    @property
    def bytes(self) -> int:
        """The size of these files."""
        return sum(file.stat().st_size for file in _files(self.folder))

    def load(self, device: Device) -> Encoder:
        """See `Located.load`; a usual BERT is run by our own code."""
        refuse_foreign_code(self.folder)
        return read_bert(self.saved.name, self, device) or Pretrained(self, device)

    def save(self, folder: Path, model: SentenceTransformer | None = None) -> None:
        """Copy the model; one that a package carries is named only, since pip can give it back.

        Pickled weights are written as safetensors by the loaded model; the copy keeps the
        fingerprint by a note.
        """
        saved = self.saved
        if saved.package is not None:
            saved = saved._replace(fingerprint=self.fingerprint, seen=self.seen)
        else:
            files = list(_files(self.folder))
            if model is not None and any(file.suffix == ".bin" for file in files):
                saved = saved._replace(fingerprint=self.fingerprint)
                model.save(str(folder), create_model_card=False)
            else:
                _copy(files, self.folder, folder)
        (folder / SAVED).write_text(json.dumps(saved._asdict()), encoding="utf-8")


def locate_packaged(name: str, packaged: Packaged) -> LocatedModel:
    """Find a model that an installed package carries."""
    spec = find_spec(packaged.module)
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"The encoder {name!r} isn't installed. Install it with {packaged.install}."
        )
    return LocatedModel(Path(spec.origin).parent / packaged.folder, Saved(name, name, None))


def locate_folder(folder: Path, saved: Saved) -> LocatedModel:
    """Make sure that a folder holds a model."""
    if not any((folder / file).is_file() for file in ("modules.json", "config.json")):
        raise EncoderError(
            f"{folder} holds no model: a sentence-transformers model has a modules.json, "
            "a transformers model a config.json, an encoder trained here a trained.json."
        )
    return LocatedModel(folder, saved)


def is_hub_name(name: str) -> bool:
    """Whether a name reads as "owner/model", and not as a path."""
    owner, _, model = name.partition("/")
    return bool(owner and model) and "/" not in model and owner not in (".", "..", "~")


def locate_hub(name: str) -> LocatedModel:
    """Fetch a model from the hub, or from its local cache."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise EncoderError(f"Models of a hub need more packages. Install {_INSTALL}.") from None
    patterns = [*_PATTERNS, "*/pytorch_model*.bin"]  # the latter for small layers in subfolders
    try:
        folder = snapshot_download(name, allow_patterns=patterns, ignore_patterns=["onnx/*"])
        if not any(Path(folder).glob("*.safetensors")):
            folder = snapshot_download(name, allow_patterns=[*patterns, "pytorch_model*.bin"])
    except Exception as error:
        # Its errors differ from version to version; all mean that the model can't be had.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError(
            f"The model {name!r} could not be fetched from the hub: {reason}"
        ) from None
    return LocatedModel(Path(folder), Saved(name, None, None))


def load_model(folder: Path, device: Device, kind: str = "SentenceTransformer") -> Any:  # noqa: ANN401 - of that kind
    """Load a model that runs no code of its own; EncoderError says why another can't be.

    kind: the class of sentence_transformers that loads it.
    """
    refuse_foreign_code(folder)
    try:
        import sentence_transformers
        from transformers.utils.logging import disable_progress_bar

        from vecsearch.encoders.cuda import takes_cuda
    except ImportError as error:
        raise EncoderError(f"Pretrained encoders need {error.name}. Install {_INSTALL}.") from None
    cuda = takes_cuda(device)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return getattr(sentence_transformers, kind)(
            str(folder),
            device="cuda" if cuda else "cpu",
            trust_remote_code=False,
            local_files_only=True,
        )
    except Exception as error:
        if "trust_remote_code" in str(error):
            raise EncoderError(
                f"The model in {folder} wants to run code of its own; vecsearch refuses that."
            ) from error
        # A broken model can fail anywhere below; the person needs the folder and the reason.
        raise EncoderError(f"The model in {folder} can't be loaded: {error}") from error


def refuse_foreign_code(folder: Path) -> None:
    """Raise EncoderError for a model that wants to run code of its own."""
    for module in _modules(folder):
        if not module.kind.startswith("sentence_transformers."):
            raise EncoderError(
                f"The model in {folder} wants to run code of its own ({module.kind}); vecsearch "
                "only runs modules of sentence_transformers."
            )


class _Module(NamedTuple):
    """A step of a model: the class that runs it, and its folder within the model's."""

    kind: str
    path: str


def _modules(folder: Path) -> list[_Module]:
    """List the modules of a model, those that a router leads to included."""
    modules: list[_Module] = []
    source = folder / "modules.json"
    try:
        if source.is_file():
            entries = json.loads(source.read_bytes())
            modules += (_module(entry["type"], entry["path"]) for entry in entries)
        for module in modules:  # it grows while it is walked
            if module.kind.endswith((".Router", ".Asym")):
                names = (folder / module.path / name for name in _ROUTERS)
                source = next((path for path in names if path.is_file()), source)
                routes = json.loads(source.read_bytes())["types"].items()
                modules += (_module(kind, f"{module.path or '.'}/{name}") for name, kind in routes)
            if len(modules) > _MOST_MODULES:
                raise ValueError("its routers lead to each other")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise EncoderError(f"{source} can't be read ({reason}).") from None
    return modules


def _module(kind: str, path: str) -> _Module:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"the module {path!r} lies outside of the model")
    return _Module(str(kind), path.strip("/"))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a model that its vectors depend on, sorted."""
    notes = (SAVED, TRAINING)
    for place in sorted({folder, *(folder / module.path for module in _modules(folder))}):
        files = {file for pattern in _PATTERNS for file in place.glob(pattern)}
        if not any(file.suffix == ".safetensors" for file in files):
            files.update(place.glob(_WEIGHTS_WITHOUT_SAFETENSORS))
        yield from sorted(file for file in files if file.is_file() and file.name not in notes)


@functools.lru_cache
def _fingerprint(folder: Path, seen: str) -> str:
    digest = hashlib.sha256()
    for file in _files(folder):
        content = hashlib.sha256(file.read_bytes()).digest()
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + content)
    return digest.hexdigest()

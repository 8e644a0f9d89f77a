"""Which models are run here: what their files say of them, or that they are of another kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

from vecsearch.types import Role

_ROLES: Final[tuple[Role, ...]] = get_args(Role)
_POOLINGS: Final[Mapping[str, Literal["mean", "cls"]]] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
}
_SMALLEST: Final = 1e-12


class Architecture(NamedTuple):
    """The shape of a BERT and what becomes of its output.

    layers, heads, width: `heads` divides `width`, the length of a token's vector and of a text's.
    epsilon: what is added to a variance before it divides.
    pooling: the vector of a text is the mean of its tokens', or that of the first.
    unit: whether vectors are scaled to length 1.
    most: how many tokens of a text are read, the model's own marks included.
    prompts: what is put before each text, by role.
    """

    layers: int
    heads: int
    width: int
    epsilon: float
    pooling: Literal["mean", "cls"]
    unit: bool
    most: int
    prompts: Mapping[Role, str]

    @property
    def multiplications(self) -> int:
        """About how many a token takes: those with weights of the usual shape."""
        return 12 * self.layers * self.width**2


def read_architecture(folder: Path) -> Architecture | None:
    """Read what a sentence-transformers model is; None unless it can be run here exactly."""
    try:
        return _read(folder)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # sentence-transformers takes it, or says better what is wrong with it


def _read(folder: Path) -> Architecture | None:
    modules = {
        entry["type"].rpartition(".")[2]: folder / entry["path"]
        for entry in json.loads((folder / "modules.json").read_bytes())
    }
    names = list(modules)
    if names[:2] != ["Transformer", "Pooling"] or names[2:] not in ([], ["Normalize"]):
        return None
    place = modules["Transformer"]
    config = _json(place / "config.json")
    settings = _json(folder / "config_sentence_transformers.json", needed=False)
    shape = _json(place / "sentence_bert_config.json", needed=False)
    pooling = _pooling(_json(modules["Pooling"] / "config.json"))
    prompts = settings.get("prompts") or {}
    usual = (
        place == folder
        and _is_usual(config)
        and not (place / "adapter_config.json").exists()
        and set(shape) <= {"max_seq_length", "do_lower_case"}
        and not shape.get("do_lower_case")
        and settings.get("default_prompt_name") is None
        and settings.get("truncate_dim") is None
        and all(isinstance(prompt, str) for prompt in prompts.values())
        and _tokenizer_is_plain(place)
    )
    if not usual or pooling is None:
        return None
    positions = int(config["max_position_embeddings"])
    most = shape.get("max_seq_length") or _longest(place, positions)
    if not 2 < most <= positions:
        return None
    return Architecture(
        layers=int(config["num_hidden_layers"]),
        heads=int(config["num_attention_heads"]),
        width=int(config["hidden_size"]),
        epsilon=max(float(config.get("layer_norm_eps", _SMALLEST)), _SMALLEST),
        pooling=pooling,
        # A model made for the dot product says so; every other is compared by the cosine.
        unit="Normalize" in modules or settings.get("similarity_fn_name") != "dot",
        most=int(most),
        # Where a model has none of such a name, sentence-transformers puts nothing before.
        prompts={role: prompts.get(role) or "" for role in _ROLES},
    )


def _is_usual(config: Mapping[str, Any]) -> bool:
    return (
        config["model_type"] == "bert"
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type") in (None, "absolute")
        and not config.get("is_decoder")
        and not config.get("add_cross_attention")
        and not config.get("quantization_config")
        and config["hidden_size"] % config["num_attention_heads"] == 0
    )


def _pooling(config: Mapping[str, Any]) -> Literal["mean", "cls"] | None:
    """Return the one way of pooling; None for others, and for several."""
    if not config.get("include_prompt", True):
        return None
    if "pooling_mode" in config:
        mode = config["pooling_mode"]
        return mode if mode in ("mean", "cls") else None
    modes = [name for name, on in config.items() if name.startswith("pooling_mode_") and on]
    return _POOLINGS.get(modes[0]) if len(modes) == 1 else None


def _tokenizer_is_plain(folder: Path) -> bool:
    """Whether tokenizer.json alone says how to cut texts: other files don't contradict it."""
    settings = _json(folder / "tokenizer_config.json", needed=False)
    tokenizer = _json(folder / "tokenizer.json")
    normalizer = tokenizer["normalizer"]
    said = {
        "do_lower_case": "lowercase",
        "strip_accents": "strip_accents",
        "tokenize_chinese_chars": "handle_chinese_chars",
    }
    return (
        tokenizer["model"]["type"] == "WordPiece"
        and normalizer["type"] == "BertNormalizer"
        and all(settings.get(a, normalizer.get(b)) == normalizer.get(b) for a, b in said.items())
        and settings.get("truncation_side", "right") == "right"
    )


def _longest(folder: Path, positions: int) -> int:
    said = _json(folder / "tokenizer_config.json", needed=False).get("model_max_length", positions)
    return min(int(said), positions)


def _json(path: Path, *, needed: bool = True) -> Mapping[str, Any]:
    if not needed and not path.is_file():
        return {}
    content: Mapping[str, Any] = json.loads(path.read_bytes())
    return content

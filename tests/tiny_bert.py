"""A sentence-transformers model of a few random weights, made in a moment."""

from __future__ import annotations

import json
from pathlib import Path

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{c}" for c in LETTERS)]
PIECES += ["lamp", "query", "passage", ":", ".", "?", "red", "light", "house"]
PROMPTS = {"query": "query: ", "passage": "passage: "}
DIM = 16


def make_bert(
    folder: Path,
    *,
    pooling: str = "mean_tokens",
    normalize: bool = True,
    similarity: str | None = None,
    prompts: dict[str, str] | None = None,
    most: int = 32,
    width: int = DIM,
    heads: int = 2,
    **config: object,
) -> Path:
    """Write a BERT of two layers over a few dozen word pieces."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shape = BertConfig(
            vocab_size=len(PIECES),
            hidden_size=width,
            num_hidden_layers=2,
            num_attention_heads=heads,
            intermediate_size=2 * width,
            max_position_embeddings=64,
            **config,
        )
        BertModel(shape).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    parts = [("Transformer", ""), ("Pooling", "1_Pooling")]
    parts += [("Normalize", "2_Normalize")] if normalize else []
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(parts)
    ]
    _write(folder / "modules.json", modules)
    modes = ("mean_tokens", "cls_token", "max_tokens")
    pool = {f"pooling_mode_{mode}": mode == pooling for mode in modes}
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": width, **pool})
    (folder / "2_Normalize").mkdir()
    _write(folder / "sentence_bert_config.json", {"max_seq_length": most, "do_lower_case": False})
    settings = {"prompts": prompts or {}, "similarity_fn_name": similarity}
    _write(folder / "config_sentence_transformers.json", settings)
    return folder


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")

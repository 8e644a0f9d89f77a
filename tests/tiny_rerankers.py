"""A cross-encoder and a late-interaction model of a few random weights, made in a moment."""

from __future__ import annotations

import shutil
from pathlib import Path

from tiny_bert import make_bert


def make_cross_encoder(folder: Path, labels: int = 1) -> Path:
    """Write a sequence classifier as transformers saves it."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    base = make_bert(folder.with_name(f"{folder.name}-base"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig.from_pretrained(base, num_labels=labels, initializer_range=0.5)
        BertForSequenceClassification(config).save_pretrained(folder)
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(base / name, folder / name)
    return folder


def make_late_interaction(folder: Path) -> Path:
    """Write a multi-vector encoder as sentence-transformers saves it."""
    import torch
    from sentence_transformers import MultiVectorEncoder

    base = make_bert(folder.with_name(f"{folder.name}-base"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        MultiVectorEncoder(str(base), device="cpu", local_files_only=True).save(
            str(folder), create_model_card=False
        )
    return folder

"""Any sentence-transformers model as one that learns on: whole, or by LoRA adapters beside it.

Adapters (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models") leave every weight W
as it is and learn a product of two thin matrices that is added to it, W + (α/r)·B·A; B begins at
zero, so that training begins at the base model. Whatever leaves this room has them merged: it is a
plain model, which needs neither adapters nor vecsearch.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from vecsearch.encoders import locate_encoder
from vecsearch.encoders.base import Device
from vecsearch.encoders.pretrained import PROMPTS, LocatedModel, Pretrained, load_model
from vecsearch.encoders.saved import Saved
from vecsearch.errors import EncoderError, UsageError
from vecsearch.types import Role

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor, nn

LONGEST: Final = 256
"""Tokens of a text that are read where nobody says: time grows with them, quality little."""

_TOGETHER: Final = {"cpu": 16, "cuda": 128}
"""Texts that run through the network at once, by device. Few of like length need little padding,
which a CPU pays for in full; a GPU idles at few."""


class Finetuned:
    """A sentence-transformers model that goes on learning: a `TextModel`.

    Prompts, pooling and scaling are those of the model. Vectors have unit length, but for a model
    that is meant for the dot product.

    base: what `load_encoder` takes for a pretrained model: a short name, a folder, a hub's name.
    name: what encoders made of it are called; the base's name by default.
    rank: of LoRA adapters at the linear layers of attention, which alone are trained then; None
        trains every weight. Their α is twice the rank.
    longest: tokens of a text that are read, in training and for good; at most what the model can.
    seed: what adapters begin with.

    Raises EncoderError where there is no such model, UsageError for one that has no network, and
    for settings that can't be.
    """

    def __init__(
        self,
        base: str | Path,
        *,
        name: str | None = None,
        rank: int | None = None,
        longest: int = LONGEST,
        seed: int = 0,
        device: Device = "auto",
    ) -> None:
        located = locate_encoder(base)
        if not isinstance(located, LocatedModel):
            raise UsageError(
                f"{str(base)!r} is an encoder, but no sentence-transformers model; only such a "
                "model can be fine-tuned."
            )
        if longest < 3:
            raise UsageError(f"A text is read up to 3 tokens or more, not {longest}.")
        self._model = load_model(located.folder, device)
        self._name = name or located.saved.name
        self._device = device
        dim = self._model.get_embedding_dimension()
        if dim is None:
            raise EncoderError(f"The model {str(base)!r} doesn't say how long its vectors are.")
        self.dim = int(dim)
        limit = self._model.max_seq_length
        self._model.max_seq_length = longest if limit is None else min(limit, longest)
        _quicken(self._model)
        if rank is not None:
            _adapt(self._model, rank, seed, str(base))

    @property
    def module(self) -> nn.Module:
        """See `TextModel.module`; frozen weights are in it too."""
        return cast("nn.Module", self._model)

    def embed(self, texts: Sequence[str], role: Role) -> Tensor:
        """See `TextModel.embed`."""
        import torch

        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        step = _TOGETHER.get(self._model.device.type, _TOGETHER["cuda"])
        parts = [
            self._forward([texts[i] for i in order[at : at + step]], role)
            for at in range(0, len(order), step)
        ]
        if not parts:
            return torch.zeros(0, self.dim, device=self._model.device)
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order)] = torch.arange(len(order))
        return torch.cat(parts)[back.to(self._model.device)]  # (texts, dim)

    def _forward(self, texts: Sequence[str], role: Role) -> Tensor:
        import torch

        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        features = self._model.preprocess(clean, prompt=_prompt(self._model, role), task=role)
        device = self._model.device
        on_device = {
            name: value.to(device) if isinstance(value, torch.Tensor) else value
            for name, value in features.items()
        }
        vectors: Tensor = self._model(on_device, task=role)["sentence_embedding"]
        if self._model.similarity_fn_name == "dot":
            return vectors
        return torch.nn.functional.normalize(vectors, dim=1)

    def encoder(self) -> Pretrained:
        """Return the model as it is now, adapters merged; later training doesn't change it.

        It lives in a folder of its own, which goes when the encoder does.
        """
        folder = Path(tempfile.mkdtemp(prefix="vecsearch-finetuned-"))
        try:
            _forget_use(self._model)
            _merged(self._model).save(str(folder), create_model_card=False)
            encoder = Pretrained(LocatedModel(folder, Saved(self._name, None, None)), self._device)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(encoder, shutil.rmtree, folder, ignore_errors=True)
        return encoder


def _prompt(model: SentenceTransformer, role: Role) -> str | None:
    """Return what sentence-transformers puts before the texts of a role."""
    names = (name for name in PROMPTS[role] if name in model.prompts)
    name = next(names, model.default_prompt_name)
    return None if name is None else model.prompts.get(name)


def _quicken(model: SentenceTransformer) -> None:
    """Switch off the dropout within attention; that between the layers stays.

    With it there is no fused attention, and on a CPU a step takes three times as long.
    """
    from torch import nn

    for name, layer in model.named_modules():
        if isinstance(layer, nn.Dropout) and _of_attention(name):
            layer.p = 0.0


def _of_attention(name: str) -> bool:
    """Whether a layer is part of one that is called attention or attn, as all families do."""
    return any("att" in part.lower() for part in name.split(".")[:-1])


def _adapt(model: SentenceTransformer, rank: int, seed: int, base: str) -> None:
    """Put adapters beside the linear layers of attention, and freeze everything else."""
    import torch

    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise UsageError("Adapters need peft. Install it with pip install peft.") from None
    if rank < 1:
        raise UsageError(f"The rank of adapters is 1 or more, not {rank}.")
    network = model.transformers_model
    targets = [] if network is None else _attention_layers(network)
    if network is None or not targets:
        raise UsageError(
            f"The model {base!r} has no linear layer of attention that an adapter fits; train it "
            "whole."
        )
    for weight in model.parameters():  # those of layers after the transformer too
        weight.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inject_adapter_in_model(config, network)


def _attention_layers(network: nn.Module) -> list[str]:
    """Name the linear layers of attention."""
    from torch import nn

    return [
        name
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) and _of_attention(name)
    ]


def _forget_use(model: SentenceTransformer) -> None:
    """Undo what the latest call left in the tokenizer, which would be saved with it.

    The same model would have another fingerprint once it was used. Each call sets all it needs.
    """
    if getattr(model.tokenizer, "is_fast", False):
        model.tokenizer.backend_tokenizer.no_truncation()
        model.tokenizer.backend_tokenizer.no_padding()


def _merged(model: SentenceTransformer) -> SentenceTransformer:
    """Return the model without adapters; what they learnt is in a copy of its weights."""
    if not any("lora_" in name for name, _ in model.named_parameters()):
        return model
    from peft.tuners.lora import LoraLayer

    copied = copy.deepcopy(model)
    adapted = [(name, x) for name, x in copied.named_modules() if isinstance(x, LoraLayer)]
    for name, layer in adapted:
        layer.merge()
        parent, _, child = name.rpartition(".")
        setattr(copied.get_submodule(parent), child, layer.get_base_layer())
    return copied

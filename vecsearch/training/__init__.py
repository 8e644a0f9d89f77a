"""Corpora and judgments -> trained encoders. `train` does all of it; what it needs loads then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vecsearch.training.progress import Show, unseen
from vecsearch.training.settings import Kind, TrainingSettings

if TYPE_CHECKING:
    from vecsearch.training.report import TrainingReport

__all__ = ["TrainingSettings", "train"]


def train(
    corpus: str | Path,
    out: str | Path,
    kind: Kind,
    settings: TrainingSettings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    keep_anyway: bool = False,
    show: Show = unseen,
) -> TrainingReport:
    """Train an encoder on a corpus, prove that it became better, and write it into a folder.

    corpus: what `open_corpus` reads. In BEIR layout its judgments of the split "train" are learnt
        from; a split "dev", or queries cut from train, says how good the encoder becomes. Queries
        of other splits are never learnt from.
    out: a new folder, which appears whole at the end: the encoder, for `load_encoder`, with
        CARD.md, training.json and curve.svg. Until then all is in a folder beside it, `out` with
        ".training" at the end of its name.
    kind: "lsa", "skipgram", "contrastive-bag", "gru", "transformer" or "finetune".
    resume: go on with a training that was interrupted, with the same settings.
    overwrite: replace what is there: an encoder, or a training that wasn't finished.
    keep_anyway: write a model that was fine-tuned even where it wasn't shown to be better on dev.
    show: is told how far it is.

    Raise UsageError for what can't be, CorpusError for what can't be read, EncoderError for an
    encoder or package that is missing. After a KeyboardInterrupt the best encoder so far is in the
    folder "best" of the folder beside `out`.
    """
    from vecsearch.training.pipeline import run

    return run(
        str(corpus),
        Path(out),
        kind,
        settings or TrainingSettings(),
        resume=resume,
        overwrite=overwrite,
        keep_anyway=keep_anyway,
        show=show,
    )

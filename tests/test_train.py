"""Every kind of encoder learns a tiny corpus, proves it, and is written whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_bert import make_bert
from tiny_topics import DOCUMENTS, TOPICS, write_topics

from vecsearch import Index, TrainingSettings, load_encoder, open_corpus, train
from vecsearch.corpus import documents
from vecsearch.errors import CorpusError, EncoderError, TrainingDiverged, UsageError
from vecsearch.training import loop
from vecsearch.training.data import gather
from vecsearch.training.folders import best_folder, work_folder
from vecsearch.training.settings import USUAL
from vecsearch.training.validation import Validation

needed = [
    n for n in ("torch", "sklearn", "tokenizers", "sentence_transformers") if not find_spec(n)
]
pytestmark = pytest.mark.skipif(bool(needed), reason=f"not installed: {', '.join(needed)}")

BAG = TrainingSettings(dim=16, vocabulary=300, batch=32, steps=30, learning_rate=0.05)
SMALL = {
    "lsa": TrainingSettings(dim=16),
    "skipgram": TrainingSettings(
        dim=16, vocabulary=1000, batch=2048, steps=200, learning_rate=0.02
    ),
    "contrastive-bag": BAG,
    "gru": TrainingSettings(dim=16, vocabulary=300, batch=32, steps=60, learning_rate=0.01),
    "transformer": TrainingSettings(dim=16, vocabulary=300, batch=32, steps=60, learning_rate=0.01),
}


@pytest.fixture(scope="module")
def topics(tmp_path_factory):
    return write_topics(tmp_path_factory.mktemp("corpora") / "topics")


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    return write_topics(tmp_path_factory.mktemp("corpora") / "judged", judged=True)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return make_bert(tmp_path_factory.mktemp("models") / "bert", most=24)


def vectors(folder):
    return load_encoder(folder, "cpu").encode(["one text", "another"], "document")


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
def test_each_kind_becomes_better_than_its_untrained_twin(topics, tmp_path, kind):
    out = tmp_path / "mine"
    report = train(topics, out, kind, SMALL[kind])
    # What is asked shares no word with what is sought.
    assert report.proof.before < 0.15
    assert report.proof.improved
    assert report.proof.after > report.proof.before + 0.1
    encoder = load_encoder(out, "cpu")
    assert (encoder.name, encoder.dim, encoder.fingerprint) == ("mine", 16, report.fingerprint)
    assert not work_folder(out).exists()

    stored = json.loads((out / "training.json").read_text())
    assert (stored["kind"], stored["fingerprint"]) == (kind, encoder.fingerprint)
    assert stored["data"]["documents"] == TOPICS * DOCUMENTS
    assert len(stored["data"]["digest"]) == 64
    assert stored["settings"]["seed"] == 0
    assert stored["proof"]["interval"][0] > 0
    assert "numpy" in stored["packages"]
    card = (out / "CARD.md").read_text()
    assert card.startswith("# mine\n")
    assert all(sentence in card for sentence in report.sentences())
    by_dev = kind not in ("lsa", "skipgram")
    assert ("The best step was chosen by the same dev queries" in card) == by_dev
    assert encoder.fingerprint in card
    assert (out / "curve.svg").exists() == (kind != "lsa")

    # It is an encoder like any other, and an index made with it needs the folder no more.
    Index.create(tmp_path / "index", encoder, documents=documents(open_corpus(topics)))
    found = Index.open(tmp_path / "index").searcher()
    read = {document.id: document for document in documents(open_corpus(topics))}
    [first, *_] = found.search("dense" and read["d3-1"].title, by="dense", k=5)
    assert first.id.startswith("d3-")


@pytest.mark.slow
def test_a_model_is_finetuned_on_judgments(judged, bert, tmp_path):
    out = tmp_path / "tuned"
    settings = TrainingSettings(base=str(bert), steps=60, batch=32, learning_rate=5e-3)
    report = train(judged, out, "finetune", settings)
    assert report.saved
    assert report.proof.improved
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(out), device="cpu", local_files_only=True)
    np.testing.assert_allclose(plain.encode(["one text", "another"]), vectors(out), atol=1e-5)
    assert load_encoder(out).fingerprint == report.fingerprint
    assert load_encoder(out).name == "tuned"
    assert {"CARD.md", "training.json", "curve.svg"} <= {each.name for each in out.iterdir()}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("peft") is None, reason="not installed: peft")
def test_what_is_not_shown_to_be_better_is_not_saved_unless_asked_for(judged, bert, tmp_path):
    out = tmp_path / "tuned"
    settings = TrainingSettings(base=str(bert), lora=True, steps=2, batch=4, learning_rate=1e-9)
    report = train(judged, out, "finetune", settings)
    assert not report.saved
    assert not report.proof.improved
    assert not out.exists()
    assert work_folder(out).is_dir()
    assert "No difference shown" in " ".join(report.sentences())
    again = train(judged, out, "finetune", settings, resume=True, keep_anyway=True)
    assert again.saved
    assert again.fingerprint == report.fingerprint == load_encoder(out).fingerprint
    assert not json.loads((out / "training.json").read_text())["proof"]["improved"]


@pytest.mark.slow
def test_resumed_it_is_as_if_never_interrupted(judged, tmp_path, monkeypatch):
    whole = train(judged, tmp_path / "whole", "contrastive-bag", BAG)
    corpus, out = shutil.copytree(judged, tmp_path / "corpus"), tmp_path / "cut"
    seen, passed = [], [0]
    clock = SimpleNamespace(perf_counter=lambda: time.perf_counter() + passed[0])
    monkeypatch.setattr(loop, "time", clock)

    def interrupt(progress):
        if progress.what == "training" and progress.done == 1:
            passed[0] += 3600
        if progress.what == "training" and not seen and progress.done >= 11:
            seen.append(progress)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(corpus, out, "contrastive-bag", BAG, show=interrupt)
    assert not out.exists()
    assert load_encoder(best_folder(out)).dim == 16
    with pytest.raises(UsageError, match=r"holds a training that wasn't finished\. Resume it"):
        train(corpus, out, "contrastive-bag", BAG)
    other = TrainingSettings(dim=16, vocabulary=300, batch=32, steps=99, learning_rate=0.05)
    with pytest.raises(UsageError, match="has steps 30, not 99; a resumed one has the same"):
        train(corpus, out, "contrastive-bag", other, resume=True)
    (corpus / "corpus.jsonl").write_text("{")
    with pytest.raises(CorpusError):
        train(corpus, out, "contrastive-bag", BAG, resume=True)
    added = (judged / "corpus.jsonl").read_text() + '\n{"_id": "new", "text": "a new document"}'
    (corpus / "corpus.jsonl").write_text(added)
    with pytest.raises(UsageError, match="began with other documents than the corpus has now"):
        train(corpus, out, "contrastive-bag", BAG, resume=True)
    shutil.copyfile(judged / "corpus.jsonl", corpus / "corpus.jsonl")
    resumed = train(corpus, out, "contrastive-bag", BAG, resume=True)
    assert resumed.minutes > 60  # the steps before count, too
    assert resumed.fingerprint == whole.fingerprint
    curves = [
        json.loads((each.out / "training.json").read_text())["curve"] for each in (whole, resumed)
    ]
    assert curves[0] == curves[1]
    np.testing.assert_array_equal(vectors(out), vectors(tmp_path / "whole"))


def test_the_same_seed_gives_the_same_encoder_and_another_another(judged, tmp_path):
    settings = [TrainingSettings(dim=8, seed=seed) for seed in (0, 0, 1)]
    first, same, other = (
        train(judged, tmp_path / str(i), "lsa", each).fingerprint for i, each in enumerate(settings)
    )
    assert first == same != other


def test_what_stands_at_out_is_kept_unless_it_is_an_encoder_to_be_overwritten(judged, tmp_path):
    settings = TrainingSettings(dim=8)
    out = tmp_path / "out"
    train(judged, out, "lsa", settings)
    before = vectors(out)
    with pytest.raises(UsageError, match=r"exists\. Name a new folder, or overwrite it"):
        train(judged, out, "lsa", settings)
    with pytest.raises(UsageError, match="no training to resume"):
        train(judged, out, "lsa", settings, resume=True, overwrite=True)
    assert (vectors(out) == before).all()
    train(judged, out, "lsa", TrainingSettings(dim=4), overwrite=True)
    assert load_encoder(out).dim == 4
    (other := tmp_path / "other").mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="something else than an encoder"):
        train(judged, other, "lsa", settings, overwrite=True)
    assert (other / "thesis.txt").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="something else than an encoder"):
        train(judged, tmp_path / "file", "lsa", settings, overwrite=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "other", "out"]


def test_what_is_missing_is_named_before_any_work(judged, tmp_path, monkeypatch):
    monkeypatch.setattr("vecsearch.training.kinds.find_spec", lambda name: None)
    for kind, settings, names in [
        ("lsa", TrainingSettings(), "sklearn"),
        ("gru", TrainingSettings(), "torch and tokenizers"),
        ("finetune", TrainingSettings(lora=True), "torch and sentence_transformers and peft"),
    ]:
        with pytest.raises(EncoderError, match=f"needs {names}, .* pip install torch"):
            train(judged, tmp_path / "out", kind, settings)
    assert list(tmp_path.iterdir()) == []


def test_what_failed_at_once_is_put_right_and_begun_again(topics, tmp_path):
    (few := tmp_path / "few.txt").write_text("One text is too few.")
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="nothing to measure progress on"):
        train(few, out, "lsa", TrainingSettings(dim=2))
    assert not work_folder(out).exists()
    with pytest.raises(UsageError, match=r"give 1 to \d+ dimensions, not 5,000"):
        train(topics, out, "lsa", TrainingSettings(dim=5000))
    assert not work_folder(out).exists()

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(topics, out, "lsa", show=interrupt)
    assert not work_folder(out).exists()
    # Nobody says how many dimensions, and the corpus has fewer than the usual ones.
    train(topics, out, "lsa")
    assert load_encoder(out).dim == TOPICS * DOCUMENTS
    with pytest.raises(UsageError, match="dimensions, not 5,000"):
        train(topics, out, "lsa", TrainingSettings(dim=5000), overwrite=True)
    assert load_encoder(out).dim == TOPICS * DOCUMENTS


@pytest.mark.slow
def test_names_in_any_bytes_are_shown_as_far_as_they_can_be(judged, tmp_path):
    name = os.fsdecode(b"caf\xe9")
    corpus, pairs, out = tmp_path / name, tmp_path / f"{name}.tsv", tmp_path / "out"
    try:
        shutil.copytree(judged, corpus)
        pairs.write_text("".join(f"what is {i % 9}{i}\tan answer {i}\n" for i in range(200)))
    except (OSError, UnicodeError):
        pytest.skip("the file system has no such names")
    report = train(corpus, out, "lsa", TrainingSettings(dim=8))
    assert "documents of caf\ufffd." in (out / "CARD.md").read_text(encoding="utf-8")
    assert "documents of caf\ufffd." in " ".join(report.sentences())
    stored = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert stored["data"]["corpus"] == "caf\ufffd"

    settings = TrainingSettings(
        dim=8, vocabulary=300, batch=8, steps=12, pairs=str(pairs), learning_rate=0.01
    )

    def interrupt(progress):
        if progress.done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(judged, out, "contrastive-bag", settings, overwrite=True, show=interrupt)
    report = train(judged, out, "contrastive-bag", settings, overwrite=True, resume=True)
    card = (out / "CARD.md").read_text(encoding="utf-8")
    assert "(queries cut from caf\ufffd.tsv)" in card
    assert all(each.encode().decode() in card for each in report.sentences())
    stored = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert stored["settings"]["pairs"].endswith("caf\ufffd.tsv")


def test_a_training_may_end_early():
    """The first evaluation is the best at the earliest; the last one ends a training anyhow."""
    for kind, usual in USUAL.items():
        assert not usual.evaluations or 1 + usual.patience < usual.evaluations, kind


def test_a_seed_that_not_all_take_is_told():
    assert TrainingSettings(seed=2**32 - 1).seed == 4_294_967_295
    with pytest.raises(UsageError, match="at most 4,294,967,295, not 4,294,967,296"):
        TrainingSettings(seed=2**32)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "steps"), [(1e30, 30), (1e9, 3)])
def test_a_learning_rate_beyond_reason_ends_with_the_step(judged, tmp_path, rate, steps):
    settings = TrainingSettings(dim=8, vocabulary=300, batch=8, steps=steps, learning_rate=rate)
    with pytest.raises(TrainingDiverged, match=r"at step \d+") as caught:
        train(judged, tmp_path / "out", "contrastive-bag", settings)
    assert 1 <= caught.value.step <= 30


@pytest.mark.slow
def test_a_base_that_is_overwritten_with_by_mistake_costs_no_training(judged, tmp_path):
    out = tmp_path / "out"

    def interrupt(progress):
        if progress.what == "training" and progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(judged, out, "contrastive-bag", BAG, show=interrupt)
    for kind, settings, error in [
        ("lsa", TrainingSettings(dim=5000), "dimensions, not 5,000"),
        ("finetune", TrainingSettings(base="minlm"), "There is no encoder 'minlm'"),
    ]:
        with pytest.raises(UsageError, match=error):
            train(judged, out, kind, settings, overwrite=True)
    assert train(judged, out, "contrastive-bag", BAG, resume=True).steps == 30


@pytest.mark.slow
def test_before_is_the_base_as_it_is_though_training_reads_less(
    judged, bert, tmp_path, monkeypatch
):
    from vecsearch.training.finetune import Finetuned

    monkeypatch.setitem(Finetuned.__init__.__kwdefaults__, "longest", 5)
    settings = TrainingSettings(base=str(bert), steps=2, batch=4, learning_rate=1e-9)
    most = USUAL["finetune"].dev_documents
    dev = gather(str(judged), settings, tmp_path, most=most).dev
    validation = Validation(dev.documents, dev.queries, dev.qrels, most, settings.seed)
    base, cut = (validation.mean(each) for each in (load_encoder(bert), Finetuned(bert).encoder()))
    assert base != pytest.approx(cut)
    report = train(judged, tmp_path / "out", "finetune", settings, keep_anyway=True)
    assert report.proof.before == pytest.approx(base)
    assert report.proof.after == pytest.approx(cut, abs=0.02)


@pytest.mark.slow
def test_hard_negatives_and_a_teacher_are_part_of_it(topics, tmp_path):
    records = [json.loads(each) for each in (topics / "corpus.jsonl").read_text().splitlines()]
    pairs = tmp_path / "pairs.tsv"
    # Words of the texts, so that BM25 finds more than the one that is meant.
    asked = [(" ".join(each["text"].split()[:3]), each["text"]) for each in records]
    pairs.write_text("".join(f"{query}\t{text}\n" for query, text in asked))
    teacher = tmp_path / "teacher"
    train(topics, teacher, "lsa", TrainingSettings(dim=16))
    settings = TrainingSettings(
        dim=16,
        vocabulary=300,
        batch=32,
        steps=20,
        learning_rate=0.05,
        negatives=2,
        teacher=str(teacher),
        pairs=str(pairs),
    )
    report = train(topics, tmp_path / "out", "contrastive-bag", settings)
    assert report.negatives > 0
    assert report.proof.after > 0.3
    scored = dataclasses.replace(settings, distill="scores")
    other = train(topics, tmp_path / "scored", "contrastive-bag", scored)
    assert other.proof.after > 0.3
    assert other.fingerprint != report.fingerprint
    bad = TrainingSettings(teacher="techer")
    with pytest.raises(UsageError, match="There is no encoder 'techer'"):
        train(topics, tmp_path / "bad", "contrastive-bag", bad)

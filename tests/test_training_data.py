"""What is learnt from, what it is measured on, and that the two stay apart."""

from __future__ import annotations

import json

import pytest
from tiny_topics import DOCUMENTS, TOPICS, write_topics

from vecsearch import TrainingSettings
from vecsearch.errors import CorpusError, UnknownName, UsageError
from vecsearch.training.data import gather
from vecsearch.training.dev import Dev, cut_down
from vecsearch.training.held_out import normalised
from vecsearch.training.settings import fitted, known, steps_for
from vecsearch.types import Document


def gathered(source, work, most=2000, **settings):
    return gather(str(source), TrainingSettings(**settings), work, most=most)


def asked(data):
    return {normalised(example.query) for example in data.examples}


def held_out(folder, *splits):
    """The texts of the queries of splits, read without the code that is tested."""
    queries = map(json.loads, (folder / "queries.jsonl").read_text().splitlines())
    texts = {query["_id"]: query["text"] for query in queries}
    lines = [
        line
        for split in splits
        for line in (folder / "qrels" / f"{split}.tsv").read_text().splitlines()
    ]
    return {normalised(texts[line.split("\t")[0]]) for line in lines}


def test_judgments_of_train_are_learnt_from_but_for_a_part_that_is_dev(tmp_path):
    folder = write_topics(tmp_path / "c", judged=True)
    data = gathered(folder, tmp_path)
    assert len(data.dev.queries) == TOPICS  # a fifth of 5 queries a topic
    assert asked(data).isdisjoint(map(normalised, data.dev.queries.values()))
    assert asked(data).isdisjoint(held_out(folder, "test"))
    assert len(data.examples) == 4 * TOPICS * DOCUMENTS
    assert data.facts.examples == {"judged": len(data.examples)}
    assert (data.facts.dropped, data.facts.held_out_queries) == (0, TOPICS)
    assert data.facts.dev == "queries cut from qrels/train.tsv"
    assert set(data.dev.qrels) == set(data.dev.queries)
    again = gathered(folder, tmp_path)
    assert (again.examples, again.dev, again.facts) == (data.examples, data.dev, data.facts)
    other = gathered(folder, tmp_path, seed=1)
    assert set(other.dev.queries) != set(data.dev.queries)


def test_what_asks_as_a_held_out_query_does_is_dropped_and_counted(tmp_path):
    folder = write_topics(tmp_path / "c", judged=True)
    queries = folder / "queries.jsonl"
    records = [json.loads(line) for line in queries.read_text().splitlines()]
    [test] = [each["text"] for each in records if each["_id"] == "q0-5"]
    for record in records:
        if record["_id"] == "q3-1":
            record["text"] = f"  {test.upper()}?"
    queries.write_text("\n".join(map(json.dumps, records)))
    data = gathered(folder, tmp_path)
    assert data.facts.dropped == DOCUMENTS
    assert normalised(test) not in asked(data)
    assert normalised(test) not in map(normalised, data.dev.queries.values())


def test_a_title_worded_as_a_held_out_query_is_dropped_too(tmp_path):
    folder = write_topics(tmp_path / "c", judged=True)
    corpus = folder / "corpus.jsonl"
    records = [json.loads(line) for line in corpus.read_text().splitlines()]
    queries = map(json.loads, (folder / "queries.jsonl").read_text().splitlines())
    texts = {query["_id"]: query["text"] for query in queries}
    records[7]["title"] = texts["q0-5"]
    corpus.write_text("\n".join(map(json.dumps, records)))
    settings = TrainingSettings(supervision=("title_body", "judged"))
    data = gather(str(folder), settings, tmp_path, most=2000)
    assert data.facts.dropped == 1
    assert data.facts.examples["title_body"] == TOPICS * DOCUMENTS - 1
    assert data.facts.documents == TOPICS * DOCUMENTS  # it may be seen as a document


@pytest.mark.parametrize("named", [None, "held"])
def test_a_dev_split_of_its_own_leaves_train_whole(tmp_path, named):
    folder = write_topics(tmp_path / "c", judged=True)
    name = named or "dev"
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / f"{name}.tsv")
    data = gathered(folder, tmp_path, dev_split=named)
    assert data.facts.dev == f"qrels/{name}.tsv"
    assert len(data.examples) == 5 * TOPICS * DOCUMENTS
    assert set(map(normalised, data.dev.queries.values())) == held_out(folder, name)


def test_dev_queries_worded_as_test_queries_choose_nothing(tmp_path):
    folder = write_topics(tmp_path / "c", judged=True)
    test = (folder / "qrels" / "test.tsv").read_text()
    (folder / "qrels" / "dev.tsv").write_text(test.replace("q0-5", "q0-0").replace("q1-5", "q1-0"))
    queries = folder / "queries.jsonl"
    records = [json.loads(line) for line in queries.read_text().splitlines()]
    texts = {each["_id"]: each["text"] for each in records}
    for record in records:
        if record["_id"] == "q1-0":
            record["text"] = texts["q0-5"].upper()
    queries.write_text("\n".join(map(json.dumps, records)))
    data = gathered(folder, tmp_path)
    assert list(data.dev.queries) == ["q0-0"]  # the others are test queries, by id or wording


def test_without_judgments_titles_are_taken_out_and_never_learnt(tmp_path):
    folder = write_topics(tmp_path / "c")
    data = gathered(folder, tmp_path)
    count = len(data.dev.queries)
    assert count == TOPICS * DOCUMENTS // 5
    dev = set(map(normalised, data.dev.queries.values()))
    assert asked(data).isdisjoint(dev)
    titles = {normalised(document.title) for document in data.documents}
    assert titles.isdisjoint(dev)
    assert data.facts.examples["title_body"] == TOPICS * DOCUMENTS - count
    shown = {document.id for document in data.dev.documents}
    assert shown == {document.id for document in data.documents}
    assert data.facts.documents == TOPICS * DOCUMENTS
    again = gathered(folder, tmp_path)
    assert again.examples == data.examples


def test_judgments_of_test_alone_hold_their_queries_out(tmp_path):
    folder = write_topics(tmp_path / "c", judged=True)
    (folder / "qrels" / "train.tsv").unlink()
    data = gathered(folder, tmp_path)
    assert data.facts.held_out_queries == TOPICS
    assert asked(data).isdisjoint(held_out(folder, "test"))
    assert "taken out of its document" in data.facts.dev


def pairs_file(path, lines):
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return str(path)


def test_pairs_are_learnt_from_but_for_a_part_that_is_dev(tmp_path):
    folder = write_topics(tmp_path / "c")
    records = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    lines = [{"query": each["title"], "document": each["text"]} for each in records]
    lines += [{"query": f"number {i}", "document": f"An answer {i}."} for i in range(40)]
    path = pairs_file(tmp_path / "pairs.jsonl", lines)
    data = gathered(folder, tmp_path, pairs=path)
    dev = set(map(normalised, data.dev.queries.values()))
    assert asked(data).isdisjoint(dev)
    assert len(data.examples) + len(dev) == len(lines)
    texts = {document.id: document.text for document in data.dev.documents}
    answers = {line["query"]: line["document"] for line in lines}
    ids = {record["_id"] for record in records}
    from_corpus = 0
    for name, query in data.dev.queries.items():
        [relevant] = data.dev.qrels[name]
        assert texts[relevant] == answers[query]
        from_corpus += relevant in ids
    assert 0 < from_corpus < len(dev)
    assert data.facts.dev == "queries cut from pairs.jsonl"


def test_a_dev_query_with_many_judgments_takes_no_room_from_others():
    qrels = {"many": {f"d{i}": 1 for i in range(500)}, "none": {"elsewhere": 1}}
    qrels |= {f"q{i}": {f"d{i}": 1, f"d{i + 1}": 0} for i in range(40)}
    documents = [Document(f"d{i}", f"text {i}") for i in range(500)]
    dev = Dev(documents, dict.fromkeys(qrels, "what is asked"), qrels, "made")
    for seed in range(5):
        cut = cut_down(dev, 60, seed)
        assert sorted(cut.queries) == sorted(f"q{i}" for i in range(40))
        assert len(set().union(*cut_down(dev, 20, seed).qrels.values())) <= 20
        assert len(cut_down(dev, 1, seed).queries) == 1


def test_pairs_that_ask_as_held_out_queries_do_are_neither_learnt_nor_measured(tmp_path):
    folder = write_topics(tmp_path / "c", judged=True)
    (folder / "qrels" / "train.tsv").unlink()
    queries = map(json.loads, (folder / "queries.jsonl").read_text().splitlines())
    lines = [
        {"query": f"{each['text']}!", "document": f"Answer {each['_id']}."} for each in queries
    ]
    data = gathered(folder, tmp_path, pairs=pairs_file(tmp_path / "pairs.jsonl", lines))
    test = held_out(folder, "test")
    assert asked(data).isdisjoint(test)
    assert test.isdisjoint(map(normalised, data.dev.queries.values()))
    assert data.facts.dropped == TOPICS
    assert len(data.examples) == len(lines) - TOPICS - 20  # a fifth of the queries is dev


def test_a_dev_set_is_cut_down_to_what_can_be_measured_often(tmp_path):
    corpus = tmp_path / "c"
    (corpus / "qrels").mkdir(parents=True)
    documents = [{"_id": str(i), "text": f"text {i}"} for i in range(900)]
    queries = [{"_id": f"q{i}", "text": f"question {i}"} for i in range(800)]
    (corpus / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)))
    (corpus / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (corpus / "qrels" / "dev.tsv").write_text(
        "\n".join(f"q{i}\t{2 * i + j}\t1" for i in range(400) for j in range(2))
    )
    (corpus / "qrels" / "train.tsv").write_text(
        "\n".join(f"q{i}\t{j}\t{1 + (j < 3)}" for i in range(400, 800) for j in range(15))
    )
    data = gathered(corpus, tmp_path)
    assert len(data.dev.queries) == 300
    few = gathered(corpus, tmp_path, most=200)
    assert len(few.dev.queries) == 100  # their 200 documents have to be searched
    assert few.facts.dev_documents == 200
    assert few.dev.queries.keys() < data.dev.queries.keys()
    # Of the 15 documents of a query the 10 of the highest grades are learnt from, all are known.
    assert len(data.examples) == 400 * 10
    best = ("text 0", "text 1", "text 2")
    assert sum(example.document in best for example in data.examples) == 1200
    assert len(data.known) == 400 * 15


def test_what_can_not_be_learnt_from(tmp_path):
    folder = write_topics(tmp_path / "c", judged=True)

    def wrong(error, match, source=folder, **settings):
        with pytest.raises(error, match=match):
            gathered(source, tmp_path, **settings)

    wrong(UsageError, "split 'train' can't be the dev split: it is learnt from", dev_split="train")
    wrong(UsageError, "split 'test' can't be .*: it is for the measuring", dev_split="test")
    wrong(UnknownName, "There is no split 'tset' of ", dev_split="tset")
    wrong(CorpusError, "no such file", source=tmp_path / "none")
    wrong(CorpusError, "no such file", pairs=str(tmp_path / "none.jsonl"))
    wrong(UsageError, "standard input can't be", source="-")
    bare = write_topics(tmp_path / "bare")
    wrong(UsageError, "There are no judgments to learn from", source=bare, supervision=("judged",))
    long = " ".join(f"word{i}" for i in range(15))
    lines = [{"_id": str(i), "text": f"Alpha{i} beta{i} gamma{i}. Then {long}."} for i in range(99)]
    (bare / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)))
    wrong(UsageError, "gives 0 examples .* by title_body", source=bare, supervision=("title_body",))
    (bare / "corpus.jsonl").write_text('{"_id": "a", "text": "one document"}')
    wrong(UsageError, "nothing to measure progress on: .* too few documents", source=bare)


def test_settings_that_can_not_be():
    for match, settings in {
        "There is no kind of supervision 'titel_body'. Did you mean 'title_body'": {
            "supervision": ("titel_body",)
        },
        "number of dimensions must be at least 1, not 0": {"dim": 0},
        "setting batch must be at least 2, not 1": {"batch": 1},
        "setting steps must be at least 1, not 0": {"steps": 0},
        "setting minutes must be more than 0, not nan": {"minutes": float("nan")},
        "setting learning-rate must be more than 0, not -1": {"learning_rate": -1},
        "setting seed must be at least 0, not -1": {"seed": -1},
        "so many steps or so many minutes, not both": {"steps": 1, "minutes": 1.0},
        "There is no device 'gpu'": {"device": "gpu"},
        "no kind of distillation 'score'. Did you mean 'scores'": {"distill": "score"},
        "The scores are a teacher's: name it too": {"distill": "scores"},
    }.items():
        with pytest.raises(UsageError, match=match):
            TrainingSettings(**settings)
    with pytest.raises(UnknownName, match="no kind of encoder 'grru'"):
        fitted("grru", TrainingSettings())
    for kind, settings, match in [
        ("lsa", {"steps": 3}, "setting steps is for .*; lsa has no use for it"),
        ("gru", {"lora": True}, "setting lora is for finetune; gru has no use"),
        ("gru", {"base": "x"}, "setting base is for finetune; gru"),
        ("finetune", {"dim": 3}, "number of dimensions is for lsa, .*; finetune"),
        ("skipgram", {"negatives": 2}, "setting negatives is for .*; skipgram"),
        ("contrastive-bag", {"pretrain_steps": 2}, "pretrain-steps is for transformer"),
    ]:
        with pytest.raises(UsageError, match=match):
            fitted(kind, TrainingSettings(**settings))


def test_what_nobody_says_suits_the_kind():
    whole, lora = (fitted("finetune", TrainingSettings(lora=each)) for each in (False, True))
    assert known(whole.learning_rate) < known(lora.learning_rate)
    assert whole.dim is None
    assert fitted("gru", TrainingSettings(batch=7, dim=9)).batch == 7
    assert steps_for("finetune", 10_000, fitted("finetune", TrainingSettings(batch=100))) == 400
    assert steps_for("finetune", 3, whole) == 20
    assert steps_for("finetune", 10**9, whole) == 2000
    assert steps_for("gru", 10, fitted("gru", TrainingSettings(steps=7))) == 7

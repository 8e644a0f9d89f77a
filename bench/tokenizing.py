"""How many times faster texts become numbers of terms than bm25s.tokenize makes its own of them.

    python bench/tokenizing.py CORPUS [--out FILE]

On English, the first documents of CORPUS, and on mixed scripts: sentences of common words drawn
with a fixed seed, a ninth of the texts each in Russian, Greek, Arabic, Hindi, Chinese, Japanese,
Korean, Thai and German. A word counts the more the earlier it stands in its list, as in a language;
each language's own way with spaces and full stops is kept. One text in five has a quotation in
English.

That `Tokenizer` gives exactly the terms of `Analyzer.terms` is checked first, on all texts. Then
come rounds, in each of them everything in turn on one core: bm25s.tokenize with its English
stopwords and PyStemmer; `Analyzer.terms` one text after another, its memory full; `Tokenizer`, in
batches, beginning with nothing known (it learns all chunks anew), and once more with all known. The
ratio of a round is that of times taken right after each other, so it holds on a busy machine too;
the median of the rounds counts. numba's compilation and the table of characters are there before.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import bm25s
import click
import numpy as np
import Stemmer

from vecsearch import analyzer, documents, open_corpus
from vecsearch.bench.environment import environment
from vecsearch.text import Analyzer
from vecsearch.tokenizing import LOADING, Tokenizer
from vecsearch.types import seen_text

ROUNDS: Final = 3
ENGLISH: Final = 300_000
MIXED: Final = 30_000
BATCH: Final = 5_000


class Language(NamedTuple):
    """A language's common words, the most common first, and what stands between words."""

    words: str
    space: str = " "
    stop: str = ". "


LANGUAGES: Final = (
    Language(
        "и в не на я быть он с что а по это она этот к но они "
        "мы весь который из у за свой от так о "
        "для ты же все тот мочь вы человек такой его сказать "
        "только или ещё бы себя один как уже до "
        "время если сам когда другой вот говорить наш мой знать "
        "стать при чтобы дело жизнь кто первый "
        "очень два день её новый рука даже во со раз где там "
        "под можно ну какой после их работа без "
        "самый потом надо хотеть ли слово идти большой должен "
        "место иметь ничто город страна история "
        "Москва Россия вода книга школа университет государство республика население река век война"
    ),
    Language(
        "και το να του η της με που την από για είναι στο ο οι "
        "σε θα τα δεν στην μια τον ότι των τις "
        "ένα ως στη πως κατά αυτό μας αλλά όπως έχει τους σας μετά ή όμως αν πολύ μόνο χρόνια πριν "
        "κόσμο χώρα πόλη ζωή ιστορία άνθρωπος νερό βιβλίο "
        "σχολείο ποτάμι πόλεμος αιώνας Ελλάδα Αθήνα "
        "βασιλιάς μεγάλος μικρός πρώτος δεύτερος νέος παλιός λόγος θάλασσα ουρανός ημέρα νύχτα φωνή"
    ),
    Language(
        "في من على إلى أن التي عن مع الذي هذا هذه كان بعد قد كما "
        "بين لا ما أو كل ذلك عام حيث تم كانت "
        "خلال إن لم غير هو هي أي منذ عند يوم مدينة دولة تاريخ "
        "حياة ماء كتاب مدرسة جامعة نهر حرب قرن "
        "المدينة الدولة التاريخ الحياة العالم الكتاب المدرسة الجامعة النهر الحرب القرن الملك الشعب "
        "الأول الثاني الكبير الصغير الجديد القديم السكان اللغة العربية البحر السماء الليل النهار",
        stop="، ",
    ),
    Language(
        "के में की है और से का को एक पर यह ने हैं भी कि इस लिए था "
        "नहीं जो कर वह साथ अपने तो किया हो गया "
        "या तक थे थी बाद कुछ जाता वे दिया होता रहा समय लोग जीवन "
        "शहर देश इतिहास पानी किताब विद्यालय नदी "
        "युद्ध शताब्दी राजा भाषा हिन्दी भारत दिल्ली समुद्र आकाश "
        "दिन रात बड़ा छोटा नया पुराना पहला दूसरा "
        "लड़का लड़की घर काम शब्द हाथ आँख गाँव विश्वविद्यालय सरकार राज्य जनसंख्या विज्ञान संगीत",
        stop="। ",
    ),
    Language(
        "的 是 在 一 了 有 和 人 这 中 大 为 上 个 国 我 以 要 "
        "他 时 来 用 们 生 到 作 地 于 出 就 分 对 "
        "成 会 可 主 发 年 动 同 工 也 能 下 过 子 说 产 种 面 "
        "而 方 后 多 定 行 学 法 所 民 得 经 中国 "
        "北京 上海 历史 城市 国家 世界 政府 人民 文化 经济 社会 "
        "大学 科学 技术 语言 河流 战争 世纪 人口",
        space="",
        stop="。",
    ),
    Language(
        "の は に を た が で と し れ さ ある いる も する "
        "から な こと として い や など なっ ない この "
        "ため その あっ よう また もの という あり まで られ なる "
        "へ か だ これ によって により おり より "
        "による ず なり 日本 東京 大学 歴史 都市 世界 政府 文化 "
        "経済 社会 科学 技術 言語 戦争 世紀 人口 "
        "コンピュータ サービス データ システム ヨーロッパ アメリカ "
        "テレビ 書く 読む 行く 見る 新しい 大きい",
        space="",
        stop="。",
    ),
    Language(
        "있다 그 하는 수 이 것은 한 및 등 대한 더 위해 때 "
        "가장 또한 있는 그는 이다 했다 되었다 때문에 "
        "함께 통해 하지만 그리고 많은 모든 다른 같은 한국 서울 "
        "대학교 역사를 도시는 세계의 정부가 문화와 "
        "경제를 사회에 과학은 기술을 언어로 전쟁이 세기에 "
        "인구는 사람들이 시간을 나라의 생활에서 이름은"
    ),
    Language(
        "ที่ และ ใน เป็น การ มี ของ ได้ ให้ ว่า จะ ไม่ ความ กับ ไป "
        "มา จาก นี้ โดย คน แต่ ก็ อยู่ หรือ ปี กัน "
        "ทำ น้ำ คำ จำนวน สำคัญ ประเทศ ไทย กรุงเทพ เมือง โลก "
        "รัฐบาล วัฒนธรรม เศรษฐกิจ สังคม มหาวิทยาลัย "
        "วิทยาศาสตร์ ภาษา แม่น้ำ สงคราม ศตวรรษ ประชากร "
        "ประวัติศาสตร์ ชีวิต วัน คืน ใหญ่ เล็ก ใหม่ เก่า",
        space="",
        stop=" ",
    ),
    Language(
        "der die und in den von zu das mit sich des auf für ist "
        "im dem nicht ein eine als auch es an "
        "werden aus er hat dass sie nach wird bei einer um am "
        "sind noch wie einem über einen so zum "
        "war haben nur oder aber vor zur bis mehr durch man sein "
        "wurde Jahre Stadt Länder Geschichte "
        "Straße Häuser Bücher Universität Bevölkerung Jahrhundert König Größe Flüsse Krieg Wörter"
    ),
)
QUOTED: Final = "the of and to in that was his with which from river water people modern history"


def english(corpus: str) -> list[str]:
    """Return the first texts of a corpus."""
    found = itertools.islice(documents(open_corpus(corpus)), ENGLISH)
    return [seen_text(each.title, each.text) for each in found]


def mixed() -> list[str]:
    """Return texts in many scripts, always the same."""
    draw = random.Random(6)
    quoted = Language(QUOTED)
    texts = []
    for number in range(MIXED):
        language = LANGUAGES[number % len(LANGUAGES)]
        sentences = [sentence(language, draw) for _ in range(draw.randint(3, 9))]
        if number % 5 == 0:
            sentences.insert(1, f"“{sentence(quoted, draw)}” ({draw.randint(1800, 2030)}) ")
        texts.append("".join(sentences))
    return texts


def sentence(language: Language, draw: random.Random) -> str:
    """Return a sentence of words drawn by Zipf's law."""
    words = language.words.split()
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    drawn = draw.choices(words, weights, k=draw.randint(5, 20))
    return language.space.join(drawn) + language.stop


def tokenized(tokenizer: Tokenizer, texts: Sequence[str]) -> list[str]:
    """Return the terms of all texts, by the tokenizer."""
    found = [tokenizer.tokenize(texts[at : at + BATCH])[0] for at in range(0, len(texts), BATCH)]
    return [tokenizer.vocabulary[number] for number in np.concatenate(found).tolist()]


def fresh(rules: Analyzer) -> Tokenizer:
    """Return a tokenizer that knows nothing, but has the kernel at hand."""
    tokenizer = Tokenizer(rules)
    tokenizer.tokenize([" " * (LOADING + 1)])
    return tokenizer


def seconds(work: Callable[[], object]) -> float:
    """Return how long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(texts: Sequence[str]) -> dict[str, object]:
    """Measure all on some texts."""
    rules = analyzer("english")
    stemmer = Stemmer.Stemmer("english")
    expected = [term for text in texts for term in rules.terms(text)]
    if tokenized(fresh(rules), texts) != expected:
        raise SystemExit("The tokenizer gives other terms than the analyzer: nothing to measure.")

    def by_bm25s() -> object:
        return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)

    def by_analyzer() -> object:
        return list(map(rules.terms, texts))

    times: dict[str, list[float]] = {"bm25s": [], "analyzer": [], "new": [], "known": []}
    for _ in range(ROUNDS):
        tokenizer = fresh(rules)
        batches = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
        times["bm25s"].append(seconds(by_bm25s))
        times["new"].append(seconds(lambda: list(map(tokenizer.tokenize, batches))))  # noqa: B023
        times["known"].append(seconds(lambda: list(map(tokenizer.tokenize, batches))))  # noqa: B023
        times["analyzer"].append(seconds(by_analyzer))
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    ratios = {
        name: [other / one for other, one in zip(times["bm25s"], taken, strict=True)]
        for name, taken in times.items()
    }
    return {
        "texts": len(texts),
        "megabytes": round(megabytes, 1),
        "terms": len(expected),
        "distinct_terms": len(set(expected)),
        "megabytes_per_second": {
            name: round(megabytes / statistics.median(taken), 1) for name, taken in times.items()
        },
        "ratio_to_bm25s": {
            name: round(statistics.median(each), 1) for name, each in ratios.items()
        },
        "least_ratio": {name: round(min(each), 1) for name, each in ratios.items()},
    }


@click.command()
@click.argument("corpus")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to keep it.")
def main(corpus: str, out: Path | None) -> None:
    """Measure all in turns."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    result = {
        "corpus": Path(corpus).name,
        "rounds": ROUNDS,
        "english": measure(english(corpus)),
        "mixed_scripts": measure(mixed()),
        "environment": environment(),
    }
    text = json.dumps(result, indent=1)
    click.echo(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

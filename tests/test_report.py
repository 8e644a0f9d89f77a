"""The report of a bench: what it says is what results.json says, whatever names and texts hold."""

from __future__ import annotations

import copy
import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import results_schema
from hypothesis import example, given
from hypothesis import strategies as st
from sample_results import sample_results
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from vecsearch.bench.report import figures, markdown, page, write_report
from vecsearch.bench.report.drilldown import BUDGET
from vecsearch.bench.report.labels import Box, place, spread
from vecsearch.bench.report.palette import looks
from vecsearch.bench.report.svg import Linear, Log, element, log_around
from vecsearch.bench.report.texts import clean, shown
from vecsearch.bench.results import Results
from vecsearch.errors import VecsearchError

HOSTILE = "<script>alert(1)</script></style><!-- \"quoted' & \u202edesrever\x00\x1b[31m ]]> {{ 7*7 }} | `x` \ud800"
SVG = re.compile(r"<svg viewBox.*?</svg>", re.DOTALL)


@pytest.fixture(scope="module")
def results() -> Results:
    return sample_results()


@pytest.fixture(scope="module")
def html(results: Results) -> str:
    return page(results)


def numbers(tree: HTMLParser) -> Iterator[tuple[str, float, list[Any], list[Any] | None]]:
    """Yield the text, value, path and divisor's path of every figure on a page."""
    for node in tree.css("[data-value]"):
        over = node.attributes.get("data-over")
        yield (
            node.text(),
            float(node.attributes["data-value"]),
            json.loads(node.attributes["data-path"]),
            json.loads(over) if over else None,
        )


def read(text: str) -> float | None:
    """Read a figure as a person would, in seconds, bytes or as it is; None for "<.001"."""
    units = {
        "µs": 1e-6,
        "ms": 1e-3,
        "s": 1,
        "min": 60,
        "h": 3600,
        "B": 1,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "%": 0.01,
    }
    found = re.fullmatch(r"([+−]?)([\d,.]+(?:e-\d+)?)\s?(\D*)", text)
    if not found:
        return None
    sign, digits, unit = found.groups()
    unit = unit.removesuffix("/doc")
    return (-1 if sign == "−" else 1) * float(digits.replace(",", "")) * units.get(unit, 1)


def agree(tree: HTMLParser, results: Results) -> int:
    """Assert that every figure is what results.json says; return how many there are."""
    count = 0
    for text, value, path, over in numbers(tree):
        found = figures.at(results, tuple(path))
        wanted = found / figures.at(results, tuple(over)) if over else found
        assert value == wanted, path
        told = read(text)
        # The low end of a spread leaves its unit to the high end.
        if told is not None and path[-1] != "low":
            assert told == pytest.approx(wanted, rel=0.06, abs=0.0051), (path, text)
        count += 1
    return count


# ── the page ──


def test_every_number_on_the_page_is_that_of_results_json(results, tmp_path):
    write_report(results, tmp_path / "new" / "folder")
    stored = json.loads((tmp_path / "new/folder/results.json").read_text())
    assert stored == results
    tree = HTMLParser((tmp_path / "new/folder/report.html").read_text())
    assert agree(tree, stored) > 1000
    assert set(wanted_paths(results)) <= {tuple(path) for _, _, path, _ in numbers(tree)}


def wanted_paths(results: Results) -> Iterator[tuple[str | int, ...]]:
    """Yield what must be on the page, whatever else is."""
    for corpus, systems in results["scores"].items():
        for system, measures in systems.items():
            for measure in measures:
                yield "scores", corpus, system, measure
                yield "intervals", corpus, system, measure, 0
    for n in range(len(results["comparisons"])):
        for key in ("difference", "p", "p_holm", "effect_size", "wins", "detectable"):
            yield "comparisons", n, key
    for corpus, costs in results["costs"].items():
        for system, cost in costs.items():
            for stage in cost["build"]["stages"]:
                yield "costs", corpus, system, "build", "stages", stage, "median"
            for percentile in ("p50", "p95", "p99"):
                yield "costs", corpus, system, "cold", percentile, "median"
                yield "costs", corpus, system, "warm", percentile, "median"


def test_the_ranks_of_a_query_are_those_of_its_details(results, html):
    labels = {entry["label"]: name for name, entry in results["systems"].items()}
    tables = HTMLParser(html).css("table.ranks")
    assert len(tables) == 2 * 60
    for table in tables:
        detail = results["details"][table.attributes["data-corpus"]][table.attributes["data-query"]]
        heads = [node.text() for node in table.css("thead th button")]
        seen: dict[str, dict[int, str]] = {}
        for row in table.css("tbody tr"):
            document = row.css_first("th").attributes["data-id"]
            grade, *ranks = (node.text().strip() for node in row.css("td"))
            assert grade == str(detail["grades"].get(document, "–"))
            assert ("rel" in (row.attributes.get("class") or "")) == (
                detail["grades"].get(document, 0) > 0
            )
            for label, rank in zip(heads[2:], ranks, strict=True):
                system = labels[label]
                known = {d: n for n, d in enumerate(detail["best"][system], 1)}
                wanted = {**detail["ranks"][system], **known}.get(document)
                assert rank == ("–" if wanted is None else str(wanted))
                if wanted is not None:
                    seen.setdefault(system, {})[wanted] = document
        for system, best in detail["best"].items():
            assert [seen[system][n] for n in range(1, 11)] == best


def test_the_page_is_in_the_promised_order_and_the_trade_off_is_its_first_picture(results, html):
    tree = HTMLParser(html)
    order = ["class=\"verdict\"", "class=\"trust\"", "corpus-1-tradeoff\">", "corpus-1-quality\">", "corpus-1-differences\">",
             "corpus-1-costs\">", "corpus-1-agreement\">", "corpus-1-features\">", "corpus-1-queries\">", "id=\"corpus-2\"", "id=\"systems\"", "id=\"environment\"", "id=\"reading\""]  # fmt: skip
    places = [html.index(each) for each in order]
    assert places == sorted(places)
    pictures = tree.css("svg[role=img]")
    assert pictures[0].css_first("title").text() == "nDCG@10 against time: warm query, median"
    assert pictures[1].css_first("title").text() == "nDCG@10 against time: building the index"
    for each in pictures:
        assert each.css_first("title").text()
        assert re.search(r"\d", each.css_first("desc").text())
    ids = [node.attributes["id"] for node in tree.css("[id]")]
    assert len(ids) == len(set(ids))
    for link in tree.css("a[href]"):
        assert link.attributes["href"].removeprefix("#") in ids


def test_verdicts_say_who_is_best_whether_it_is_shown_and_at_what_cost(results, html):
    for n, article in enumerate(HTMLParser(html).css(".verdicts article")):
        corpus = list(results["scores"])[n]
        words = article.css_first(".verdict").text()
        scores = {s: m["nDCG@10"] for s, m in results["scores"][corpus].items()}
        best = max(scores, key=scores.__getitem__)
        comparison = next(
            c
            for c in results["comparisons"]
            if (c["corpus"], c["system"], c["measure"]) == (corpus, best, "nDCG@10")
        )
        assert words.startswith(f"{best} has the highest nDCG@10, {figures.score(scores[best])}, ")
        assert ("and is shown to be better than bm25" in words) == (
            comparison["verdict"] == "better"
        )
        assert ("isn't shown to be better" in words) == (comparison["verdict"] != "better")
        costs = results["costs"][corpus]
        ratio = costs[best]["warm"]["p50"]["median"] / costs["bm25"]["warm"]["p50"]["median"]
        assert f"({figures.times(ratio)})" in words
        generated = results["corpora"][corpus]["generated"]
        assert (article.css_first(".trust") is not None) == (generated is not None)
        if generated:
            assert generated["trust"] in article.css_first(".trust").text()


@pytest.mark.parametrize("direction", [1, 0, -1])
def test_a_baseline_that_is_best_and_one_that_is_beaten(direction):
    results = sample_results(corpora=["harbour"], systems=2)
    results["scores"]["harbour"] = dict(reversed(results["scores"]["harbour"].items()))
    for scores in results["scores"]["harbour"]["bm25"], results["scores"]["harbour"]["tfidf"]:
        scores["nDCG@10"] = 0.5
    results["scores"]["harbour"]["bm25"]["nDCG@10"] += 0.1 * direction
    for each in results["comparisons"]:
        each["verdict"] = "better" if direction < 0 else "worse"
        each["p_holm"] = 0.0001
    words = HTMLParser(page(results)).css_first(".verdict").text()
    if direction >= 0:
        mean = ".600" if direction else ".500"
        assert words.startswith(f"No system has a higher nDCG@10 than the baseline bm25, {mean}.")
        assert "Shown to be worse than bm25: tfidf." in words
    else:
        assert (
            "tfidf has the highest nDCG@10, .500, and is shown to be better than bm25, .400 (p <.001)."
            in words
        )


def test_without_costs_quality_says_that_they_were_not_measured():
    results = sample_results(corpora=["harbour"])
    results["costs"], results["cost_stamps"] = {}, {}
    tree = HTMLParser(page(results))
    for row in tree.css_first("table.sorts tbody").css("tr"):
        assert row.text().count("not measured") == 3
    assert "against time" not in tree.body.text()
    assert tree.css_first("#corpus-1-costs") is None
    assert agree(tree, results) > 100
    assert "not measured" in markdown(results)


def test_a_run_file_has_no_costs_but_stands_in_the_pictures_as_not_measured(results, html):
    first = SVG.findall(html)[0]
    assert ">not measured</text>" in first
    assert "anserini: " in first
    assert "cost not measured" in first


def test_one_system_alone_and_no_features():
    results = sample_results(queries=1, corpora=["harbour"], systems=1)
    results["features"]["harbour"] = []
    tree = HTMLParser(page(results))
    assert tree.css_first(".verdict").text().startswith("Only bm25 was measured: nDCG@10 ")
    assert tree.css_first("#corpus-1-differences") is None
    assert tree.css_first("#corpus-1-features") is None
    assert agree(tree, results) > 20
    assert "| bm25 (baseline) |" in markdown(results)


def test_other_work_on_the_machine_is_told_of_and_quiet_is_not(results, html):
    assert "Other work took" in html
    assert "took .43 cores meanwhile" in HTMLParser(html).css_first(".busy").text()
    quiet = copy.deepcopy(results)
    for stamp in quiet["cost_stamps"].values():
        stamp["others"] = 0.02
    assert "Other work took" not in page(quiet)
    assert "Other work took" not in markdown(quiet)


def hostile_results() -> Results:
    """Put hostile text wherever text may stand."""
    results = sample_results(queries=12, corpora=["harbour"])
    encoded = json.dumps(results)
    encoded = encoded.replace('"harbour"', json.dumps(f"h {HOSTILE}")).replace(
        '"anserini"', json.dumps(f"a {HOSTILE}")
    )
    results = json.loads(encoded)
    (corpus,) = results["corpora"]
    results["corpora"][corpus]["notes"] = [HOSTILE]
    results["corpora"][corpus]["generated"] = {"kind": HOSTILE, "seed": 1, "trust": HOSTILE}
    results["queries"][corpus] = {query: HOSTILE for query in results["queries"][corpus]}
    results["titles"][corpus] = {document: HOSTILE for document in results["titles"][corpus]}
    results["systems"]["tfidf"] |= {
        "label": f"t {HOSTILE}",
        "about": HOSTILE,
        "definition": {HOSTILE: HOSTILE},
    }
    results["environment"] = {HOSTILE: {HOSTILE: [HOSTILE]}}
    for each in results["comparisons"]:
        each["text"] = HOSTILE
    for each in results["features"][corpus]:
        each |= {"feature": HOSTILE, "about": HOSTILE, "text": HOSTILE}
    results["cost_stamps"][corpus]["machine"] = HOSTILE
    return results


def test_hostile_text_stays_text(tmp_path):
    results = hostile_results()
    write_report(results, tmp_path)
    assert json.loads((tmp_path / "results.json").read_text()) == results
    written = (tmp_path / "report.html").read_text()
    tree = HTMLParser(written)
    assert len(tree.css("script")) == len(tree.css("style")) == 1
    assert "alert" not in tree.css_first("script").text()
    assert "<!-- " not in written
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", written)
    assert "49" not in tree.css_first(".notes").text()
    assert "<script>alert(1)</script></style><!--" in tree.css_first(".notes").text()
    assert tree.css_first(".asked").text().count("alert(1)") == 1
    assert agree(tree, results) > 100
    for drawn in SVG.findall(written):
        assert "<script" not in drawn
        assert "</style" not in drawn
    told = (tmp_path / "report.md").read_text()
    assert not re.search(r"(?<!\\)<script", told)
    for line in told.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (9, 12)


def test_nothing_on_the_page_points_elsewhere(html):
    tree = HTMLParser(html)
    assert not tree.css("[src], iframe, object, embed, base, form, [onclick], [onload]")
    for node in tree.css("[href]"):
        assert node.attributes["href"].startswith(("#", "data:,"))
    assert not re.search(r"https?://|url\(|@import", html)
    policy = tree.css_first("meta[http-equiv]").attributes["content"]
    assert (
        policy
        == "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    )


def test_systems_keep_their_colour_and_mark_everywhere(results, html):
    seen = looks(list(results["systems"]), "bm25")
    assert len({(each.class_, each.shape) for each in seen.values()}) == 5
    drawn = "".join(SVG.findall(html))
    for label, class_ in re.findall(
        r'<g class="(c\d)">(?:<line[^>]*>\s*</line>)?<text[^>]*class="label"[^>]*>([^<]*)<', drawn
    ):
        system = next(s for s, e in results["systems"].items() if e["label"] == class_)
        assert seen[system].class_ == label
    many = looks([f"s{n}" for n in range(60)], "s0")
    assert len({(each.class_, each.shape) for each in many.values()}) == 60


@pytest.mark.slow
def test_a_large_bench_makes_a_page_that_still_opens():
    results = sample_results(queries=250, corpora=["harbour"], systems=10)
    copies = range(40)

    def grow(values: dict[str, Any]) -> dict[str, Any]:
        return {f"{query}-{n}": value for n in copies for query, value in values.items()}

    for by_measure in results["per_query"]["harbour"].values():
        for measure, scores in by_measure.items():
            by_measure[measure] = grow(scores) | scores
    results["queries"]["harbour"] |= grow(results["queries"]["harbour"])
    results["corpora"]["harbour"]["queries"] = 10_250
    for cost in results["costs"]["harbour"].values():
        cost["warm_latencies"] = sorted(
            each * (1 + n / 400) for n in copies for each in cost["warm_latencies"]
        )
    written = page(results)
    assert len(written.encode()) < 4_000_000
    said = HTMLParser(written).css_first("#corpus-1-queries ~ p").text()
    assert "The 200 of 10,250 queries where systems differ most" in said


def test_queries_looked_into_are_bounded_however_many_documents_they_show():
    results = sample_results(queries=200, corpora=["harbour"])
    for detail in results["details"]["harbour"].values():
        for n, system in enumerate(detail["best"]):
            detail["best"][system] = [f"{n}-{rank}-{'x' * 300}" for rank in range(10)]
            detail["ranks"][system] = {}
        detail["grades"] |= {f"relevant-{n}": 1 for n in range(50)}
    written = page(results)
    assert len(written) < BUDGET + 600_000
    tree = HTMLParser(written)
    assert 20 < len(tree.css("table.ranks")) < 200
    listed = len(tree.css("table.ranks")[0].css("tbody tr"))
    grades = next(iter(results["details"]["harbour"].values()))["grades"]
    relevant = sum(grade > 0 for grade in grades.values())
    assert listed == 50 + 20
    assert f"{relevant - 20} more relevant documents" in tree.body.text()


# ── Markdown, JSON and files ──


def test_markdown_has_the_page_s_figures(results):
    told = markdown(results)
    for corpus, systems in results["scores"].items():
        part = told[told.index(f"## {corpus}") :]
        for system, measures in systems.items():
            label = results["systems"][system]["label"].replace("_", r"\_")
            row = next(line for line in part.splitlines() if line.startswith(f"| {label}"))
            low, high = results["intervals"][corpus][system]["nDCG@10"]
            assert f"| {figures.score(measures['nDCG@10'])}" in row
            assert f"({figures.score(low)} to {figures.score(high)})" in row
            cost = results["costs"][corpus].get(system)
            if cost is None:
                assert row.count("not measured") == 3
            else:
                assert f"| {figures.seconds(cost['warm']['p50']['median'])} |" in row
                assert f"{figures.size(cost['bytes_per_document'])}/doc" in row
    for each in results["comparisons"]:
        if each["measure"] == "nDCG@10":
            assert (
                f"{figures.difference(each['difference'])} | {figures.difference(each['interval'][0])} to"
                in told
            )
    widths = {
        len(re.findall(r"(?<!\\)\|", line)) for line in told.splitlines() if line.startswith("|")
    }
    assert widths == {9, 12}


def test_the_schema_describes_every_key_and_real_results_fit_it(results):
    stored = json.loads(results_schema.PATH.read_text(encoding="utf-8"))
    assert stored == results_schema.build(), "run: python tests/results_schema.py"
    jsonschema.Draft202012Validator.check_schema(stored)
    validator = jsonschema.Draft202012Validator(stored)
    validator.validate(json.loads(json.dumps(results)))
    for broken in ("scores", "environment"):
        less = {key: value for key, value in results.items() if key != broken}
        assert not validator.is_valid(less)
    wrong = copy.deepcopy(results)
    wrong["comparisons"][0]["verdict"] = "much better"
    assert not validator.is_valid(wrong)


def test_files_are_replaced_whole_or_not_at_all(results, tmp_path, monkeypatch):
    write_report(results, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"results.json", "report.html", "report.md"}
    other = sample_results(corpora=["harbour"], systems=2)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(VecsearchError, match=r"can't be written to .*No space left"):
        write_report(other, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    monkeypatch.undo()
    write_report(other, tmp_path)
    assert set(before) == {path.name for path in tmp_path.iterdir()}
    (tmp_path / "file").write_text("")
    with pytest.raises(VecsearchError, match="name another folder"):
        write_report(other, tmp_path / "file")


def test_what_is_no_number_never_gets_into_the_json(results, tmp_path):
    broken = copy.deepcopy(results)
    broken["scores"]["harbour"]["bm25"]["nDCG@10"] = math.nan
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_report(broken, tmp_path)
    assert not list(tmp_path.iterdir())


# ── figures, texts, scales, labels ──


@pytest.mark.parametrize(
    ("write", "value", "wanted"),
    [
        (figures.score, 0.68123, ".681"),
        (figures.score, 1, "1.000"),
        (figures.score, 0, ".000"),
        (figures.score, -0.0004, ".000"),
        (figures.difference, 0.0449, "+.045"),
        (figures.difference, -0.0449, "−.045"),
        (figures.difference, -0.0004, ".000"),
        (figures.ratio, -1.204, "−1.20"),
        (figures.probability, 0.00004, "<.001"),
        (figures.probability, 0.0123, ".012"),
        (figures.probability, 0.614, ".61"),
        (figures.probability, 1, "1.00"),
        (figures.seconds, 0.0123456, "12.3 ms"),
        (figures.seconds, 0.00099999, "1.00 ms"),
        (figures.seconds, 0.000624, "624 µs"),
        (figures.seconds, 4.5612, "4.56 s"),
        (figures.seconds, 160, "2.67 min"),
        (figures.seconds, 7300, "2.03 h"),
        (figures.seconds, 0, "0 s"),
        (figures.round_seconds, 100, "100 s"),
        (figures.round_seconds, 0.0003, "300 µs"),
        (figures.size, 3123, "3.12 kB"),
        (figures.size, 420, "420 B"),
        (figures.size, 90_900_000, "90.9 MB"),
        (figures.rate, 12345, "12,300/s"),
        (figures.rate, 0.25, ".250/s"),
        (figures.times, 12.6, "13×"),
        (figures.times, 0.583, ".58×"),
        (figures.times, 9.96, "10×"),
        (figures.count, 12345, "12,345"),
        (figures.digits, 9.996, "10.0"),
        (figures.share, 0.87, "87%"),
    ],
)
def test_figures_are_as_precise_as_they_deserve(write, value, wanted):
    assert write(value) == wanted


@given(st.floats(1e-9, 1e12))
def test_three_digits_are_within_half_a_percent(value):
    text = figures.digits(value)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.0051)
    assert len(re.sub(r"^\.?0*|[.,]", "", text)) >= 3


@given(st.text())
def test_no_text_steers_what_shows_it(text):
    for made in (clean(text), shown(text), str(element("text", text, id=text))):
        assert not re.search(
            r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", made
        )
    inside = str(element("text", text)).removeprefix("<text>").removesuffix("</text>")
    assert not re.search("[<>\"']", inside)
    assert len(shown(text, 9)) <= 9
    assert "\n" not in shown(text)


@given(st.floats(1e-7, 1e5), st.floats(1, 1e6))
def test_a_logarithmic_axis_holds_its_values_and_has_few_ticks(low, factor):
    scale = log_around([low, low * factor], 0, 100)
    assert 0 <= scale(low) <= scale(low * factor) + 1e-9 <= 100 + 1e-6
    assert 1 <= len(scale.ticks()) <= 9
    assert all(-0.1 <= scale(each) <= 100.1 for each in scale.ticks())


@given(st.floats(-1, 1), st.floats(0.01, 2))
def test_a_linear_axis_has_round_ticks_within_it(low, length):
    scale = Linear(low, low + length, 100, 0)
    assert 2 <= len(scale.ticks()) <= 8
    assert all(-0.1 <= scale(each) <= 100.1 for each in scale.ticks())


def test_scales_are_what_they_are_called():
    assert Log(1, 100, 0, 10)(10) == pytest.approx(5)
    assert Linear(0, 4, 0, 10)(1) == pytest.approx(2.5)


@given(st.lists(st.tuples(st.floats(60, 340), st.floats(60, 200)), min_size=1, max_size=6))
@example([(60.0, 86.609375), (107.0, 88.921875)])
def test_names_don_t_cover_each_other(points):
    boxes = place(points, [60.0] * len(points), Box(0, 0, 400, 300), [], [])
    for n, one in enumerate(boxes):
        assert one.overlap(Box(0, 0, 400, 300)) == pytest.approx(one.area)
        assert all(one.overlap(other) < 1 for other in boxes[n + 1 :])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_names_at_the_ends_of_curves_are_apart_and_in_order(wanted):
    places = spread(wanted, 0, 100, 13)
    assert all(-1e-9 <= each <= 100 + 1e-9 for each in places)
    by_wanted = [at for _, at in sorted(zip(wanted, places, strict=True))]
    assert all(
        after - before >= 13 - 1e-6
        for before, after in zip(sorted(places), sorted(places)[1:], strict=False)
    )
    assert by_wanted == sorted(by_wanted)


def test_a_name_as_typed_is_replaced_only_where_it_is_the_name():
    results = sample_results(corpora=["harbour"])
    for each in results["comparisons"]:
        if each["system"].endswith(".py") and each["measure"] == "nDCG@10":
            each["text"] = (
                "bench/peers/bm25s_peer.py is worse than bm25; see xbench/peers/bm25s_peer.py."
            )
    assert "<li>bm25s_peer is worse than bm25; see xbench/peers/bm25s_peer.py.</li>" in page(
        results
    )


# ── in a real browser ──


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium to look at the report with")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(sample_results(), folder)
    return folder


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const known = {};
  const rgb = (colour) => known[colour] ??= read(colour);
  const read = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
  const light = (c) => { const [r, g, b] = [...c].slice(0, 3).map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return rgb(getComputedStyle(document.documentElement).getPropertyValue("--paper")); };
  let worst = [99, ""];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length || e.closest("script")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(rgb(e instanceof SVGElement ? style.fill : style.color)), light(behind(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 120)];
  }
  return worst;
}"""

OVERLAPS = """() => {
  const out = [];
  for (const svg of document.querySelectorAll("svg[role=img]")) {
    const boxes = [...svg.querySelectorAll("text")].map((e) => [e.textContent, e.getBoundingClientRect()]);
    boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
      const across = Math.min(p.right, q.right) - Math.max(p.left, q.left), down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (across > 1 && down > 3.5) out.push([svg.querySelector("title").textContent, a, b, across, down]);
    }));
  }
  return out;
}"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_at_two_widths_light_and_dark(browser, written, width):
    stored = json.loads((written / "results.json").read_text())
    papers = []
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        tab = context.new_page()
        trouble: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda message, seen=trouble: seen.append(message.text))
        tab.on("pageerror", lambda error, seen=trouble: seen.append(str(error)))
        tab.on("request", lambda request, seen=asked: seen.append(request.url))
        tab.goto((written / "report.html").as_uri())
        tab.evaluate(
            "document.querySelectorAll('details').forEach((e, n) => { if (n < 6) e.open = true })"
        )
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.evaluate(OVERLAPS) == []
        ratio, where = tab.evaluate(CONTRAST)
        assert ratio >= 4.5, (scheme, where)
        papers.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert agree(HTMLParser(tab.content()), stored) > 1000
        assert trouble == []
        assert asked == [(written / "report.html").as_uri()]
        context.close()
    assert papers[0] != papers[1]


@pytest.mark.slow
def test_in_a_browser_tables_sort_by_click_and_by_keyboard(browser, written):
    tab = browser.new_page()
    tab.goto((written / "report.html").as_uri())
    table = tab.locator("table.sorts").first
    names = lambda: table.locator("tbody th bdi").all_text_contents()  # noqa: E731
    head = table.locator("thead tr").last.locator("th")
    start = names()
    assert head.nth(1).get_attribute("aria-sort") == "descending"
    head.nth(1).locator("button").click()
    assert head.nth(1).get_attribute("aria-sort") == "ascending"
    assert names() == start[::-1]
    head.nth(2).locator("button").focus()
    tab.keyboard.press("Enter")
    assert head.nth(2).get_attribute("aria-sort") == "descending"
    assert head.nth(1).get_attribute("aria-sort") is None
    assert names()[0] == "minilm"
    assert names()[-1] == "anserini"  # what wasn't measured comes last
    tab.keyboard.press("Space")
    assert names()[0] == "bm25s_peer"
    assert names()[-1] == "anserini"
    head.nth(0).locator("button").click()
    assert names() == ["anserini", "bm25", "bm25s_peer", "minilm", "tfidf"]
    compared = tab.locator("#corpus-1-differences ~ .scroll table").first
    compared.get_by_role("button", name="difference").click()
    values = [
        float(each)
        for each in compared.locator("tbody td:nth-child(3)").evaluate_all(
            "all => all.map(e => e.dataset.sort)"
        )
    ]
    assert values == sorted(values, reverse=True)


@pytest.mark.slow
def test_in_a_browser_queries_are_found_ordered_and_opened(browser, written):
    stored = json.loads((written / "results.json").read_text())
    tab = browser.new_page()
    tab.goto((written / "report.html").as_uri())
    tools = tab.locator(".tools").first
    queries = tab.locator(".queries").first.locator("> details")

    def ids() -> list[str]:
        return queries.evaluate_all("all => all.filter(e => !e.hidden).map(e => e.dataset.query)")

    everything = ids()
    assert everything == list(stored["details"]["harbour"])
    tools.locator("input").fill("KEEL fog")
    wanted = [
        q for q in everything if {"keel", "fog"} <= set(stored["queries"]["harbour"][q].split())
    ]
    assert ids() == wanted
    assert tools.locator("output").text_content() == f"{len(wanted)} of 60"
    tools.locator("input").fill("")
    tools.locator("select").select_option(label="worst for tfidf first")
    scores = [stored["per_query"]["harbour"]["tfidf"]["nDCG@10"][q] for q in ids()]
    assert scores == sorted(scores)
    tools.locator("select").select_option("query")
    assert ids() == [f"q{n}" for n in range(1, 61)]
    first = queries.first
    assert not first.locator("table").is_visible()
    first.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert first.locator("table").is_visible()
    first.get_by_role("button", name="minilm").click()
    best = first.locator("tbody th").evaluate_all("all => all.map(e => e.dataset.id)")[:10]
    assert best == stored["details"]["harbour"]["q1"]["best"]["minilm"]


@pytest.mark.slow
def test_in_a_browser_hostile_text_does_nothing_and_fits_a_phone(browser, tmp_path):
    write_report(hostile_results(), tmp_path)
    tab = browser.new_page(viewport={"width": 390, "height": 800})
    trouble: list[str] = []
    tab.on("console", lambda message: trouble.append(message.text))
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
    tab.goto((tmp_path / "report.html").as_uri())
    assert trouble == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.locator(".queries > details").count() == 12


@pytest.mark.slow
def test_in_a_browser_without_scripts_everything_is_there(browser, written):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((written / "report.html").as_uri())
    assert not tab.locator(".tools").first.is_visible()
    tab.locator(".queries > details summary").first.click()
    assert tab.locator("table.ranks").first.is_visible()
    context.close()

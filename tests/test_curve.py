"""Pictures of trainings: what they show, that it stays inside, and that grey tells all."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecsearch.bench.report.texts import width
from vecsearch.training.curve import Curve, DevScore, Point, curve_svg

SVG = "{http://www.w3.org/2000/svg}"


def a_curve(steps, every=10):
    points = [
        Point(3 * math.exp(-n / steps) + n % 3 / 9, 1e-3 * (1 - n / steps)) for n in range(steps)
    ]
    return Curve(
        points, [DevScore(n, 0.2 + math.sin(n / steps * 2) / 5) for n in range(0, steps + 1, every)]
    )


def parsed(curve, name="a model"):
    return ElementTree.fromstring(curve_svg(curve, name))


def placed(element, down=0.0):
    """Yield the shapes of a picture, each with how far it is moved down."""
    for each in element:
        moved = re.fullmatch(r"translate\(0 ([\d.]+)\)", each.get("transform", "translate(0 0)"))
        yield each, down + float(moved[1])
        yield from placed(each, down + float(moved[1]))


def numbers(path):
    values = [float(each) for each in re.findall(r"-?[\d.]+(?:e-?\d+)?", path.get("d"))]
    return list(zip(values[::2], values[1::2], strict=True))


def check_inside(picture):
    edge, top, across, down = map(float, picture.get("viewBox").split())
    assert (top, across, down) == (0, *(float(picture.get(name)) for name in ("width", "height")))
    across += edge
    boxes = []
    for each, moved in placed(picture):
        kind = each.tag.removeprefix(SVG)
        if kind == "text":
            long = (
                width(each.text or "", 11) if each.get("class") != "title" else width(each.text, 13)
            )
            start = {"start": 0, "middle": 0.5, "end": 1}[each.get("text-anchor")]
            left, base = float(each.get("x")) - start * long, float(each.get("y")) + moved
            boxes.append((left, base - 9, left + long, base + 3, each.text))
        elif kind == "path":
            for x, y in numbers(each):
                assert edge <= x <= across + 0.1
                assert -0.1 <= y + moved <= down + 0.1
        elif kind == "circle":
            x, y, r = (float(each.get(name)) for name in ("cx", "cy", "r"))
            assert r <= x <= across - r
            assert r <= y + moved <= down - r
    for left, top, right, bottom, said in boxes:
        assert left >= edge, said
        assert right <= across + 0.3, said
        assert top >= 0, said
        assert bottom <= down, said
    return boxes


def texts(picture):
    return [each.text for each, _ in placed(picture) if each.tag == f"{SVG}text"]


def test_a_picture_shows_loss_score_and_rate():
    curve = a_curve(200)
    picture = parsed(curve)
    said = texts(picture)
    assert said[0] == "a model"
    for name in ("loss: mean, least and most", "dev score", "learning rate", "steps", "200"):
        assert name in said
    best = curve.best
    assert f"best: {best.score:.4g} after step {best.step}" in said
    about = picture.find(f"{SVG}desc").text
    assert about.startswith("200 steps; the loss goes from 3 to ")
    assert f"at best {best.score:.4g} after step {best.step}" in about
    check_inside(picture)


def test_losses_lie_where_the_axis_says():
    """The drawn line against the ticks beside it: means of stretches, at their middles."""
    losses = [5.0, 5.0, 1.0, 1.0, 3.0, 3.0]
    picture = parsed(Curve([Point(loss, 0.1) for loss in losses]))
    panel = picture.find(f"{SVG}g")
    ticks = {
        float(each.text): float(each.get("y")) - 3.5
        for each, _ in placed(panel)
        if each.get("class") == "tick"
    }
    (low, low_y), *_, (high, high_y) = sorted(ticks.items())
    curve = next(each for each, _ in placed(panel) if each.get("class") == "curve")
    found = [low + (y - low_y) / (high_y - low_y) * (high - low) for _, y in numbers(curve)]
    assert found == pytest.approx(losses, abs=0.02)
    places = [x for x, _ in numbers(curve)]
    assert all(b - a == pytest.approx(places[1] - places[0], abs=0.02) for a, b in pairwise(places))


def test_many_steps_are_drawn_as_stretches_that_keep_their_extremes():
    points = [Point(1.0, 0.1)] * 5000
    points[1234] = Point(9.0, 0.1)
    picture = parsed(Curve(points))
    assert len(curve_svg(Curve(points), "x")) < 40_000
    band = next(each for each, _ in placed(picture) if each.get("class") == "band")
    heights = [y for _, y in numbers(band)]
    assert max(heights) - min(heights) > 80
    check_inside(picture)


def test_colours_are_shades_of_grey():
    written = curve_svg(a_curve(50), "x")
    assert set(re.findall(r"#\w+", written)) == {"#222", "#ccc", "#ddd", "#fff"}
    assert "currentColor" not in written
    assert "var(" not in written


def test_panels_without_numbers_are_left_out():
    assert "dev score" not in texts(parsed(Curve([Point(1.0, 0.1)])))
    only = texts(parsed(Curve([], [DevScore(0, 0.5)])))
    assert "dev score" in only
    assert "learning rate" not in only
    empty = parsed(Curve())
    assert "No step was taken." in empty.find(f"{SVG}desc").text
    check_inside(empty)


def test_names_are_escaped_and_cut():
    name = "<b>&\"'\x00\u202e" + "long name " * 20
    picture = parsed(a_curve(5), name)
    assert texts(picture)[0].startswith("<b>&\"'\ufffd\ufffd")
    check_inside(picture)


VALUES = st.one_of(st.floats(0, 1e6), st.floats(0, 1e-6), st.sampled_from([0.0, 1.0, 1 / 3]))


@given(
    st.lists(st.builds(Point, VALUES, st.floats(1e-9, 10)), max_size=30),
    st.lists(st.tuples(st.integers(0, 30), VALUES), max_size=8),
    st.sampled_from([1, 2, 60]),
)
@settings(max_examples=100)
def test_any_curve_stays_inside_its_picture(points, dev, times):
    points = points * times
    scores = [DevScore(min(step, len(points)), score) for step, score in sorted(dev)]
    check_inside(parsed(Curve(points, scores)))


@pytest.mark.parametrize("steps", [1, 2, 3, 159, 160, 161, 1000, 99_999])
def test_labels_of_ticks_do_not_cover_each_other(steps):
    boxes = check_inside(parsed(a_curve(steps, max(1, steps // 7))))
    for n, one in enumerate(boxes):
        for other in boxes[n + 1 :]:
            across = min(one[2], other[2]) - max(one[0], other[0])
            down = min(one[3], other[3]) - max(one[1], other[1])
            assert across <= 0 or down <= 0, (one, other)


def test_the_best_of_equal_scores_is_the_first():
    assert Curve([], [DevScore(0, 0.1), DevScore(2, 0.3), DevScore(4, 0.3)]).best == (2, 0.3)
    assert Curve().best is None

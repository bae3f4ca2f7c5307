"""`plot.program`: graphs of programs, as SVG and HTML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import wengert as wg
from wengert.plot.layers import place


def loss(w: Any, x: Any) -> Any:
    h = np.tanh(x @ w)
    return np.mean(h**2)


def texts(svg: str) -> list[str]:
    return [
        "".join(t.itertext()) for t in ElementTree.fromstring(svg).iter() if t.tag.endswith("text")
    ]


def test_boxes_and_arrows() -> None:
    p = wg.make_program(wg.grad(loss))(np.ones((3, 2)), np.ones((4, 3)))
    svg = wg.plot.program(p).svg
    found = texts(svg)
    for e in p.equations:
        assert any([t.startswith(e.primitive.name + " ") for t in found]), e
    assert found[0] == "loss"
    assert sum([t.startswith("return") for t in found]) == 1
    root = ElementTree.fromstring(svg)
    boxes = [r for r in root.iter() if r.tag.endswith("rect")]
    constants = len(p.constants)
    assert len(boxes) == len(p.inputs) + constants + len(p.equations) + len(p.outputs)
    hints = ["".join(t.itertext()) for t in root.iter() if t.tag.endswith("title")]
    assert any(["h = np.tanh(x @ w)" in t for t in hints])


def test_programs_inside_are_regions() -> None:
    def f(x: Any) -> Any:
        return wg.scan(lambda c, t: (wg.cond(c > 1, np.sin, np.cos, c) * t, c), x, np.ones(3))

    drawing = wg.plot.program(f, 1.0)
    titles = [t for t in texts(drawing.svg) if "/" in t]
    assert [t.split(" / ")[-1] for t in titles] == [
        "scan.body",
        "cond.branches[0]",
        "cond.branches[1]",
    ]
    html = drawing.html
    assert html.count("<details") == html.count("</details>") == 4
    assert html.count("<details open>") == 1
    assert "scan.body" in html


def test_names_are_escaped() -> None:
    drawing = wg.plot.program(lambda x: x < 2, 1.0)
    ElementTree.fromstring(drawing.svg)
    assert "&lt;lambda&gt;" in drawing.svg


def test_saving(tmp_path: Path) -> None:
    drawing = wg.plot.program(np.sin, 1.0)
    drawing.save(tmp_path / "sine.svg")
    drawing.save(str(tmp_path / "sine.html"))
    assert (tmp_path / "sine.svg").read_text(encoding="utf-8") == drawing.svg
    assert drawing._repr_html_() in (tmp_path / "sine.html").read_text(encoding="utf-8")
    with pytest.raises(wg.errors.ShapeError, match=r"saved as \.svg or \.html"):
        drawing.save(tmp_path / "sine.pdf")
    assert repr(drawing) == "<drawing of sin: 1 equations>"


def test_a_program_that_is_too_large() -> None:
    with pytest.raises(wg.errors.ShapeError, match="too many equations for a picture"):
        wg.plot.program(loss, np.ones((3, 2)), np.ones((4, 3)), most_equations=2)


def test_odd_programs() -> None:
    for f in (lambda x: x, lambda x: 3.0, lambda x: (x, x), lambda x: ()):
        ElementTree.fromstring(wg.plot.program(f, 1.0).svg)


@pytest.mark.parametrize("seed", range(20))
def test_boxes_do_not_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    sizes = [(float(w), 30.0) for w in rng.uniform(20, 200, n)]
    edges = [
        (int(rng.integers(0, b)), b) for b in range(1, n) for _ in range(int(rng.integers(0, 4)))
    ]
    placed = place(sizes, edges)
    for i in range(n):
        (x, y), (w, h) = placed.centres[i], sizes[i]
        assert w / 2 <= x <= placed.width - w / 2
        assert h / 2 <= y <= placed.height - h / 2
        for j in range(i):
            (u, v), (a, b) = placed.centres[j], sizes[j]
            assert abs(x - u) >= (w + a) / 2 - 1e-6 or abs(y - v) >= (h + b) / 2
    for (a, b), route in zip(edges, placed.routes, strict=True):
        assert placed.centres[a][1] < placed.centres[b][1]
        heights = [y for _, y in route]
        assert heights == sorted(heights)


def test_no_matplotlib_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    assert re.match("<svg", wg.plot.program(np.sin, 1.0).svg)
    for draw in (
        lambda: wg.plot.linearization(np.sin, 1.0),
        lambda: wg.plot.taylor(np.sin, 1.0),
    ):
        with pytest.raises(wg.errors.UnsupportedError, match=r"matplotlib, which is not installed"):
            draw()

"""The Learn tab: what it says exists, agrees with the table and the code, and asks no other host."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

import engines
from engines import FAMILIES, worlds
from playground import figures, learn, table
from playground.compare import Order
from playground.explore import walk
from playground.figures import Figure
from playground.table import CONTRADICTED, REPRODUCED
from playground.ui import explore_tab, learn_tab, link, page, tour, training_tab
from playground.ui.table_detail import number

ROOT = Path(__file__).resolve().parents[1]
SVG = "{http://www.w3.org/2000/svg}"
START = Order("digits", "thin 7", seed=7, num_images=4)
COURSE = {  # the papers that the course lists
    *("1312.6114", "1406.2661", "1912.04958", "1601.06759", "1802.05751", "2102.12092", "1503.03585", "2006.11239"),
    *("2112.10752", "1505.04597", "2212.09748", "2204.03458"),
}


def texts(family: str) -> list[str]:
    lesson = learn.lesson(family)
    whole = [lesson.idea, lesson.training, lesson.drawing, lesson.random, lesson.prompted, lesson.after]
    return [*whole, *(formula.words for formula in lesson.formulas)]


def article(markup: str, name: str) -> str:
    return re.search(rf'<article data-page="{name}".*?</article>', markup, re.DOTALL)[0]


def check_query(query: str) -> None:
    """Everything that a link of this page says must be understood by it."""
    said = dict(parse_qsl(query.removeprefix("?"), keep_blank_values=True))
    assert said.get("tab", "compare") in page.TABS
    assert said.get("lesson", learn_tab.PAPERS) in (*FAMILIES, learn_tab.PAPERS)
    assert 1 <= int(said.get("walk", 1)) <= len(learn.steps())
    assert "page" not in said, "Gradio takes this name for its own pages and answers 404"
    if "item" in said:
        check_item(said)
        return
    if "cell" in said:
        row, _, family = said.pop("cell").partition(".")
        assert said["tab"] == "table"
        assert row in {row.key for row in table.rows(said["world"])}
        assert family in FAMILIES
    order = link.read(said, default=START)
    for family, values in order.settings.items():
        engines.engine_type(f"{order.world}/{family}").params_type(**values)
    settings = {f"{family}.{name}" for family, values in order.settings.items() for name in values}
    assert set(said) <= {"tab", "lesson", "walk", *link.FIELDS, *settings}
    assert order.world in worlds.NAMES


def check_item(said: dict[str, str]) -> None:
    """A link to an item: its own way of reading what it orders accepts it."""
    tab, item = said["tab"], said["item"]
    assert item in {"explore": explore_tab.ITEMS, "training": training_tab.ITEMS}[tab]
    rest = {key: value for key, value in said.items() if key not in ("tab", "item", "walk")}
    rest |= {key: int(value) for key, value in rest.items() if value.isdecimal() and "prompt" not in key}
    if item == "walk":
        walk.order(rest)
    else:
        assert item == "replay"
        assert rest.keys() == {"world", "at"}
        assert 0 <= rest["at"] <= 100


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_page(family):
    shown = article(learn_tab.show("digits"), family)
    for heading in ("Training", "Drawing", "Random generation", "Text to image", "The loss", "What came after", "Papers"):
        assert f"<h3>{heading}</h3>" in shown
    assert {learn.lesson(family).links[i].prompted for i in range(2)} == {True, False}
    assert all(text.strip() for text in texts(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_code_that_is_named_exists(family):
    lesson = learn.lesson(family)
    code = "".join(path.read_text() for path in (ROOT / "engines").rglob("*.py"))
    for name in re.findall("`(.+?)`", " ".join(texts(family))):
        assert (ROOT / name).is_file() if "/" in name else name in code, name
    assert all((ROOT / name).is_file() for formula in lesson.formulas for name in formula.files)
    assert any("engines/networks/" in name for formula in lesson.formulas for name in formula.files)


@pytest.mark.parametrize("family", FAMILIES)
def test_formulas_and_diagrams_are_valid_xml(family):
    lesson = learn.lesson(family)
    for formula in lesson.formulas:
        ElementTree.fromstring(f"<math>{formula.math}</math>")
    drawing = ElementTree.fromstring(lesson.diagram)
    assert drawing.get("role") == "img"
    names = {drawing.find(f"{SVG}{tag}").get("id"): drawing.find(f"{SVG}{tag}").text for tag in ("title", "desc")}
    assert drawing.get("aria-labelledby").split() == list(names)
    assert all(names.values())
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', lesson.diagram))
    assert all(colour in ("none", "currentColor") or colour.startswith("var(--") for colour in colours), colours


def test_the_names_inside_the_diagrams_do_not_meet():
    names = [name for family in FAMILIES for name in re.findall(r' id="([^"]+)"', learn.lesson(family).diagram)]
    assert len(names) == len(set(names))
    used = [name for family in FAMILIES for name in re.findall(r'(?:href="#|url\(#)([\w-]+)', learn.lesson(family).diagram)]
    assert set(used) <= set(names)


def test_links_ask_for_what_the_page_understands(monkeypatch):
    monkeypatch.setattr(engines, "world_names", lambda: worlds.NAMES)
    markup = learn_tab.show("digits") + tour.markup()
    for query in re.findall(r'href="(\?[^"]*)"', markup):
        check_query(unescape(query))


def test_links_to_a_world_appear_with_the_world(monkeypatch):
    monkeypatch.setattr(engines, "world_names", lambda: ("digits",))
    assert "world=faces" not in learn_tab.show("digits")
    monkeypatch.setattr(engines, "world_names", lambda: ("digits", "faces"))
    assert learn_tab.show("digits").count("world=faces") == 2 * len(FAMILIES)


@pytest.mark.parametrize(
    "query",
    [
        "?world=digits&n=99999x",
        "?page=gan",
        "?world=digits&gan.truncation_psi=9",
        "?walk=9",
        "?tab=mars",
        "?tab=explore&item=replay",
        "?tab=explore&item=walk&steps=99",
    ],
)
def test_the_check_of_links_can_fail(query):
    with pytest.raises((ValueError, AssertionError)):
        check_query(query)


def test_papers_are_well_formed_and_the_course_is_complete():
    papers = learn.papers()
    assert len({paper.address for paper in papers}) == len(papers)
    for paper in papers:
        assert bool(paper.arxiv) != bool(paper.url), paper.title
        assert not paper.arxiv or re.fullmatch(r"\d{4}\.\d{4,5}", paper.arxiv), paper.title
        assert paper.family in FAMILIES
        if paper.arxiv:  # the id begins with the year and month in which it came out
            assert 0 <= 2000 + int(paper.arxiv[:2]) - paper.year <= 1, paper.title
    assert {paper.arxiv for paper in papers} >= COURSE


def test_a_paper_that_is_followed_here_is_cited_there():
    for paper in learn.papers():
        if paper.file:
            surname = re.split(r"[ ,]", paper.authors)[0]
            assert (paper.arxiv or surname) in (ROOT / paper.file).read_text(), paper.title


def test_only_papers_lead_to_other_hosts():
    markup = learn_tab.show("digits") + tour.markup()
    outside = re.findall(r'<a href="(https?://[^"]+)" target="_blank" rel="noopener">', markup)
    assert set(outside) == {paper.address for paper in learn.papers()}
    assert len(re.findall(r"https?://", markup.replace('xmlns="http://www.w3.org/2000/svg"', ""))) == len(outside)
    assert not re.search(r'\b(src|srcset|xlink:href)=|url\((?!#)|@import|href="(?![?#]|https)', markup)


@pytest.mark.parametrize("world", worlds.NAMES)
def test_strengths_and_weaknesses_are_those_of_the_table(world, monkeypatch):
    def figure(value: float) -> Figure:
        return Figure(value, "s", 20, "median", "machine", "abc", 0.9 * value, 1.1 * value)

    measured = {"speed": {family: {"seconds": figure(value)} for family, value in zip(FAMILIES, (0.5, 0.004, 0.002, 0.3), strict=True)}}
    monkeypatch.setattr(figures, "read", lambda name: measured)
    markup = learn_tab.show(world)
    cells = {(cell.row.key, cell.family): cell for cell in table.cells(world, measured)}
    assert {cells["speed", family].verdict for family in FAMILIES} <= {CONTRADICTED, REPRODUCED}
    for family in FAMILIES:
        assert [trait.row for trait in learn.lesson(family).traits].count("speed") == 1
        assert sorted(trait.row for trait in learn.lesson(family).traits) == sorted(row.key for row in table.ROWS)
        items = re.findall(r"<li[^>]*><p><b><a href=\"\?tab=table&amp;[^\"]*\">(.*?)</a>.*?</p><p>(.*?)</p></li>", article(markup, family))
        found = {name: re.sub("<.*?>", "", said) for name, said in items}
        assert f'href="?tab=table&amp;world={world}&amp;cell=speed.{family}"' in article(markup, family)
        for row in table.ROWS:
            cell = cells.get((row.key, family))
            said = unescape(found[row.title])
            if cell is None:
                assert said == "not asked in this world"
            elif cell.figure is None:
                assert said == f"course: {cell.theirs} · not measured yet"
            else:
                interval = ", n = " if cell.figure.low is None else f" [{number(cell.figure.low)}, {number(cell.figure.high)}]"
                assert said.startswith(f"course: {cell.theirs} · measured: {cell.ours} · {number(cell.figure.value)} × fastest{interval}")
                assert said.endswith(cell.verdict)
                assert "n = 20" in said


def test_no_measured_number_is_typed_in():
    """Numbers of the lessons are those of formulas and names, never of a figure: no units, no percentages."""
    for family in FAMILIES:
        said = " ".join([*texts(family), *(trait.text for trait in learn.lesson(family).traits)])
        assert not re.search(r"\d\s?(%|×|ms\b|s\b|seconds|hours|MB)", said), family


def test_the_walk_has_six_steps_whose_links_keep_it_open():
    steps = learn.steps()
    assert len(steps) == 6
    assert "Guided walk in six steps" in learn_tab.show("digits")
    assert all(step.look and step.title for step in steps)
    for number_of_step, step in enumerate(steps, start=1):
        assert f'href="{step.query.replace("&", "&amp;")}&amp;walk={number_of_step}"' in tour.markup()
    assert {re.search(r"tab=(\w+)", step.query)[1] for step in steps} == set(page.TABS)


def test_prose_is_escaped_and_has_code_and_paragraphs():
    assert learn_tab.prose("a <b> `c_d`\n\ne & f\n") == "<p>a &lt;b&gt; <code>c_d</code></p><p>e &amp; f</p>"

"""Charts of the table tab, for those who would rather look than read: figures in, Vega-Lite specifications out.

Gradio's own plots have no logarithmic axes; it draws Vega-Lite though, with the page's fonts and colours of text.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components.plot import AltairPlotData

import engines
from engines import FAMILIES, CheckpointError
from playground import figures, metrics, table
from playground.figures import Figure, Figures
from playground.judges import SPACES
from playground.measure import stability
from playground.measure.speed import STEPS
from playground.references import DDIM_CIFAR10
from playground.ui.panes import title

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name, which nothing is fetched from
COLORS = ("#0d9488", "#c2691c", "#8b5cf6", "#3b82f6")  # in the order of the families; each readable on light and on dark paper
GREY = "#7c7567"
SHAPES = ("circle", "square", "triangle-up", "diamond")
DASHES = ([1, 0], [6, 3], [2, 2])
RATES = {"low": "#0d9488", "recipe's": GREY, "high": "#c2691c"}  # of the learning rate
SERIES = ("here (FD, × real)", "DDIM, CIFAR-10 (FID)")
HEIGHT = 300  # pixels
RULER = {  # real images that stand beside the axis of distances: their name in the ruler, and here
    "real": "real",
    "blur 0.5 px": "blur ½ px",
    "blur 1 px": "blur 1 px",
    "half the classes": "½ the classes",
    "blur 2 px": "blur 2 px",
}
BEYOND = 1.5  # times the largest distance drawn: how far the ruler goes
LOWEST = 0.25  # × real, where whiskers end that would go to 0 and below: a logarithmic axis has neither

NAMES = ("Quality against time", "Diffusion: fewer steps", "The rows at a glance", "Digits: what became of nine short trainings")
CURVES = tuple(f"Digits, {title(family)}: loss in short trainings" for family in FAMILIES)

Chart = dict[str, Any] | None  # a specification, or None where nothing was measured


def build() -> list[gr.Plot]:
    """One plot per chart of `draw`, in its order."""
    with gr.Row():
        plots = [gr.Plot(label=name, show_label=False, visible=False, min_width=420) for name in NAMES]
    with gr.Row():
        plots += [gr.Plot(label=name, show_label=False, visible=False, min_width=320) for name in CURVES]
    return plots


def draw(world_name: str) -> list[dict[str, Any]]:
    """Updates of the plots for a world; those without figures are hidden."""
    try:
        measured, runs = figures.read(world_name), figures.read_runs()
    except CheckpointError:
        return [gr.update(visible=False)] * len(NAMES + CURVES)  # the table above says what is damaged
    charts = [quality_against_time(world_name, measured), fewer_steps(measured), rows_at_a_glance(world_name, measured), outcomes(runs)]
    charts += [curves(runs.get(family, [])) for family in FAMILIES]
    return [_update(name, chart) for name, chart in zip(NAMES + CURVES, charts, strict=True)]


def quality_against_time(world_name: str, measured: Figures) -> Chart:
    """Every engine at its seconds per image and its distance from real images; hollow, diffusion at other numbers of steps.

    Beside the axis stands the ruler: what real images score, whole and spoilt.
    """
    points = []
    for family in FAMILIES:
        seconds, quality = measured.get("speed", {}).get(family, {}), measured.get("quality", {}).get(family, {})
        if "seconds" in seconds and "fd_ratio" in quality:
            points += [
                _point(family, f"{steps} steps", seconds[f"seconds at {steps} steps"], seconds[f"fd_ratio at {steps} steps"], swept=True)
                for steps in _steps(seconds)
            ]
            steps = _default_steps(f"{world_name}/{family}")
            time = seconds.get(f"seconds at {steps} steps", seconds["seconds"])  # not always those that the row of speed chose
            points.append(_point(family, f"{steps} steps, the default" if steps else "", time, quality["fd_ratio"]))
    if not points:
        return None
    x = _log("seconds", "seconds per image, one at a time")
    y = _log("distance", "Fréchet distance, × real")
    shared = {"x": x, "y": y, **_families(), "tooltip": _tooltip("engine", "note", "seconds", "distance", "pictures")}
    swept, whole = ({"filter": f"{'' if hollow else '!'}datum.swept"} for hollow in (True, False))
    line = {"transform": [swept], "mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {"x": x, "y": y, "color": _families()["color"]}}
    whisker = {"mark": "rule", "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": _families()["color"]}}
    hollow = {"transform": [swept], "mark": {"type": "point", "filled": False, "size": 60, "strokeWidth": 1.5}, "encoding": shared}
    dots = {"transform": [whole], "mark": {"type": "point", "filled": True, "size": 110, "strokeWidth": 0}, "encoding": shared}
    counts = {at: min((point["pictures"] for point in points if point["swept"] is at), default=0) for at in (True, False)}
    note = [f"filled: {counts[False]:,} pictures; whiskers: 95 % intervals"]
    note += [f"hollow: by number of steps, {counts[True]:,} pictures each"] if counts[True] else []
    ruler = _ruler(measured.get("quality", {}).get("real", {}), up_to=BEYOND * max(point["high"] for point in points))
    note += ["dotted: real pictures on the same ruler"] if ruler else []
    return _spec(points, [*_ruler_layers(ruler, y), line, whisker, hollow, dots], note=note)


def fewer_steps(measured: Figures) -> Chart:
    """How much worse diffusion is with fewer steps than with the best number, here and in the paper that introduced DDIM."""
    seconds = measured.get("speed", {}).get("diffusion", {})
    found = {steps: seconds[f"fd_ratio at {steps} steps"] for steps in _steps(seconds)}
    if not found:
        return None
    ours = {steps: figure.value for steps, figure in found.items()}
    points = [
        {"series": series, "steps": steps, "worse": value / min(values.values()), "value": value}
        for series, values in zip(SERIES, (ours, DDIM_CIFAR10), strict=True)
        for steps, value in values.items()
    ]
    best = min(ours.values())
    spans = [
        {"steps": steps, **{end: max(at, LOWEST) / best for end, at in (("low", f.low), ("high", f.high))}}
        for steps, f in found.items()
        if f.low is not None
    ]
    color = {
        "field": "series",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(SERIES), "range": [COLORS[3], GREY]},
        "legend": _LEGEND,
    }
    x, y = _log("steps", "network steps"), _log("worse", "distance, × best")
    encoding = {
        "x": x,
        "y": y,
        "color": color,
        "strokeDash": _dashes("series", SERIES, title=None, columns=2),
        "tooltip": _tooltip("series", "steps", "value"),
    }
    fewest = min(figure.n for figure in found.values())
    line = {"mark": {"type": "line", "point": {"size": 60, "strokeWidth": 0}}, "encoding": encoding}
    ends = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": {"value": COLORS[3]}}
    whisker = {"data": {"values": spans}, "mark": "rule", "encoding": ends}
    return _spec(points, [whisker, line], note=[f"here of {fewest:,} pictures for each number of steps; whiskers: 95 % intervals"])


def rows_at_a_glance(world_name: str, measured: Figures) -> Chart:
    """Where the engines stand in every row of the table, in the direction of its words, and how surely."""
    points = []
    for row in table.rows(world_name):
        shown = {family: table.shown_figure(row, family, measured.get(row.key, {})) for family in FAMILIES}
        points += _places(row, {family: figure for family, figure in shown.items() if figure})
    if not points:
        return None
    axis = {"labelExpr": "datum.value ? 'highest' : 'lowest'", "values": [0, 1], "grid": True}
    x = {
        "field": "place",
        "type": "quantitative",
        "scale": {"domain": [-0.05, 1.05]},
        "axis": axis,
        "title": "measured in a row",
    }
    y = {
        "y": {"field": "row", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 150}},
        "yOffset": {"field": "engine", "sort": [title(family) for family in FAMILIES]},
    }
    ends = {"x": x | {"field": "low"}, "x2": {"field": "high"}, **y, "color": _families()["color"]}
    encoding = {"x": x, **y, **_families(), "tooltip": _tooltip("row", "words", "engine", "figure")}
    dots = {"mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.85, "strokeWidth": 0}, "encoding": encoding}
    return _spec(points, [{"mark": "rule", "encoding": ends}, dots], note=["each row on a scale of its own", "whiskers: intervals"])


def outcomes(runs: dict[str, list[dict[str, Any]]]) -> Chart:
    """The distance from real images after each short training, by engine and learning rate, and from where on a run has failed."""
    points = [
        {"engine": title(family), "distance": run["fd"], "missing": run["missing"], "seed": run["seed"], "rate": _rate(run)}
        for family, records in runs.items()
        for run in records
        if not run["diverged"]
    ]
    if not points:
        return None
    x = {"field": "engine", "type": "nominal", "title": None, "sort": None, "axis": {"labelAngle": 0}}
    y = _log("distance", "Fréchet distance after the run")
    encoding = {
        "x": x,
        "xOffset": {"field": "rate", "sort": list(RATES)},
        "y": y,
        "color": _rates(),
        "tooltip": _tooltip("engine", "rate", "seed", "distance", "missing"),
    }
    limits = [{"engine": title(family), "distance": stability.limit(records)} for family, records in runs.items()]
    limits = [limit for limit in limits if math.isfinite(limit["distance"])]  # of families of which a run came to an end
    ends = {"x": x | {"bandPosition": 0}, "x2": {"field": "engine", "bandPosition": 1}, "y": y}
    lines = {"data": {"values": limits}, "mark": {"type": "rule", "color": GREY, "strokeDash": [4, 3]}, "encoding": ends}
    dots = {"mark": {"type": "point", "filled": True, "size": 60, "strokeWidth": 0}, "encoding": encoding}
    note = [f"dashed: {stability.WORSE:g} times the family's best, above which a run has failed"]
    diverged = sum(run["diverged"] for records in runs.values() for run in records)
    return _spec(points, [lines, dots], note=note + ([f"runs that diverged, which have no place: {diverged}"] if diverged else []))


def curves(records: list[dict[str, Any]]) -> Chart:
    """The loss of one family in its short trainings, over the share of their steps."""
    points = [
        {
            "run": f"{run['seed']} {run['rate']}",
            "rate": _rate(run),
            "share": line["step"] / run["steps"],
            "loss": line.get("loss", line.get("g_loss")),
        }
        for run in records
        for line in run["curve"][1:]  # the first is far above all others
    ]
    if not points:
        return None
    encoding = {
        "x": {"field": "share", "type": "quantitative", "title": "share of the steps"},
        "y": {"field": "loss", "type": "quantitative", "title": "loss", "scale": {"zero": False}},
        "detail": {"field": "run"},
        "color": _rates(),
        "strokeDash": _dashes("rate", tuple(RATES), title="learning rate", columns=3),
    }
    return _spec(points, [{"mark": {"type": "line", "strokeWidth": 1.2, "clip": True}, "encoding": encoding}], height=HEIGHT // 2)


_LEGEND = {"orient": "bottom", "columns": 2}


def _families() -> dict[str, Any]:
    names = [title(family) for family in FAMILIES]
    legend = {"field": "engine", "type": "nominal", "title": None, "legend": _LEGEND}
    color = legend | {"scale": {"domain": names, "range": list(COLORS)}}
    return {"color": color, "shape": legend | {"scale": {"domain": names, "range": list(SHAPES)}}}


def _rates() -> dict[str, Any]:
    scale = {"domain": list(RATES), "range": list(RATES.values())}
    return {"field": "rate", "type": "nominal", "title": "learning rate", "scale": scale, "legend": {"orient": "bottom", "columns": 3}}


def _dashes(field: str, names: tuple[str, ...], *, title: str | None, columns: int) -> dict[str, Any]:
    """Lines that differ where colours cannot be told apart; its legend becomes one with that of the colours."""
    scale = {"domain": list(names), "range": list(DASHES[: len(names)])}
    return {"field": field, "type": "nominal", "title": title, "scale": scale, "legend": {"orient": "bottom", "columns": columns}}


def _rate(run: dict[str, Any]) -> str:
    return "recipe's" if run["rate"] == 1 else "low" if run["rate"] < 1 else "high"


def _log(field: str, name: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": name, "scale": {"type": "log", "nice": False, "padding": 20}}


def _tooltip(*fields: str) -> list[dict[str, Any]]:
    return [{"field": field} for field in fields]


def _steps(seconds: dict[str, Figure]) -> list[int]:
    """The numbers of steps at which both time and distance were measured."""
    found = (int(name.split()[2]) for name in seconds if name.startswith("seconds at "))
    return sorted(steps for steps in found if f"fd_ratio at {steps} steps" in seconds)


def _default_steps(name: str) -> int | None:
    """The number of steps that an engine takes unless told otherwise; None for one without."""
    params_type = engines.engine_type(name).params_type
    return next((field.default for field in dataclasses.fields(params_type) if field.name == STEPS), None)


def _ruler(real: table.Named, *, up_to: float) -> list[dict[str, Any]]:
    """What real images score in the unit of the axis, the geometric mean over the judge's spaces, from below to `up_to`."""
    found = table.ruler(real)
    marks = []
    for what, short in RULER.items():
        values = [found[name].value for space in SPACES if (name := f"ruler_{space} {what}") in found]
        if len(values) == len(SPACES) and (value := metrics.geometric_mean(values)) <= up_to:
            marks.append({"distance": value, "what": short})
    return marks


def _ruler_layers(marks: list[dict[str, Any]], y: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines across the chart, each with its name beside it at the right."""
    rule = {"mark": {"type": "rule", "strokeDash": [2, 3], "color": GREY, "opacity": 0.7}}
    name = {"mark": {"type": "text", "align": "left", "dx": 4, "fontSize": 10, "fill": GREY, "strokeWidth": 0}}
    right = {"x": {"value": "width"}, "text": {"field": "what"}}
    return [
        {"data": {"values": marks}, **rule, "encoding": {"y": y}},
        {"data": {"values": marks}, **name, "encoding": {"y": y, **right}},
    ]


def _point(family: str, note: str, seconds: Figure, quality: Figure, *, swept: bool = False) -> dict[str, Any]:
    low, high = (quality.value if end is None else max(end, LOWEST) for end in (quality.low, quality.high))
    found = {"seconds": seconds.value, "distance": quality.value, "low": low, "high": high, "pictures": quality.n}
    return {"engine": title(family), "note": note, "swept": swept, **found}


def _places(row: table.Row, shown: dict[str, Figure]) -> list[dict[str, Any]]:
    """Each engine and its interval between the lowest (0) and the highest end (1) of a row, in logarithms where the row compares ratios."""
    scaled = {family: table.log_figure(figure) if row.ratio else figure for family, figure in shown.items()}
    spans = {family: (f.value, *(f.value if end is None else end for end in (f.low, f.high))) for family, f in scaled.items()}
    ends = [end for span in spans.values() for end in span if math.isfinite(end)]
    if not ends:
        return []
    lowest, length = min(ends), max(ends) - min(ends)

    def place(value: float) -> float:
        share = min(1.0, max(0.0, (value - lowest) / length)) if length else 0.5
        return share if row.rising else 1 - share

    return [
        {
            "row": row.title,
            "engine": title(family),
            **dict(zip(("place", "low", "high"), map(place, span), strict=True)),
            "figure": f"{shown[family].value:.3g} {row.unit}",
            "words": f"{row.scale[0]} → {row.scale[-1]}",
        }
        for family, span in spans.items()
    ]


def _spec(points: list[dict[str, Any]], layers: list[dict[str, Any]], *, height: int = HEIGHT, note: Sequence[str] = ()) -> dict[str, Any]:
    look = {"embedOptions": {"actions": False, "renderer": "svg"}}  # no menu, which has no name and leads to another host; sharp in print
    spec = {"$schema": SCHEMA, "usermeta": look, "data": {"values": points}, "layer": layers, "encoding": {}}  # Gradio looks into encoding
    return spec | {"height": height, "background": "transparent", "title": {"subtitle": list(note), "subtitleColor": GREY}}


def _update(name: str, chart: Chart) -> dict[str, Any]:
    if chart is None:
        return gr.update(value=None, visible=False)
    named = chart | {"title": {"text": name, **chart["title"]}, "description": f"Chart: {name}"}  # seen, and read out
    return gr.update(value=AltairPlotData(plot=json.dumps(named), chart="scatter"), visible=True)

"""Charts of the table tab, for those who would rather look than read: figures in, Vega-Lite specifications out.

Gradio's own plots have no logarithmic axes; it draws Vega-Lite though, with the page's fonts and colours of text.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from gradio.components.plot import AltairPlotData

from engines import FAMILIES, CheckpointError
from playground import figures, table
from playground.figures import Figure, Figures
from playground.ui.panes import title

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name, which nothing is fetched from
COLORS = ("#0d9488", "#c2691c", "#8b5cf6", "#3b82f6")  # in the order of the families; each readable on light and on dark paper
GREY = "#7c7567"
SHAPES = ("circle", "square", "triangle-up", "diamond")
DASHES = ([1, 0], [6, 3], [2, 2])
RATES = {"low": "#0d9488", "recipe's": GREY, "high": "#c2691c"}  # of the learning rate
DDIM_CIFAR10 = {10: 13.36, 20: 6.84, 50: 4.67, 100: 4.16, 1000: 4.04}  # FID by steps, Song et al. 2020, arXiv:2010.02502, table 1
SERIES = ("here (FD, × real)", "DDIM, CIFAR-10 (FID)")
HEIGHT = 300  # pixels
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
    charts = [quality_against_time(measured), fewer_steps(measured), rows_at_a_glance(world_name, measured), outcomes(runs)]
    charts += [curves(runs.get(family, [])) for family in FAMILIES]
    return [_update(name, chart) for name, chart in zip(NAMES + CURVES, charts, strict=True)]


def quality_against_time(measured: Figures) -> Chart:
    """Every engine at its seconds per image and its distance from real images; diffusion at all the numbers of steps measured."""
    points = []
    for family in FAMILIES:
        seconds, quality = measured.get("speed", {}).get(family, {}), measured.get("quality", {}).get(family, {})
        if "seconds" in seconds and "fd_ratio" in quality:
            swept = [
                _point(family, f"{steps} steps", seconds[f"seconds at {steps} steps"], seconds[f"fd_ratio at {steps} steps"])
                for steps in _steps(seconds)
            ]
            points += swept or [_point(family, "", seconds["seconds"], quality["fd_ratio"])]
    if not points:
        return None
    x = _log("seconds", "seconds per image, one at a time")
    y = _log("distance", "Fréchet distance, × real")
    shared = {"x": x, "y": y, **_families(), "tooltip": _tooltip("engine", "note", "seconds", "distance", "pictures")}
    line = {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {"x": x, "y": y, "color": _families()["color"]}}
    whisker = {"mark": "rule", "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": _families()["color"]}}
    dots = {"mark": {"type": "point", "filled": True, "size": 90, "strokeWidth": 0}, "encoding": shared}
    fewest = min(point["pictures"] for point in points)
    return _spec(points, [line, whisker, dots], note=f"whiskers: 95 % intervals, of {fewest:,} pictures or more")


def fewer_steps(measured: Figures) -> Chart:
    """How much worse diffusion is with fewer steps than with the best number, here and in the paper that introduced DDIM."""
    seconds = measured.get("speed", {}).get("diffusion", {})
    ours = {steps: seconds[f"fd_ratio at {steps} steps"].value for steps in _steps(seconds)}
    if not ours:
        return None
    points = [
        {"series": series, "steps": steps, "worse": value / min(values.values()), "value": value}
        for series, values in zip(SERIES, (ours, DDIM_CIFAR10), strict=True)
        for steps, value in values.items()
    ]
    color = {
        "field": "series",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(SERIES), "range": [COLORS[3], GREY]},
        "legend": _LEGEND,
    }
    encoding = {
        "x": _log("steps", "network steps"),
        "y": _log("worse", "distance, × best"),
        "color": color,
        "strokeDash": _dashes("series", SERIES, title=None, columns=2),
        "tooltip": _tooltip("series", "steps", "value"),
    }
    fewest = min(seconds[f"fd_ratio at {steps} steps"].n for steps in ours)
    line = {"mark": {"type": "line", "point": {"size": 60, "strokeWidth": 0}}, "encoding": encoding}
    return _spec(points, [line], note=f"here of {fewest:,} pictures for each number of steps")


def rows_at_a_glance(world_name: str, measured: Figures) -> Chart:
    """Where the engines stand in every row of the table, in the direction of its words."""
    points = []
    for row in table.rows(world_name):
        shown = {family: table.shown_figure(row, family, measured.get(row.key, {})) for family in FAMILIES}
        points += _places(row, {family: figure for family, figure in shown.items() if figure})
    if not points:
        return None
    axis = {"labelExpr": "datum.value ? 'most' : 'least'", "values": [0, 1], "grid": True}
    encoding = {
        "x": {
            "field": "place",
            "type": "quantitative",
            "scale": {"domain": [-0.05, 1.05]},
            "axis": axis,
            "title": "from a row's least word to its most",
        },
        "y": {"field": "row", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 150}},
        **_families(),
        "tooltip": _tooltip("row", "words", "engine", "figure"),
    }
    return _spec(
        points, [{"mark": {"type": "point", "filled": True, "size": 130, "opacity": 0.85, "strokeWidth": 0}, "encoding": encoding}]
    )


def outcomes(runs: dict[str, list[dict[str, Any]]]) -> Chart:
    """The distance from real images after each short training, by engine and learning rate."""
    points = [
        {"engine": title(family), "distance": run["fd"], "missing": run["missing"], "seed": run["seed"], "rate": _rate(run)}
        for family, records in runs.items()
        for run in records
        if not run["diverged"]
    ]
    if not points:
        return None
    encoding = {
        "x": {"field": "engine", "type": "nominal", "title": None, "sort": None, "axis": {"labelAngle": 0}},
        "xOffset": {"field": "rate", "sort": list(RATES)},
        "y": _log("distance", "Fréchet distance after the run"),
        "color": _rates(),
        "tooltip": _tooltip("engine", "rate", "seed", "distance", "missing"),
    }
    return _spec(points, [{"mark": {"type": "point", "filled": True, "size": 60, "strokeWidth": 0}, "encoding": encoding}])


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


def _point(family: str, note: str, seconds: Figure, quality: Figure) -> dict[str, Any]:
    low, high = (quality.value if end is None else max(end, LOWEST) for end in (quality.low, quality.high))
    found = {"seconds": seconds.value, "distance": quality.value, "low": low, "high": high, "pictures": quality.n}
    return {"engine": title(family), "note": note, **found}


def _places(row: table.Row, shown: dict[str, Figure]) -> list[dict[str, Any]]:
    """Each engine between the lowest (0) and the highest (1) of a row, on a logarithmic scale where the row compares ratios."""
    values = {family: (table.log_figure(figure) if row.ratio else figure).value for family, figure in shown.items()}
    if not values:
        return []
    low, high = min(values.values()), max(values.values())
    places = {family: (value - low) / (high - low) if high > low else 0.5 for family, value in values.items()}
    return [
        {
            "row": row.title,
            "engine": title(family),
            "place": place if row.rising else 1 - place,
            "figure": f"{shown[family].value:.3g} {row.unit}",
            "words": f"{row.scale[0]} → {row.scale[-1]}",
        }
        for family, place in places.items()
    ]


def _spec(points: list[dict[str, Any]], layers: list[dict[str, Any]], *, height: int = HEIGHT, note: str = "") -> dict[str, Any]:
    look = {"embedOptions": {"actions": False, "renderer": "svg"}}  # no menu, which has no name and leads to another host; sharp in print
    spec = {"$schema": SCHEMA, "usermeta": look, "data": {"values": points}, "layer": layers, "encoding": {}}  # Gradio looks into encoding
    return spec | {"height": height, "background": "transparent", "title": {"subtitle": note, "subtitleColor": GREY}}


def _update(name: str, chart: Chart) -> dict[str, Any]:
    if chart is None:
        return gr.update(value=None, visible=False)
    named = chart | {"title": {"text": name, **chart["title"]}, "description": f"Chart: {name}"}  # seen, and read out
    return gr.update(value=AltairPlotData(plot=json.dumps(named), chart="scatter"), visible=True)

"""What stands behind one cell of the table: its claims, how it was measured, every figure, the ruler, and pictures as evidence."""

from __future__ import annotations

from html import escape

from engines import FAMILIES, worlds
from playground import figures, table
from playground.figures import Figure
from playground.film import data_uri
from playground.judges import SPACES
from playground.table import REPRODUCED, UNDECIDED, Claim, Contrast, Named, Row
from playground.ui.panes import title

# What is said of real images, by how its name begins
RULER = ("floor", "ruler", "accuracy", "density", "coverage", "copy", "vendi", "half picture", "hole")
SHORT = 12  # digits of a judge's hash, as its card has them in full
HARDLY = 1.1  # times the floor: a damage that a judge hardly sees


def show(query: dict[str, str]) -> str:
    """The markup for a cell of a world, {"world", "row", "family"}. Raises ValueError for one that there is not."""
    world = worlds.load(query["world"])
    rows = {row.key: row for row in table.rows(world.name)}
    if query["row"] not in rows or query["family"] not in FAMILIES:
        raise ValueError(f"a cell is one of {', '.join(rows)} and one of {', '.join(FAMILIES)}, got {query['row']} and {query['family']}")
    row, family, measured = rows[query["row"]], query["family"], figures.read(world.name)
    named = measured.get(row.key, {}).get(family, {})
    parts = [
        f'<h3 tabindex="-1">{escape(row.title)}: {escape(title(family))}</h3>',
        _claims(world.name, row, family, measured),
        _second(row, named.get(row.figure), named, figures.read_second(world.name).get(row.key, {}).get(family, {})),
        f"<p>The rule of the word, fixed before anything was trained: {escape(row.rule_text)}.</p>",
        f"<p>Settled later:</p><ul>{''.join(f'<li>{escape(text)}</li>' for text in row.settled)}</ul>" if row.settled else "",
        _evidence(world.name, row, family),
        _table(named, "What was measured"),
        _ruler(measured.get(row.key, {}).get("real", {})),
    ]
    return "".join(parts)


def _claims(world_name: str, row: Row, family: str, measured: figures.Figures) -> str:
    about = [claim for claim in table.claims(world_name) if claim.row is row and family in (claim.upper, claim.lower)]
    reasons = figures.read_reasons(world_name)
    cell = next(c for c in table.cells(world_name, measured) if (c.row, c.family) == (row, family))
    unlike = any(table.verdict(claim, measured) != REPRODUCED for claim in about) or cell.ours not in (None, cell.theirs)
    why = f"<p>{escape(reasons[row.key])}</p>" if unlike and row.key in reasons else ""
    return f"<ul>{''.join(_claim(claim, measured, reasons) for claim in about)}</ul>{why}"


def _claim(claim: Claim, measured: figures.Figures, reasons: dict[str, str]) -> str:
    verdict = table.verdict(claim, measured)
    compared = table.contrasts(claim, measured)
    more = [_comparison(claim.row, comparison) for comparison in compared]
    if verdict != REPRODUCED and claim.name in reasons:
        more.append(reasons[claim.name])
    if verdict == UNDECIDED and {c.sign for c in compared} >= {-1, 1}:
        more.append("The judges disagree, so nothing is decided.")
    lines = "".join(f"<br>{escape(line)}" for line in more)
    return f'<li data-verdict="{escape(verdict)}">{escape(claim.text)}: <b class="verdict">{escape(verdict)}</b>{lines}</li>'


def _comparison(row: Row, compared: Contrast) -> str:
    """What one figure says of a claim, in words."""
    value, low, high = map(number, (compared.value, compared.low, compared.high))
    which = "ratio" if row.ratio else "difference"
    says = {1: "as claimed", -1: "the other way round", 0: "which leaves it open"}[compared.sign]
    pair = f"{number(compared.upper.value)} against {number(compared.lower.value)} {compared.lower.unit}".strip()
    return f"{compared.name.replace('_', ' ')}: {pair}, {which} {value} ({low} to {high}), {says}"


def _second(row: Row, first: Figure | None, named: Named, second: Named) -> str:
    """What a second run found, with other captions and seeds: the cell's figure, and how many of its figures agree."""
    if first is None or row.figure not in second:
        return ""
    other = second[row.figure]
    said = "agrees" if table.agree(row, first, other) else "does not agree"
    pairs = [(named[name], figure) for name, figure in second.items() if name in named and figure.low is not None]
    count = sum(table.agree(row, *pair) for pair in pairs)
    return (
        f"<p>Measured once more from other captions and seeds (seed {other.seed}, commit {escape(other.commit)}): "
        f"{escape(with_interval(other))}, which {said}; of {len(pairs)} figures with an interval {count} agree within that of their "
        "difference.</p>"
    )


def _evidence(world_name: str, row: Row, family: str) -> str:
    found = figures.read_evidence(world_name, row.key, family)
    if not found:
        return ""
    picture, caption = found
    uri = data_uri(picture, "image/webp")
    return f'<figure><img src="{uri}" alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'


def _ruler(named: Named) -> str:
    """What was measured of real images, whole and spoilt, and which damage a judge hardly sees."""
    shown = {name: figure for name, figure in named.items() if name.startswith(RULER)} | table.ruler(named)
    blind = []
    for space in SPACES:
        close = (name.removeprefix(f"ruler_{space} ") for name, figure in table.ruler(named, space).items() if figure.value < HARDLY)
        if damages := [damage for damage in close if damage != "real"]:
            blind.append(f"the {space} hardly sees {' and '.join(damages)}: less than {HARDLY:g} times as far as whole ones")
    return _table(shown, "Real images on the same ruler") + (f"<p>Of the judges, {escape('; '.join(blind))}.</p>" if blind else "")


def _table(named: Named, caption: str) -> str:
    if not named:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(name.replace("_", " "))}</th><td>{number(figure.value)} {escape(figure.unit)}</td>'
        f"<td>{_interval(figure)}</td><td>{figure.n:,}</td><td>{escape(figure.method)}</td></tr>"
        for name, figure in named.items()
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("figure", "value", "interval", "n", "how"))
    where = " and ".join(dict.fromkeys(f"{figure.machine}; commit {figure.commit}" for figure in named.values()))
    seeds = dict.fromkeys(str(figure.seed) for figure in named.values() if figure.seed is not None)
    hashes = dict.fromkeys(figure.judge[:SHORT] for figure in named.values() if figure.judge)
    where += "".join(f"; {what} {', '.join(found)}" for what, found in (("seed", seeds), ("judge", hashes)) if found)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table><caption>{escape(caption)} '
        f"<small>({escape(where)})</small></caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _interval(figure: Figure) -> str:
    return "" if figure.low is None else f"{number(figure.low)} to {number(figure.high)}"


def with_interval(figure: Figure) -> str:
    """Value, unit and, where there is one, interval."""
    interval = "" if figure.low is None else f" [{number(figure.low)}, {number(figure.high)}]"
    return f"{number(figure.value)} {figure.unit}{interval}"


def number(value: float) -> str:
    """Three significant digits, no digits behind the point from 100 on, and a power of ten from a million on."""
    return f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"

"""The results of a benchmark as one static HTML page, without network or scripts."""

import html
import importlib.resources
import math
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import jax

import torchlean_jax
from torchlean_jax._verdict import at_least
from torchlean_jax.cli._instances import DECIDED, Outcome, stem

_MEANING = {
    "unsat": "the property holds",
    "sat": "an unsafe input was found and confirmed",
    "unknown": "neither could be shown",
    "timeout": "no answer in the time given",
    "error": "the process failed",
}
_SPOKEN = {
    "real": "real arithmetic on the exact weights and decimals of the files",
    "fp32": "every floating-point execution within the error model",
}


def page(about: dict, outcomes: Sequence[Outcome], folder: Path) -> str:
    """A self-contained page of these outcomes; links are relative to `folder`."""
    title = f"{Path(about['instances']).parent.name or 'benchmark'}: verification"
    rows = "".join(_row(outcome, folder) for outcome in outcomes)
    head = "".join(f"<th{c}>{n}</th>" for n, c in _COLUMNS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{_text(title)}</title><style>{_style()}</style></head><body>"
        f"<header><h1>{_text(title)}</h1>{_lead(about, outcomes)}</header><main>"
        f"{_tiles(about, outcomes)}{_plot(outcomes)}"
        f"<h2>Instances</h2>{_filters(outcomes)}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></main>"
        f"<footer>{_legend(about)}</footer></body></html>\n"
    )


_COLUMNS = (
    ("", ""),
    ("network", ""),
    ("property", ""),
    ("seconds", ' class="number"'),
    ("parts", ' class="number"'),
    ("how far", ""),
    ("published", ""),
    ("evidence", ""),
)


def _style() -> str:
    folder = importlib.resources.files("torchlean_jax.cli")
    return (folder / "_suite_page.css").read_text("utf-8")


def _text(value) -> str:
    return html.escape(str(value))


def _lead(about, outcomes) -> str:
    left = about["listed"] - len(outcomes)
    cut = f" It was interrupted: {left} instances were not begun." if left else ""
    return (
        f"<p>{_text(about['instances'])}. Each verdict is about "
        f"{_SPOKEN[about['semantics']]}. {about['jobs']} at a time, "
        f"{_duration(about['seconds'])} in all.{cut}</p>"
    )


def _tiles(about, outcomes) -> str:
    counts = {s: sum(o.status == s for o in outcomes) for s in _MEANING}
    known = sum(counts[s] for s in DECIDED)
    share = known / about["listed"]
    tiles = [
        f'<div class="tile wide"><b>{known}<small> / {about["listed"]}</small></b>'
        f'<span>decided</span><i class="bar"><i style="width:{100 * share:.2f}%">'
        "</i></i></div>"
    ]
    for status, meaning in _MEANING.items():
        if counts[status] or status in DECIDED:
            tiles.append(
                f'<div class="tile {status}"><b>{counts[status]}</b>'
                f"<span>{status}<em>{meaning}</em></span></div>"
            )
    wrong = sum(outcome.contradicts for outcome in outcomes)
    compared = sum(
        o.status in DECIDED and o.instance.expected in DECIDED for o in outcomes
    )
    if compared or wrong:
        kind = "error" if wrong else "agrees"
        tiles.append(
            f'<div class="tile {kind}"><b>{wrong}</b><span>contradicted'
            f"<em>of {compared} published verdicts</em></span></div>"
        )
    return f'<section class="tiles">{"".join(tiles)}</section>'


# A drawing in units of its own, scaled to the width of the page.
_LEFT, _TOP, _WIDTH, _HEIGHT = 52, 14, 690, 270


def _plot(outcomes: Sequence[Outcome]) -> str:
    """A cactus plot: how many instances are decided within how many seconds each."""
    kinds = {"all": DECIDED, "unsat": ("unsat",), "sat": ("sat",)}
    lines = {
        name: sorted((o.seconds, o.instance.name) for o in outcomes if o.status in kind)
        for name, kind in kinds.items()
    }
    if not lines["all"]:
        return "<p>No instance is decided: there is nothing to plot.</p>"
    times = [seconds for seconds, _ in lines["all"]]
    low = math.floor(math.log10(max(min(times), 1e-3)))
    high = max(low + 1, math.ceil(math.log10(max(times))))
    most = max(len(times), 1)

    def x(count):
        return _LEFT + _WIDTH * count / most

    def y(seconds):
        height = (math.log10(max(seconds, 1e-3)) - low) / (high - low)
        return _TOP + _HEIGHT * (1 - height)

    drawn = [_axes(x, y, low, high, most)]
    for name, points in lines.items():
        places = [(x(k), y(s), s, what) for k, (s, what) in enumerate(points, 1)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b, _, _ in places)
        drawn.append(f'<polyline class="{name}" points="{path}"/>')
        drawn += [
            f'<circle class="{name}" cx="{a:.1f}" cy="{b:.1f}" r="3">'
            f"<title>{_text(what)}: {s:.2f} s</title></circle>"
            for a, b, s, what in places
        ]
    keys = "".join(f'<li class="{n}">{n} ({len(p)})</li>' for n, p in lines.items())
    size = f"0 0 {_LEFT + _WIDTH + 14} {_TOP + _HEIGHT + 44}"
    return (
        "<h2>Instances decided, by time</h2>"
        f'<figure><svg viewBox="{size}" role="img" aria-label="cactus plot">'
        f'{"".join(drawn)}</svg><figcaption><ul class="keys">{keys}</ul>'
        "</figcaption></figure>"
    )


def _axes(x, y, low, high, most) -> str:
    drawn = []
    for power in range(low, high + 1):
        level = y(10.0**power)
        label = f"{10.0**power:g}"
        drawn.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{level:.1f}" '
            f'y2="{level:.1f}"/><text x="{_LEFT - 8}" y="{level + 4:.1f}" '
            f'text-anchor="end">{label}</text>'
        )
    step = next(
        s for k in range(9) for s in (10**k, 2 * 10**k, 5 * 10**k) if most / s <= 8
    )
    base = _TOP + _HEIGHT
    drawn += [
        f'<text x="{x(k):.1f}" y="{base + 20}" text-anchor="middle">{k}</text>'
        for k in range(0, most + 1, step)
    ]
    middle = _LEFT + _WIDTH / 2
    drawn.append(
        f'<text x="{middle}" y="{base + 38}" text-anchor="middle">instances</text>'
        f'<text x="14" y="{_TOP + _HEIGHT / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {_TOP + _HEIGHT / 2})">seconds</text>'
    )
    return f'<g class="axes">{"".join(drawn)}</g>'


def _filters(outcomes) -> str:
    """Radio buttons, which style rules read: a page without scripts can filter."""
    present = [s for s in _MEANING if any(o.status == s for o in outcomes)]
    found = []
    for status in ("all", *present):
        checked = " checked" if status == "all" else ""
        found.append(
            f'<input type="radio" name="show" id="show-{status}"{checked}>'
            f'<label for="show-{status}">{status}</label>'
        )
    return f'<div class="filters">{"".join(found)}</div>'


def _row(outcome: Outcome, folder: Path) -> str:
    instance, parts = outcome.instance, outcome.results.get("parts")
    share = min(1.0, outcome.seconds / instance.timeout)
    cells = (
        f'<td><span class="badge {outcome.status}">{outcome.status}</span></td>',
        f"<td>{_text(stem(instance.network))}</td>",
        f"<td>{_text(stem(instance.prop))}</td>",
        f'<td class="number">{outcome.seconds:.2f}<i class="bar">'
        f'<i style="width:{100 * share:.1f}%"></i></i></td>',
        f'<td class="number">{"" if parts is None else f"{parts:,}"}</td>',
        f"<td>{_how_far(outcome)}</td>",
        f"<td>{_published(outcome)}</td>",
        f"<td>{_evidence(outcome, folder)}</td>",
    )
    return f'<tr class="{outcome.status}">{"".join(cells)}</tr>'


def _how_far(outcome: Outcome) -> str:
    said = [outcome.said] if outcome.said else []
    margins = [m for m in outcome.results.get("margins", []) if isinstance(m, float)]
    if outcome.status in ("unknown", "timeout"):
        said += [f"margin ≥ {at_least(min(margins))}"] if margins else []
        if outcome.proved_share is not None:
            # rounded down: only what is proved whole is 100%
            percent = math.floor(outcome.proved_share * 10**4) / 100
            said.append(f"{percent:g}% proved")
    if outcome.status == "unsat" and margins:
        said.append(f"margin ≥ {at_least(min(margins))}")
    if outcome.attempts > 1:
        said.append(f"{outcome.attempts} processes")
    return _text(", ".join(said))


def _published(outcome: Outcome) -> str:
    expected = outcome.instance.expected
    if not expected:
        return ""
    if outcome.contradicts:
        return f'<span class="badge error">{_text(expected)}: contradicted</span>'
    agrees = expected in DECIDED and outcome.status == expected
    return f"{_text(expected)}{' ✓' if agrees else ''}"


def _evidence(outcome: Outcome, folder: Path) -> str:
    links = [("proof", path) for path in outcome.certificates]
    if outcome.counterexample:
        links.append(("counterexample", outcome.counterexample))
    return " ".join(
        f'<a href="{quote(os.path.relpath(path, folder))}">{_text(name)}</a>'
        for name, path in links
    )


def _legend(about) -> str:
    versions = (
        f"torchlean-jax {torchlean_jax.__version__}, jax {jax.__version__}, "
        f"Python {platform.python_version()}, {platform.machine()}, "
        f"{os.cpu_count()} processors"
    )
    return (
        "<p>Seconds are of whole processes: start, reading, compilation and search. "
        "A proof is re-derived, without trust in what wrote it, by "
        "<code>torchlean check FILE.tlc</code>."
        f"</p><p>{_text(versions)}</p>"
    )


def _duration(seconds) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "less than 1 s"

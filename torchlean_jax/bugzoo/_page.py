"""The Bug Zoo as one static HTML page: what the cards say, and what came of running
them. The page needs no network and no script."""

import html
import importlib.resources
import io
import itertools
import keyword
import tokenize
from collections.abc import Iterable, Sequence

import jax

from torchlean_jax.bugzoo._card import Card, Finding, Report, Result
from torchlean_jax.bugzoo._source import side_by_side, source

TITLE = "Bug Zoo"
LEAD = (
    "Real bugs of machine-learning programs that still return tensors of the right "
    "shape. Each card holds the smallest program that has the bug, the program that "
    "should have been written, and a check, which was run on both when this page was "
    "made: it catches the faulty program, with a witness, and passes the fixed one."
)
# What an outcome says of the fixed program.
OUTCOMES = {
    "checked": "tested at points, or with a stated probability of error",
    "proved": "a rigorous verdict about all inputs that were asked about",
    "ruled out by types": "refused by a declaration of shapes or dtypes",
    "assumed": "outside what the check can see: the story says what is assumed",
}
STATUS = {"ok": "caught", "failed": "failed", "not run": "not run"}


def page(results: Sequence[Result]) -> str:
    """A self-contained page of these results, in their order, families as sections."""
    groups = [
        (family, list(group))
        for family, group in itertools.groupby(results, key=lambda r: r.card.family)
    ]
    links = "".join(
        f'<a href="#{_anchor(family)}">{_text(family)} <b>{len(group)}</b></a>'
        for family, group in groups
    )
    sections = "".join(_section(family, group) for family, group in groups)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{TITLE}</title><style>{_style()}</style></head><body>"
        f"<header><h1>{TITLE}</h1><p>{_text(LEAD)}</p>{_summary(results)}"
        f"<nav>{links}</nav></header><main>{sections}</main>"
        f"<footer>{_legend()}</footer></body></html>\n"
    )


def _style() -> str:
    folder = importlib.resources.files("torchlean_jax.bugzoo")
    return (folder / "_page.css").read_text("utf-8")


def _summary(results: Sequence[Result]) -> str:
    counts = {
        word: sum(result.status == status for result in results)
        for status, word in STATUS.items()
    }
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return (
        f"<p class=summary><b>Cards: {len(results)}</b> ({said}). "
        f"Run with jax {jax.__version__} on {_text(jax.devices()[0].device_kind)}, in "
        f"{sum(result.seconds for result in results):.0f} s.</p>"
    )


def _legend() -> str:
    rows = "".join(
        f"<dt>{_badge(name, name)}</dt><dd>{_text(text)}</dd>"
        for name, text in OUTCOMES.items()
    )
    return f"<p>What was established for the fixed programs:</p><dl>{rows}</dl>"


def _section(family: str, results: Iterable[Result]) -> str:
    cards = "".join(map(_article, results))
    return (
        f'<section id="{_anchor(family)}"><h2>{_text(family.capitalize())}</h2>'
        f"{cards}</section>"
    )


def _article(result: Result) -> str:
    card = result.card
    return (
        f'<article id="{card.name}"><h3><a href="#{card.name}">{_text(card.title)}</a>'
        f" {_badge(STATUS[result.status], result.status)}"
        f" {_badge(card.outcome, card.outcome)}</h3>"
        f"<p>{_prose(card.story)}</p>{_facts(result)}{_programs(card)}"
        f"{_question(card)}{_findings(result)}</article>"
    )


def _facts(result: Result) -> str:
    card = result.card
    rows = {
        "Contract": _prose(card.contract),
        "Check": f"<code>{_text(card.check)}</code>",
        "Lives in": _text(card.version() if result.ran else card.library),
        "Reports": ", ".join(map(_link, map(Report.parse, card.reports))),
        "Sources": "; ".join(map(_prose, card.sources)),
    }
    cells = "".join(
        f"<dt>{name}</dt><dd>{said}</dd>" for name, said in rows.items() if said
    )
    return f"<dl>{cells}</dl>"


def _link(report: Report) -> str:
    return f'<a href="{_text(report.address)}" rel="noreferrer">{_text(report)}</a>'


def _programs(card: Card) -> str:
    """Both sources, line beside line; where one has more lines, the other has gaps."""
    texts = source(card, "faulty"), source(card, "fixed")
    coloured = [iter(_coloured(text)) for text in texts]
    columns: tuple[list[str], list[str]] = [], []
    for same, *sides in side_by_side(*texts):
        tall = max(map(len, sides))
        for column, lines, written in zip(columns, sides, coloured, strict=True):
            kind = "same" if same else "differs"
            column += [f"<span class={kind}>{next(written)}\n</span>" for _ in lines]
            column += ["<span class=gap>\n</span>"] * (tall - len(lines))
    panes = "".join(
        f"<figure class={name}><figcaption>{name}</figcaption>"
        f"<pre><code>{''.join(column)}</code></pre></figure>"
        for name, column in zip(("faulty", "fixed"), columns, strict=True)
    )
    return f"<div class=pair>{panes}</div>"


def _question(card: Card) -> str:
    lines = "".join(f"<span>{x}\n</span>" for x in _coloured(source(card, "examine")))
    return (
        f"<details><summary>How {_text(card.check)} is asked</summary>"
        f"<figure><pre><code>{lines}</code></pre></figure></details>"
    )


def _coloured(text: str) -> list[str]:
    """Lines of Python with keywords, strings and comments marked."""
    lines = text.splitlines()
    marks: list[list[tuple[int, int, str]]] = [[] for _ in lines]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = _kind(token)
        if kind:
            (first, start), (last, end) = token.start, token.end
            for row in range(first, last + 1):
                left = start if row == first else 0
                right = end if row == last else len(lines[row - 1])
                marks[row - 1].append((left, right, kind))
    return list(map(_marked, lines, marks))


def _kind(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME and keyword.iskeyword(token.string):
        return "k"
    return {tokenize.STRING: "s", tokenize.COMMENT: "c"}.get(token.type, "")


def _marked(line: str, marks: list[tuple[int, int, str]]) -> str:
    written, at = [], 0
    for left, right, kind in marks:
        inside = _text(line[left:right])
        written.append(f"{_text(line[at:left])}<i class={kind}>{inside}</i>")
        at = right
    return "".join(written) + _text(line[at:])


def _findings(result: Result) -> str:
    if result.problem is not None:
        return f"<p class=problem>{_text(result.problem)}</p>"
    both = {"faulty": result.faulty, "fixed": result.fixed}
    return (
        f"<div class=pair>{''.join(_finding(n, f) for n, f in both.items() if f)}</div>"
    )


def _finding(name: str, finding: Finding) -> str:
    said = "passes the check" if finding.passed else "is caught"
    lines = finding.witness.splitlines()
    witness = "".join(f"<span>{_text(line)}\n</span>" for line in lines)
    return (
        f'<figure class="{name} said"><figcaption>The {name} program {said}'
        f"</figcaption><pre>{witness}</pre>{_table(finding.table)}</figure>"
    )


def _table(rows: tuple[tuple[str, ...], ...]) -> str:
    if not rows:
        return ""
    head, *body = rows
    cells = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    written = "".join(
        f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in body
    )
    return (
        f"<div class=scroll><table><thead><tr>{cells}</tr></thead>"
        f"<tbody>{written}</tbody></table></div>"
    )


def _badge(text: str, kind: str) -> str:
    return f'<span class="badge {kind.split()[0]}">{_text(text)}</span>'


def _prose(text: str) -> str:
    """Text in which `names` are code."""
    parts = _text(text).split("`")
    if len(parts) % 2 == 0:  # a lone mark
        return _text(text)
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return "".join(parts)


def _text(value: object) -> str:
    return "" if value is None else html.escape(str(value))


def _anchor(family: str) -> str:
    return "family-" + "-".join(family.split())

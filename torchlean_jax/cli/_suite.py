"""`torchlean verify suite INSTANCES.csv`: a whole benchmark, in a table and a page."""

import contextlib
import csv
import io
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from torchlean_jax._files import replacing
from torchlean_jax.cli import _arguments, _output, _suite_page
from torchlean_jax.cli._instances import (
    DECIDED,
    Instance,
    Outcome,
    decided,
    read_instances,
)
from torchlean_jax.search._stop import is_asked_for, on_signals

TEXT = """\
Decide all instances of a benchmark: the rows `network,property,seconds` of a CSV file,
as VNN-COMP has them (see `torchlean verify vnnlib`). Each instance has a process of its
own, so that one that dies is one line "error"; its search goes on in another process.

The report is one page without network or scripts; beside it, in a folder of its name,
are certificates, counterexamples, logs, and files from which open searches go on when
the same command is given again."""

EXAMPLES = """\
examples:
  torchlean verify suite instances.csv --jobs 2 --report out.html
  torchlean verify suite instances.csv --report out.html --timeout-scale 0.5
  torchlean verify suite instances.csv --report out.html --published expected.csv

exit code: 0 if no instance failed and no published verdict is contradicted, else 1; 3
if Ctrl-C ended it; 2 for bad input."""

COLUMNS = (
    *("network", "property", "status", "expected", "seconds", "timeout", "parts"),
    *("proved_share", "margin", "certificates", "counterexample", "attempts", "said"),
)


def add_to(commands) -> None:
    command = _arguments.add_command(
        commands, "suite", run, text=TEXT, examples=EXAMPLES
    )
    command.add_argument("instances", type=Path, metavar="INSTANCES.csv")
    command.add_argument(
        "--report",
        type=_arguments.writable_path,
        required=True,
        metavar="OUT.html",
        help="write the page here; other files go to the folder OUT beside it",
    )
    command.add_argument(
        "--csv",
        type=_arguments.writable_path,
        metavar="FILE",
        help="write the table to FILE as well, after each instance",
    )
    command.add_argument(
        "--jobs",
        type=_arguments.count,
        default=1,
        metavar="N",
        help="how many instances are decided at a time (default 1)",
    )
    command.add_argument(
        "--timeout-scale",
        type=_arguments.positive,
        default=1.0,
        metavar="F",
        help="factor of the time limits in the file (default 1)",
    )
    command.add_argument(
        "--published",
        type=Path,
        metavar="FILE",
        help="a CSV file with the columns onnx, vnnlib and expected, to compare with",
    )
    command.add_argument("--semantics", choices=("real", "fp32"), default="real")
    _arguments.add_computing(command)


def run(options) -> int:
    instances = read_instances(
        options.instances, options.published, options.timeout_scale
    )
    folder = options.report.with_suffix("")
    if folder == options.report:
        folder = options.report.with_name(f"{options.report.name}-files")
    folder.mkdir(exist_ok=True)
    start = time.perf_counter()
    outcomes: list[Outcome] = []
    with on_signals(), _shown(len(instances)) as (tell, show):
        for outcome in _outcomes(options, instances, folder, tell):
            outcomes.append(outcome)
            outcomes.sort(key=lambda o: o.instance.number)
            show(outcome, outcomes)
            if options.csv:
                _output.write_text(options.csv, table(outcomes))
        interrupted = is_asked_for()
    seconds = time.perf_counter() - start
    about = {
        "instances": str(options.instances),
        "semantics": options.semantics,
        "jobs": options.jobs,
        "seconds": round(seconds, 1),
        "listed": len(instances),
    }
    text = _suite_page.page(about, outcomes, options.report.parent)
    with replacing(options.report) as temporary:
        temporary.write_text(text, encoding="utf-8")
    counts = summary(outcomes)
    _output.write_json(options.json, about | counts | {"rows": list(rows(outcomes))})
    print(_sentence(counts, len(instances)))
    print(f"report: {options.report}")
    if interrupted:
        return 3
    return 1 if counts["error"] or counts["contradictions"] else 0


def _outcomes(options, instances, folder, tell) -> Iterator[Outcome]:
    """Outcomes as they come. (Threads only wait for processes.)"""
    further = ["--semantics", options.semantics, "--seed", str(options.seed)]
    further += ["--device", options.device] if options.device else []

    def one(instance) -> Outcome | None:
        if is_asked_for():
            return None
        try:
            return decided(instance, folder, further, lambda text: tell(instance, text))
        finally:
            tell(instance, None)

    with ThreadPoolExecutor(options.jobs) as pool:
        for future in as_completed([pool.submit(one, i) for i in instances]):
            outcome = future.result()
            if outcome is not None:
                yield outcome


def summary(outcomes: list[Outcome]) -> dict:
    """How many of each status; the median time of those that are decided."""
    counts = Counter(outcome.status for outcome in outcomes)
    known = [o.seconds for o in outcomes if o.status in DECIDED]
    names = (*DECIDED, "unknown", "timeout", "error")
    return {name: counts[name] for name in names} | {
        "decided": len(known),
        "contradictions": sum(outcome.contradicts for outcome in outcomes),
        "median_s": round(statistics.median(known), 3) if known else None,
    }


def _sentence(counts, listed) -> str:
    parts = [f"{counts[name]} {name}" for name in (*DECIDED, "unknown", "timeout")]
    parts += [f"{counts['error']} failed"] if counts["error"] else []
    said = f"{counts['decided']} of {listed} decided: {', '.join(parts)}"
    if counts["contradictions"]:
        said += f"; {counts['contradictions']} CONTRADICT the published verdict"
    return said


def rows(outcomes: list[Outcome]) -> Iterator[dict]:
    """One row for each outcome, with the names of `COLUMNS`."""
    for o in outcomes:
        margins = [m for m in o.results.get("margins", []) if isinstance(m, float)]
        cells = (
            o.instance.network.name,
            o.instance.prop.name,
            o.status,
            o.instance.expected,
            round(o.seconds, 3),
            o.instance.timeout,
            o.results.get("parts"),
            o.proved_share,
            min(margins, default=None),
            " ".join(path.name for path in o.certificates),
            o.counterexample.name if o.counterexample else "",
            o.attempts,
            o.said,
        )
        yield dict(zip(COLUMNS, cells, strict=True))


def table(outcomes: list[Outcome]) -> str:
    """The rows as CSV."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(outcomes))
    return stream.getvalue()


@contextlib.contextmanager
def _shown(total: int) -> Iterator[tuple[Callable, Callable]]:
    """(who is told how far an instance is, who is shown an outcome): a live table if a
    person is looking, else a line for each outcome."""
    try:
        from rich.console import Console
        from rich.live import Live
        from rich.table import Table
    except ModuleNotFoundError:
        yield (lambda instance, text: None), _line
        return
    console = Console(stderr=True)
    if not (console.is_terminal and _output.is_watched()):
        yield (lambda instance, text: None), _line
        return
    running: dict[Instance, tuple[str, float]] = {}
    title = [f"0 of {total}"]

    def drawn():
        drawing = Table("instance", "seconds", "how far", title=title[0], box=None)
        for instance, (text, since) in sorted(
            running.items(), key=lambda item: item[0].number
        ):
            seconds = f"{time.perf_counter() - since:.0f} / {instance.timeout:g}"
            drawing.add_row(instance.name, seconds, text)
        return drawing

    def tell(instance, text):
        if text is None:
            running.pop(instance, None)
        else:
            _, since = running.get(instance, ("", time.perf_counter()))
            running[instance] = text.removeprefix("deciding: "), since

    with Live(get_renderable=drawn, console=console, transient=True) as live:

        def show(outcome, outcomes):
            title[0] = _sentence(summary(outcomes), total)
            live.console.print(_words(outcome), markup=False, highlight=False)

        yield tell, show


def _line(outcome, outcomes) -> None:
    print(_words(outcome), flush=True)


def _words(outcome: Outcome) -> str:
    note = "  CONTRADICTS the published verdict" if outcome.contradicts else ""
    said = f"  {outcome.said}" if outcome.said else ""
    again = f"  in {outcome.attempts} processes" if outcome.attempts > 1 else ""
    return (
        f"{outcome.status:<8}{outcome.seconds:9.2f} s  {outcome.instance.name}"
        f"{again}{said}{note}"
    )

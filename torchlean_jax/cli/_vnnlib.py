"""`torchlean verify vnnlib NET.onnx PROP.vnnlib`: the question of one property file."""

import contextlib
import math
import time
from fractions import Fraction
from pathlib import Path

import torchlean_jax as tl
from torchlean_jax._files import replacing
from torchlean_jax._verdict import at_least, percent
from torchlean_jax.cli import (
    _arguments,
    _compiled,
    _deadline,
    _onnxruntime,
    _output,
)
from torchlean_jax.search import Processes
from torchlean_jax.search._stop import on_signals

TEXT = """\
Whether a network (ONNX) has an input whose output is unsafe in the sense of a property
file (VNN-LIB; either file may be packed, .gz). The answer is about real arithmetic on
the exact weights and the exact decimals of the files (with --semantics fp32, about
every floating-point execution within the error model), and is the last line:

unsat    there is none: the property holds
sat      there is one, and it was confirmed by rigorous arithmetic
unknown  neither could be shown, or Ctrl-C ended the search
timeout  no answer in the time given

With a time limit, what bounds leave open is decided by parts: boxes of few varying
inputs are cut, for more of them phases of ReLUs are fixed, until each part is proved or
an unsafe input turns up. --resume F keeps the
search in F, and goes on from there if F exists; parts that are open may take 256 MiB,
beyond which the search goes deep first. Compiled programs are kept for the next time,
in $TORCHLEAN_CACHE (default: torchlean-jax in the user's cache; empty: nowhere)."""

EXAMPLES = """\
examples:
  torchlean verify vnnlib net.onnx prop.vnnlib --timeout 60
  torchlean verify vnnlib net.onnx prop.vnnlib.gz --certificate proof.tlc
  torchlean verify vnnlib net.onnx prop.vnnlib --timeout 600 --resume search.npz
  torchlean verify vnnlib net.onnx prop.vnnlib --timeout 60 --hints cuts.json --jobs 2

exit code: 0 for unsat, 1 for sat, 3 for unknown or timeout, 2 for bad input."""

_SEARCHED = 0.95  # of the time: the rest is for what comes after a search
EXIT_CODES = {"unsat": 0, "sat": 1, "unknown": 3, "timeout": 3}


def add_to(commands) -> None:
    command = _arguments.add_command(
        commands, "vnnlib", run, text=TEXT, examples=EXAMPLES
    )
    command.add_argument("network", type=Path, metavar="NET.onnx")
    command.add_argument("property", type=Path, metavar="PROP.vnnlib")
    command.add_argument(
        "--timeout",
        type=_arguments.positive,
        metavar="S",
        help="seconds until the answer is due, compilation included; the clock "
        "starts when the command is loaded, about a second or two after you enter it",
    )
    command.add_argument(
        "--certificate",
        type=_arguments.writable_path,
        metavar="P.tlc",
        help="write the proof here; of several cases, the second to P-2.tlc and so on. "
        "Searches then neither trim boxes nor narrow enclosures, which no checker "
        "follows, and so take more parts and more time",
    )
    command.add_argument(
        "--counterexample",
        type=_arguments.writable_path,
        metavar="C.txt",
        help="write the input that was found, and its outputs, as VNN-COMP wants them",
    )
    command.add_argument(
        "--semantics",
        choices=("real", "fp32"),
        default="real",
        help="which numbers the answer speaks of (default: real)",
    )
    command.add_argument(
        "--resume",
        type=_arguments.writable_path,
        metavar="F",
        help="keep the search in F, and go on from F if it exists",
    )
    command.add_argument(
        "--jobs",
        type=_arguments.count,
        default=1,
        metavar="N",
        help="processes that bound parts of boxes, and check what is written (default: "
        "1, this one)",
    )
    command.add_argument(
        "--hints",
        type=Path,
        metavar="F",
        help="cuts to begin with, as another verifier found them (JSON; none is "
        "believed)",
    )
    command.add_argument(
        "--progress",
        action="store_true",
        help="report on the search in lines on stderr, even if nobody looks",
    )
    command.add_argument(
        "--method",
        choices=("auto", *_arguments.METHODS),
        default="auto",
        help="how bounds are computed (default: crown, then alpha-crown)",
    )
    _arguments.add_computing(command)


def run(options) -> int:
    _compiled.keep_compiled()
    latest: dict = {}
    with _arguments.on_device(options.device) as device:
        live = _output.live("deciding", lines=options.progress)
        with on_signals(), live as show:
            finished, found = _deadline.within(
                options.timeout, lambda: _decide(options, show, latest)
            )
        results = {
            "network": str(options.network),
            "property": str(options.property),
            "status": "timeout",
            "semantics": options.semantics,
            "method": options.method,
            "timeout": options.timeout,
            "seed": options.seed,
            **_output.provenance(device),
        }
    if finished:
        results |= _described(options, *found)
    else:
        results |= _so_far(latest)
    _output.write_json(options.json, results)
    print(results["status"])
    return EXIT_CODES[results["status"]]


def _shown(show, latest):
    """Who follows searches: `latest` holds where the one that ran last is, which is
    shown twice a second at most."""
    last = -math.inf

    def watch(search):
        nonlocal last
        phases = search.options.cut == "phases"
        # what share of the inputs a cell of phases holds is not known
        share = None if phases else search.proved_share_about
        latest.update(
            parts=search.parts,
            open=len(search.open),
            margin=search.bound,
            proved_share=share,
        )
        if time.perf_counter() >= last + 0.5:
            last = time.perf_counter()
            said = _where(latest)
            show(f"{said}, depth {search.depth}{', by phases' if phases else ''}")

    return watch


def _where(found: dict) -> str:
    share = found["proved_share"]
    proved = "" if share is None else f", {100 * share:.2f}% proved"
    return (
        f"{found['parts']:,} parts bounded, {found['open']:,} open, "
        f"margin at least {at_least(found['margin'])}{proved}"
    )


def _so_far(latest: dict) -> dict:
    """Where the search was when the time was over in the middle of something."""
    if latest:
        print(f"the search that ran last: {_where(latest)}")
    return {"last_search": latest or None}


def _decide(options, show, latest):
    from torchlean_jax.vnnlib import decide, read_vnnlib

    chosen = {} if options.method == "auto" else {"methods": (options.method,)}
    query = read_vnnlib(options.property)
    network, params = tl.from_onnx(options.network)
    with _workers(options.jobs) as executor:
        answer = decide(
            network,
            params,
            query,
            **chosen,
            seed=options.seed,
            certificate=options.certificate is not None,
            timeout=None if options.timeout is None else _SEARCHED * options.timeout,
            watch=_shown(show, latest),
            semantics=options.semantics,
            resume=options.resume,
            executor=executor,
            hints=options.hints,
        )
    runtime = None
    if answer.status == "sat":
        runtime = _onnxruntime.returned(options.network, network, query, answer.inputs)
    return query, answer, runtime


def _workers(jobs):
    return contextlib.nullcontext() if jobs == 1 else Processes(jobs)


def _described(options, query, answer, runtime) -> dict:
    """What the answer says, written and printed."""
    print(f"{options.property.name}, {len(query.cases)} cases: {answer.tried}")
    if query.is_vacuous:
        print("the property holds for want of inputs: look at the file")
    results = {
        "status": _status(options, answer),
        "tried": answer.tried,
        "parts": sum(verdict.parts for verdict in answer.verdicts),
        "proved_share": [_float(v.proved_share) for v in answer.verdicts],
        "vacuous": query.is_vacuous,
        "seconds": round(answer.seconds, 3),
        "margins": [verdict.margin for verdict in answer.verdicts],
    }
    for number, verdict in enumerate(answer.verdicts, 1):
        if verdict.status == "unknown" and verdict.proved_share is not None:
            print(f"of case {number}, {percent(verdict.proved_share)} is proved")
    if answer.status == "unsat" and options.certificate:
        results["certificates"] = _write_certificates(options.certificate, answer)
    if answer.status == "sat":
        results |= _counterexample(options, answer, runtime)
    return results


def _status(options, answer) -> str:
    due = math.inf if options.timeout is None else _SEARCHED * options.timeout
    late = answer.status == "unknown" and answer.seconds >= due
    return "timeout" if late else answer.status


def _float(share) -> float | None:
    return None if share is None else float(share)


def _write_certificates(path, answer) -> list[str]:
    written = []
    for number, verdict in enumerate(answer.verdicts, 1):
        if verdict.certificate is None:
            print(f"no certificate of case {number}: {verdict.why_no_certificate}")
            continue
        stem = path.stem if number == 1 else f"{path.stem}-{number}"
        target = path.with_name(stem + path.suffix)
        with replacing(target) as temporary:
            verdict.certificate.save(temporary)
        written.append(str(target))
        print(f"margin at least {at_least(verdict.margin)}: {target}")
    return written


def _counterexample(options, answer, runtime) -> dict:
    outputs = [_between(low, high) for low, high in answer.outputs]
    inputs = [_text(x) for x in answer.inputs]
    numbers = "" if options.semantics == "fp32" else "over the reals "
    print(f"the counterexample was confirmed {numbers}by {answer.confirmed}")
    if runtime is None:
        print("onnxruntime is not installed: it was not asked")
    elif "error" in runtime:
        print(f"onnxruntime cannot run the network: {runtime['error']}")
    else:
        agrees = (
            "agrees" if runtime["unsafe"] else "does NOT agree, which rounding can do"
        )
        print(f"onnxruntime {agrees}: {runtime['outputs']}")
    if options.counterexample:
        values = [(f"X_{i}", x) for i, x in enumerate(inputs)]
        values += [(f"Y_{j}", repr(y)) for j, y in enumerate(outputs)]
        lines = "\n ".join(f"({name} {value})" for name, value in values)
        _output.write_text(options.counterexample, f"sat\n({lines})\n")
    return {"inputs": inputs, "outputs": outputs, "onnxruntime": runtime}


def _between(low, high) -> float:
    known = math.isfinite(low) and math.isfinite(high)
    return float((low + high) / 2) if known else math.nan


def _text(x: Fraction) -> str:
    """The exact decimal if it has at most 40 digits, else that of the nearest float."""
    near = repr(float(x))
    if Fraction(near) == x:
        return near
    digits = next((n for n in range(1, 41) if 10**n % x.denominator == 0), None)
    if digits is None:
        return near
    sign, number = ("-" if x < 0 else ""), str(abs(int(x * 10**digits)))
    number = number.zfill(digits + 1)
    return f"{sign}{number[:-digits]}.{number[-digits:]}"

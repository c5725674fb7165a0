"""`torchlean float bridge`: how far a backend's functions are from the exact ones."""

import time
from pathlib import Path

from torchlean_jax.bridge import OPERATIONS, chunks_at, environment, load, measure, save
from torchlean_jax.cli._arguments import add_command, count, on_device, writable_path
from torchlean_jax.cli._output import progress
from torchlean_jax.domains._errors import InputError

TEXT = """\
Measure functions over all 2^32 binary32 inputs.
Each runs as XLA compiles it for arrays, fused with its neighbours, inside a loop, and
in arrays of a few elements (every 64th input), beside a reference whose error is
proved. The evidence file names this backend, and tl.ErrorModel.from_evidence reads it.
An interrupted measurement goes on where it stopped."""

EXAMPLES = """\
examples:
  torchlean float bridge --op tanh --op exp --out evidence.json
  torchlean float bridge --all --every 1021 --out sample.json"""
SAVE_EVERY = 20.0  # seconds


def add_to(commands) -> None:
    command = add_command(commands, "bridge", run, text=TEXT, examples=EXAMPLES)
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--op",
        action="append",
        choices=sorted(OPERATIONS),
        metavar="NAME",
        help=f"a function to measure: {', '.join(sorted(OPERATIONS))}",
    )
    which.add_argument("--all", action="store_true", help="all of them")
    command.add_argument(
        "--out",
        type=writable_path,
        required=True,
        metavar="FILE",
        help="the evidence file, new or to be gone on with",
    )
    command.add_argument(
        "--every",
        type=count,
        default=1,
        metavar="N",
        help="try every Nth input only (default: all)",
    )
    command.add_argument(
        "--jobs",
        type=count,
        default=1,
        metavar="N",
        help="chunks of inputs measured at the same time (default 1)",
    )
    command.add_argument(
        "--device",
        choices=("cpu", "gpu"),
        help="where to compute (default: what JAX prefers)",
    )


def run(options) -> int:
    names = sorted(OPERATIONS) if options.all else options.op
    with on_device(options.device):
        here = environment()
        functions = _earlier(options.out, here)
        for name in names:
            _measure(name, functions, here, options)
            print(_line(name, functions[name]), flush=True)
    return 0


def _earlier(path: Path, here) -> dict:
    if not path.exists():
        return {}
    content = load(path)
    if content["environment"] != here:
        raise InputError(
            f"{path} holds evidence of another machine; choose another --out"
        )
    return content["functions"]


def _measure(name, functions, here, options):
    start = functions.get(name)
    left = chunks_at(options.every) - (start["chunks"] if start else 0)
    saved = time.monotonic()
    records = measure(name, stride=options.every, start=start, jobs=options.jobs)
    steps = -(-left // options.jobs)
    for record in progress(records, name, steps):
        functions[name] = record
        if record["complete"] or time.monotonic() - saved > SAVE_EVERY:
            save(options.out, {"environment": here, "functions": functions})
            saved = time.monotonic()


def _line(name, record) -> str:
    worst = max(record["contexts"].values(), key=lambda found: found["ulps"])
    where = ", ".join(
        f"{context} {found['ulps']:.2f}"
        for context, found in record["contexts"].items()
    )
    odd = sum(f["special"] + f["tiny"] for f in record["contexts"].values())
    order = max(f["order"] for f in record["contexts"].values())
    bits = worst["worst_input"] or 0
    said = f"{name}: at most {worst['ulps']:.2f} ulp (input {bits:#010x}) of "
    said += f"{record['inputs']} inputs ({where})"
    said += f"; {order} neighbours out of order" if order else ""
    return said + (f"; {odd} wrong special values" if odd else "")

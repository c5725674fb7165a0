"""`torchlean kernels bench`: kernels beside XLA on a GPU, and the best block sizes."""

from dataclasses import asdict

import jax
import jax.numpy as jnp

from torchlean_jax.cli._arguments import add_command, on_device, writable_path
from torchlean_jax.cli._machine import dtype_of
from torchlean_jax.cli._output import live, provenance, write_json
from torchlean_jax.contracts import contract, contracts
from torchlean_jax.contracts._speed import BANDWIDTH, Speed, Trial, measured
from torchlean_jax.domains._errors import InputError
from torchlean_jax.pallas_kernels._blocks import DEFAULT

TYPICAL = "typical"

TEXT = """\
Time kernels on a GPU, at each of their block sizes, beside XLA.
At a shape as in a model, or at the named shapes of the contract: medians of the kernel
and of XLA's compiled formula, compilation apart, the least time in which arguments and
results pass through memory, and which sizes of the table are the fastest there. Nothing
is changed by it: sizes that are put into the table are checked by `kernels check`."""

CODES = """\
exit code: 0 if every kernel ran, 1 if one did not with the sizes that it has, 2 for bad
usage, or where there is no GPU (`torchlean kernels compile` needs none)."""


def add_to(kinds) -> None:
    command = add_command(kinds, "bench", _run, text=TEXT, examples=CODES)
    command.add_argument("names", nargs="*", metavar="NAME", help="names of kernels")
    command.add_argument(
        "--shape",
        nargs="+",
        metavar="NAME",
        default=[TYPICAL],
        help=f"named shapes (default: {TYPICAL}, as in a model)",
    )
    command.add_argument("--dtype", help="default: bfloat16, where a kernel takes it")
    command.add_argument(
        "--device",
        choices=("gpu",),
        default="gpu",
        help="where (default, and only gpu)",
    )
    command.add_argument(
        "--json",
        type=writable_path,
        metavar="FILE",
        help="write the device, all times and the fastest sizes to FILE",
    )


def _run(options) -> int:
    named = [contract(name) for name in dict.fromkeys(options.names)]
    wanted = [c.terms for c in named or contracts() if named or c.terms.typical]
    asked = [
        (terms, dtype_of(terms, options.dtype), name, _shape(terms, name))
        for terms in wanted
        for name in options.shape
    ]
    rows = []
    with on_device(options.device) as device, live("timing") as show:
        for terms, dtype, name, shape in asked:
            for program in terms.programs:
                show(f"{program.name} {name}")
                key = jax.random.key(0)
                speed = measured(
                    program, program.arguments(key, shape, jnp.dtype(dtype))
                )
                row = {"kernel": program.name, "shape": name, "dtype": dtype}
                row |= _found(speed, BANDWIDTH.get(device.device_kind))
                print(_line(row), flush=True)
                rows.append(row)
        facts = provenance(device)
    write_json(options.json, {"kernels": rows, **facts})
    return 1 if any(row["trials"][0]["error"] for row in rows) else 0


def _shape(terms, name):
    """The shape of that name."""
    if terms.typical is None:
        raise InputError(f"{terms.name} is XLA's own: there is no kernel to time")
    known = {TYPICAL: terms.typical, **terms.shapes}
    if name not in known:
        raise InputError(
            f"{terms.name} has no shape {name!r}; it has {', '.join(known)}"
        )
    return known[name]


def _found(speed: Speed, bandwidth: float | None) -> dict:
    """A row of the record: seconds, and ratios where both times are known."""
    own, best, xla = map(_median, (speed.trials[0], speed.chosen, speed.formula))
    least = speed.moved / bandwidth if bandwidth else None
    return {
        "seconds": own,
        "xla": xla,
        "xla / kernel": xla / own if xla and own else None,
        "bytes": speed.moved,
        "least": least,
        "least / kernel": least / own if least and own else None,
        "chosen": speed.chosen and _changed(speed.chosen),
        "seconds as chosen": best,
        "formula": _record(speed.formula),
        "trials": [_record(trial) for trial in speed.trials],
    }


def _median(trial: Trial | None) -> float | None:
    return trial.timing.median if trial and trial.timing else None


def _changed(trial: Trial) -> dict:
    """The sizes that are not those of the table's first row."""
    usual, sizes = asdict(DEFAULT), asdict(trial.blocks or DEFAULT)
    return {name: size for name, size in sizes.items() if size != usual[name]}


def _record(trial: Trial) -> dict:
    timing = trial.timing
    return {
        "sizes": _changed(trial),
        "compile": timing and timing.compile,
        "median": timing and timing.median,
        "quartiles": timing and timing.quartiles,
        "error": trial.error,
    }


def _line(row) -> str:
    name = f"{row['kernel']:<28} {row['shape']:<10}"
    if row["seconds"] is None:
        return f"{name} {row['trials'][0]['error']}"
    parts = [f"{1e6 * row['seconds']:>10.1f} us"]
    if row["xla"] is None:
        parts.append(f"XLA: {row['formula']['error']}")
    else:
        parts.append(f"XLA {row['xla / kernel']:.2f} times that")
    if row["least"] is not None:
        parts.append(f"{row['least / kernel']:.0%} of the memory's speed")
    if row["chosen"]:
        sizes = " ".join(f"{key}={size}" for key, size in row["chosen"].items())
        parts.append(f"{1e6 * row['seconds as chosen']:.1f} us with {sizes}")
    return f"{name} {', '.join(parts)}"

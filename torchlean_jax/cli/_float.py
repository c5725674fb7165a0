"""`torchlean float`: what floating-point runs do to a function of the user."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.cli import _arguments, _bridge, _given, _output

TEXT = "Ask about floating-point execution. Each command has its own --help."

ERROR = f"""\
How far any run of a function can be from its result over the reals, on a box.
Sums in any order, products fused or not, subnormals kept or flushed, library functions
as the error model says. The nodes that cause the error are ranked.

{_given.ARRAY}"""

AUDIT = f"""\
Which operations of a function the compiler replaced or removed.
Compiles it as jax.jit would, for one array, and compares what runs with what is
written. Exit code 1 if something was rewritten.

{_given.ARRAY}"""

REPLAY = f"""\
Run a function in IEEE 754 bits and in every way that JAX has, and compare.
The point is the middle of the box. Says where each run first leaves the reference, and
by how many ulps. Exit code 1 if any does.

{_given.ARRAY}"""

OPS = """\
What each floating-point operation is assumed to be off by, in ulps.
The figures of the error model that tl.FP32 and tl.float_error use, or of an evidence
file."""

EXAMPLES = """\
examples:
  torchlean float ops
  torchlean float error model.py:score --center 1,0.2 --radius 0.1
  torchlean float audit model.py:score --center 1,0.2 --radius 0
  torchlean float replay model.py:score --center 1,0.2 --radius 0
  torchlean float bridge --op tanh --every 1021 --out evidence.json"""


def add_to(commands) -> None:
    command = _arguments.add_command(
        commands, "float", None, text=TEXT, examples=EXAMPLES
    )
    kinds = command.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, run, text in (
        ("error", error, ERROR),
        ("audit", audit, AUDIT),
        ("replay", replay, REPLAY),
    ):
        one = _arguments.add_command(kinds, name, run, text=text)
        _given.add_function(one)
        _given.add_set(one)
        _arguments.add_computing(one)
    _bridge.add_to(kinds)
    ops = _arguments.add_command(kinds, "ops", list_operations, text=OPS)
    ops.add_argument("--evidence", metavar="FILE", help="take the figures of this file")
    ops.add_argument("--json", type=_arguments.writable_path, metavar="FILE")


def error(options) -> int:
    with _given_function(options) as (function, inputs, device):
        found = _given.applied(tl.float_error(function), inputs, options)
        breakdown = found.breakdown()
    bounds = [
        np.asarray(leaf, np.float64).tolist() for leaf in jax.tree.leaves(found.bound)
    ]
    results = _results(options, inputs, device) | {
        "error_model": found.model.name,
        "unmeasured": found.model.unmeasured(),
        "bound": bounds,
        "nodes": [
            {
                "node": part.node.name,
                "primitive": part.node.primitive,
                "place": part.node.place,
                "added": part.added,
                "share": part.share,
            }
            for part in breakdown.parts
        ],
    }
    _output.write_json(options.json, results)
    print(breakdown)
    return 0


def audit(options) -> int:
    with _given_function(options) as (function, inputs, device):
        found = _given.applied(tl.audit_compilation(function), _middle(inputs), options)
    results = _results(options, inputs, device) | {
        "clean": found.clean,
        "findings": [
            {
                "primitive": finding.primitive,
                "became": finding.became,
                "line": finding.line,
                "inside_fp32": finding.covered,
            }
            for finding in found.findings
        ],
    }
    _output.write_json(options.json, results)
    print(found)
    return 0 if found.clean else 1


def replay(options) -> int:
    with _given_function(options) as (function, inputs, device):
        found = _given.applied(tl.replay(function), _middle(inputs), options)
    results = _results(options, inputs, device) | {
        "agree": found.agree,
        "runs": [
            {
                "run": run.name,
                "output_ulps": run.output_ulps,
                "as_compiled": run.as_compiled,
                "parts_at": None if run.parting is None else str(run.parting),
            }
            for run in found
        ],
    }
    _output.write_json(options.json, results)
    print(found)
    return 0 if found.agree else 1


def list_operations(options) -> int:
    model = tl.ErrorModel.xla_cpu()
    if options.evidence is not None:
        model = tl.ErrorModel.from_evidence(options.evidence)
    results = {
        "error_model": model.name,
        "ulps": dict(sorted(model.ulps.items())),
        "quotient_half_ulps": model.quotient,
        "provenance": model.provenance,
        "unmeasured": model.unmeasured(),
    }
    _output.write_json(options.json, results)
    print(f"error model {model.name}: sums, products and roots are correctly rounded;")
    print(
        f"a quotient is within {model.quotient / 2:g} ulp; library functions, in ulps:"
    )
    for name, ulps in results["ulps"].items():
        print(f"  {name:<16} {ulps:g}")
    print(f"from {model.provenance}")
    if results["unmeasured"]:
        print(f"here this is an assumption: {results['unmeasured']}")
    return 0


@contextlib.contextmanager
def _given_function(options):
    with (
        _arguments.on_device(options.device) as device,
        jax.enable_x64(options.dtype == "float64"),
    ):
        if options.norm != "inf":
            raise tl.InputError("runs are bounded on boxes: leave --norm away")
        yield _given.import_function(options.function), _given.set_of(options), device


def _middle(box):
    """A point of the box: its middle, as the dtype rounds it."""
    middle = np.asarray(box.lo) * 0.5 + np.asarray(box.hi) * 0.5
    return jnp.asarray(np.clip(middle, box.lo, box.hi), box.dtype)


def _results(options, inputs, device) -> dict:
    return {
        "function": options.function,
        "input": {"dtype": options.dtype, **_given.described(inputs)},
        "seed": options.seed,
        **_output.provenance(device),
    }

"""`torchlean bounds MODULE:FUNCTION`: what a user's function returns on a box."""

import jax
import numpy as np

import torchlean_jax as tl
from torchlean_jax._verdict import at_least, at_most
from torchlean_jax.cli import _arguments, _given, _output

TEXT = f"""\
Bounds on everything a function returns on a box, or on an L1 or L2 ball with --norm.
The function is imported (so its module runs) and called with one array. The bounds
contain f(x) for every real x in the set, which is rounded outward to the dtype.

{_given.ARRAY}"""

EXAMPLES = """\
examples:
  torchlean bounds model.py:score --center 1,0.2 --radius 0.1
  torchlean bounds model.py:score --center 1,0.2 --radius 0.1 --norm 2
  torchlean bounds package.module:logits --lo 0 --hi 1 --shape 28,28 --method ibp"""


def add_to(commands) -> None:
    command = _arguments.add_command(
        commands, "bounds", run, text=TEXT, examples=EXAMPLES
    )
    _given.add_function(command)
    _given.add_set(command)
    _arguments.add_method(command)
    _arguments.add_computing(command)


def run(options) -> int:
    with (
        _arguments.on_device(options.device) as device,
        jax.enable_x64(options.dtype == "float64"),
    ):
        function = _given.import_function(options.function)
        box = _given.set_of(options)
        found = _given.applied(tl.bounds(function, method=options.method), box, options)
    outputs = [
        {
            "output": jax.tree_util.keystr(path),
            "shape": list(y.shape),
            "dtype": str(y.dtype),
            "lo": np.asarray(y.lo, np.float64).tolist(),
            "hi": np.asarray(y.hi, np.float64).tolist(),
        }
        for path, y in jax.tree_util.tree_leaves_with_path(
            found, is_leaf=tl.Interval.is_value
        )
    ]
    results = {
        "function": options.function,
        "method": options.method,
        "semantics": "real",
        "input": {
            "dtype": options.dtype,
            **_given.described(box),
        },
        "outputs": outputs,
        "seed": options.seed,
        **_output.provenance(device),
    }
    _output.write_json(options.json, results)
    print(
        f"{options.function} on {options.dtype}{list(box.shape)}, by {options.method}"
    )
    for output in outputs:
        _print(output)
    return 0


def _print(output):
    """One line for each element, its decimal digits rounded outward too."""
    lo, hi = np.asarray(output["lo"]), np.asarray(output["hi"])
    for index in np.ndindex(lo.shape):
        place = output["output"] + "".join(f"[{i}]" for i in index)
        ends = at_least(float(lo[index])), at_most(float(hi[index]))
        print(f"  {place or 'output'}  [{ends[0]}, {ends[1]}]")

"""`torchlean bounds MODULE:FUNCTION`: what a user's function returns on a box."""

import contextlib
import importlib
import importlib.util
import json
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax._verdict import at_least, at_most
from torchlean_jax.cli import _arguments, _output

TEXT = """\
Bounds on everything a function returns on a box. The function is imported (so its
module runs) and called with one array. The bounds contain f(x) for every real x in the
box, whose corners are rounded outward to the dtype.

ARRAY is a number, a list (1,0.2), nested JSON ([[0, 1], [2, 3]]) or a .npy file."""

EXAMPLES = """\
examples:
  torchlean bounds model.py:score --center 1,0.2 --radius 0.1
  torchlean bounds package.module:logits --lo 0 --hi 1 --shape 28,28 --method ibp"""

ARRAYS = ("--lo", "--hi", "--center", "--radius")


def add_to(commands) -> None:
    command = _arguments.add_command(
        commands, "bounds", run, text=TEXT, examples=EXAMPLES
    )
    command.add_argument(
        "function",
        metavar="MODULE:FUNCTION",
        help="a dotted module or a .py file, and a name",
    )
    command.add_argument("--lo", metavar="ARRAY", help="the box from its corners ...")
    command.add_argument("--hi", metavar="ARRAY")
    command.add_argument(
        "--center", metavar="ARRAY", help="... or from a point and a distance"
    )
    command.add_argument("--radius", metavar="ARRAY")
    command.add_argument(
        "--shape", metavar="M,N", help="broadcast the box to this shape"
    )
    command.add_argument(
        "--dtype",
        choices=("float16", "bfloat16", "float32", "float64"),
        default="float32",
        help="of the function's argument (default float32)",
    )
    _arguments.add_method(command)
    _arguments.add_computing(command)


def join_negative_numbers(argv: list[str]) -> list[str]:
    """`--lo -1,0` as `--lo=-1,0`: argparse would take `-1,0` for an option."""
    joined: list[str] = []
    for word in argv:
        if (
            joined
            and joined[-1] in ARRAYS
            and word[:1] == "-"
            and word[1:2] in "0123456789."
        ):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def run(options) -> int:
    with (
        _arguments.on_device(options.device) as device,
        jax.enable_x64(options.dtype == "float64"),
    ):
        function = import_function(options.function)
        box = _box(options)
        found = _apply(tl.bounds(function, method=options.method), box, options)
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
            "lo": np.asarray(box.lo, np.float64).tolist(),
            "hi": np.asarray(box.hi, np.float64).tolist(),
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


def import_function(name: str):
    """The function that `MODULE:FUNCTION` names; MODULE may be the path of a .py file.

    Raises InputError, in one line, for whatever goes wrong, errors of the module
    included.
    """
    module, colon, attribute = name.rpartition(":")
    if not (colon and module and attribute):
        raise tl.InputError(f"{name!r} is not MODULE:FUNCTION, such as model.py:score")
    try:
        found = _load_file(module) if module.endswith(".py") else _load_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # a user's module can raise anything
        raise tl.InputError(f"cannot import {name}: {_one_line(error)}") from error
    return found


def _load_file(path):
    if not Path(path).is_file():
        raise tl.InputError(f"there is no file {path}")
    # not under its own name: a file called json.py must not become everyone's `json`
    spec = importlib.util.spec_from_file_location("_torchlean_bounds_target", path)
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    with _on_path(Path(path).resolve().parent):
        spec.loader.exec_module(module)
    return module


def _load_module(name):
    with _on_path(Path.cwd()):
        return importlib.import_module(name)


@contextlib.contextmanager
def _on_path(folder):
    """With the module's neighbours importable, as `python FILE` and `python -m` do."""
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _box(options):
    """The box as typed, in decimal, with corners rounded outward to the dtype."""
    given = {name: getattr(options, name[2:]) for name in ARRAYS}
    given = {name: text for name, text in given.items() if text is not None}
    if tuple(given) not in (ARRAYS[:2], ARRAYS[2:]):
        raise tl.InputError(
            "a box is --lo and --hi, or --center and --radius; got "
            f"{' and '.join(given) or 'neither'}"
        )
    first, second = (_array(text, name) for name, text in given.items())
    if "--lo" in given:
        lo, hi = first, second
    else:
        if (second < 0).any():
            raise tl.InputError(f"--radius {options.radius}: less than 0")
        lo, hi = first - second, first + second
    try:
        shape = np.broadcast_shapes(np.shape(lo), np.shape(hi), _shape(options.shape))
    except ValueError as error:
        raise tl.InputError(f"the arrays of the box do not fit: {error}") from error
    return tl.box(
        *(
            np.broadcast_to(_rounded(corner, options.dtype, up), shape)
            for corner, up in ((lo, False), (hi, True))
        )
    )


def _array(text, option):
    """An array of exact numbers: the decimals typed, or the binary values of a file."""
    try:
        if text.endswith(".npy"):
            values = np.load(text, allow_pickle=False).astype(float)
        else:
            nested = text if text.startswith("[") else f"[{text}]"
            exact = json.loads(nested, parse_float=_exact, parse_int=_exact)
            values = np.array(exact, dtype=object)
            if nested is not text and values.size == 1:
                values = values[0]  # a single number stands for every element
        return np.vectorize(Fraction, otypes=[object])(values)
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise tl.InputError(f"{option} {text}: {_one_line(error)}") from error


def _exact(text):
    """The number a decimal stands for; not if its exponent alone fills the memory."""
    if abs(Decimal(text).adjusted()) > 400:
        raise ValueError("beyond every floating-point number")
    return Fraction(text)


def _rounded(values, dtype, up):
    """The nearest numbers of `dtype` that are not on the inner side of `values`."""
    with np.errstate(over="ignore"):  # an infinite corner is refused by tl.box
        nearest = np.asarray(values, np.float64).astype(jnp.dtype(dtype))
    missed = np.vectorize(lambda n, v: n < v if up else n > v, otypes=[bool])
    end = np.asarray(np.inf if up else -np.inf, nearest.dtype)
    outward = np.nextafter(nearest, end)
    return np.where(missed(nearest.astype(np.float64), values), outward, nearest)


def _shape(text):
    try:
        shape = tuple(int(size) for size in text.split(",")) if text else ()
    except ValueError as error:
        raise tl.InputError(f"--shape {text}: {_one_line(error)}") from error
    if min(shape, default=0) < 0:
        raise tl.InputError(f"--shape {text}: a size is 0 or more")
    return shape


def _apply(bounded, box, options):
    try:
        return bounded(box)
    except tl.TorchLeanError:
        raise
    except Exception as error:  # whatever a user's function raises on a wrong shape
        raise tl.InputError(
            f"{options.function} cannot be called on {options.dtype}{list(box.shape)}: "
            f"{_one_line(error)}"
        ) from error


def _one_line(error):
    first = str(error).strip().splitlines()
    return f"{type(error).__name__}: {first[0]}" if first else type(error).__name__


def _print(output):
    """One line for each element, its decimal digits rounded outward too."""
    lo, hi = np.asarray(output["lo"]), np.asarray(output["hi"])
    for index in np.ndindex(lo.shape):
        place = output["output"] + "".join(f"[{i}]" for i in index)
        ends = at_least(float(lo[index])), at_most(float(hi[index]))
        print(f"  {place or 'output'}  [{ends[0]}, {ends[1]}]")

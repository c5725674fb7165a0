"""A function and a set of inputs as the command line gives them."""

import contextlib
import importlib
import importlib.util
import json
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.cli import _arguments

ARRAY = """\
ARRAY is a number, a list (1,0.2), nested JSON ([[0, 1], [2, 3]]) or a .npy file."""

ARRAYS = ("--lo", "--hi", "--center", "--radius")
# Options whose values may begin with a minus and go on with a comma.
_SIGNED = (*ARRAYS, "--distortion")


def add_function(command) -> None:
    command.add_argument(
        "function",
        metavar="MODULE:FUNCTION",
        help="a dotted module or a .py file, and a name",
    )


def add_set(command) -> None:
    command.add_argument("--lo", metavar="ARRAY", help="the box from its corners ...")
    command.add_argument("--hi", metavar="ARRAY")
    command.add_argument(
        "--center", metavar="ARRAY", help="... or from a point and a distance"
    )
    command.add_argument("--radius", metavar="ARRAY")
    _arguments.add_norm(command, "the distance")
    command.add_argument(
        "--shape", metavar="M,N", help="broadcast the box to this shape"
    )
    command.add_argument(
        "--dtype",
        choices=("float16", "bfloat16", "float32", "float64"),
        default="float32",
        help="of the function's argument (default float32)",
    )


def join_negative_numbers(argv: list[str]) -> list[str]:
    """`--lo -1,0` as `--lo=-1,0`: argparse would take `-1,0` for an option."""
    joined: list[str] = []
    for word in argv:
        if (
            joined
            and joined[-1] in _SIGNED
            and word[:1] == "-"
            and word[1:2] in "0123456789."
        ):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def import_function(name: str):
    """The function that `MODULE:FUNCTION` names; MODULE may be the path of a .py file.

    Raises InputError, in one line, for whatever goes wrong, errors of the module
    included.
    """
    module, colon, attribute = name.rpartition(":")
    if not (colon and module and attribute):
        raise tl.InputError(f"{name!r} is not MODULE:FUNCTION, such as model.py:score")
    try:
        found = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # a user's module can raise anything
        raise tl.InputError(f"cannot import {name}: {_one_line(error)}") from error
    return found


def import_module(name: str) -> ModuleType:
    """The module of that dotted name, or in that .py file. Its errors pass through."""
    return _load_file(name) if name.endswith(".py") else _load_module(name)


def _load_file(path):
    if not Path(path).is_file():
        raise tl.InputError(f"there is no file {path}")
    # not under its own name: a file called json.py must not become everyone's `json`
    spec = importlib.util.spec_from_file_location(
        "_torchlean_command_line_target", path
    )
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


def described(inputs) -> dict:
    if isinstance(inputs, tl.Interval):
        ends = {"lo": inputs.lo, "hi": inputs.hi}
        return {name: np.asarray(x, np.float64).tolist() for name, x in ends.items()}
    return {
        "center": np.asarray(inputs.center, np.float64).tolist(),
        "radius": float(inputs.radius),
        "norm": inputs.norm,
    }


def set_of(options):
    """The set as typed, in decimal, rounded outward to the dtype."""
    given = {name: getattr(options, name[2:]) for name in ARRAYS}
    given = {name: text for name, text in given.items() if text is not None}
    if tuple(given) not in (ARRAYS[:2], ARRAYS[2:]):
        raise tl.InputError(
            "a box is --lo and --hi, or --center and --radius; got "
            f"{' and '.join(given) or 'neither'}"
        )
    first, second = (_array(text, name) for name, text in given.items())
    if "--lo" in given:
        if options.norm != "inf":
            raise tl.InputError(
                f"--norm {options.norm}: a ball is given by --center and --radius"
            )
        lo, hi = first, second
    else:
        if options.norm != "inf":
            return _ball(first, second, options)
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


def _ball(center, radius, options):
    """A ball around the center in the dtype, larger by as much as that one is off."""
    if np.size(radius) != 1 or (radius < 0).any():
        raise tl.InputError(f"--radius {options.radius}: one number, 0 or more")
    center = _broadcast(center, _shape(options.shape))
    with np.errstate(over="ignore"):
        near = center.astype(np.float64).astype(jnp.dtype(options.dtype))
    if not np.isfinite(near).all():
        raise tl.InputError(f"--center {options.center}: too large for {options.dtype}")
    pairs = zip(near.ravel().tolist(), center.ravel().tolist(), strict=True)
    off = [abs(Fraction(float(a)) - b) for a, b in pairs]
    # the L1 norm of what was rounded away is at least its L2 norm
    total = np.asarray(Fraction(radius.item()) + sum(off), dtype=object)
    return tl.ball(near, _rounded(total, "float64", up=True), norm=int(options.norm))


def _broadcast(array, shape):
    try:
        return np.broadcast_to(array, np.broadcast_shapes(array.shape, shape))
    except ValueError as error:
        raise tl.InputError(f"the arrays of the set do not fit: {error}") from error


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


def applied(bounded, box, options):
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

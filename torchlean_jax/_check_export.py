"""`check_export`: whether a program saved by `jax.export` is still this function."""

import re
from dataclasses import dataclass
from typing import Any

import jax
import jax.export
import numpy as np

from torchlean_jax._executions import executions, may_return
from torchlean_jax._trace import as_function
from torchlean_jax.domains._errors import InputError, TorchLeanError

# Where a line came from is no part of what it computes; a string is left as it is.
_LOCATION = re.compile(
    r"""("(?:[^"\\]|\\.)*")"""
    r"""|^\#loc.*\n"""
    r"""|\ loc\((?:\#loc\d*|unknown|"(?:[^"\\]|\\.)*")\)""",
    re.MULTILINE | re.VERBOSE,
)
_NAME = re.compile(r"^module @\S+", re.MULTILINE)


@dataclass(frozen=True)
class ExportCheck:
    """The answer of `tl.check_export`; true in an `if` or `assert` only for "same".

    same: True if the two are one StableHLO program, and so return the same bits
    wherever they are compiled alike; False if they are shown to return different
    numbers; None if neither (`reason`). where: for programs that differ, the first
    lines that do, around the place.
    """

    same: bool | None
    reason: str
    where: tuple[str, str] | None = None

    def __bool__(self) -> bool:
        return self.same is True

    def __str__(self) -> str:
        verdict = {True: "same", False: "different", None: "undecided"}[self.same]
        lines = [f"{verdict}: {self.reason}"]
        if self.where is not None:
            lines += [f"  model: {self.where[0]}", f"  file:  {self.where[1]}"]
        return "\n".join(lines)


def check_export(model: Any, exported: Any) -> ExportCheck:
    """Whether a program that `jax.export` saved is this model.

    A claim about a model is a claim about what runs only if what runs is the model. It
    is exported again, at the shapes, for the platforms and with as many derivatives as
    the saved one, and the two StableHLO programs are compared, weights included; names
    and source lines are left out. Where they differ, both are run at three points: a
    result of the saved one that no binary32 execution of the model returns (`tl.FP32`)
    shows that it is another function.

    model: as for `tl.verify`: a function of the arguments of the saved one.
    exported: the bytes of `serialize()`, with the derivatives that were saved
        (`vjp_order`), or a `jax.export.Exported`, without any.

    Another version of JAX may write the same function in another way: the answer is
    then "undecided", not "different". Compilation comes after; that is what
    `tl.audit_compilation` is about.

    Raises InputError for bytes that are no such program.

    >>> import jax, jax.numpy as jnp, torchlean_jax as tl
    >>> model = lambda x: jnp.tanh(2 * x)
    >>> saved = jax.export.export(jax.jit(model))(jnp.zeros(3)).serialize()
    >>> print(tl.check_export(model, saved))
    same: one StableHLO program
    >>> print(tl.check_export(lambda x: jnp.tanh(x), saved).same)
    False
    """
    saved = _program(exported)
    function = as_function(model)
    try:
        ours = _exported_again(function, saved)
    except TorchLeanError:
        raise
    except Exception as error:  # of many types: the model does not take these arguments
        first = str(error).strip().partition("\n")[0]
        what = f"{type(error).__name__}: {first}"
        return ExportCheck(None, f"the model cannot be exported like the file: {what}")
    where = _parting(ours, saved)
    if where is None:
        return ExportCheck(True, "one StableHLO program")
    return _answer(function, saved, where)


def _program(exported) -> jax.export.Exported:
    if isinstance(exported, jax.export.Exported):
        # Through bytes, like ours, so that both are read by the same reader.
        # Derivatives of what was not saved can be taken without end.
        exported = exported.serialize()
    try:
        return jax.export.deserialize(bytearray(exported))
    except Exception as error:  # of many types, by where the bytes are broken
        raise InputError(
            f"not a program that jax.export serialized: {type(error).__name__}"
        ) from error


def _derivatives(exported) -> int:
    """How many times the program can be differentiated."""
    return 1 + _derivatives(exported.vjp()) if exported.has_vjp() else 0


def _exported_again(function, saved) -> jax.export.Exported:
    args, kwargs = jax.tree.unflatten(
        saved.in_tree, [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in saved.in_avals]
    )
    ours = jax.export.export(
        jax.jit(function),
        platforms=saved.platforms,
        disabled_checks=saved.disabled_safety_checks,
    )(*args, **kwargs)
    return jax.export.deserialize(ours.serialize(vjp_order=_derivatives(saved)))


def _parting(ours, saved) -> tuple[str, str] | None:
    """The first lines at which two programs, or their derivatives, differ."""
    while True:
        kept = "module_kept_var_idx", "out_tree", "nr_devices"
        for field in kept:
            mine, theirs = getattr(ours, field), getattr(saved, field)
            if mine != theirs:
                return f"{field}: {mine}", f"{field}: {theirs}"
        mine, theirs = _text(ours), _text(saved)
        if mine != theirs:
            pairs = zip(mine.splitlines(), theirs.splitlines(), strict=False)
            differ = ((a, b) for a, b in pairs if a != b)
            return _around(*next(differ, ("(ends)", "(goes on, or ends before)")))
        if not saved.has_vjp():
            return None
        ours, saved = ours.vjp(), saved.vjp()


def _text(exported) -> str:
    bare = _LOCATION.sub(lambda m: m[1] or "", exported.mlir_module())
    return _NAME.sub("module", bare)


def _around(a: str, b: str) -> tuple[str, str]:
    """What two lines have around the first place at which they differ."""
    pairs = enumerate(zip(a, b, strict=False))
    common = next((i for i, (x, y) in pairs if x != y), min(len(a), len(b)))
    first = max(0, common - 40)

    def part(line):
        left, right = "..." * (first > 0), "..." * (len(line) > common + 60)
        return left + line[first : common + 60].strip() + right

    return part(a), part(b)


def _answer(function, saved, where) -> ExportCheck:
    """What can be said of two programs that are written differently."""
    try:
        found = _other_numbers(function, saved)
    except Exception as error:  # symbolic shapes, another platform, a missing rule
        first = str(error).strip().partition("\n")[0]
        return ExportCheck(
            None, f"the programs differ, and could not be run: {first}", where
        )
    if found is None:
        reason = "the programs differ, and agree to rounding at three points"
        return ExportCheck(None, reason, where)
    return ExportCheck(False, found, where)


def _other_numbers(function, saved) -> str | None:
    """An output of the saved program that no execution of the function returns."""
    random = np.random.default_rng(0)
    for scale in (0.0, 1.0, 8.0):
        point = [_draw(random, scale, a) for a in saved.in_avals]
        args, kwargs = jax.tree.unflatten(saved.in_tree, point)
        theirs = jax.tree.leaves(saved.call(*args, **kwargs))
        ours = executions(function, *args, **kwargs)
        if len(ours) != len(theirs):
            return f"{len(theirs)} outputs instead of {len(ours)}"
        for number, (y, z) in enumerate(zip(ours, theirs, strict=True)):
            if may_return(y, z) is False:
                return (
                    f"output {number} is a number that no execution of the model "
                    f"returns, at inputs of size {scale:g}"
                )
    return None


def _draw(random, scale, aval):
    values = scale * random.standard_normal(aval.shape)
    if not np.issubdtype(aval.dtype, np.floating):
        values = np.abs(np.round(values))
    return jax.numpy.asarray(values.astype(aval.dtype))

"""`faithful_jit`: compile a function so that what runs is what its jaxpr says.

What rounding may then still do is the business of `FP32`; whether a *plain* jit stays
inside that model as well is a question for `audit_compilation`.
"""

import functools
import types

import jax

from torchlean_jax.domains._errors import InputError

# XLA's algebraic simplifier, the pass that replaces floating-point expressions by ones
# that are equal only over the reals: (x + 1e8) - 1e8 by x, y / sqrt(x) by y * rsqrt(x).
OFF = "algsimp"
# XLA may also leave out the rounding of a bfloat16 or float16 result that is widened
# next: (x + 0.001) in bfloat16 at 1 is 1, and 1.0009995 where it is cast to float32.
COMPILER_OPTIONS = types.MappingProxyType({"xla_allow_excess_precision": False})


class FaithfulFunction:
    """What `faithful_jit` returns: call it on arrays; `inner` is the function itself.

    inner: the function that was compiled, for other transformations to work on. It asks
    for the highest precision of matrix products, and is compiled by whoever runs it.
    """

    def __init__(self, function, jit_options):
        @functools.wraps(function, updated=())
        def inner(*args, **kwargs):
            with jax.default_matmul_precision("highest"):
                return function(*args, **kwargs)

        functools.update_wrapper(self, function, updated=())
        self.inner = inner
        self._compiled = jax.jit(inner, **_options(jit_options))

    def __call__(self, *args, **kwargs):
        try:
            return self._compiled(*args, **kwargs)
        except ValueError as error:
            if "compiler_options" not in str(error):
                raise
            raise InputError(self._nested()) from error

    def lower(self, *args, **kwargs):
        """The program before compilation, as `jax.jit(f).lower` gives it."""
        return self._compiled.lower(*args, **kwargs)

    def _nested(self):
        name = getattr(self, "__name__", "f")
        return (
            f"faithful_jit(`{name}`) was called inside another compiled or transformed "
            "function, whose compilation would decide what runs. Transform its `inner` "
            "and make the result faithful: "
            f"tl.faithful_jit(jax.grad({name}.inner)), "
            f"tl.faithful_jit(lambda ...: ... {name}.inner(...))"
        )


def faithful_jit(f, **jit_options) -> FaithfulFunction:
    """`f`, compiled so that each operation of its jaxpr is the operation that runs.

    An outermost `jax.jit` with XLA's algebraic simplifier switched off, without excess
    precision between operations, and with the highest precision for every product of
    arrays that does not state its own. What is
    left to the compiler is what `tl.FP32` covers: the order of sums, whether a product
    and the sum that uses it are rounded once or twice, subnormals, and the last few
    ulps of library functions. So `tl.float_error(f)` bounds what the result can be off
    by, and `tl.FP32` contains it.

    f: a function of arrays; jit_options: those of `jax.jit`, `compiler_options`
    included.

    It is the outermost compilation or it is nothing: an enclosing `jit` or `scan` would
    compile it in its own way, and so would `grad` on JAX 0.10. `vmap` of it is
    faithful; otherwise transform `faithful_jit(f).inner` and compile the result. Costs
    1.0 to 1.4 times the run time of a plain jit.

    Raises InputError where it is called inside another compilation.

    >>> import jax, jax.numpy as jnp
    >>> import torchlean_jax as tl
    >>> shift = lambda x: (x + 1e8) - 1e8
    >>> float(tl.faithful_jit(shift)(jnp.float32(1.0)))  # what float32 says
    0.0
    >>> slope = tl.faithful_jit(jax.grad(tl.faithful_jit(shift).inner))
    >>> float(slope(jnp.float32(1.0)))
    1.0
    """
    if not callable(f):
        raise InputError(f"faithful_jit compiles a function, got {type(f).__name__}")
    return FaithfulFunction(f, jit_options)


def _options(jit_options):
    """`jit_options` with the passes that we switch off beside those that the user
    does."""
    given = dict(jit_options.pop("compiler_options", None) or {})
    passes = ",".join(filter(None, (given.get("xla_disable_hlo_passes"), OFF)))
    options = {**given, **COMPILER_OPTIONS, "xla_disable_hlo_passes": passes}
    return {**jit_options, "compiler_options": options}

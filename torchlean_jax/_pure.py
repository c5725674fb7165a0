"""What a function has to be so that something can be asked about it: a typed error that
says what to do for what cannot be traced, for side effects and for random bits."""

from jax.errors import TracerBoolConversionError

from torchlean_jax._trace import Trace, trace
from torchlean_jax.domains._errors import InputError, TorchLeanError
from torchlean_jax.interpreters import _jaxpr

_IMPURE = ("io_callback", "pure_callback", "infeed", "outfeed")
_RANDOM = ("random_bits", "random_gamma", "random_seed", "threefry2x32", "rng_uniform")


def pure_trace(function, name, args, kwargs, is_value) -> Trace:
    """The trace of a function that can be called on these arguments and calls nothing
    outside; else InputError."""
    try:
        traced = trace(function, args, kwargs, is_value)
    except TorchLeanError:
        raise
    except TracerBoolConversionError as error:
        raise InputError(
            f"`{name}` decides in Python by a number it computes, which no trace can "
            "follow: choose by jnp.where, lax.cond or lax.while_loop"
        ) from error
    except Exception as error:  # whatever a user's function raises on a wrong shape
        first = str(error).strip().splitlines()
        raise InputError(
            f"`{name}` cannot be called on these arguments: "
            f"{type(error).__name__}: {first[0] if first else ''}"
        ) from error
    for primitive, place in _met(traced.jaxpr, _IMPURE):
        raise InputError(
            f"`{name}` calls back into Python ({primitive}{place}), where nothing is "
            "known of what it computes; ask about the parts before and after"
        )
    return traced


def refuse_random_bits(jaxpr, name) -> None:
    for _, place in _met(jaxpr, _RANDOM):
        raise InputError(
            f"`{name}` draws random bits inside{place}; draw them outside and pass "
            "the numbers in as an argument"
        )


def _met(jaxpr, names):
    for eqn, line in equations(jaxpr):
        if eqn.primitive.name in names:
            file, row, text = line or ("", 0, "")
            place = f", {file.rsplit('/', 1)[-1]}:{row}  {text}" if line else ""
            yield eqn.primitive.name, place


def equations(jaxpr, caller=None):
    """(equation, source line) of a jaxpr and of all jaxprs inside it."""
    for eqn in jaxpr.eqns:
        line = _jaxpr.source_line(eqn, caller)
        yield eqn, line
        for sub in _jaxpr.subjaxprs(eqn):
            yield from equations(_jaxpr.open_jaxpr(sub)[0], line)

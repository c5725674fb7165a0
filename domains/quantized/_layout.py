"""Quantised rules for what moves elements, or picks the largest of some.

The same operation moves the integers and, where they differ, the scales.
"""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains import _families
from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.domains.quantized._rescale import compact
from torchlean_jax.domains.quantized._value import (
    Quantized,
    aligned,
    narrow,
    rules,
    with_constant,
)

_SEVERAL = ("concatenate", "stack", "pad")


def moved(operation, x, *known):
    """`operation` on a value and known integers that say where to."""
    if any(map(Quantized.is_value, known)):
        raise MissingRuleError(f"a quantised {operation.name} moves one value")
    if x.is_uniform:
        return _each(
            operation(x.integers, *known), lambda part: x.replace(integers=part)
        )
    scales = np.broadcast_to(x.scale, x.shape)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        # positions into an array, which keeps float64 out of the user's operation
        places = operation(jnp.arange(x.size, dtype=jnp.int32).reshape(x.shape), *known)
    pairs = zip(*map(_as_list, (operation(x.integers, *known), places)), strict=True)
    parts = [
        x.replace(integers=part, scale=compact(scales.reshape(-1)[np.asarray(place)]))
        for part, place in pairs
    ]
    return parts if isinstance(places, (list, tuple)) else parts[0]


def _as_list(x):
    return list(x) if isinstance(x, (list, tuple)) else [x]


def _each(result, make):
    return (
        [make(r) for r in result] if isinstance(result, (list, tuple)) else make(result)
    )


rules.define_each(
    [n for n in _families.LAYOUT if n not in (*_SEVERAL, "real", "imag")], moved
)


@rules.define_op("convert_element_type", "reduce_precision")
def _same_number(operation, x):
    """Between float types the identity; a grid is coarser than any of them."""
    target = operation.params.get("new_dtype", jnp.float32)
    if not jnp.issubdtype(target, jnp.floating):
        raise MissingRuleError(
            "a quantised value is a real number: no cast to integers"
        )
    return x


@rules.define_op("concatenate", "stack")
def _joined(operation, *parts):
    values = [x for x in parts if Quantized.is_value(x)]
    if len(values) != len(parts):
        raise MissingRuleError(f"a quantised {operation.name} joins no constants")
    values = aligned(*[x if x.is_uniform else narrow(x) for x in values])
    least, most = min(v.least for v in values), max(v.most for v in values)
    return values[0].wide(operation(*[v.integers for v in values]), None, least, most)


@rules.define_op("pad")
def _pad(operation, x, fill):
    if not Quantized.is_value(x) or Quantized.is_value(fill):
        raise MissingRuleError("a quantised pad has a known fill")
    x = x if x.is_uniform else narrow(x)
    x, steps = with_constant(x, fill)
    step = int(steps)
    integers = operation(x.integers, np.int32(step))
    return x.wide(integers, None, min(x.least, step), max(x.most, step))


@rules.define_op("gather", "dynamic_slice")
def _read(operation, x, *positions):
    if not Quantized.is_value(x) or any(map(Quantized.is_value, positions)):
        raise MissingRuleError(f"a quantised {operation.name} has known positions")
    if "FILL" in str(operation.params.get("mode", "")):
        raise MissingRuleError("a quantised gather has no fill value")
    return moved(operation, x, *positions)


@rules.define_op(
    *("reduce_max", "reduce_min", "reduce_window_max", "reduce_window_min"),
    *("cummax", "cummin"),
)
def _extreme(operation, x):
    """Rounding and a positive scale keep the order."""
    x = x if x.is_uniform else narrow(x)
    return x.replace(integers=operation(x.integers))

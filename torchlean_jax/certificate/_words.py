"""The words of the format: which primitives it has, and which of their parameters it
keeps.

How an equation is written with them is in `_lowering`.
"""


def _nested(value):
    if isinstance(value, (tuple, list)):
        return [_nested(v) for v in value]
    return int(value)


def _window(p):
    fields = (
        "window_dimensions",
        "window_strides",
        "padding",
        "base_dilation",
        "window_dilation",
    )
    return {name: _nested(p[name]) for name in fields}


def _convolution(p):
    spec = p["dimension_numbers"]
    fields = ("window_strides", "padding", "lhs_dilation", "rhs_dilation")
    return {
        **{name: _nested(p[name]) for name in fields},
        "feature_group_count": int(p["feature_group_count"]),
        "batch_group_count": int(p["batch_group_count"]),
        "dimension_numbers": [
            list(spec.lhs_spec),
            list(spec.rhs_spec),
            list(spec.out_spec),
        ],
    }


PARAMETERS = {
    "reshape": lambda p: {"new_sizes": list(p["new_sizes"])},
    "squeeze": lambda p: {"dimensions": list(p["dimensions"])},
    "transpose": lambda p: {"permutation": list(p["permutation"])},
    "broadcast_in_dim": lambda p: {
        "broadcast_dimensions": list(p["broadcast_dimensions"])
    },
    "rev": lambda p: {"dimensions": list(p["dimensions"])},
    "concatenate": lambda p: {"dimension": p["dimension"]},
    "pad": lambda p: {"padding_config": [list(c) for c in p["padding_config"]]},
    "reduce_sum": lambda p: {"axes": list(p["axes"])},
    "reduce_max": lambda p: {"axes": list(p["axes"])},
    "reduce_min": lambda p: {"axes": list(p["axes"])},
    "cumsum": lambda p: {"axis": p["axis"], "reverse": p["reverse"]},
    "dot_general": lambda p: {"dimension_numbers": _nested(p["dimension_numbers"])},
    "reduce_window_sum": _window,
    "reduce_window_max": _window,
    "conv_general_dilated": _convolution,
    "integer_pow": lambda p: {"y": p["y"]},
}
PLAIN = frozenset(
    "add add_any sub neg mul div max min abs clamp select_n square exp log tanh "
    "logistic sqrt rsqrt erf sin cos log1p expm1 softplus".split()
)
SAME = frozenset(
    "copy stop_gradient device_put optimization_barrier sharding_constraint "
    "reshard name".split()
)
# Moves elements, in ways written as `take` of flat indices.
TAKEN = frozenset(
    "split unstack stack tile expand_dims dynamic_slice dynamic_update_slice "
    "gather".split()
)


# Whole functions that the checker knows under their own name.
WHOLES = {"call:softplus": "softplus"}

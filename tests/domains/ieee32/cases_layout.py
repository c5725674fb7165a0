"""Moves of elements to known places, and integers, which are run as they are."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.ieee32.cases import F, case

CASES = [
    case(
        "broadcast_in_dim",
        lambda x: jnp.broadcast_to(x[:, None], (3, 4)),
        ((3,),),
        lambda x: np.broadcast_to(x[:, None], (3, 4)),
    ),
    case("reshape", lambda x: x.reshape(3, 4), ((12,),), lambda x: x.reshape(3, 4)),
    case("transpose", lambda x: x.T, ((3, 4),), np.transpose),
    case("squeeze", lambda x: lax.squeeze(x, (0,)), ((1, 4),), lambda x: x[0]),
    case(
        "concatenate",
        lambda x, y: jnp.concatenate([x, y]),
        ((3,), (2,)),
        lambda x, y: np.concatenate([x, y]),
    ),
    case("slice", lambda x: x[1:9:3], ((12,),), lambda x: x[1:9:3]),
    case("rev", lambda x: x[::-1], ((12,),), lambda x: x[::-1]),
    case(
        "pad",
        lambda x: lax.pad(x, jnp.float32(1e-45), [(1, 2, 1)]),
        ((3,),),
        lambda x: np.array([1e-45, x[0], 1e-45, x[1], 1e-45, x[2], 1e-45, 1e-45], F),
    ),
    case("split", lambda x: lax.split(x, (2, 3))[1], ((5,),), lambda x: x[2:]),
    case("copy", lambda x: jnp.array(x, copy=True), ((5,),), lambda x: x),
    case("stop_gradient", lax.stop_gradient, ((5,),), lambda x: x),
    case("device_put", jax.device_put, ((5,),), lambda x: x),
    case(
        "barrier",
        lambda x: lax.optimization_barrier((x, x))[1],
        ((5,),),
        lambda x: x,
        rules=["optimization_barrier"],
    ),
    case(
        "iota",
        lambda x: x * lax.iota(jnp.float32, 5),
        ((5,),),
        lambda x: x * np.arange(5, dtype=F),
    ),
    case(
        "logic",
        lambda x, y: jnp.any((x > 0) & ~(y > 0) | (x < 0) ^ (y < 0)) & jnp.all(x == x),
        ((5,), (5,)),
        lambda x, y: np.any((x > 0) & ~(y > 0) | (x < 0) ^ (y < 0)) & np.all(x == x),
        rules=["and", "or", "xor", "not", "reduce_and", "reduce_or"],
    ),
    case(
        "shift",
        lambda x: lax.bitcast_convert_type(x, jnp.uint32) >> 23,
        ((5,),),
        lambda x: x.view(np.uint32) >> 23,
        rules=["shift_right_logical"],
    ),
]

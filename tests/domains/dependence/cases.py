"""The cases: those of the interval domain, and what that domain refuses.

Their inputs are drawn as points; the programs are their own oracles (`perturbed`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.interval.all_cases import CASES as SHARED
from tests.domains.interval.cases import Bool, Case, Float, Int

# Memory that nobody has written is not the same in two runs.
LEFT_OUT = {"empty"}


@dataclass(frozen=True)
class Program:
    """A function of arrays drawn from a seed; `rules`: what it must reach."""

    name: str
    rules: tuple[str, ...]
    f: Callable
    inputs: tuple

    def draw(self, seed):
        rng = np.random.default_rng(seed)
        return [i.draw(rng, np.float32)[0] for i in self.inputs]

    def __str__(self):
        return self.name


def shared(case: Case) -> Program:
    rules = tuple(rule.partition("/")[0] for rule in case.rules)
    return Program(case.name, rules, case.f, case.inputs)


def one(name, f, *inputs, rule=None):
    return Program(name, (rule or name,), f, inputs)


CUBE = Float((2, 3, 3), reach=3.0)
LANE = Float((3, 5), reach=3.0)
SPD = lambda x: x @ x.mT + 9 * jnp.eye(3)


def key_of(numbers):
    return jax.random.wrap_key_data(numbers.astype(jnp.uint32))


def folded_key(numbers):
    return jax.random.fold_in(key_of(numbers), numbers[0])


OURS = [
    one("cholesky", lambda x: jnp.linalg.cholesky(SPD(x)), CUBE),
    one("lu", lambda x: lax.linalg.lu(x), CUBE),
    one("pivots", lambda x: lax.linalg.lu(x)[1:], CUBE, rule="lu"),
    one(
        "lu_pivots_to_permutation",
        lambda p: lax.linalg.lu_pivots_to_permutation(p, 5),
        Int((2, 3), 2, 4),
    ),
    one("qr", jnp.linalg.qr, CUBE),
    one(
        "householder_product",
        lambda a, t: lax.linalg.householder_product(a, t),
        CUBE,
        Float((2, 2), reach=1.0),
    ),
    one("eigh", lambda x: jnp.linalg.eigh(SPD(x)), CUBE),
    one("svd", lambda x: jnp.linalg.svd(x, full_matrices=False), CUBE),
    one("nextafter", jnp.nextafter, LANE, LANE),
    one(
        "bits",
        lambda x: lax.bitcast_convert_type(x, jnp.int32),
        LANE,
        rule="bitcast_convert_type",
    ),
    one(
        "bytes",
        lambda x: lax.bitcast_convert_type(x, jnp.uint8),
        LANE,
        rule="bitcast_convert_type",
    ),
    one(
        "words_of_bytes",
        lambda x: lax.bitcast_convert_type(x.astype(jnp.uint8), jnp.uint32),
        Int((3, 4), 0, 9),
        rule="bitcast_convert_type",
    ),
    one("polygamma", lambda x: lax.polygamma(x, x + 3), Float(least=1, most=5)),
    one(
        "random_bits",
        lambda k: jax.random.bits(key_of(k), (4,)),
        Int((2,), 0, 9),
    ),
    Program(
        "random_split",
        ("random_split", "random_fold_in", "random_wrap", "random_unwrap"),
        lambda k: jax.random.key_data(jax.random.split(folded_key(k))),
        (Int((2,), 0, 9),),
    ),
    one("random_seed", lambda s: jax.random.key_data(jax.random.key(s)), Int((), 0, 9)),
    one("top_k_pair", lambda x: lax.top_k(x, 2), LANE, rule="top_k"),
    one(
        "sort_pairs",
        lambda x, y: lax.sort((x, y), num_keys=1),
        LANE,
        LANE,
        rule="sort",
    ),
    one("reduce_xor", lambda x: lax.reduce_xor(x, (1,)), Int((3, 5))),
    one("shift_left", lax.shift_left, Int((8,), 0, 9), Int((8,), 0, 4)),
    one("population_count", lax.population_count, Int((8,), 0, 99)),
    one("clz", lax.clz, Int((8,), 0, 99)),
    one("igamma", lax.igamma, Float(least=1, most=4), Float(least=1, most=4)),
    one("igammac", lax.igammac, Float(least=1, most=4), Float(least=1, most=4)),
    one("zeta", lax.zeta, Float(least=2, most=4), Float(least=1, most=4)),
    one("bessel_i0e", lax.bessel_i0e, LANE),
    one("bessel_i1e", lax.bessel_i1e, LANE),
    one("rows", lambda x, i: x[jnp.arange(3), i], LANE, Int((3,), 0, 4), rule="gather"),
    one(
        "windows",
        lambda x, i: jax.vmap(lambda r, k: lax.dynamic_slice(r, (k,), (2,)))(x, i),
        LANE,
        Int((3,), 0, 4),
        rule="gather",
    ),
    one(
        "outside",
        lambda x, i: x.at[i].get(mode="fill", fill_value=7.0),
        LANE,
        Int((3,), 0, 6),
        rule="gather",
    ),
    one(
        "write_rows",
        lambda x, i, u: x.at[jnp.arange(3), i].set(u),
        LANE,
        Int((3,), 0, 6),
        Float((3,), reach=3.0),
        rule="scatter",
    ),
    one(
        "add_windows",
        lambda x, i, u: jax.vmap(
            lambda r, k, v: lax.scatter_add(
                r, k[None], v, lax.ScatterDimensionNumbers((0,), (), (0,))
            )
        )(x, i, u),
        LANE,
        Int((3,), 0, 6),
        Float((3, 2), reach=3.0),
        rule="scatter-add",
    ),
    one(
        "write_window",
        lambda x, i, u: lax.dynamic_update_slice(x, u, (i, 1)),
        LANE,
        Int((), -1, 4),
        Float((2, 2), reach=3.0),
        rule="dynamic_update_slice",
    ),
    one(
        "read_window",
        lambda x, i, j: lax.dynamic_slice(x, (i, j), (2, 2)),
        LANE,
        Int((), -1, 4),
        Int((), -1, 4),
        rule="dynamic_slice",
    ),
    one("reduce_and", lambda x: x.all(1), Bool((12, 2))),
    one("reduce_or", lambda x: x.any(1), Bool((12, 2))),
    one("is_finite", lambda n: jnp.isfinite(1 / n), Int((12,), 0, 1)),
    one("reduce_prod", lambda x: jnp.prod(x, 0), Float((2, 4), reach=9.0)),
    one("eig", jnp.linalg.eig, CUBE),
    one(
        "regularized_incomplete_beta",
        jax.scipy.special.betainc,
        *[Float(least=0.1, most=0.9)] * 3,
    ),
    one(
        "random_gamma",
        lambda k, a: jax.random.gamma(key_of(k), a),
        Int((2,), 0, 9),
        Float((3,), least=1, most=3),
    ),
    one("stop_gradient", lax.stop_gradient, LANE),
    one("device_put", jax.device_put, LANE),
]

CASES = [
    *OURS,
    *(
        shared(case)
        for case in SHARED
        if case.direct is None and case.name not in LEFT_OUT
    ),
]

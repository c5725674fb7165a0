"""Factorisations, comparisons, casts and order, against libraries that are not ours."""

import numpy as np
import pytest

from tests.domains.real.agreement import run
from tests.domains.real.all_cases import CASES
from tests.domains.real.cases_linalg import COMPLEX, LINALG, SQUARE


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_agrees(case):
    assert not case.disagreements()


@pytest.mark.parametrize("case", [c for c in LINALG if len(c.inputs) == 1], ids=str)
def test_signs_and_pivots_are_those_of_lapack(case):
    """To float32 accuracy the factors are what JAX itself returns."""
    exact, floats = run(case.f, *case.inputs), case.f(*case.inputs)
    pairs = zip(flat(exact), flat(floats), strict=True)
    for ours, theirs in pairs:
        ours = ours.mid if hasattr(ours, "mid") else ours
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def flat(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def test_a_complex_qr_is_that_of_lapack():
    import jax.numpy as jnp

    (q, r), theirs = run(jnp.linalg.qr, COMPLEX), jnp.linalg.qr(COMPLEX)
    np.testing.assert_allclose(q.mid, theirs[0], atol=1e-5)
    np.testing.assert_allclose(r.mid, theirs[1], atol=1e-5)
    product = run(lambda a: jnp.linalg.qr(a)[0] @ jnp.linalg.qr(a)[1] - a, COMPLEX)
    assert (abs(product.mid) < 1e-30).all()


def test_batches_of_matrices():
    import jax.numpy as jnp

    batch = np.stack([SQUARE, SQUARE.T, SQUARE @ SQUARE])
    together = run(jnp.linalg.inv, batch)
    for one, matrix in zip(together, batch, strict=True):
        np.testing.assert_array_equal(one.mid, run(jnp.linalg.inv, matrix).mid)

"""What is asked of every kernel: one base that their tests share."""

import jax
import numpy as np

from torchlean_jax.contracts import contract
from torchlean_jax.contracts._contract import CLAUSES, Contract
from torchlean_jax.interpreters._kernel_call import unrolled


def failing_clauses(terms, **options) -> set[str]:
    """The clauses that a (broken) kernel fails."""
    return {failure.clause for failure in Contract(terms).check(**options).failures}


def assert_contract_holds(name, **options):
    report = contract(name).check(**options)
    assert report.ok, str(report)


def assert_runs_like_interpret_mode(program, args, interpreted):
    """The unrolled kernel has the values of Pallas' own interpret mode."""
    with interpreted():
        expected = program.kernel(*args)
    found = unrolled(program.kernel)(*args)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(
            np.asarray(a, np.float64), np.asarray(b, np.float64), rtol=1e-5, atol=1e-6
        )


__all__ = [
    "CLAUSES",
    "assert_contract_holds",
    "assert_runs_like_interpret_mode",
    "failing_clauses",
]

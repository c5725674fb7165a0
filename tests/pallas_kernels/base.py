"""What is asked of every kernel: one base that their tests share."""

import dataclasses
import inspect
import re
import types

import jax
import numpy as np

from torchlean_jax.contracts import Contract, contract
from torchlean_jax.interpreters._kernel_call import unrolled

ONE = {"shapes": ["ragged"], "dtypes": ["float32"]}


class SmallTiles:
    """In place of `row_tile`: tiles smaller than the array, more than one each way."""

    def __init__(self, rows, columns, **_):
        self.rows, self.columns, self.warps = 2, 4, 1


def with_kernel(terms, program, kernel):
    """The terms with one program alone, its kernel replaced; no edges, and nothing to
    differentiate: the public function does not take what a backward program takes."""
    changed = dataclasses.replace(program, kernel=kernel)
    return dataclasses.replace(
        terms, programs=(changed,), edges=(), differentiable=lambda *arrays: arrays
    )


def mutated(module, old: str, new: str) -> types.ModuleType:
    """The module with a fault in its source: `new` where it says `old`, once."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"{old!r} is there {source.count(old)} times"
    changed = types.ModuleType(f"{module.__name__}_with_a_fault")
    exec(compile(source.replace(old, new), module.__file__, "exec"), vars(changed))
    return changed


def failures(terms, **options):
    """Where a (broken) kernel breaks its contract: by what it computes, and not
    because the planted fault does not even run. The derivative of the public function
    is left out: that function is not broken, and the arguments of a backward kernel,
    alone in its terms, are not its own."""
    report = Contract(terms).check(**options)
    found = [c for c in named(report) if not c.program.startswith("grad of ")]
    crashed = [c.detail for c in found if re.match(r"\w*(Error|Exception): ", c.detail)]
    assert not crashed, crashed
    return found


def named(report):
    """The failures, each of which says in its line which clause it is of."""
    for failure in report.failures:
        assert str(failure).split()[:2] == ["fail", failure.clause], str(failure)
    return report.failures


def failing_clauses(terms, **options) -> set[str]:
    return {failure.clause for failure in failures(terms, **options)}


def sampled(name):
    """The shapes of a contract's sample."""
    return contract(name).sample()["shapes"]


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

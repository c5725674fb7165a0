"""No dependence that a run shows is missed, and what is called known is what comes out.

Every rule has a case, and every rule is caught when it forgets sets.
"""

import contextlib
import dataclasses

import jax
import numpy as np
import pytest

from tests.domains.dependence.cases import CASES
from tests.domains.dependence.perturbed import is_float, violations
from torchlean_jax.domains._registry import Rule
from torchlean_jax.domains.dependence import SetArray
from torchlean_jax.domains.dependence._domain import table

# Rules of primitives that this version of JAX lacks, or reaches in no public way.
WITHOUT_CASE = {
    *("copy_p", "empty", "empty2", "expand_dims", "geqrf", "iota", "le_to", "log2"),
    *("one_minus_square", "polynomial", "ragged_dot", "sharding_constraint"),
    "reshard",
    "threefry2x32",
}


def arrays_of(case, seed, tame):
    """Inputs of a case; `tame`: small halves, zeros among them, so that nothing
    overflows."""
    arrays = case.draw(seed)
    if not tame:
        return arrays
    rng = np.random.default_rng(seed)
    return [
        (rng.integers(-4, 5, np.shape(a)) / 2).astype(a.dtype) if is_float(a) else a
        for a in arrays
    ]


def check(case, seed, finite):
    arrays, others = (arrays_of(case, s, finite) for s in (seed, seed + 1000))
    rng = np.random.default_rng(seed)
    return violations(case.f, arrays, others, rng, finite=finite)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_dependence_is_missed(case):
    for finite in (True, False):
        assert not check(case, 0, finite)


@contextlib.contextmanager
def broken(name, mutant):
    sound = table._rules[name]
    table._rules[name] = Rule(mutant(sound.function), sound.on_operation)
    try:
        yield
    finally:
        table._rules[name] = sound


def on_values(change):
    """A mutant that applies `change` to each value that a rule returns."""

    def mutant(sound):
        def rule(*args):
            return jax.tree.map(
                lambda x: change(x) if isinstance(x, SetArray) else x, sound(*args)
            )

        return rule

    return mutant


def forgetful(x):
    """Nothing depends on anything."""
    return dataclasses.replace(x, words=np.zeros_like(x.words))


def credulous(x):
    """Whatever is not known is 0."""
    zero = np.where(x.known, x.value, np.zeros_like(x.value))
    return dataclasses.replace(x, known=np.ones_like(x.known), value=zero)


def case_of():
    found = {}
    for case in CASES:
        for rule in case.rules:
            found.setdefault(rule, case)
    return found


OF_RULE = case_of()


def is_noticed(case, seeds=range(3)):
    return any(check(case, s, finite) for s in seeds for finite in (False, True))


KEYS = {"random_seed", "random_wrap", "random_split", "random_fold_in"}


def test_every_rule_has_a_case():
    assert set(table.names()) - set(OF_RULE) <= WITHOUT_CASE
    assert set(table.names()) >= WITHOUT_CASE


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("rule", sorted(set(OF_RULE) & table.names()))
def test_a_rule_that_forgets_is_noticed(rule):
    """It also shows that the case of a rule does reach the rule."""
    # a random key has no number that could be known
    for change in (forgetful,) if rule in KEYS else (forgetful, credulous):
        with broken(rule, on_values(change)):
            assert is_noticed(OF_RULE[rule]), change.__name__

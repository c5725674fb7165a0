"""Breaking the domain on purpose, and finding the cases that reach a rule."""

import contextlib
import functools

import flint
import numpy as np

import torchlean_jax as tl
from tests.domains.real.agreement import disagreements, run
from tests.domains.real.all_cases import CASES as OWN
from tests.domains.real.functions import FUNCTIONS
from tests.domains.real.test_functions import parts
from tests.domains.real.test_shared_cases import CASES as SHARED
from tests.domains.real.test_shared_cases import at_points
from torchlean_jax.domains._registry import Rule
from torchlean_jax.domains.real import RealArray

RULES = tl.Real.rules._rules


def of_function(function):
    inputs = function.inputs(seed=0)
    return disagreements(run(function.f, *inputs), parts(function.expected(*inputs)))


# name -> a function that returns what does not agree; cheap ones first
CHECKS = {
    **{f"own {c}": c.disagreements for c in OWN},
    **{f"function {f}": functools.partial(of_function, f) for f in FUNCTIONS},
    **{
        f"shared {c}": functools.partial(at_points, c, 0)
        for c in SHARED
        if c.name not in ("sort_many", "gather_many")
    },
}


@contextlib.contextmanager
def replaced(rule, mutant):
    """The table of rules with `mutant(sound)` in place of the function of `rule`."""
    sound = RULES[rule]
    RULES[rule] = Rule(mutant(sound.function), sound.on_operation)
    try:
        yield
    finally:
        RULES[rule] = sound


@functools.cache
def reached():
    """rule -> names of the checks that call it."""
    found = {name: [] for name in RULES}
    for check, disagree in CHECKS.items():
        called = set()
        with contextlib.ExitStack() as stack:
            for name in RULES:
                stack.enter_context(replaced(name, _noting(called, name)))
            assert not disagree(), check
        for name in called:
            found[name].append(check)
    return found


def _noting(called, name):
    def mutant(sound):
        def rule(*args, **params):
            called.add(name)
            return sound(*args, **params)

        return rule

    return mutant


def is_noticed(rule, mutant, tries=4):
    """Whether one of the first checks that reach the rule fails with the mutant."""
    checks = reached()[rule][:tries]
    with replaced(rule, mutant):
        return any(fails(check) for check in checks)


def fails(check):
    """Whether a check finds something wrong, or can no longer decide."""
    try:
        return bool(CHECKS[check]())
    except (tl.UndecidedError, AssertionError):
        return True


def spoiled(sound):
    """Every number a little off, every flag and integer wrong."""

    def rule(*args, **params):
        result = sound(*args, **params)
        return [_off(x) for x in result] if isinstance(result, list) else _off(result)

    return rule


def _off(x):
    if not isinstance(x, RealArray):
        x = np.asarray(x)
        return ~x if x.dtype == bool else x + 1
    factor = 1 + flint.arb(2) ** -120
    balls = np.frompyfunc(lambda b: b * factor, 1, 1)(x.balls)
    return RealArray(balls, x.dtype)

"""Breaking the interval domain on purpose, to see whether the check notices."""

import contextlib
import importlib
import pkgutil

import jax
import numpy as np

import torchlean_jax as tl
from tests.domains.interval.all_cases import CASES
from tests.domains.interval.cases import violations
from tests.domains.interval.test_containment import exact_points, values_of
from torchlean_jax.domains import interval as package
from torchlean_jax.domains._registry import Rule
from torchlean_jax.domains.interval import _kinds

BY_NAME = {case.name: case for case in CASES}
BOXES = 4


@contextlib.contextmanager
def broken(rule, mutant):
    """The table of rules with `mutant(sound)` in place of the function of `rule`."""
    name, _, kind = rule.partition("/")
    kinds = _kinds._BY_KIND.get(name)
    if kinds:
        kind = kind or "float"
        sound = kinds[kind]
        kinds[kind] = mutant(sound)
    else:
        sound = tl.Interval.rules._rules[name]
        tl.Interval.rules._rules[name] = Rule(
            mutant(sound.function), sound.on_operation
        )
    try:
        yield
    finally:
        if kinds:
            kinds[kind] = sound
        else:
            tl.Interval.rules._rules[name] = sound


@contextlib.contextmanager
def replaced(name, value, modules=None):
    """`name` replaced by `value` in every module of the package that has it."""
    names = [
        m.name for m in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    ]
    modules = modules or [importlib.import_module(n) for n in names]
    held = [(m, getattr(m, name)) for m in modules if hasattr(m, name)]
    assert held, name
    for module, _ in held:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, sound in held:
            setattr(module, name, sound)


def is_noticed(case, seeds=range(3)):
    """Whether some box of the first seeds shows a violation."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        drawn = case.draw(seed, np.float32, BOXES)
        for which in range(BOXES):
            result = case.program()(*[x[which] for x in values_of(drawn)])
            if violations(result, exact_points(case, rng, drawn, which)):
                return True
    return False


def on_intervals(change):
    """A mutant that applies `change` to each interval that a rule returns."""

    def mutant(sound):
        def rule(*args, **params):
            return jax.tree.map(
                lambda x: change(x) if isinstance(x, tl.Interval) else x,
                sound(*args, **params),
                is_leaf=lambda x: isinstance(x, tl.Interval),
            )

        return rule

    return mutant

"""`interpret`: run a model's jaxpr over another kind of value."""

import functools

import jax

from torchlean_jax._trace import as_function, aval_of, trace
from torchlean_jax.domains._domain import Domain, as_domain, is_eager
from torchlean_jax.domains._errors import LostDigitsError
from torchlean_jax.interpreters._eager import is_float, located
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.interpreters._missing import require_rules


def interpret(model, *, domain: Domain):
    """`model` as a function on values of `domain`.

    Returns a function of the model's own arguments. Arguments that are values of the
    domain (say, an `Interval`) run over it; all others are concrete. The result has the
    structure of the model's output, each leaf a domain value (or an array, where it
    depends on none).

    The same equations run that `jax.jit(model)` would compile, so what holds of the
    values holds of the model. Composes with `jit`, `vmap`, `grad` and `scan`. Like
    `jax.jit`, it traces the model once for each combination of argument shapes, and
    captured arrays are fixed at that moment.

    Raises MissingRuleError, listing every primitive that the domain cannot pass.

    >>> import jax.numpy as jnp
    >>> import torchlean_jax as tl
    >>> square_plus = lambda x: x * x + 1
    >>> y = tl.interpret(square_plus, domain=tl.Interval)(tl.box(1.0, 2.0))
    >>> bool(y.lo <= 2.0) and bool(y.hi >= 5.0)
    True
    """
    function = as_function(model)
    domain = as_domain(domain)
    traces = {}

    @functools.wraps(function, updated=())
    def interpreted(*args, **kwargs):
        leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=domain.is_value)
        abstract = tuple(map(domain.is_value, leaves))
        key = (
            tree,
            abstract,
            tuple(str(aval_of(leaf)) for leaf in leaves),
            jax.config.read("jax_enable_x64"),
        )
        traced = traces.get(key)
        if traced is None:
            traced = trace(function, args, kwargs, domain.is_value)
            name = getattr(function, "__name__", type(function).__name__)
            require_rules(traced.jaxpr, abstract, domain, what=f"`{name}`")
            traces[key] = traced
        leaves = [
            domain.lift(x) if is_value else x
            for x, is_value in zip(leaves, abstract, strict=True)
        ]
        if is_eager(domain):
            outputs = _repeated(traced, leaves, domain)
        else:
            outputs = walk(traced.jaxpr, traced.consts, leaves, domain)
        return jax.tree.unflatten(traced.out_tree, outputs)

    return interpreted


def _repeated(traced, leaves, domain):
    """The walk of a domain that may need several; its floats are values throughout."""
    consts, leaves = (
        [domain.lift(x) if is_float(x) else x for x in xs]
        for xs in (traced.consts, leaves)
    )

    def run(observe):
        return walk(traced.jaxpr, consts, leaves, domain, observe)

    try:
        return domain.evaluate(run, leaves)
    except LostDigitsError as error:
        raise located(error, error.equations) from error

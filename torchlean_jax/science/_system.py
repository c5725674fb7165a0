"""A closed loop with a function V: V and its change W, over boxes and at points.

Their Hessians over boxes are what is argued with at the origin (`_lyapunov`).
"""

import functools
import itertools

import jax
import jax.numpy as jnp

from torchlean_jax._interpret import interpret
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science import _forms
from torchlean_jax.science._jets import Jet, Jets, product


class System:
    """V and W over boxes, with derivatives, and W at points.

    states: how many of the inputs move, the first ones; f gives their rates. The others
    are disturbances.
    """

    def __init__(self, f, V, size: int, discrete: bool, states: int | None = None):
        self.f, self.V, self.size, self.discrete = f, V, size, discrete
        self.states = size if states is None else states
        self.enclose = jax.jit(jax.vmap(lambda lo, hi: self._walk((), lo, hi)))
        self.curve = jax.jit(jax.vmap(self._hessians))
        self.image = jax.jit(jax.vmap(interpret(f, domain=Interval)))

    def decrease(self, x):
        """W, as a plain function."""
        if self.discrete:
            return self.V(self.f(x)) - self.V(x)
        return jax.jvp(self.V, (x,), (self.f(x),))[1]

    def _walk(self, order, lo, hi) -> tuple[Interval, Interval]:
        """Enclosures of V and W, of each derivative contained in the order."""
        found = self._jets([order], lo, hi)
        return found[0][-1], found[1][-1]

    def _hessians(self, lo, hi) -> tuple[Interval, Interval]:
        pairs = list(itertools.combinations_with_replacement(range(self.size), 2))
        jets = Jets(pairs, self.size)
        places = jnp.array(
            [
                [jets.place[tuple(sorted((i, k)))] for k in range(self.size)]
                for i in range(self.size)
            ]
        )
        v, w = self._jets(pairs, lo, hi)
        return v[places], w[places]

    def _jets(self, orders, lo, hi) -> tuple[Interval, Interval]:
        jets, states = Jets(orders, self.size), range(self.states)
        if self.discrete:
            walk = interpret(lambda x: (self.V(x), self.decrease(x)), domain=jets)
            v, w = walk(jets.input(lo, hi))
            return jets.enclosures(v), jets.enclosures(w)
        more = Jets([(*o, k) for o in jets.orders for k in states], self.size)
        v = interpret(self.V, domain=more)(more.input(lo, hi)).parts
        rate = interpret(self.f, domain=jets)(jets.input(lo, hi)).parts

        def slope(k):
            places = [more.place[tuple(sorted((*o, k)))] for o in jets.orders]
            return Jet(v[jnp.array(places)])

        terms = [product(jets, slope(k), Jet(rate[..., k])).parts for k in states]
        w = functools.reduce(jax.vmap(_forms.plus), terms)
        own = v[jnp.array([more.place[o] for o in jets.orders])]
        return jets.enclosures(Jet(own)), jets.enclosures(Jet(w))


@functools.lru_cache(16)
def system_of(f, V, size: int, discrete: bool) -> System:
    """One for all levels and boxes: a search for the largest level compiles once."""
    return System(f, V, size, discrete)

"""What the interpreters ask of a domain, and nothing more."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from torchlean_jax.domains._registry import RuleTable


@runtime_checkable
class Domain(Protocol):
    """A kind of value that a jaxpr can be run over.

    Passed as an instance, or as its class when it has no options. An array that is not
    a domain value is *concrete*: exactly the numbers it holds. The interpreters keep
    arrays concrete through operations that move or negate elements, and lift them
    before anything rounds.
    """

    rules: RuleTable

    def is_value(self, x: Any) -> bool:
        """Whether `x` is a value of this domain (and not an array)."""
        ...

    def lift(self, x: Any) -> Any:
        """A concrete array as a value; a value at the domain's working precision."""
        ...

    def join(self, values: Sequence[Any], possible: Sequence[Any]) -> Any:
        """A value that covers each of `values` whose flag in `possible` (bool[]) is
        set."""
        ...

    def unknown(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """The value about which nothing is known, not even that it is a number."""
        ...

    def settle(self, value: Any) -> Any:
        """`value` as a concrete array if that loses nothing and can be seen now, else
        itself."""
        ...


@runtime_checkable
class EagerDomain(Domain, Protocol):
    """A domain that runs outside jit: its loops are Python's, its branches taken.

    Every float array is a value of the domain from the start; integers and booleans
    are always concrete, so that a comparison is decided or an error. Whoever starts a
    walk hands it to `evaluate`, which may repeat it.
    """

    def evaluate(self, run: Callable[[Any], list], inputs: Sequence[Any]) -> list:
        """The outputs of `run(observe)`, repeated as often as the domain needs."""
        ...

    def stack(self, values: Sequence[Any], shape: tuple[int, ...], dtype: Any) -> Any:
        """Values of one shape along a new first axis; `shape` is the result's."""
        ...


def is_eager(domain) -> bool:
    return hasattr(domain, "evaluate")


def as_domain(domain) -> Any:
    """A domain given as its class, where options make instances, with the defaults."""
    return domain() if isinstance(domain, type) and is_eager(domain) else domain

"""What the interpreters ask of a domain, and nothing more."""

from collections.abc import Sequence
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

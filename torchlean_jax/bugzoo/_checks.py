"""Checks that several cards share: the answers of public calls as findings, and what no
call of ours can see, because it is not about a JAX program."""

from collections.abc import Callable, Iterable

from torchlean_jax._equivalent import Equivalence
from torchlean_jax.bugzoo._card import Finding
from torchlean_jax.domains._errors import DependenceError, UndecidedError


def same_function(report: Equivalence) -> Finding:
    """The answer of `tl.equivalent`.

    Raises UndecidedError where it is undecided: that catches nothing, and passes
    nothing.
    """
    if report.equal is None:
        raise UndecidedError(str(report))
    return Finding(report.equal, str(report))


def without_dependence(assertion: Callable[[], None], established: str) -> Finding:
    """An assertion of a report of `tl.depends`, and what it says if it holds.

    Raises UndecidedError where the dependence is only possible: nothing was shown then.
    """
    try:
        assertion()
    except DependenceError as error:
        if error.witness is None:
            raise UndecidedError(str(error)) from error
        return Finding(False, str(error))
    return Finding(True, established)


def round_trip(
    encode: Callable[[str], list[int]],
    decode: Callable[[list[int]], str],
    texts: Iterable[str],
) -> Finding:
    """Whether decoding gives back the texts that were encoded."""
    tried = []
    for text in texts:
        ids = encode(text)
        back = decode(ids)
        if back != text:
            return Finding(False, f"{text!r} is encoded as {ids}, which reads {back!r}")
        tried.append(f"{text!r} is encoded as {ids}, and reads the same")
    return Finding(True, "\n".join(tried))

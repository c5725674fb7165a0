"""What an example of `torchlean science` ends in. The examples are elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What an example claims and what was shown of it.

    certified, sampled: the proved figure and the one that points attain. figures: what
    else was found, by name. certificate: makes the bytes that `torchlean-check` takes;
    holds: in words, what they speak of where that is less than the claim. draw: puts a
    picture on matplotlib axes.
    """

    claim: str
    status: str
    certified: float
    sampled: float
    seconds: float
    figures: dict
    draw: Callable
    certificate: Callable[[], bytes] | None = None
    holds: str = ""

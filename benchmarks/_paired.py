"""Timing two programs side by side, and the facts a result must carry to be read later.

Not here: what is being compared. A and B alternate in blocks, so that both meet the
same weather; the first call of a block is not counted unless it is long, since it finds
the caches and the cores as the other program left them.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
PROCESSOR = "limits and figures are seconds of the processor: on a busy machine"
# what a verdict unlike the published one over the reals is called
DIFFERENCE = {"real": "wrong", "fp32": "differing"}
LONG = 0.5  # seconds; a call this long is timed without a warming call before it


@dataclass(frozen=True)
class Timing:
    """Seconds a call took, one number per counted call."""

    seconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        return min(self.seconds)


def clock(is_of_processor: bool) -> str:
    """What seconds mean from now on, in the library's limits too, and its name.

    Seconds of the processor count every thread. A program that never waits needs at
    most as many by the clock on a machine of its own, whatever else runs on this one.
    """
    if is_of_processor:
        time.perf_counter = time.process_time
    return "processor" if is_of_processor else "wall"


def named(what: str, suite: str, semantics: str) -> str:
    """The result file of a suite under a meaning of its claims."""
    name = f"{what}_{suite.replace('/', '_')}"
    return name if semantics == "real" else f"{name}_{semantics}"


def timed(call) -> tuple[float, object]:
    """(seconds, result) of one call, which must not return before it has finished."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def paired(first, second, *, seconds=20.0, most=20) -> tuple[Timing, Timing]:
    """Timings of two functions of no arguments, A B A B, within about `seconds` in all.

    Each turn holds up to five counted calls, or about a tenth of a second of them.
    """
    calls = first, second
    cost = [timed(call)[0] for call in calls]
    # a long call that has been made is a measurement; a short one was for warming up
    turns = [[c] if c >= LONG else [] for c in cost]
    inner = [max(1, min(5, int(0.1 / c))) for c in cost]
    one_round = sum(c * (n + (c < LONG)) for c, n in zip(cost, inner, strict=True))
    rounds = min(most, int(seconds / one_round))
    for _ in range(rounds if all(turns) else max(rounds, 1)):
        for call, times, c, n in zip(calls, turns, cost, inner, strict=True):
            if c < LONG:
                call()
            times.extend(timed(call)[0] for _ in range(n))
    return Timing(turns[0]), Timing(turns[1])


def alone(call, *, seconds=10.0, most=50) -> Timing:
    """Timings of one function of no arguments, after a call that is not counted."""
    cost = timed(call)[0]
    repeats = max(1, min(most, int(seconds / max(cost, 1e-9))))
    return Timing([timed(call)[0] for _ in range(repeats)])


def circumstances(*packages: str) -> dict:
    """When, on what and with which versions a measurement was made; warns if busy."""
    load, cores = os.getloadavg(), len(os.sched_getaffinity(0))
    if load[0] > cores / 2:
        print(f"busy: load {load[0]:.1f} on {cores} cores; these times will not hold")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": cores,
        "load_at_start": [round(x, 2) for x in load],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def write(name: str | Path, result: dict) -> None:
    """Write `results/<name>.json`, or a given Path, whole or not at all."""
    target = name if isinstance(name, Path) else RESULTS / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1) + "\n")
    partial.replace(target)


def known(name: str | Path) -> dict:
    """What an earlier run wrote, to go on from; {} if there is none."""
    target = name if isinstance(name, Path) else RESULTS / f"{name}.json"
    return json.loads(target.read_text()) if target.exists() else {}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None

"""A time by which an answer is due, although compiled code cannot be interrupted."""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import Any


def within(seconds: float | None, work: Callable[[], Any]) -> tuple[bool, Any]:
    """(whether `work` ended within `seconds`, what it returned).

    What is still running then goes on until the process ends, which it does without
    waiting: XLA answers no signal in the middle of a computation. Whatever `work`
    raises, this raises.
    """
    if seconds is None:
        return True, work()
    outcome: dict[str, Any] = {}

    def run():
        try:
            outcome["result"] = work()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if "error" in outcome:
        raise outcome["error"]
    if "result" in outcome:
        return True, outcome["result"]
    atexit.register(_leave)
    return False, None


def _leave():
    """End the process at once, with the exit code of a timeout."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(3)

"""A time by which an answer is due, although compiled code cannot be interrupted."""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

_TIMEOUT, _INTERRUPTED = 3, 130  # exit codes


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
    try:
        thread.join(seconds)
    except KeyboardInterrupt:
        atexit.register(_leave, _INTERRUPTED)
        raise
    if "error" in outcome:
        raise outcome["error"]
    if "result" in outcome:
        return True, outcome["result"]
    atexit.register(_leave, _TIMEOUT)
    return False, None


def _leave(code):
    """End the process at once: what still computes would keep it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

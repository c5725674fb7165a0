"""Ctrl-C as a request: a search ends between two batches, and can be kept.

Signals belong to a process, so whoever owns the main thread decides (`on_signals`);
searches in any thread ask whether an end was asked for (`is_asked_for`).
"""

import contextlib
import signal
import threading
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked = threading.Event()
_owners: list = []


def is_asked_for() -> bool:
    """Whether a signal asked for an end since the outermost `on_signals` began."""
    return _asked.is_set()


@contextlib.contextmanager
def on_signals() -> Iterator[None]:
    """In this block the first SIGINT or SIGTERM is a request; the next one acts as it
    did before. Only the main thread can say so: in another one nothing changes."""
    before = {}

    def ask(number, frame):
        _asked.set()
        restore()

    def restore():
        for number, handler in before.items():
            signal.signal(number, handler)
        before.clear()

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or _owners:  # an outer block of the main thread has said so already
        yield
        return
    for number in _SIGNALS:
        before[number] = signal.getsignal(number) or signal.SIG_DFL
        signal.signal(number, ask)
    _owners.append(ask)
    try:
        yield
    finally:
        _owners.remove(ask)
        restore()
        _asked.clear()

"""Planting a fault in a module, to see that a check notices it."""

import contextlib
import inspect


@contextlib.contextmanager
def planted(module, sound, faulty, keep=()):
    """`module` with its source text `sound` replaced by `faulty`, for a while.

    keep: names that stay what they were (classes that annotations elsewhere refer to).
    """
    source = inspect.getsource(module)
    assert source.count(sound) == 1, f"{sound!r} stands {source.count(sound)} times"
    before = dict(vars(module))
    code = compile(source.replace(sound, faulty), module.__file__, "exec")
    try:
        exec(code, vars(module))
        vars(module).update({name: before[name] for name in keep})
        yield
    finally:
        vars(module).clear()
        vars(module).update(before)


def notices(check, *args):
    """Whether `check` fails."""
    try:
        check(*args)
    except AssertionError:
        return True
    return False

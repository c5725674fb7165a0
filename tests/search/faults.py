"""Planting a fault in a module, to see that a check notices it."""

import contextlib
import inspect


@contextlib.contextmanager
def planted(module, sound, faulty):
    """`module` with its source text `sound` replaced by `faulty`, for a while."""
    source = inspect.getsource(module)
    assert source.count(sound) == 1, f"{sound!r} stands {source.count(sound)} times"
    before = dict(vars(module))
    code = compile(source.replace(sound, faulty), module.__file__, "exec")
    try:
        exec(code, vars(module))
        _keep_sound_classes(module, before, sound)
        yield
    finally:
        vars(module).clear()
        vars(module).update(before)


def _keep_sound_classes(module, before, sound):
    """A second copy of a class would be refused by annotations elsewhere."""
    for name, value in before.items():
        own = isinstance(value, type) and value.__module__ == module.__name__
        if own and sound not in inspect.getsource(value):
            setattr(module, name, value)


def notices(check, *args):
    """Whether `check` fails."""
    try:
        check(*args)
    except AssertionError:
        return True
    return False

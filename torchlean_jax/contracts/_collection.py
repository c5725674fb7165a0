"""All contracts: one for each folder of `pallas_kernels`, and XLA's own operations."""

import difflib
import functools
import importlib
import pkgutil

from torchlean_jax import pallas_kernels
from torchlean_jax.contracts import _xla
from torchlean_jax.contracts._contract import Contract
from torchlean_jax.domains._errors import InputError


@functools.cache
def contracts() -> tuple[Contract, ...]:
    """The contract of every kernel, by name, and of what is relied on of XLA."""
    folders = [m.name for m in pkgutil.iter_modules(pallas_kernels.__path__) if m.ispkg]
    where = pallas_kernels.__name__
    modules = [importlib.import_module(f"{where}.{n}._contract") for n in folders]
    terms = [*(module.TERMS for module in modules), *_xla.TERMS]
    return tuple(map(Contract, terms))


def contract(name: str) -> Contract:
    """The contract of that name; where there is none, an InputError lists them."""
    known = {each.name: each for each in contracts()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or sorted(known)
        raise InputError(f"no kernel is called {name!r}; there are: {', '.join(near)}")
    return known[name]

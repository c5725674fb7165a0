"""Importing what an extra brings, and saying which extra when it is not there."""

import importlib

from torchlean_jax.domains._errors import TorchLeanError


class MissingExtraError(TorchLeanError, ImportError):
    """A package that only an extra installs is not there."""


def import_extra(module: str, *, extra: str, purpose: str):
    """The module named `module`, which `pip install 'torchlean-jax[extra]'` brings.

    Raises MissingExtraError with that command when the package is not installed. An
    error *inside* an installed package is passed on as it is: installing it again would
    not help.

    >>> import_extra("json", extra="zoo", purpose="writing results").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise MissingExtraError(
            f"{purpose} needs {package}, which is not installed: "
            f"pip install 'torchlean-jax[{extra}]'"
        ) from error

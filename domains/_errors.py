"""The exceptions every room may raise.

Each message says what was given, what was needed and what to do; all problems at once.
"""

from typing import Any


class TorchLeanError(Exception):
    """Whatever torchlean_jax raises on purpose derives from this."""


class InputError(TorchLeanError, ValueError):
    """A box, spec, label, shape or dtype that cannot mean what was asked."""


class ShapeError(InputError):
    """An array whose shape or dtype is not the one that was declared."""


class FileFormatError(InputError):
    """A file that is damaged, contradicts itself, or says what cannot be meant."""


class SearchFileError(TorchLeanError, OSError):
    """A file for the state of a search that cannot be read or written."""


class WorkerError(TorchLeanError, RuntimeError):
    """Workers that a search was dealt out to, and that died of it."""


class MissingOperatorError(TorchLeanError, NotImplementedError):
    """Operators of an ONNX file that have no translation."""


class MissingRuleError(TorchLeanError, NotImplementedError):
    """Primitives of a model that the chosen domain or bound method cannot pass."""


class UndecidedError(TorchLeanError):
    """A question that the chosen number system cannot answer at this input."""


class LostDigitsError(UndecidedError):
    """Outputs that do not reach the digits asked for; `equations`: where they lose."""

    equations: tuple = ()


class DependenceError(TorchLeanError, AssertionError):
    """A dependence that was asserted not to exist.

    output, input: the pair of positions; witness: two inputs that exhibit it, or None.
    """

    def __init__(self, message, output: int, input: int, witness: Any = None):
        super().__init__(message)
        self.output, self.input, self.witness = output, input, witness


class CertificateWriteError(TorchLeanError):
    """A proof that holds but that the certificate format cannot express."""

"""The network that is trained, the one that is proved about and the one that runs, as
one object."""

from torchlean_jax import claims, spec
from torchlean_jax._audit import Audit, audit_compilation
from torchlean_jax._ball import ball
from torchlean_jax._batch_invariant import BatchInvariance, batch_invariant
from torchlean_jax._bounds import bounds
from torchlean_jax._box import box
from torchlean_jax._check import RejectedError, check
from torchlean_jax._check_export import ExportCheck, check_export
from torchlean_jax._depends import DependenceReport, depends
from torchlean_jax._equivalent import Equivalence, cut, equivalent
from torchlean_jax._explain import Explanation, Loss
from torchlean_jax._faithful import faithful_jit
from torchlean_jax._float_error import float_error
from torchlean_jax._gradient_report import GradientCheck, GradientFailure, LeafCheck
from torchlean_jax._gradients import check_jvp, check_vjp
from torchlean_jax._halfspaces import Halfspaces, halfspaces
from torchlean_jax._inspect import Inspection, inspect
from torchlean_jax._interpret import interpret
from torchlean_jax._quantization_error import quantization_error
from torchlean_jax._quantize import QuantizedModel, quantize
from torchlean_jax._replay import Replay, replay
from torchlean_jax._rollout import rollout
from torchlean_jax._safetensors import from_safetensors, to_safetensors
from torchlean_jax._shapes import shapes
from torchlean_jax._verdict import Verdict
from torchlean_jax._verify import verify
from torchlean_jax.domains._errors import (
    CertificateWriteError,
    DependenceError,
    FileFormatError,
    InputError,
    MissingOperatorError,
    MissingRuleError,
    SearchFileError,
    ShapeError,
    TorchLeanError,
    UndecidedError,
    WorkerError,
)
from torchlean_jax.domains.finite_field import FiniteField
from torchlean_jax.domains.fp32 import FP32, ErrorModel
from torchlean_jax.domains.ieee32 import IEEE32, Flags, FloatBits
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.quantized import QuantizationScheme
from torchlean_jax.domains.real import Real, RealArray
from torchlean_jax.onnx import ConversionError, from_onnx, from_torch, to_onnx
from torchlean_jax.search import Attack
from torchlean_jax.vnnlib import read_vnnlib

__all__ = [
    "FP32",
    "IEEE32",
    "Attack",
    "Audit",
    "BatchInvariance",
    "CertificateWriteError",
    "ConversionError",
    "DependenceError",
    "DependenceReport",
    "Equivalence",
    "ErrorModel",
    "Explanation",
    "ExportCheck",
    "FileFormatError",
    "FiniteField",
    "Flags",
    "FloatBits",
    "GradientCheck",
    "GradientFailure",
    "Halfspaces",
    "InputError",
    "Inspection",
    "Interval",
    "LeafCheck",
    "Loss",
    "MissingOperatorError",
    "MissingRuleError",
    "QuantizationScheme",
    "QuantizedModel",
    "Real",
    "RealArray",
    "RejectedError",
    "Replay",
    "SearchFileError",
    "ShapeError",
    "TorchLeanError",
    "UndecidedError",
    "Verdict",
    "WorkerError",
    "audit_compilation",
    "ball",
    "batch_invariant",
    "bounds",
    "box",
    "check",
    "check_export",
    "check_jvp",
    "check_vjp",
    "claims",
    "cut",
    "depends",
    "equivalent",
    "faithful_jit",
    "float_error",
    "from_onnx",
    "from_safetensors",
    "from_torch",
    "halfspaces",
    "inspect",
    "interpret",
    "quantization_error",
    "quantize",
    "read_vnnlib",
    "replay",
    "rollout",
    "shapes",
    "spec",
    "to_onnx",
    "to_safetensors",
    "verify",
]
__version__ = "0.1.0"

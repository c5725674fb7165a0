"""`check`: have a certificate re-derived, and compare its graph with a model's."""

import io
import json
import os
import zipfile

import jax.numpy as jnp

import torchlean_check
from torchlean_jax.certificate import _format
from torchlean_jax.certificate._writer import graph_of
from torchlean_jax.domains._errors import TorchLeanError
from torchlean_jax.domains.interval import Interval


class RejectedError(TorchLeanError):
    """A certificate that does not prove what it says, or speaks of another network."""


def check(certificate, *, model=None, args=None):
    """The checker's report on a certificate; raises RejectedError if it is not
    accepted.

    certificate: a path, bytes, or a `Certificate`. With `model`, the certificate must
    also speak of that very network: `model` (with the parameters it has now) is traced
    at the shapes of the certificate's inputs, and the digests of both graphs must
    agree. args: the model's arguments, boxes at the places of the input sets, when it
    takes more than those.

    The re-derivation is done by the independent package `torchlean_check`, in exact
    arithmetic.

    >>> import jax, torchlean_jax as tl
    >>> f = lambda x: jax.nn.relu(x) + 1.0
    >>> v = tl.verify(f, tl.box(-1.0, 2.0), tl.spec.linear([[1.0]]))
    >>> tl.check(v.certificate, model=f).accepted
    True
    """
    blob = getattr(certificate, "bytes", certificate)
    source = os.fspath(blob) if not isinstance(blob, bytes) else blob
    try:
        report = torchlean_check.check(source)
    except torchlean_check.CertificateError as error:
        raise RejectedError(f"not a well-formed certificate: {error}") from error
    if not report.accepted:
        raise RejectedError(f"rejected: {report.reason}")
    if model is not None:
        if args is None:
            args = [_any_box(**shape) for shape in _input_shapes(source)]
        found = _format.graph_digest(graph_of(model, args))
        if found != report.graph_digest:
            raise RejectedError(
                f"the certificate is about another network: its graph has digest "
                f"{report.graph_digest[:16]}..., the model's {found[:16]}..."
            )
    return report


def _input_shapes(source):
    """Shapes and dtypes of the inputs of an accepted (hence well-formed)
    certificate."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    with zipfile.ZipFile(stream) as archive:
        graph = json.loads(archive.read("manifest.json"))["graph"]
    return [{"shape": i["shape"], "dtype": i["dtype"]} for i in graph["inputs"]]


def _any_box(shape, dtype):
    zero = jnp.zeros(shape, dtype)
    return Interval(zero, zero)

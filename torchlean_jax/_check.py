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
        manifest = _manifest(source)
        if args is None:
            args = [
                _any_box(i["shape"], i["dtype"]) for i in manifest["graph"]["inputs"]
            ]
        graph = graph_of(model, args, manifest["semantics"])
        found = _format.graph_digest(graph)
        if found != report.graph_digest:
            raise RejectedError(
                f"the certificate is about another network: its graph has digest "
                f"{report.graph_digest[:16]}..., the model's {found[:16]}..."
            )
    return report


def _manifest(source) -> dict:
    """That of an accepted (hence well-formed) certificate."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    with zipfile.ZipFile(stream) as archive:
        return json.loads(archive.read("manifest.json"))


def _any_box(shape, dtype):
    zero = jnp.zeros(shape, dtype)
    return Interval(zero, zero)

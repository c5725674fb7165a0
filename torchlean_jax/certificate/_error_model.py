"""What a certificate says of the executions that it speaks about.

Figures are written in hundredths, rounded up, and only those of functions that the
graph calls. What the format cannot say of an equation is refused here.
"""

import math
from decimal import Decimal
from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains._errors import CertificateWriteError
from torchlean_jax.domains.fp32 import ErrorModel
from torchlean_jax.interpreters._graph import Graph


def error_model_for(graph: Graph, errors: ErrorModel) -> dict[str, Any]:
    """The manifest's `error_model` for a graph in pieces.

    Raises CertificateWriteError for products of arrays that the checker has no theorem
    for: a result in another dtype than its factors, or several kinds in one graph.
    """
    ulps, kinds = {}, set()
    for equation in graph.equations:
        dtype = jnp.dtype(graph.avals[equation.outputs[0]].dtype).name
        figure = f"{equation.name}/float64" if dtype == "float64" else equation.name
        if figure in errors.ulps:
            ulps[figure] = _hundredths(errors.ulps[figure], 50)
        if equation.name in ("dot_general", "conv_general_dilated"):
            given = {str(jnp.dtype(graph.avals[n].dtype)) for n in equation.inputs}
            if given != {dtype}:
                names = ", ".join(sorted(given))
                raise CertificateWriteError(
                    f"the format has no word for products of {names} that give {dtype}"
                )
            precision = equation.operation.params.get("precision")
            kinds.add(errors.products_at(precision))
    if len(kinds) > 1:
        raise CertificateWriteError(
            "the format has no word for products of arrays of several precisions"
        )
    (products,) = kinds or {errors.products_at("highest")}
    return {
        "name": errors.name,
        "ulps": ulps,
        "quotient": _hundredths(errors.quotient, 100),
        "products": {
            "operand": float(products.operand),
            "rounding": _hundredths(products.rounding, 100),
        },
    }


def _hundredths(figure: float, least: int) -> int:
    """Upward, from the decimal that was written: 6.71 is 671, and no more."""
    return max(least, math.ceil(Decimal(repr(float(figure))) * 100))

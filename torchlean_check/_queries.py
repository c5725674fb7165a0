"""Linear and ReLU layers with exact parameters: `crown_query_v1`, `monotonicity_v1`.

A query asks whether weights . output + bias < 0 (or <= 0) for every input of a box.
Affine forms in the inputs bound each unit from below and above; through a ReLU whose
sign is open they become the chord above, and below alpha z with the alpha of the file,
sound for any in [0, 1]. A network whose weights are all 0 or more is monotone, since
ReLUs are.
"""

from fractions import Fraction

from torchlean_check._errors import NotProved
from torchlean_check._networks import Layer
from torchlean_check._plain_json import Range, rational_text, take
from torchlean_check._schema import checked, fail

MAX_UNITS, MAX_LAYERS = 512, 64
Form = list[Fraction]  # coefficients of the inputs, and a constant


def _row(values, where: str, size: int | None = None) -> list[Fraction]:
    values = checked(values, list, where)
    if not 1 <= len(values) <= MAX_UNITS or (size or len(values)) != len(values):
        fail(where, f"{size or f'1 to {MAX_UNITS}'} numbers are needed")
    return [rational_text(v, f"{where}[{k}]") for k, v in enumerate(values)]


def _affine(entry, where: str, size: int) -> Layer:
    entry = take(entry, where, weights=list, bias=list)
    bias = _row(entry["bias"], f"{where}.bias")
    if len(entry["weights"]) != len(bias):
        fail(where, f"{len(bias)} rows of weights are needed")
    rows = enumerate(entry["weights"])
    return Layer([_row(r, f"{where}.weights[{k}]", size) for k, r in rows], bias)


def _layers(document: dict, alphas: bool):
    """(layer, or the alphas of a ReLU), and how many outputs there are."""
    size, found = document["input_dim"], []
    if not (1 <= size <= MAX_UNITS and 1 <= len(document["layers"]) <= MAX_LAYERS):
        fail("layers", f"1 to {MAX_LAYERS} layers, 1 to {MAX_UNITS} inputs")
    for k, entry in enumerate(document["layers"]):
        where = f"layers[{k}]"
        kind = take(entry, where, kind=str)["kind"]
        if kind == "linear":
            found.append(_affine(entry, where, size))
            size = len(found[-1].bias)
        elif kind == "relu" and alphas:
            alpha = take(entry, where, alpha=list)["alpha"]
            found.append(_row(alpha, f"{where}.alpha", size))
            if any(not 0 <= a <= 1 for a in found[-1]):
                fail(f"{where}.alpha", "must be in [0, 1]")
        elif kind == "relu":
            found.append([])
        else:
            fail(f"{where}.kind", "must be linear or relu")
    return found, size


def _least(form: Form, box: list[Range]) -> Fraction:
    ends = zip(form[:-1], box, strict=True)
    return form[-1] + sum(c * (lo if c > 0 else hi) for c, (lo, hi) in ends)


def _most(form: Form, box: list[Range]) -> Fraction:
    return -_least([-c for c in form], box)


def _combined(layer: Layer, low: list[Form], high: list[Form], sign: int):
    """Rows of forms below (sign 1) or above (-1) what a linear layer gives."""
    found = []
    for row, bias in zip(layer.weights, layer.bias, strict=True):
        total = [Fraction(0)] * (len(low[0]) - 1) + [bias]
        for weight, below, above in zip(row, low, high, strict=True):
            for k, c in enumerate(below if weight * sign > 0 else above):
                total[k] += weight * c
        found.append(total)
    return found


def _rectified(low: Form, high: Form, alpha: Fraction, box) -> tuple[Form, Form]:
    bottom, top = _least(low, box), _most(high, box)
    zero = [Fraction(0)] * len(low)
    if bottom >= 0:
        return low, high
    if top <= 0:
        return zero, zero
    slope = top / (top - bottom)
    chord = [slope * c for c in high]
    chord[-1] -= slope * bottom
    return [alpha * c for c in low], chord


def check_query(document: dict) -> str:
    document = take(document, "query", input_dim=int, input=None, layers=list,
                    query=None)  # fmt: skip
    layers, size = _layers(document, True)
    ends = take(document["input"], "input", lo=list, hi=list)
    lo, hi = (_row(ends[k], f"input.{k}", document["input_dim"]) for k in ("lo", "hi"))
    box = list(zip(lo, hi, strict=True))
    for k, (a, b) in enumerate(box):
        if a > b:
            fail(f"input[{k}]", f"lo > hi: {a} > {b}")
    query = _affine(document["query"], "query", size)
    strict = take(document["query"], "query", strict=bool)["strict"]
    low = [
        [Fraction(i == k) for i in range(len(box))] + [Fraction(0)]
        for k in range(len(box))
    ]
    high = [list(form) for form in low]
    for layer in layers:
        if isinstance(layer, Layer):
            low, high = (_combined(layer, low, high, sign) for sign in (1, -1))
        else:
            pairs = [_rectified(*three, box) for three in zip(low, high, layer,
                                                              strict=True)]  # fmt: skip
            low, high = (list(forms) for forms in zip(*pairs, strict=True))
    for k, form in enumerate(_combined(query, low, high, -1)):
        most = _most(form, box)
        if most > 0 or (strict and most == 0):
            sign = "<" if strict else "<="
            raise NotProved(
                f"row {k} {sign} 0 does not follow: at most {most}", "query"
            )
    sign = "< 0" if strict else "<= 0"
    return (
        f"For every real input in the box of the file, the {len(query.bias)} rows of "
        f"weights . output + bias of the network of the file are {sign}. Assumed: "
        "nothing further."
    )


def check_monotone(document: dict) -> str:
    document = take(document, "network", input_dim=int, layers=list)
    layers, size = _layers(document, False)
    for k, layer in enumerate(layers):
        for i, row in enumerate(layer.weights if isinstance(layer, Layer) else []):
            for j, weight in enumerate(row):
                if weight < 0:
                    raise NotProved(f"weights[{i}][{j}] = {weight} < 0", f"layers[{k}]")
    return (
        f"The {size} outputs of the network of the file do not decrease when any of "
        f"its {document['input_dim']} inputs increases, over all real inputs. Assumed: "
        "nothing further."
    )

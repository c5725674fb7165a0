"""Bounds of a network of one input and of a residual around points (PINN files).

`u_bounds`, `residual_bounds` (a second difference) and `residual_bounds_deriv` (the
expression `pde` in u, ux and uxx) claim intervals for all centres within `eps` of each
point. They have to contain what is derived here from jets over cells of those centres;
cells are cut, so that a claim is refused only where it is false or nearly so.
"""

from fractions import Fraction

from torchlean_check._errors import NotProved
from torchlean_check._expressions import parse
from torchlean_check._fixed import Fixed, exact, fixed
from torchlean_check._networks import Network, jets, layer, network
from torchlean_check._plain_json import Range, number, numbers, take
from torchlean_check._schema import fail

CELLS, MAX_POINTS = 16, 1000
_SIDES = {"u_minus": -1, "u": 0, "u_plus": 1}


def check_residuals(document: dict) -> str:
    document = take(document, "pinn", model=dict, pinn=dict, residual_bounds=None,
                    residual_bounds_deriv=None, u_bounds=list)  # fmt: skip
    net = _model(document["model"])
    setting = take(document["pinn"], "pinn", pde=str, h=None, eps=None, points=list)
    points = numbers(setting["points"], "pinn.points")
    h, eps = (number(setting[k], f"pinn.{k}") for k in ("h", "eps"))
    if not points or len(points) > MAX_POINTS or h <= 0 or eps < 0:
        fail("pinn", f"1 to {MAX_POINTS} points, h > 0 and eps >= 0 are needed")
    meaning = parse(setting["pde"], ("u", "ux", "uxx"), "pinn.pde")
    pairs = _pairs(document["residual_bounds"], "residual_bounds", len(points))
    slopes = _pairs(document["residual_bounds_deriv"], "residual_bounds_deriv",
                    len(points))  # fmt: skip
    if len(document["u_bounds"]) != len(points):
        fail("u_bounds", f"must be {len(points)}, one for each point")
    for k, x in enumerate(points):
        entry = take(document["u_bounds"][k], f"u_bounds[{k}]", x=None,
                     **dict.fromkeys(_SIDES))  # fmt: skip
        if number(entry["x"], f"u_bounds[{k}].x") != x:
            fail(f"u_bounds[{k}].x", f"is not pinn.points[{k}]")
        for name, sign in _SIDES.items():
            where = f"u_bounds[{k}].{name}"
            found = _over_cells(net, x + sign * h, eps, lambda at: at[0])
            _require(found, _pair(entry[name], where), where)
        _require(_over_cells(net, x, eps, lambda at: _residual(meaning, at)),
                 slopes[k], f"residual_bounds_deriv[{k}]")  # fmt: skip
        # (u(c - h) - 2 u(c) + u(c + h)) / h^2 is u'' at a point within h of c (Taylor)
        curved = _over_cells(net, x, eps + h, lambda at: at[2])
        _require(curved, pairs[k], f"residual_bounds[{k}]")
    return (
        f"For every centre within {float(eps):g} of each of the {len(points)} points "
        f"of the file, the network of the file, {setting['pde']} of it and its second "
        f"difference at h = {float(h):g} lie in the intervals of the file. Assumed: "
        "nothing further; nothing is said between the points."
    )


def _model(model: dict) -> Network:
    """W1, b1, (Wm, bm,) W2, b2 with one activation between them."""
    model = take(model, "model", activations=[str], weights=dict)
    weights, kinds = model["weights"], set(model["activations"])
    names = [name for name in ("1", "m", "2") if f"W{name}" in weights]
    if len(kinds) != 1 or len(model["activations"]) != len(names) - 1:
        fail("model.activations", "one kind, between each two layers, is needed")
    layers = []
    for name in names:
        if f"b{name}" not in weights:
            fail("model.weights", f"field 'b{name}' is missing")
        pair = weights[f"W{name}"], weights[f"b{name}"]
        layers.append(layer(*pair, f"model.weights.{name}"))
    net = network(layers, kinds.pop(), "model")
    if (net.inputs, net.outputs) != (1, 1):
        fail("model", "one input and one output are needed")
    return net


def _pairs(entry, where: str, count: int) -> list[Range]:
    entry = take(entry, where, lo=list, hi=list)
    lo, hi = (numbers(entry[k], f"{where}.{k}", count) for k in ("lo", "hi"))
    return list(zip(lo, hi, strict=True))


def _pair(entry, where: str) -> Range:
    entry = take(entry, where, lo=None, hi=None)
    return number(entry["lo"], f"{where}.lo"), number(entry["hi"], f"{where}.hi")


def _residual(meaning, at) -> Fixed:
    return meaning(dict(zip(("u", "ux", "uxx"), at, strict=True)))


def _cells(x: Fraction, eps: Fraction):
    for k in range(CELLS):
        yield x - eps + 2 * eps * Fraction(k, CELLS), 2 * eps / CELLS


def _over_cells(net: Network, x, eps, figure) -> Fixed:
    """What a figure of the jet ranges over, for centres within eps of x."""
    found = [figure(jets(net, fixed(a, a + w), 2)[0]) for a, w in _cells(x, eps)]
    return min(low for low, _ in found), max(high for _, high in found)


def _require(found: Fixed, claimed: Range, where: str) -> None:
    for side, end, derived in zip(("lo", "hi"), claimed, found, strict=True):
        miss = (exact(derived) - end) * (1 if side == "hi" else -1)
        if miss > 0:
            raise NotProved(f"{side} = {float(end)!r}, and what is derived lies "
                            f"{float(miss):.3g} beyond", where)  # fmt: skip

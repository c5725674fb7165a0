"""Bounds beside auto_LiRPA: same weights, same boxes, in one process, turn by turn.

Ours is float64 with every rounding error paid for; the peer is float32 and rounds to
nearest. One line per network, method and batch: seconds our first call spent before it
could run (tracing and compiling), milliseconds of both, the ratio peer / ours (above 1:
we are faster), the mean width of the outputs of both, and whether ours is at most 1.01
(alpha-CROWN: 1.05) times the peer's.

    python benchmarks/bounds.py             everything, into results/bounds.json
    python benchmarks/bounds.py --only mnist --method crown --batch 1
"""

import argparse
from pathlib import Path

import _paired
import _peer
import jax
import jax.numpy as jnp
import numpy as np
from _networks import networks

import torchlean_jax as tl

METHODS = {"crown-ibp": 1.01, "crown": 1.01, "alpha-crown": 1.05}  # width we may have
HEADER = (
    f"{'network':16s} {'method':12s} {'batch':>5s} {'compile s':>9s} {'ours ms':>9s} "
    f"{'peer ms':>9s} {'ratio':>7s} {'our width':>10s} {'peer width':>10s}  width ok"
)


def main():
    options = _options()
    result = _paired.circumstances("jax", "jaxlib", "numpy")
    result["device"] = str(jax.devices()[0])
    result["versions"]["torchlean-jax"] = tl.__version__
    peer = _peer.available()
    if peer:
        result["versions"] |= _peer.versions()
    result["cases"] = cases = []
    print(f"load {result['load_at_start']}  {result['versions']}\n{HEADER}", flush=True)
    for network, method, batch in _chosen(options):
        case = measure(network, method, batch, peer=peer, seconds=options.seconds)
        cases.append(case)
        print(_line(case), flush=True)
        if options.json or not options.partial:
            _paired.write(options.json or "bounds", result)


def measure(network, method, batch, *, peer, seconds) -> dict:
    """One case; where a side fails, what it said instead of its figures."""
    case = {"network": network.name, "method": method, "batch": batch}
    corners = network.corners(batch)
    ours = _first(case, "our", lambda: our_bounder(network.function, *corners, method))
    theirs = None
    if peer:
        theirs = _first(case, "peer", lambda: _peer.bounder(network, *corners, method))
    if ours and theirs:
        a, b = _paired.paired(ours, theirs, seconds=seconds)
        case["ratio"] = b.median / a.median
        case["width_ok"] = case["our_width"] <= METHODS[method] * case["peer_width"]
    else:
        a = _paired.alone(ours, seconds=seconds / 2) if ours else None
        b = _paired.alone(theirs, seconds=seconds / 2) if theirs else None
    for side, timing in (("our", a), ("peer", b)):
        if timing:
            case[f"{side}_ms"] = 1e3 * timing.median
            case[f"{side}_best_ms"] = 1e3 * timing.best
            case[f"{side}_calls"] = len(timing.seconds)
    if a:
        case["compile_s"] = case["our_first_s"] - a.median
    return case


def _first(case, side, make):
    """What `make` returns, called once; None, and the reason in `case`, if it fails."""
    try:
        call = make()
        case[f"{side}_first_s"], (low, high) = _paired.timed(call)
    except Exception as error:  # a case that one side cannot do is a result too
        case[f"{side}_error"] = f"{type(error).__name__}: {error}".splitlines()[0]
        return None
    case[f"{side}_width"] = float(np.mean(high - low))
    return call


def our_bounder(function, lo, hi, method):
    """A function of no arguments that computes (lower, upper) as numpy arrays.

    One box goes the way of a user who calls `tl.bounds` on arrays; a batch is a `vmap`
    in float64. Each is traced and compiled by its own first call.
    """
    bound = tl.bounds(function, method=method)
    if len(lo) == 1:
        box = tl.box(lo[0], hi[0])
        return lambda: _arrays(bound(box))
    compiled = jax.jit(jax.vmap(bound))
    with jax.enable_x64(True):
        boxes = tl.Interval(jnp.asarray(lo, np.float64), jnp.asarray(hi, np.float64))

    def many():
        with jax.enable_x64(True):
            return _arrays(compiled(boxes))

    return many


def _arrays(y):
    return np.asarray(y.lo), np.asarray(y.hi)


def _chosen(options):
    for network in networks():
        for method in METHODS:
            for batch in network.batches:
                wanted = options.only.lower() in network.name.lower()
                wanted &= options.method in (None, method)
                if wanted and options.batch in (None, batch):
                    yield network, method, batch


def _line(case) -> str:
    def number(key, form):
        return (
            format(case[key], form)
            if key in case
            else format("-", f">{form.split('.')[0]}")
        )

    ok = {True: "yes", False: "NO"}.get(case.get("width_ok"), "-")
    return (
        f"{case['network']:16s} {case['method']:12s} {case['batch']:5d} "
        f"{number('compile_s', '9.2f')} {number('our_ms', '9.2f')} "
        f"{number('peer_ms', '9.2f')} "
        f"{number('ratio', '7.2f')} {number('our_width', '10.4g')} "
        f"{number('peer_width', '10.4g')}  {ok}  {_complaints(case)}"
    )


def _complaints(case) -> str:
    keys = (key for key in ("our_error", "peer_error") if key in case)
    return "; ".join(f"{key}: {case[key]}" for key in keys)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--method", choices=METHODS)
    parser.add_argument("--batch", type=int)
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="to spend on each case"
    )
    parser.add_argument(
        "--json", type=Path, help="where to write; a full run writes results/"
    )
    options = parser.parse_args()
    options.partial = bool(options.only or options.method or options.batch)
    return options


if __name__ == "__main__":
    main()

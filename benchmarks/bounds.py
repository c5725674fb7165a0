"""Bounds beside auto_LiRPA: same weights, same boxes, in one process, turn by turn.

Ours is float64 with every rounding error paid for; the peer is float32 and rounds to nearest. One
line per network, method and batch: seconds our first call spent before it could run (tracing and
compiling), milliseconds of both, the ratio peer / ours (above 1: we are faster), the mean width of
the outputs of both, and whether ours is at most 1.01 times the peer's.

    python benchmarks/bounds.py                       everything, into results/bounds.json
    python benchmarks/bounds.py --only mnist --method crown --batch 1
"""

import argparse
import functools
from pathlib import Path

import _paired
import _peer
import jax
import numpy as np
from _networks import networks

import torchlean_jax as tl

METHODS = ("crown-ibp", "crown", "alpha-crown")
HEADER = (
    f"{'network':16s} {'method':12s} {'batch':>5s} {'compile s':>9s} {'ours ms':>9s} "
    f"{'peer ms':>9s} {'ratio':>7s} {'our width':>10s} {'peer width':>10s}  width ok"
)


def main():
    options = _options()
    result = _paired.circumstances("torchlean-jax", "jax", "jaxlib", "numpy")
    result["device"] = str(jax.devices()[0])
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
    """One case; `error` instead of figures where a side cannot do it."""
    case = {"network": network.name, "method": method, "batch": batch}
    lo, hi = network.corners(batch)
    ours = theirs = None
    try:
        ours = our_bounder(network.function, lo, hi, method)
        first, (low, high) = _paired.timed(ours)
        case["our_width"] = float(np.mean(high - low))
    except tl.TorchLeanError as error:
        case["error"] = str(error).splitlines()[0]
        ours = None
    if peer:
        theirs = _peer.bounder(network, lo, hi, method)
        low, high = theirs()
        case["peer_width"] = float(np.mean(high - low))
    if ours and theirs:
        a, b = _paired.paired(ours, theirs, seconds=seconds)
        case["ratio"] = b.median / a.median
        case["width_ok"] = case["our_width"] <= 1.01 * case["peer_width"]
    else:
        a = _paired.alone(ours, seconds=seconds / 2) if ours else None
        b = _paired.alone(theirs, seconds=seconds / 2) if theirs else None
    if a:
        case["compile_s"] = first - a.median
        case |= {"our_ms": 1e3 * a.median, "our_best_ms": 1e3 * a.best, "our_calls": len(a.seconds)}
    if b:
        case |= {"peer_ms": 1e3 * b.median, "peer_best_ms": 1e3 * b.best}
        case["peer_calls"] = len(b.seconds)
    return case


def our_bounder(function, lo, hi, method):
    """A function of no arguments that computes (lower, upper) as numpy arrays.

    One box goes the way of a user who calls `tl.bounds` on arrays; a batch is a `vmap` in float64.
    The compiled program is new each time, so that the first call shows what compiling costs.
    """
    fresh = functools.wraps(function)(lambda x: function(x))
    bound = tl.bounds(fresh, method=method)
    if len(lo) == 1:
        box = tl.box(lo[0], hi[0])

        def one():
            y = bound(box)
            return np.asarray(y.lo), np.asarray(y.hi)

        return one
    with jax.enable_x64(True):
        boxes = tl.Interval(*(jax.numpy.asarray(end, np.float64) for end in (lo, hi)))
        compiled = jax.jit(jax.vmap(bound))

    def many():
        with jax.enable_x64(True):
            y = compiled(boxes)
            return np.asarray(y.lo), np.asarray(y.hi)

    return many


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
        return format(case[key], form) if key in case else format("-", f">{form.split('.')[0]}")

    ok = {True: "yes", False: "NO"}.get(case.get("width_ok"), "-")
    return (
        f"{case['network']:16s} {case['method']:12s} {case['batch']:5d} "
        f"{number('compile_s', '9.2f')} {number('our_ms', '9.2f')} {number('peer_ms', '9.2f')} "
        f"{number('ratio', '7.2f')} {number('our_width', '10.4g')} "
        f"{number('peer_width', '10.4g')}  {ok}  {case.get('error', '')}"
    )


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--method", choices=METHODS)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seconds", type=float, default=20.0, help="to spend on each case")
    parser.add_argument("--json", type=Path, help="where to write (default for a full run: results/)")
    options = parser.parse_args()
    options.partial = bool(options.only or options.method or options.batch)
    return options


if __name__ == "__main__":
    main()

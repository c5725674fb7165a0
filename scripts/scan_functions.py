"""Try the binary32 functions on all 2**32 inputs.

    python scripts/scan_functions.py exp tanh       scan, print a summary
    python scripts/scan_functions.py --all --json   and add to the evidence file
    python scripts/scan_functions.py exp --derive   and rewrite the table of hard cases

The reference is a float64 function of NumPy or SciPy, rounded once by NumPy. It is
assumed to be off by fewer than `MARGIN` ulps of float64 (documented: 4; SciPy's erfc:
300). Where it is closer than that to a midpoint of two binary32 numbers, or disagrees
with ours, Arb decides. So the scan also finds every input whose exact result is nearer
to a midpoint than the proved error bound: those must be in the table of hard cases, and
nothing else may be (but arguments for which a function gives another reason).

Interrupted scans go on where they stopped (`build/scan_functions/`), as long as the
code is the same. Exit code 0: every result is right and the table complete; 1: not; 3:
the time given by --seconds was over first.
"""

import argparse
import json
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from _elementary_code import ROOM, digest

ROOT = Path(__file__).parents[1]
EVIDENCE = ROOT / "benchmarks/results/ieee32_functions.json"
STATES = ROOT / "build/scan_functions"
CHUNK = 1 << 22
CHUNKS = (1 << 32) // CHUNK
MARGIN = {"erfc": 1 << 14}  # ulps of float64
USUAL_MARGIN = 1 << 9
ORDER = (
    "exp log tanh logistic erf sqrt rsqrt sin cos exp2 expm1 log1p log2 cbrt tan "
    "sinh cosh asin acos atan asinh acosh atanh erfc"
).split()


def reference(name):
    """The float64 function that is rounded."""
    from scipy import special

    renamed = {
        "asin": np.arcsin,
        "acos": np.arccos,
        "atan": np.arctan,
        "asinh": np.arcsinh,
        "acosh": np.arccosh,
        "atanh": np.arctanh,
        "erf": special.erf,
        "erfc": special.erfc,
        "logistic": lambda x: 1.0 / (1.0 + np.exp(-x)),
        "rsqrt": lambda x: 1.0 / np.sqrt(x),
    }
    return renamed.get(name) or getattr(np, name)


def next_to_midpoint(y, margin):
    """Which float64 values are within `margin` ulps of a midpoint."""
    size = y.view(np.int64) & 0x7FFFFFFFFFFFFFFF
    offset = (size & 0x1FFFFFFF) - (1 << 28)
    near = np.abs(offset) <= margin
    tiny = np.nonzero(size < (897 << 52))[0]
    if tiny.size:
        units = np.abs(y[tiny]) * 2.0**149
        offset = np.abs(units - np.floor(units) - 0.5)
        near[tiny] = offset <= units * (margin * 2.0**-52)
    return near


def scan_chunk(name, index):
    """`(near, wrong)`: inputs next to a midpoint, and those where ours differs."""
    import jax.numpy as jnp

    from torchlean_jax.domains.ieee32._functions import UNARY

    bits = np.arange(CHUNK, dtype=np.uint32) + np.uint32(index * CHUNK)
    ours = UNARY[name](jnp.asarray(bits))
    with np.errstate(all="ignore"):
        y = np.asarray(reference(name)(bits.view(np.float32).astype(np.float64)))
        expected = y.astype(np.float32).view(np.uint32)
    expected[np.isnan(y)] = 0x7FC00000
    near = next_to_midpoint(y, MARGIN.get(name, USUAL_MARGIN))
    different = np.asarray(ours) != expected
    return bits[near].tolist(), bits[different & ~near].tolist()


class State:
    """How far the scan of one function has come, kept in a file."""

    def __init__(self, name):
        code = digest(name)
        self.path = STATES / f"{name}.json"
        self.found = {"code": code, "next": 0, "near": [], "different": [], "s": 0.0}
        if self.path.exists():
            stored = json.loads(self.path.read_text())
            if stored["code"] == code:
                self.found = stored

    def add(self, near, different, seconds):
        self.found["near"] += near
        self.found["different"] += different
        self.found["next"] += 1
        self.found["s"] += seconds

    def save(self):
        STATES.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.found))
        temporary.replace(self.path)


def scan(name, chunks, deadline, jobs):
    """Go on with the scan of one function; its State, complete or not."""
    state, shown = State(name), 0.0
    if len(state.found["different"]) > 1 << 16:
        raise SystemExit(f"{name}: more than 65536 results differ; nothing to settle")
    todo = range(state.found["next"], CHUNKS)
    began = time.perf_counter()
    for near, different in chunks(name, todo, jobs):
        now = time.perf_counter()
        state.add(near, different, now - began)
        began = now
        if now - shown > 2:
            state.save()
            done = state.found["next"]
            bar = "#" * (40 * done // CHUNKS)
            text = f"\r{name:9s} [{bar:40s}] {done}/{CHUNKS}"
            print(text, end="", file=sys.stderr)
            shown = now
        if now > deadline:
            break
    state.save()
    print(file=sys.stderr)
    return state


def one_by_one(name, todo, _):
    """The chunks in this process."""
    for index in todo:
        yield scan_chunk(name, index)


def in_processes(name, todo, jobs):
    """The chunks in several processes, in order."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        window = [pool.submit(scan_chunk, name, i) for i in todo[: 2 * jobs]]
        for i in todo:
            yield window.pop(0).result()
            if i + 2 * jobs in todo:
                window.append(pool.submit(scan_chunk, name, i + 2 * jobs))


def _bound(name, result):
    """The proved error bound of a result."""
    from _elementary_oracle import INFINITY, value_of

    from torchlean_jax.domains.ieee32._functions._coefficients import ERRORS, FAR_ERRORS

    size = result & 0x7FFFFFFF
    # A result that rounds to 3 may be below 3.
    far = size >= INFINITY or value_of(size) > 3
    return FAR_ERRORS.get(name, ERRORS[name]) if far else ERRORS[name]


def summary(name, state):
    """The evidence of a complete scan, and the hard cases that it found."""
    import jax
    import jax.numpy as jnp
    from _elementary_oracle import settle, value_of

    from torchlean_jax.domains.ieee32._functions import UNARY
    from torchlean_jax.domains.ieee32._functions._coefficients import ERRORS, FAR_ERRORS

    near, different = state.found["near"], state.found["different"]
    suspects = np.array(near + different, np.uint32)
    settled = [settle(name, bits) for bits in suspects.tolist()]
    ours = np.asarray(UNARY[name](jnp.asarray(suspects))).tolist()
    pairs = list(zip(suspects.tolist(), settled, ours, strict=True))
    wrong = [(b, s.bits, o) for b, s, o in pairs if s.bits != o]
    below = UNARY[name].reasoned_below
    hard = {
        b: s.bits
        for b, s, _ in pairs
        if s.distance <= _bound(name, s.bits) and abs(value_of(b)) >= below
    }
    evidence = {
        "inputs": CHUNKS * CHUNK,
        "wrong": len(wrong),
        "settled_by_arb": len(pairs),
        "of_those_reference_disagreed": len(different),
        "margin_ulp": MARGIN.get(name, USUAL_MARGIN),
        "error_bound": ERRORS[name],
        "error_bound_from_3_on": FAR_ERRORS.get(name, ERRORS[name]),
        "hard_cases": len(hard),
        "reasoned_below": below,
        "closest_to_a_midpoint": min((s.distance for s in settled), default=None),
        "code_sha256": state.found["code"],
        "seconds": round(state.found["s"], 1),
        "versions": {p: version(p) for p in ("jax", "jaxlib", "numpy", "scipy")}
        | {"python": platform.python_version(), "flint": version("python-flint")},
        "device": jax.devices()[0].device_kind,
        "machine": platform.machine(),
    }
    return evidence, hard, wrong


def table_of(name, hard):
    """The entries of `HARD_CASES` that a scan asks for."""
    from torchlean_jax.domains.ieee32._functions import UNARY

    symmetry, table = UNARY[name].symmetry, {}
    for bits, result in sorted(hard.items()):
        if symmetry == "none":
            table[bits] = result
        else:
            # f(|x|), which need not be positive: sin(4) is not.
            sign = bits & 0x80000000 if symmetry == "odd" else 0
            table[bits & 0x7FFFFFFF] = result ^ sign
    return table


def write_table(tables):
    """`_hard_cases.py` with these tables."""
    lines = [
        '"""Inputs whose exact result is too close to a midpoint for the bound.',
        "",
        "Made by `python scripts/scan_functions.py --derive`: do not edit. Patterns of",
        "inputs and correctly rounded results; of odd and even functions, of |x|.",
        '"""',
        "",
        "# fmt: off",
        "",
        "HARD_CASES: dict[str, dict[int, int]] = {",
    ]
    for name, table in sorted(tables.items()):
        entries = [f"{b:#010x}: {r:#010x}," for b, r in sorted(table.items())]
        lines.append(f'    "{name}": {{')
        for i in range(0, len(entries), 3):
            lines.append("        " + " ".join(entries[i : i + 3]))
        lines.append("    },")
    _replace(ROOM / "_hard_cases.py", "\n".join([*lines, "}", ""]))


def _replace(path, text):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def report(name, evidence, complete, wrong):
    """One line, and the first wrong results."""
    verdict = "ok" if complete and not wrong else "WRONG"
    print(
        f"{name}: {verdict}; {evidence['inputs']} inputs, {len(wrong)} wrong, "
        f"{evidence['settled_by_arb']} settled by Arb, {evidence['hard_cases']} hard "
        f"within {evidence['error_bound']} units, closest "
        f"{evidence['closest_to_a_midpoint']}, {evidence['seconds']} s"
        + ("" if complete else "; the table of hard cases is not what was found")
    )
    for bits, right, ours in wrong[:5]:
        print(f"    {name}({bits:#010x}) is {right:#010x}, not {ours:#010x}")


def finish(name, state, options):
    """Settle, compare with the table, write what was asked for; whether all is well."""
    import jax

    from torchlean_jax.domains.ieee32._functions._hard_cases import HARD_CASES

    evidence, hard, wrong = summary(name, state)
    found = table_of(name, hard)
    if options.derive and HARD_CASES.get(name, {}) != found:
        HARD_CASES[name] = found
        write_table({n: t for n, t in HARD_CASES.items() if t})
        jax.clear_caches()
        evidence, hard, wrong = summary(name, state)
    complete = HARD_CASES.get(name, {}) == found
    report(name, evidence, complete, wrong)
    if options.json:
        known = json.loads(EVIDENCE.read_text()) if EVIDENCE.exists() else {}
        known[name] = evidence
        text = json.dumps(dict(sorted(known.items())), indent=1) + "\n"
        _replace(EVIDENCE, text)
    return complete and not wrong


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*ORDER, []], metavar="NAME")
    parser.add_argument("--all", action="store_true", help="every function")
    parser.add_argument("--json", action="store_true", help="write the evidence file")
    parser.add_argument("--derive", action="store_true", help="write the hard cases")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args(arguments)
    deadline = time.perf_counter() + options.seconds
    chunks = one_by_one if options.jobs == 1 else in_processes
    fine = True
    for name in ORDER if options.all else options.names:
        state = scan(name, chunks, deadline, options.jobs)
        if state.found["next"] < CHUNKS:
            return 3
        fine &= finish(name, state, options)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

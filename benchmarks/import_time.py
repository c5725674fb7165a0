"""What `import torchlean_jax` adds to `import jax`: goal under 0.3 s.

Each measurement is a new interpreter that imports jax, then torchlean_jax, and times
both; the first one, which may compile bytecode, is not counted.

    python benchmarks/import_time.py [--repeats 15] [--json FILE]
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

import _paired

ROOT = Path(__file__).resolve().parents[1]
GOAL = 0.3  # seconds
PROGRAM = """
import sys, time
start = time.perf_counter()
import jax
middle = time.perf_counter()
before = set(sys.modules)
import torchlean_jax
end = time.perf_counter()
roots = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
try:  # refused once a backend has started: an import must not compile or run anything
    jax.config.update("jax_num_cpu_devices", 2)
    started = "no"
except RuntimeError:
    started = "yes"
print(middle - start, end - middle, started, ",".join(roots))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = _paired.circumstances("torchlean-jax", "jax", "jaxlib")
    _import_once()
    runs = [_import_once() for _ in range(options.repeats)]
    result["import_jax_s"] = statistics.median(run[0] for run in runs)
    result["added_s"] = statistics.median(run[1] for run in runs)
    result["added_best_s"] = min(run[1] for run in runs)
    result["starts_backend"] = runs[0][2] == "yes"
    result["also_imported"] = runs[0][3].split(",")
    result["goal_s"] = GOAL
    print(
        f"import jax {result['import_jax_s']:.3f} s, torchlean_jax adds "
        f"{result['added_s']:.3f} s (best {result['added_best_s']:.3f}, goal {GOAL})"
    )
    print("top-level modules it brings in:", ", ".join(result["also_imported"]))
    if result["starts_backend"]:
        print("it starts a JAX backend: some module computes with jnp on import")
    _paired.write(options.json or "import_time", result)


def _import_once() -> tuple[float, float, str, str]:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    jax_seconds, added, started, modules = done.stdout.split()
    return float(jax_seconds), float(added), started, modules


if __name__ == "__main__":
    main()

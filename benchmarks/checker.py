"""Checking the certificates of all proved digits images: goal under 60 s.

The certificates are written by `torchlean verify digits` (the classifier with certified
training, eps 0.02), unless a folder of them is given. The checker then runs in an
interpreter without site-packages, which reports what it imported: a module from
elsewhere fails the run.

    python benchmarks/checker.py [--certificates DIR] [--json FILE]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import _paired

ROOT = Path(__file__).resolve().parents[1]
GOAL = 60.0  # seconds
PROGRAM = """
import json, sys, time
root, *files = sys.argv[1:]
sys.path.append(root)
start = time.perf_counter()
import torchlean_check
reports = torchlean_check.check_many(files)
seconds = time.perf_counter() - start
roots = {name.partition(".")[0] for name in sys.modules}
foreign = roots - set(sys.stdlib_module_names) - {"torchlean_check", "__main__"}
print(json.dumps({
    "seconds": seconds,
    "accepted": sum(r.accepted for r in reports),
    "each": [r.seconds for r in reports],
    "foreign": sorted(foreign),
}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--certificates", type=Path, help="folder of .tlc files")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = _paired.circumstances("torchlean-jax", "jax")
    with tempfile.TemporaryDirectory() as folder:
        source = options.certificates or _written(Path(folder))
        files = sorted(source.glob("*.tlc"))
        if not files:
            sys.exit(f"no .tlc file in {source}")
        result["bytes"] = sum(file.stat().st_size for file in files)
        checked = _check(files)
    if checked["foreign"]:
        sys.exit(f"not the standard library alone: {', '.join(checked['foreign'])}")
    result["certificates"], result["accepted"] = len(files), checked["accepted"]
    result["seconds"], result["goal_s"] = checked["seconds"], GOAL
    result["median_ms"] = 1e3 * statistics.median(checked["each"])
    result["slowest_ms"] = 1e3 * max(checked["each"])
    print(
        f"{result['accepted']} of {result['certificates']} certificates accepted in "
        f"{result['seconds']:.1f} s (goal {GOAL:.0f} s for 360); median "
        f"{result['median_ms']:.0f} ms, slowest {result['slowest_ms']:.0f} ms"
    )
    _paired.write(options.json or "checker", result)
    sys.exit(result["accepted"] != result["certificates"])


def _written(folder: Path) -> Path:
    command = [sys.executable, "-m", "torchlean_jax.cli", "verify", "digits"]
    command += "--model mlp --train certified --eps 0.02 --method crown".split()
    print("writing certificates:", " ".join(command[1:]), flush=True)
    subprocess.run([*command, "--certificates", str(folder)], cwd=ROOT, check=True)
    return folder


def _check(files) -> dict:
    # -I: no PYTHON* variables; -S: no site-packages, hence no accelerator
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(ROOT), *map(str, files)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()

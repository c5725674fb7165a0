"""From the command to the first bound: `torchlean verify vnnlib` on an ACAS network.

The first run finds no compiled programs and leaves its own; it is reported apart. The
next ones find them, on the same network and on another one of the same shape. The
target for these is 4 s with the import of JAX.

    python benchmarks/start_up.py [--repeats N] [--json FILE]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _paired

ROOT = Path(__file__).resolve().parents[1]
BENCH = Path(os.environ.get("TORCHLEAN_BENCH", ROOT.parent / "shared" / "bench"))
NETWORKS = "1_1", "2_3"


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not (BENCH / "acasxu").is_dir():
        sys.exit(f"no folder {BENCH / 'acasxu'}; name another one by TORCHLEAN_BENCH")
    result = _paired.circumstances("torchlean-jax", "jax", "onnx")
    with tempfile.TemporaryDirectory() as cache:
        result["first_s"] = first_bound(NETWORKS[0], cache)
        print(f"first run, compiling:        {result['first_s']:6.2f} s", flush=True)
        for name, network in zip(("same_s", "other_s"), NETWORKS, strict=True):
            times = [first_bound(network, cache) for _ in range(options.repeats)]
            result[name] = statistics.median(times)
            print(
                f"network {network}, programs found: {result[name]:6.2f} s", flush=True
            )
        files = list(Path(cache).iterdir())
        result["cache_bytes"] = sum(path.stat().st_size for path in files)
    _paired.write(options.json or "start_up", result)


def first_bound(network, cache) -> float:
    """Seconds until a new process reports on its first batch of parts."""
    folder = BENCH / "acasxu"
    command = [sys.executable, "-m", "torchlean_jax.cli", "verify", "vnnlib"]
    command.append(str(folder / "onnx" / f"ACASXU_run2a_{network}_batch_2000.onnx"))
    command += [str(folder / "vnnlib" / "prop_2.vnnlib"), "--progress"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--timeout", "300"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TORCHLEAN_CACHE": cache},
    )
    assert process.stderr is not None
    said = ""
    while "bounded" not in said:
        said = process.stderr.readline()
        if not said:
            sys.exit("the command ended without a bound")
    seconds = time.perf_counter() - start
    process.kill()
    process.communicate()
    return round(seconds, 3)


if __name__ == "__main__":
    main()

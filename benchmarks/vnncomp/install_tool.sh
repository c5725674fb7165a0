#!/bin/bash
# Install torchlean-jax from this checkout, for run_instance.sh: `install_tool.sh v1`.
# PYTHON names the interpreter (3.11 or newer) of the environment that is made.
set -euo pipefail
[ "${1:-}" = v1 ] || { echo "expected: install_tool.sh v1" >&2; exit 1; }
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ ! -x "$root/.venv/bin/python" ]; then
    "${PYTHON:-python3}" -m venv "$root/.venv"
    "$root/.venv/bin/python" -m pip install --quiet --editable "$root[onnx,real]"
fi
"$root/.venv/bin/python" -c 'import flint, onnx, torchlean_jax'

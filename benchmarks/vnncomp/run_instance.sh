#!/bin/bash
# An instance: run_instance.sh v1 CATEGORY NET.onnx PROP.vnnlib RESULTS.txt SECONDS
# RESULTS.txt gets one word, unsat, sat, unknown, timeout or error; after sat the
# counterexample, as the competition wants it.
set -uo pipefail
[ "${1:-}" = v1 ] && [ $# -ge 6 ] || {
    echo "expected: run_instance.sh v1 CATEGORY NET.onnx PROP.vnnlib RESULTS.txt SECONDS" >&2
    exit 1; }
network=$3 property=$4 results=$5 seconds=$6
[ -f "$network" ] || network=$network.gz
[ -f "$property" ] || property=$property.gz
root=$(cd "$(dirname "$0")/../.." && pwd)
pid_file=${TMPDIR:-/tmp}/torchlean-vnncomp.pid
found=$(mktemp)
trap 'rm -f "$found" "$pid_file"' EXIT

cd "$root" || exit 1
.venv/bin/python -m torchlean_jax.cli verify vnnlib "$network" "$property" \
    --timeout "$seconds" --counterexample "$found" > "$found.said" &
echo $! > "$pid_file"
wait $!
verdict=$(tail -n 1 "$found.said")
cat "$found.said"
rm -f "$found.said"
case "$verdict" in
    sat) cat "$found" > "$results" ;;  # begins with the word
    unsat | unknown | timeout) echo "$verdict" > "$results" ;;
    *) echo error > "$results" ;;
esac

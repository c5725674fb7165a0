#!/bin/bash
# Before an instance: prepare_instance.sh v1 CATEGORY NET.onnx PROP.vnnlib
# Nothing is converted and nothing is looked at that would count as work on the instance:
# that the files are there, and that no process of an earlier instance is left.
set -euo pipefail
[ "${1:-}" = v1 ] && [ $# -ge 4 ] || {
    echo "expected: prepare_instance.sh v1 CATEGORY NET.onnx PROP.vnnlib" >&2; exit 1; }
for file in "$3" "$4"; do
    [ -f "$file" ] || [ -f "$file.gz" ] || { echo "no file $file" >&2; exit 1; }
done
pid_file=${TMPDIR:-/tmp}/torchlean-vnncomp.pid
if [ -f "$pid_file" ]; then
    kill "$(cat "$pid_file")" 2>/dev/null || true
    rm -f "$pid_file"
fi

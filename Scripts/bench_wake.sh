#!/usr/bin/env bash
# Builds the daemon and the model server for speed and measures wakes. Arguments go to Benchmarks/wake/bench.py.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the daemon and the model server (release)"
for product in gpuserve custom-model-server; do swift build -c release --static-swift-stdlib --product "$product"; done
bin=$(swift build -c release --show-bin-path)
# Daemons are started as the tests start them.
export PYTHONPATH=Scripts:Benchmarks/gateway:Tests/EndToEnd
with_run_in_memory .venv/bin/python Benchmarks/wake/bench.py "$bin/gpuserve" "$bin/custom-model-server" "$@"

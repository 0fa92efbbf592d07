#!/usr/bin/env bash
# Builds the gateway for speed and measures it. Arguments go to Benchmarks/gateway/bench.py.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the gateway (release)"
swift build -c release --static-swift-stdlib --product router
router=$(swift build -c release --show-bin-path)/router
PYTHONPATH=Scripts exec .venv/bin/python Benchmarks/gateway/bench.py "$router" "$@"

#!/usr/bin/env bash
# Builds the custom model server for speed and measures its starts. Arguments go to Benchmarks/coldstart/bench.py.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the model server (release)"
swift build -c release --static-swift-stdlib --product custom-model-server
program=$(swift build -c release --show-bin-path)/custom-model-server
PYTHONPATH=Scripts exec .venv/bin/python Benchmarks/coldstart/bench.py "$program" "$@"

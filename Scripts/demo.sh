#!/usr/bin/env bash
# Builds gateway and model server for speed and shows them at work. DEMO_ONCE=1: stop after the table.
# DEMO_MODELS=llama.cpp: llama.cpp serves the models, to compare.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the gateway and the model server (release; a first build takes a few minutes)"
swift build -c release --static-swift-stdlib --product router
swift build -c release --static-swift-stdlib --product custom-model-server
programs=$(swift build -c release --show-bin-path)
exec .venv/bin/python Scripts/demo.py "$programs/router" "$programs/custom-model-server"

#!/usr/bin/env bash
# Builds the gateway for speed and shows it at work on real models. DEMO_ONCE=1: stop after the table.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the gateway (release; a first build takes a few minutes)"
swift build -c release --static-swift-stdlib --product router
exec .venv/bin/python Scripts/demo.py "$(swift build -c release --show-bin-path)/router"

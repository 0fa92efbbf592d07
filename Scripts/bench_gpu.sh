#!/usr/bin/env bash
# Builds and runs the GPU benchmark. Arguments go to it.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the benchmark (release)"
swift build -c release --static-swift-stdlib --product bench-gpu
exec "$(swift build -c release --show-bin-path)/bench-gpu" "$@"

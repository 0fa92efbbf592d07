#!/usr/bin/env bash
# Builds the replay of traces and runs it. Arguments go to it.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the replay (release)"
swift build -c release --static-swift-stdlib --product bench-trace
exec "$(swift build -c release --show-bin-path)/bench-trace" "$@"

#!/usr/bin/env bash
# Builds and runs the restore benchmark. Arguments go to it.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the benchmark (release)"
swift build -c release --static-swift-stdlib --product bench-restore
exec "$(swift build -c release --show-bin-path)/bench-restore" "$@"

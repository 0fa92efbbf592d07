#!/usr/bin/env bash
# Plays the recorded hour to a daemon, then compares policies in virtual time. Arguments go to both parts.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the daemon and the replay (release)"
for product in gpuserve bench-trace; do swift build -c release --static-swift-stdlib --product "$product"; done
bin=$(swift build -c release --show-bin-path)
# Daemons are started as the tests start them.
export PYTHONPATH=Scripts:Benchmarks/gateway:Tests/EndToEnd
with_run_in_memory .venv/bin/python Benchmarks/bench-trace/daemon.py "$bin/gpuserve" "$bin/bench-trace" "$@" ||
    say "no daemon was measured: the comparison below takes what an earlier run left, if any"
exec "$bin/bench-trace" "$@"

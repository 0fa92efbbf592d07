#!/usr/bin/env bash
# Builds the daemon and the model server for speed and measures wakes. Arguments go to Benchmarks/wake/bench.py.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the daemon and the model server (release)"
for product in gpuserve custom-model-server; do swift build -c release --static-swift-stdlib --product "$product"; done
bin=$(swift build -c release --show-bin-path)
# Daemons are started as the tests start them.
export PYTHONPATH=Scripts:Benchmarks/gateway:Tests/EndToEnd
run=(.venv/bin/python Benchmarks/wake/bench.py "$bin/gpuserve" "$bin/custom-model-server" "$@")
# CRIU keeps what it probed of the kernel in /run, if that is in memory, as it is on most systems: 30 ms of each restore.
if [ "$(stat -f -c %T /run)" != tmpfs ] && unshare --mount true 2>/dev/null; then
    say "/run is not in memory here: the benchmark gets a tmpfs of its own there"
    exec unshare --mount bash -c 'mount -t tmpfs none /run && exec "$@"' bash "${run[@]}"
fi
exec "${run[@]}"

#!/usr/bin/env bash
# Proves that the ThreadSanitizer job can fail: the same command, one planted data race, and it must be reported.
# Usage: planted_race.sh COMMAND... (the swift test command of the job)
set -euo pipefail
log=.cache/logs/planted-race-output.log
mkdir -p .cache/logs
status=0
PLANTED_RACE=1 timeout 900 "$@" --filter PlantedRaceTests >"$log" 2>&1 || status=$?
if [ "$status" != 0 ] && grep -q 'WARNING: ThreadSanitizer: .*race' "$log"; then
    echo "the planted race was reported, as it must be"
else
    tail -n 20 "$log"
    echo "the planted race was NOT reported (status $status): the ThreadSanitizer run proves nothing"
    exit 1
fi

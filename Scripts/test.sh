#!/usr/bin/env bash
# All tests, from lint to end-to-end. Usage: test.sh [all]
# A failed step does not hide the ones after it; a build that fails ends the run.
set -euo pipefail
tier=${1:-standard}
source "$(dirname "$0")/lib.sh"
Scripts/setup.sh test

logs=.cache/logs
mkdir -p "$logs"
passed=0
failed=0
failed_steps=()

# step NAME COMMAND...: runs it, keeps its output in a log, notes whether it failed.
step() {
    local name=$1 status=0
    shift
    say "$name ($((SECONDS / 60)) min $((SECONDS % 60)) s so far): $*"
    "$@" 2>&1 | tee "$logs/$name.log" || status=$?
    if [ "$status" != 0 ]; then
        failed_steps+=("$name")
        say "$name FAILED with status $status (log: $logs/$name.log)"
    fi
    return "$status"
}

count() { grep -oE "$1" "$2" | grep -oE '[0-9]+' | tail -n 1 || true; }

# Adds the totals that Swift Testing printed in a step's log.
add_swift_totals() {
    local log=$logs/$1.log total bad
    total=$(count 'Test run with [0-9]+ test' "$log")
    bad=$(grep -cE '^✘ Test .* failed after' "$log" || true)
    passed=$((passed + ${total:-0} - bad))
    failed=$((failed + bad))
}

# Adds the totals of pytest's closing line.
add_pytest_totals() {
    local log=$logs/$1.log good bad errors
    good=$(tail -n 3 "$log" | count '[0-9]+ passed' /dev/stdin)
    bad=$(tail -n 3 "$log" | count '[0-9]+ failed' /dev/stdin)
    errors=$(tail -n 3 "$log" | count '[0-9]+ error' /dev/stdin)
    passed=$((passed + ${good:-0}))
    failed=$((failed + ${bad:-0} + ${errors:-0}))
}

# A step without counts of its own is one check.
check() {
    if step "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

finish() {
    if [ "${#failed_steps[@]}" -gt 0 ]; then
        say "failed: ${failed_steps[*]}"
        # A step can fail without a failed test, for example by crashing.
        [ "$failed" -gt 0 ] || failed=${#failed_steps[@]}
    fi
    say "took $((SECONDS / 60)) min $((SECONDS % 60)) s"
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}

# With it in place the tests of object stores run over it as well as over moto.
[ "$tier" != all ] || check openstack-swift Scripts/venv.sh swift
# With it in place the page's tests look at it.
[ "$tier" != all ] || check browser Scripts/setup.sh browser
# With it in place the model server's logits are compared with transformers' as well.
[ "$tier" != all ] || check reference Scripts/venv.sh reference
# With it in place the daemon deploys it.
[ "$tier" != all ] || check vllm Scripts/venv.sh vllm
check lint make --no-print-directory lint
step build swift build --build-tests || {
    failed=$((failed + 1))
    finish
}
# Its tests make thousands of tokens; debug builds of the kernels are many times slower.
step model-server swift build -c release --static-swift-stdlib --product custom-model-server || {
    failed=$((failed + 1))
    finish
}
step unit timeout 600 swift test --skip-build --disable-xctest || true
add_swift_totals unit
# Fuzzers and end-to-end tests keep about a core busy each, so they run side by side; what the fuzzers said comes after.
Tests/Fuzz/run.sh 10 >"$logs/fuzzers.log" 2>&1 &
fuzzing=$!
[ "$tier" != all ] || export PROOF_PROMPTS=20 GPUSERVE_REQUESTS=10000
step end-to-end Scripts/end_to_end.sh || true
add_pytest_totals end-to-end
status=0
wait "$fuzzing" || status=$?
said() { cat "$logs/fuzzers.log" && return "$1"; }
check fuzz said "$status"

if [ "$tier" = all ]; then
    # The unit tests kill a writer of each kind 20 times.
    SNAPSHOT_KILLS=200 LEDGER_KILLS=200 step killed-writers timeout 1500 \
        swift test --skip-build --disable-xctest --filter 'CrashTests|LedgerTests' || true
    add_swift_totals killed-writers
    # One test at a time: everything is ten times slower here, and tests of deadlines would meet the others' load.
    tsan=(swift test --no-parallel --disable-xctest --sanitize=thread -Xswiftc -DTSAN --scratch-path .build-tsan)
    step thread-sanitizer timeout 1800 "${tsan[@]}" --filter 'TransportTests|RouterKitTests' || true
    add_swift_totals thread-sanitizer
    check planted-race Scripts/planted_race.sh "${tsan[@]}"
    FUZZ_JOBS=2 check fuzz-long Tests/Fuzz/run.sh 120
    check cuda-abi Scripts/check_cuda_abi.sh
    check ptx Scripts/build_ptx.sh --check
fi
finish

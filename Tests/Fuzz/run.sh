#!/usr/bin/env bash
# Fuzzes the parsers (the Wire floor, and what a target names) with libFuzzer and AddressSanitizer.
#
#   Tests/Fuzz/run.sh [SECONDS_EACH] [TARGET...]      default: 10 seconds, every NAME.swift beside this script
#
# One line for each target. Fails when a target finds something, and when the canary, which must, does not.
# Products, findings and the grown corpus lie in .build/fuzz; a finding is replayed with
#   .build/fuzz/NAME .build/fuzz/findings/NAME-...
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-10}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "run.sh: '$seconds' is not a number of seconds" >&2; exit 2; }
shift || true
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
    for file in Tests/Fuzz/*.swift; do targets+=("$(basename "$file" .swift)"); done
fi
for name in "${targets[@]}"; do
    [[ -f Tests/Fuzz/$name.swift ]] || { echo "run.sh: there is no Tests/Fuzz/$name.swift" >&2; exit 2; }
done

out=.build/fuzz
wire=(Sources/Support/Wire/*.swift)
# lld: gold warns about each of AddressSanitizer's symbols. Warnings: the build gives them; here sources of several modules are
# one, so that their imports of each other are called unused.
flags=(-O -use-ld=lld -suppress-warnings -swift-version 6 -package-name fuzz -parse-as-library -sanitize=fuzzer,address
    -enable-upcoming-feature ExistentialAny -enable-upcoming-feature InternalImportsByDefault
    -enable-upcoming-feature MemberImportVisibility -enable-upcoming-feature NonisolatedNonsendingByDefault)
mkdir -p "$out/findings"

# Products carry the hash of everything they were made from, so that nothing stale is ever run.
hash_of() { { swiftc --version 2>/dev/null; cat Tests/Fuzz/run.sh "$@"; } | sha256sum | cut -c1-16; }
fresh() { [[ -e $1 && -e $1.from && $(<"$1.from") == "$2" ]]; }

wire_hash=$(hash_of "${wire[@]}")
if ! fresh "$out/Wire.o" "$wire_hash"; then
    swiftc "${flags[@]}" -wmo -module-name Wire -emit-module -emit-module-path "$out/Wire.swiftmodule" \
        -c "${wire[@]}" -o "$out/Wire.o"
    echo "$wire_hash" >"$out/Wire.o.from"
fi

# A target may name sources of other floors on lines that begin with "// with: "; they are compiled into it. Those in C are
# linked to it, under the module that the package manager makes of their folder. "// within: " names modules that those
# sources import and lie in themselves here: empty ones stand for them.
build() {
    local name=$1 from sources swift=(Tests/Fuzz/Shared/*.swift "Tests/Fuzz/$name.swift") objects=() headers=() file
    read -ra sources <<<"$(sed -n 's|^// with: ||p' "Tests/Fuzz/$name.swift" | tr '\n' ' ')"
    from=$wire_hash-$(hash_of "${sources[@]}" "${swift[@]}")
    fresh "$out/$name" "$from" && return
    for file in "${sources[@]}"; do
        if [[ $file != *.c ]]; then
            swift+=("$file")
            continue
        fi
        local folder=${file%/*} object=$out/$name-${file##*/}.o
        local module=$out/modules/${folder##*/}
        clang -O2 -fsanitize=fuzzer-no-link,address -I "$folder/include" -c "$file" -o "$object"
        mkdir -p "$module"
        printf 'module %s {\n    umbrella "%s"\n    export *\n}\n' "${folder##*/}" "$PWD/$folder/include" \
            >"$module/module.modulemap"
        objects+=("$object")
        headers+=(-I "$module")
    done
    for module in $(sed -n 's|^// within: ||p' "Tests/Fuzz/$name.swift"); do
        mkdir -p "$out/modules/$module"
        echo "module $module {}" >"$out/modules/$module/module.modulemap"
        headers+=(-I "$out/modules/$module")
    done
    swiftc "${flags[@]}" -wmo -module-name Fuzz -I "$out" "${headers[@]}" "${swift[@]}" "$out/Wire.o" "${objects[@]}" \
        -o "$out/$name"
    echo "$from" >"$out/$name.from"
}

# Stacks of allocations cost a third of the speed; a finding that needs them is replayed without this.
export ASAN_OPTIONS=malloc_context_size=1
# Runs one target, already built; fails when it found something.
fuzz() {
    local name=$1 grown=$out/corpus/$1 log=$out/$1.log hints=() status=0 runs limit=$seconds
    # The canary starts from its seed every time; a grown corpus would remember nothing useful for it. It ends when it is
    # found, after 10,000 runs on average and 73,000 once in 40: ten seconds are too few for that on a slow machine.
    if [[ $name == canary ]]; then
        rm -rf "$grown"
        limit=$((seconds * 12))
    fi
    mkdir -p "$grown"
    [[ ! -f Tests/Fuzz/$name.dict ]] || hints=("-dict=Tests/Fuzz/$name.dict")
    timeout $((limit + 60)) "$out/$name" -max_total_time="$limit" -max_len=2048 -timeout=5 -rss_limit_mb=2048 \
        -print_final_stats=1 "${hints[@]}" -artifact_prefix="$out/findings/$name-" "$grown" "Tests/Fuzz/corpus/$name" \
        >"$log" 2>&1 || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [[ $name == canary ]]; then
        if [[ $status -ne 0 ]] && grep -q 'the canary sings' "$log"; then
            echo "fuzz $name: found after ${runs:-?} runs, as it must be"
            rm -f "$out/findings/$name-"*
            return 0
        fi
        echo "fuzz $name: NOT FOUND in ${runs:-0} runs: the fuzzers are blind ($log)"
        return 1
    fi
    if [[ $status -eq 0 && ${runs:-0} -gt 0 ]]; then
        echo "fuzz $name: nothing found in $runs runs, $seconds s"
        return 0
    fi
    echo "fuzz $name: FAILED with status $status; last lines of $log:"
    { grep -aE 'property does not hold|Fatal error|ERROR:|SUMMARY|Test unit written' "$log" || cat "$log"; } |
        tail -5 | sed 's/^/    /'
    return 1
}

# FUZZ_JOBS targets at a time, 1 if not told otherwise; each is built before its turn, while others run.
jobs=${FUZZ_JOBS:-1}
running=0
failures=$out/failed
rm -f "$failures"
for name in "${targets[@]}"; do
    build "$name"
    if ((running >= jobs)); then
        wait -n || true
        running=$((running - 1))
    fi
    { fuzz "$name" || echo "$name" >>"$failures"; } &
    running=$((running + 1))
done
wait
[[ -e $failures ]] || exit 0
# Last, so that whoever sees only the end of the output knows.
echo "fuzz: FAILED: $(paste -sd ' ' "$failures")"
exit 1

#!/usr/bin/env bash
# Compares our declarations of the CUDA driver's interface with NVIDIA's own headers (two versions of them), and assembles
# our PTX with NVIDIA's assembler for every architecture it is meant for. Needs PyPI; says so when it cannot be reached.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

home=$root/.cache/cuda-abi
mkdir -p "$home"

# fetch WHEEL VERSION: unpacks a wheel once; prints its folder.
fetch() {
    local folder=$home/$1-$2
    if [ ! -e "$folder/done" ]; then
        mkdir -p "$folder"
        python3 -m pip download -q --no-deps --dest "$folder" "$1==$2" >"$folder/pip.log" 2>&1 ||
            fail "PyPI does not give $1 $2 (log: $folder/pip.log): the interface is not checked"
        python3 -m zipfile -e "$folder"/*.whl "$folder"
        touch "$folder/done"
    fi
    echo "$folder"
}

for wheel in nvidia-cuda-runtime-cu12:12.8.90 nvidia-cuda-runtime:13.0.96; do
    folder=$(fetch "${wheel%:*}" "${wheel#*:}")
    include=$(dirname "$(find "$folder" -name cuda.h | head -n 1)")
    check=(g++ -std=c++17 -fsyntax-only -I "$include" -I Sources/Support/CCuda/include)
    "${check[@]}" Scripts/cuda_abi_check.cpp
    # A check that cannot fail checks nothing: with one parameter changed it must.
    altered=$(mktemp -d)
    cp Sources/Support/CCuda/include/*.h "$altered"
    sed -i 's/(ccuda_address \* address, size_t bytes)/(ccuda_address * address, int bytes)/' "$altered/ccuda_functions.h"
    if g++ -std=c++17 -fsyntax-only -I "$include" -I "$altered" Scripts/cuda_abi_check.cpp 2>/dev/null; then
        fail "an altered declaration passed the check"
    fi
    rm -r "$altered"
    say "our declarations agree with cuda.h of ${wheel#*:}"
done

folder=$(fetch nvidia-cuda-nvcc-cu12 12.8.93)
assembler=$(find "$folder" -name ptxas -path '*bin*' | head -n 1)
chmod +x "$assembler"

# assemble NAME VARIABLE FILE: the PTX that is in a multi-line literal of FILE.
assemble() {
    local ptx=$home/$1.ptx architecture
    sed -n "/let $2 = \"\"\"/,/^        \"\"\"/p" "$3" | sed '1d;$d' >"$ptx"
    [ -s "$ptx" ] || fail "$3 has no PTX in $2"
    for architecture in sm_50 sm_70 sm_80 sm_90 sm_100 sm_120; do
        "$assembler" -arch="$architecture" "$ptx" -o /dev/null
    done
    say "the $1 kernel assembles for sm_50 to sm_120"
}

assemble checksum ptx Sources/GPUServeKit/Device/CUDAChecksums.swift
assemble doubler doublerPTX Tests/GPUServeKitTests/Device/ContextConformance.swift

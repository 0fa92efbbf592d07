#!/usr/bin/env bash
# Makes Sources/Demos/custom-model-server/CUDA/model.ptx from CModelKernels/cuda/model.cu with NVIDIA's compiler, from PyPI, and
# assembles it for every architecture it is meant for.
#
#   Scripts/build_ptx.sh [--check]      --check: fails when the file that is there is another than the one made
set -euo pipefail
source "$(dirname "$0")/lib.sh"

version=13.0.88
home=$root/.cache/nvcc-$version
if [ ! -e "$home/done" ]; then
    mkdir -p "$home/wheels"
    say "fetching NVIDIA's compiler $version from PyPI (about 90 MB)"
    for wheel in "nvidia-cuda-nvcc==$version" "nvidia-nvvm==$version" "nvidia-cuda-crt==$version" nvidia-cuda-runtime==13.0.96; do
        python3 -m pip download -q --no-deps --dest "$home/wheels" "$wheel" >>"$home/pip.log" 2>&1 ||
            fail "PyPI does not give $wheel (log: $home/pip.log): the GPU code is neither made nor checked"
    done
    for wheel in "$home"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$home"; done
    chmod -R u+x "$home"/nvidia/cu13/bin "$home"/nvidia/cu13/nvvm/bin
    touch "$home/done"
fi

source=$root/Sources/Support/CModelKernels/cuda/model.cu
target=$root/Sources/Demos/custom-model-server/CUDA/model.ptx
made=$(mktemp --suffix .ptx)
trap 'rm -f "$made"' EXIT
"$home/nvidia/cu13/bin/nvcc" -O3 -arch=compute_75 -ptx -o "$made" "$source"
# Nothing in it needs a newer version of PTX than 7.0, which drivers from 2020 on understand.
sed -i -e 's/^\.version .*/.version 7.0/' -e '/^\/\//d' "$made"
for architecture in sm_75 sm_80 sm_86 sm_90 sm_100 sm_120; do
    "$home/nvidia/cu13/bin/ptxas" -arch="$architecture" "$made" -o /dev/null
done
if [ "${1:-}" = --check ]; then
    cmp -s "$made" "$target" || fail "model.ptx is not what model.cu makes: run Scripts/build_ptx.sh"
else
    cp "$made" "$target"
fi
say "the model's kernels assemble for sm_75 to sm_120"

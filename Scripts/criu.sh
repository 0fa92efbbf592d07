#!/usr/bin/env bash
# CRIU 4.2 or later into .cache/criu, unpacked from Debian's own packages beside the system, which stays as it is: the release
# that Debian 12 has cannot run on kernels of 6.11 and later. Prints the path of a program to give as GPUSERVE_CRIU.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
place=$root/.cache/criu
program=$place/criu
if [ ! -x "$program" ]; then
    command -v apt-get dpkg >/dev/null || fail "CRIU is unpacked from Debian packages, and there is no apt-get here."
    mirror=$(sed -n 's/^URIs: //p; s/^deb \(\[[^]]*\] \)\?\(http[^ ]*\) .*/\2/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v security | head -n 1) || true
    [ -n "$mirror" ] || fail "apt has no source of Debian packages here, so CRIU cannot be fetched: add one to /etc/apt/sources.list."
    rm -rf "$place" && mkdir -p "$place"/{lists/partial,cache/archives/partial,packages,root}
    echo "deb $mirror sid main" >"$place/sid.list"
    options=(-o "Dir::Etc::sourcelist=$place/sid.list" -o Dir::Etc::sourceparts=- -o "Dir::State::Lists=$place/lists"
        -o "Dir::Cache=$place/cache" -o Dir::State::Status=/dev/null -o APT::Sandbox::User=root -q)
    # The keyring of an old release need not know sid's newest key; apt then says so and nothing is unpacked.
    apt-get "${options[@]}" update >&2
    mapfile -t needed < <(apt-cache "${options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts \
        --no-breaks --no-replaces --no-enhances criu | grep '^[a-z0-9]' | grep -vE '^(python3|debconf|perl|iptables|nftables)' | sort -u)
    (cd "$place/packages" && apt-get "${options[@]}" download "${needed[@]}" >&2)
    for package in "$place"/packages/*.deb; do dpkg -x "$package" "$place/root"; done
    libraries=$place/root/usr/lib/$(uname -m)-linux-gnu
    loader=$(find "$libraries" -name 'ld-linux*.so.*' | head -n 1)
    printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$loader" "$libraries" "$place/root/usr/sbin/criu" >"$program"
    chmod +x "$program"
    rm -rf "$place"/{lists,cache,packages}
fi
"$program" check >&2 || fail "CRIU does not run on this kernel, or without these rights (root is needed)."
echo "$program"

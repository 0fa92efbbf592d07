#!/usr/bin/env bash
# Installs what a goal needs and is not there yet. Quiet when nothing is missing.
# Usage: setup.sh build | demo | test | browser | bench | restore | coldstart | wake
set -euo pipefail
source "$(dirname "$0")/lib.sh"
goal=${1:?usage: setup.sh build|demo|test|browser|bench|restore|coldstart|wake}

has_header() { printf '#include <%s>\n' "$1" | clang -E -x c - >/dev/null; }
has_libstdcxx() { compgen -G '/usr/lib/gcc/*/*/libstdc++.*'; }

command -v swift >/dev/null ||
    fail "Swift 6.3 or later is needed and 'swift' is not in PATH (toolchains: swift.org/install/linux)."
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
case "$version" in
    [0-5].* | 6.[0-2]) fail "Swift 6.3 or later is needed; 'swift' in PATH is $version." ;;
    '') fail "'swift --version' does not run: are the toolchain's system libraries installed?" ;;
esac

take_setup_lock
want "read by the package manager" git command -v git
want "C library headers" libc6-dev has_header stdio.h
want "C++ runtime headers Foundation's tests link" g++ has_libstdcxx
want "the HTTP client library" libcurl4-openssl-dev has_header curl/curl.h
case "$goal" in
    demo) want "the lines to try" curl command -v curl ;;
    test) want "end-to-end tests of curl -N" curl command -v curl ;;
    browser) want "the page's tests" chromium command -v chromium ;;
    bench | wake)
        want "load generator" wrk command -v wrk
        want "peer and upstream of the benchmark" nginx-light test -x /usr/sbin/nginx
        ;;
    restore) want "peer of the pull over S3" curl command -v curl ;;
esac
install_missing

case "$goal" in
    demo) Scripts/venv.sh demo model ;;
    # The benchmark makes adapters with what the tests make theirs with.
    test | coldstart | wake) Scripts/venv.sh demo test model ;;
    browser) Scripts/venv.sh browser ;;
    bench)
        Scripts/venv.sh demo
        # A peer that cannot be installed leaves its figures out; it does not stop the benchmark.
        Scripts/venv.sh bench || say "LiteLLM could not be installed: its figures will be absent"
        ;;
    restore)
        # 4 GB, PyTorch for the most part. Without it the peers' figures are left out.
        Scripts/venv.sh restore || say "the other loaders could not be installed: their figures will be absent"
        ;;
esac

# Shared by the scripts beside it: messages, and system packages installed only when something is missing.
# Source it; it sets `root` to the top of the repository and changes into it.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
mkdir -p .cache

say() { printf '==> %s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# One set-up at a time: `make demo` and `make test` may be started together.
take_setup_lock() {
    command -v flock >/dev/null || return 0
    exec 9>.cache/setup.lock
    flock -n 9 || {
        say "waiting for another set-up of this checkout to finish"
        flock 9
    }
}

missing_packages=()
missing_reasons=()

# want REASON PACKAGE CHECK...: remembers PACKAGE as missing when the command CHECK fails.
want() {
    local reason=$1 package=$2
    shift 2
    if ! "$@" >/dev/null 2>&1; then
        missing_packages+=("$package")
        missing_reasons+=("$package ($reason)")
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian starts a daemon the moment its package is installed; these programs are wanted as programs only.
without_starting_services() {
    local policy=/usr/sbin/policy-rc.d made=0 status=0
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
        made=1
    fi
    "$@" || status=$?
    [ "$made" = 0 ] || as_root rm -f "$policy"
    return "$status"
}

# Installs what `want` found missing, by name, and says so. Does nothing when nothing is.
install_missing() {
    [ "${#missing_packages[@]}" -gt 0 ] || return 0
    local command="apt-get install -y --no-install-recommends ${missing_packages[*]}"
    command -v apt-get >/dev/null ||
        fail "missing: ${missing_reasons[*]}. This system has no apt-get: install their equivalents and run again."
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        fail "missing: ${missing_reasons[*]}. Run as root: $command"
    fi
    say "installing with apt: ${missing_reasons[*]}"
    local log=.cache/apt.log
    local options=(-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    : >"$log"
    apt_install() {
        without_starting_services as_root env DEBIAN_FRONTEND=noninteractive nice -n 10 \
            apt-get "${options[@]}" install -y -q --no-install-recommends "${missing_packages[@]}" >>"$log" 2>&1 9>&-
    }
    if ! apt_install; then
        say "refreshing the package lists first"
        as_root apt-get "${options[@]}" update -q >>"$log" 2>&1 9>&- || true
        apt_install || {
            tail -n 20 "$log" >&2
            fail "apt could not install ${missing_packages[*]} (whole log: $log)"
        }
    fi
    missing_packages=()
    missing_reasons=()
}

# with_run_in_memory COMMAND...: CRIU keeps what it probed of the kernel in /run, if that is in memory, as it is on most systems: 30 ms
# of each restore. Where it is not, the command gets a /run of its own.
with_run_in_memory() {
    if [ "$(stat -f -c %T /run)" != tmpfs ] && unshare --mount true 2>/dev/null; then
        say "/run is not in memory here: the benchmark gets a tmpfs of its own there"
        unshare --mount bash -c 'mount -t tmpfs none /run && exec "$@"' bash "$@"
    else
        "$@"
    fi
}

import Glibc

/// Where a Unix socket of this run of the tests may lie: no other process has the same path.
func temporarySocketPath(_ name: String) -> String {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    return "\(base)/transport-test-\(getpid())-\(name).sock"
}

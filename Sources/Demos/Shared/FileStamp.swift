import Glibc

/// What tells a file from another of its name, or from itself after a change.
package enum FileStamp {
    /// Nil, with `errno`, when there is no such file.
    package static func of(_ path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return "\(status.st_ino):\(status.st_size):\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    }
}

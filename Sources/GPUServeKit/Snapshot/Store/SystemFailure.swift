internal import Glibc

extension SnapshotError {
    /// The failure of the system call `call` on `file`, from `errno`.
    static func system(_ call: String, file: String, errno code: Int32 = errno) -> SnapshotError {
        let reason = String(cString: strerror(code))
        switch code {
        case ENOSPC, EDQUOT, EFBIG:
            return SnapshotError(.storeFull, "\(call): \(reason): make room or collect garbage", file: file)
        case EACCES, EPERM, EROFS:
            return SnapshotError(.accessDenied, "\(call): \(reason)", file: file)
        case ELOOP:
            return SnapshotError(
                .unsafePath, "\(call): a symbolic link stands where a file of the store belongs", file: file)
        default:
            return SnapshotError(.system, "\(call): \(reason) (errno \(code))", file: file)
        }
    }
}

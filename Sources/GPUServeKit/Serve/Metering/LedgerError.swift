/// Why the ledger could not be opened, written or read.
public struct LedgerError: Error, Sendable, Hashable {
    /// The kind of failure: a small closed set, fit for metric labels.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// Another process writes this ledger.
        case inUse
        /// The disk is full.
        case diskFull
        /// A system call failed; `detail` names it.
        case system
        /// Too many records wait for a disk that takes none.
        case backlogFull
        /// The ledger was closed before the record was written.
        case closed
        /// A record longer than `Limits.ledgerLineBytes`.
        case tooLong

        /// Stable and bounded.
        public var label: String { rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened, and what to do.
    public let detail: String
    /// The file or folder concerned.
    public let path: String

    init(_ code: Code, _ detail: String, path: String) {
        self.code = code
        self.detail = detail
        self.path = path
    }

    /// A failed call on a file of the ledger.
    init(_ error: SnapshotError, path: String) {
        let code: Code =
            switch error.code {
            case .storeFull: .diskFull
            case .storeBusy: .inUse
            default: .system
            }
        self.init(code, error.detail, path: error.file ?? path)
    }
}

extension LedgerError: CustomStringConvertible {
    /// Code, place and detail in one line.
    public var description: String { "ledger: \(code.label) in \(path): \(detail)" }
}

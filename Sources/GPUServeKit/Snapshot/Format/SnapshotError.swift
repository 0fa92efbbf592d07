/// Why an operation on snapshots, their sources or their stores did not complete.
public struct SnapshotError: Error, Sendable, Hashable {
    /// The kind of failure: a small closed set, fit for metric labels.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case malformedSource, truncatedSource, unsupportedSource
            case manifestMalformed, manifestTooNew, manifestCorrupt
            case chunkCorrupt, chunkMissing, snapshotMissing, notAStore, storeTooNew
            case unsafeName, unsafePath, tooLarge
            case storeFull, quotaExceeded, storeBusy, readOnly, accessDenied, clockSkew, integrity
            case system, network, cancelled, invalidArgument
        }

        private let kind: Kind

        /// A model file that breaks its own format: wrong magic, lying offset, overlapping tensors.
        public static let malformedSource = Code(kind: .malformedSource)
        /// A model file shorter than it says.
        public static let truncatedSource = Code(kind: .truncatedSource)
        /// A model file of a version or type that is not known here.
        public static let unsupportedSource = Code(kind: .unsupportedSource)
        /// A manifest whose checksum is right and whose content is not.
        public static let manifestMalformed = Code(kind: .manifestMalformed)
        /// A manifest written by a newer version of this library.
        public static let manifestTooNew = Code(kind: .manifestTooNew)
        /// A manifest whose bytes are not those that were written.
        public static let manifestCorrupt = Code(kind: .manifestCorrupt)
        /// A chunk whose bytes are not those that were written.
        public static let chunkCorrupt = Code(kind: .chunkCorrupt)
        /// A chunk that the store does not hold.
        public static let chunkMissing = Code(kind: .chunkMissing)
        /// A snapshot that the store does not hold.
        public static let snapshotMissing = Code(kind: .snapshotMissing)
        /// A directory that is not a snapshot store.
        public static let notAStore = Code(kind: .notAStore)
        /// A store laid out by a newer version of this library.
        public static let storeTooNew = Code(kind: .storeTooNew)
        /// A name that could be taken for a path out of its place, or that cannot be shown.
        public static let unsafeName = Code(kind: .unsafeName)
        /// A symbolic link, or something else that is not a plain file, where the store has its own.
        public static let unsafePath = Code(kind: .unsafePath)
        /// Something larger than its limit.
        public static let tooLarge = Code(kind: .tooLarge)
        /// The disk is full.
        public static let storeFull = Code(kind: .storeFull)
        /// The store's quota would be exceeded.
        public static let quotaExceeded = Code(kind: .quotaExceeded)
        /// Another process holds the store for longer than is waited.
        public static let storeBusy = Code(kind: .storeBusy)
        /// A write to a store that can only be read.
        public static let readOnly = Code(kind: .readOnly)
        /// The credentials or the file modes do not allow it.
        public static let accessDenied = Code(kind: .accessDenied)
        /// The object store refuses the time of day of this machine.
        public static let clockSkew = Code(kind: .clockSkew)
        /// The object store stored or sent other bytes than it was to.
        public static let integrity = Code(kind: .integrity)
        /// A system call failed; `detail` names it with its errno.
        public static let system = Code(kind: .system)
        /// The network or the object store failed, after retries.
        public static let network = Code(kind: .network)
        /// The caller cancelled.
        public static let cancelled = Code(kind: .cancelled)
        /// The caller asked for something that makes no sense.
        public static let invalidArgument = Code(kind: .invalidArgument)

        /// The name of the code, of a fixed set.
        public var label: String { kind.rawValue }
        /// Same as `label`.
        public var description: String { label }
    }

    /// The kind of failure.
    public let code: Code
    /// What was wrong and what to do, in a sentence without the final stop. Holds no secret.
    public let detail: String
    /// The file, object or chunk at fault, where there is one.
    public let file: String?
    /// Offset of the offending byte in `file`, where there is one.
    public let offset: Int?

    /// An error of kind `code`.
    public init(_ code: Code, _ detail: String, file: String? = nil, offset: Int? = nil) {
        self.code = code
        self.detail = detail
        self.file = file
        self.offset = offset
    }

    /// The same error, at fault in `file`.
    func at(file: String) -> SnapshotError {
        SnapshotError(code, detail, file: file, offset: offset)
    }
}

extension SnapshotError: CustomStringConvertible {
    /// Code, place and detail in one line.
    public var description: String {
        var text = code.label
        if let file { text += " in \(file)" }
        if let offset { text += " at byte \(offset)" }
        return text + ": " + detail
    }
}

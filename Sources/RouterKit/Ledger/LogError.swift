/// A system call of the decision log, or of the store of outcomes, that failed.
public struct LogError: Error, Sendable, Hashable {
    /// Which call, a bounded label for metrics.
    public enum Operation: String, Sendable, Hashable, CaseIterable {
        /// Opening or creating the file.
        case open
        /// Writing to it.
        case write
        /// Renaming it when it is full.
        case rotate
        /// Making it durable when the log is closed.
        case sync
        /// Reading it for a report.
        case read
        /// Starting the writer's thread.
        case thread

        /// Stable and bounded.
        public var label: String { rawValue }
    }

    /// Which call failed.
    public let operation: Operation
    /// The file concerned.
    public let path: String
    /// The `errno` of the call.
    public let systemError: Int32
    /// The system's words for `systemError`.
    public let reason: String
}

extension LogError: CustomStringConvertible {
    /// A full sentence.
    public var description: String { "The log's \(operation.label) failed on \(path): \(reason)." }
}

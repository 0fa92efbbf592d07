/// A file of learning (outcomes, tiers, weights, policies) that cannot be used at all.
public struct LearnFileError: Error, Sendable, Hashable {
    /// The file.
    public let path: String
    /// What is wrong with it, continuing a sentence that begins with its name.
    public let detail: String
    /// Line and column of the mistake, from 1, where there is one.
    public let place: Place?

    /// Where in a file.
    public struct Place: Sendable, Hashable {
        /// From 1.
        public let line: Int
        /// From 1, in characters.
        public let column: Int
    }

    /// An error about `path`.
    public init(path: String, detail: String, place: (line: Int, column: Int)? = nil) {
        self.path = path
        self.detail = detail
        self.place = place.map { Place(line: $0.line, column: $0.column) }
    }
}

extension LearnFileError: CustomStringConvertible {
    /// `FILE:LINE:COLUMN: detail`.
    public var description: String {
        guard let place else { return "\(path): \(detail)" }
        return "\(path):\(place.line):\(place.column): \(detail)"
    }
}

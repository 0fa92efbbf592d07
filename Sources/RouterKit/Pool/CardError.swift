/// What is wrong with a pool's cards: which model, which key, and what to do.
public struct CardError: Error, Sendable, Hashable {
    /// The kind of fault, for tests and metrics.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// Stable and bounded.
        public let label: String

        /// The label.
        public var description: String { label }

        /// The pool has no models.
        public static let emptyPool = Code(label: "empty_pool")
        /// The pool has more models or deployments than `Limits` allows.
        public static let tooMany = Code(label: "too_many")
        /// A name or id is empty or holds a control character.
        public static let badName = Code(label: "bad_name")
        /// A name or id is taken twice.
        public static let duplicateName = Code(label: "duplicate_name")
        /// A weight is zero or negative, or too large.
        public static let badWeight = Code(label: "bad_weight")
        /// A price is negative or not a number.
        public static let badPrice = Code(label: "bad_price")
        /// A window, output bound, cap or timeout is zero or negative.
        public static let badBound = Code(label: "bad_bound")
        /// A model is served nowhere.
        public static let noDeployments = Code(label: "no_deployments")
        /// An address is not one that requests can be sent to.
        public static let badURL = Code(label: "bad_url")
        /// A key is empty, or missing where the authentication style needs one.
        public static let badKey = Code(label: "bad_key")
        /// No dialect is listed.
        public static let noDialects = Code(label: "no_dialects")
        /// An extra header cannot be sent as it is.
        public static let badHeader = Code(label: "bad_header")
    }

    /// The kind of fault.
    public let code: Code
    /// The model concerned; empty when the fault is the pool's.
    public let model: String
    /// Path of the faulty member inside the card, for example `deployments[0].weight`.
    public let key: String
    /// A full sentence: what was wrong and what to do.
    public let detail: String
}

extension CardError: CustomStringConvertible {
    /// The model, the key and the sentence.
    public var description: String {
        model.isEmpty ? detail : "model \"\(model)\", \(key): \(detail)"
    }
}

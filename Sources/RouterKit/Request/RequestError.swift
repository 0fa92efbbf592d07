/// Why a request body cannot be routed. A gateway answers it with status 400.
public struct RequestError: Error, Sendable, Hashable {
    /// What kind of fault it is.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The body is not JSON (RFC 8259), or nested deeper than `Limits.jsonDepth`.
        case invalidJSON = "invalid_json"
        /// The body is JSON, but not an object.
        case notAnObject = "not_an_object"
        /// There is no `model`.
        case missingModel = "missing_model"
        /// A member that decides the routing is given more than once, so that two readers may disagree about it.
        case duplicateKey = "duplicate_key"
        /// A member that decides the routing has the wrong JSON type.
        case wrongType = "wrong_type"

        /// A bounded name for metrics and for the `code` of an error body.
        public var label: String { rawValue }
    }

    /// What kind of fault it is.
    public let code: Code
    /// What was wrong and what to do, for the caller to read. Holds no prompt text.
    public let message: String
    /// The member at fault, as a path: `model`, `stream_options.include_usage`; nil when none is to blame.
    public let param: String?
    /// The byte of the body at which the fault was seen, from 0; nil when it has no place.
    public let offset: Int?

    /// Makes an error.
    public init(_ code: Code, _ message: String, param: String? = nil, offset: Int? = nil) {
        self.code = code
        self.message = message
        self.param = param
        self.offset = offset
    }
}

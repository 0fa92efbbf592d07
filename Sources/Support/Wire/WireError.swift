/// Why bytes from outside were refused, or why bytes to be sent would be wrong.
public struct WireError: Error, Sendable, Hashable {
    /// What kind of fault it was: a small closed set, fit for metric labels.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case malformedRequestLine, targetTooLong, unsupportedVersion, unsupportedMethod
            case malformedStatusLine
            case malformedField, headTooLarge, tooManyFields, missingHost, invalidHost
            case invalidContentLength, conflictingFraming, unsupportedTransferCoding, expectationFailed
            case malformedChunk, bodyTooLarge, trailerTooLarge
            case eventTooLarge
            case invalidJSON, jsonTooDeep, jsonTooManyMembers
        }

        private let kind: Kind
        /// The status a server answers a request with that failed this way.
        public let httpStatus: Int

        private init(_ kind: Kind, _ httpStatus: Int) {
            self.kind = kind
            self.httpStatus = httpStatus
        }

        /// The request line is not `METHOD SP target SP HTTP/x.y CR LF`.
        public static let malformedRequestLine = Code(.malformedRequestLine, 400)
        /// The request target is longer than `Limits.targetBytes`.
        public static let targetTooLong = Code(.targetTooLong, 414)
        /// A version other than HTTP/1.0 and HTTP/1.1.
        public static let unsupportedVersion = Code(.unsupportedVersion, 505)
        /// A method this server does not implement at all.
        public static let unsupportedMethod = Code(.unsupportedMethod, 501)
        /// The status line is not `HTTP/1.x SP status SP reason CR LF`. It comes from upstream, hence 502.
        public static let malformedStatusLine = Code(.malformedStatusLine, 502)
        /// A field line with a bad name, a bad value, folding, or a wrong line ending.
        public static let malformedField = Code(.malformedField, 400)
        /// The head is longer than `Limits.requestHeadBytes`.
        public static let headTooLarge = Code(.headTooLarge, 431)
        /// More field lines than `Limits.fieldCount`.
        public static let tooManyFields = Code(.tooManyFields, 431)
        /// HTTP/1.1 without `Host`.
        public static let missingHost = Code(.missingHost, 400)
        /// `Host` twice, or not a host and port.
        public static let invalidHost = Code(.invalidHost, 400)
        /// `Content-Length` is not one plain decimal number, or two of them differ.
        public static let invalidContentLength = Code(.invalidContentLength, 400)
        /// Two ways to frame the body at once, or one that the version does not know: request smuggling.
        public static let conflictingFraming = Code(.conflictingFraming, 400)
        /// A `Transfer-Encoding` other than exactly `chunked`.
        public static let unsupportedTransferCoding = Code(.unsupportedTransferCoding, 501)
        /// An `Expect` other than `100-continue`.
        public static let expectationFailed = Code(.expectationFailed, 417)
        /// The chunked framing of a body is broken.
        public static let malformedChunk = Code(.malformedChunk, 400)
        /// The body is longer than `Limits.bodyBytes`.
        public static let bodyTooLarge = Code(.bodyTooLarge, 413)
        /// The trailer section is longer than `Limits.trailerBytes`.
        public static let trailerTooLarge = Code(.trailerTooLarge, 431)
        /// One server-sent event is longer than `Limits.sseEventBytes`. It comes from upstream, hence 502.
        public static let eventTooLarge = Code(.eventTooLarge, 502)
        /// Not RFC 8259 JSON.
        public static let invalidJSON = Code(.invalidJSON, 400)
        /// JSON nested deeper than `Limits.jsonDepth`.
        public static let jsonTooDeep = Code(.jsonTooDeep, 400)
        /// The outermost object has more members than `Limits.jsonMemberCount`.
        public static let jsonTooManyMembers = Code(.jsonTooManyMembers, 400)

        /// The name of the code: one of a fixed set, never holding anything a client sent.
        public var label: String { kind.rawValue }
        /// Same as `label`.
        public var description: String { label }
    }

    /// The kind of fault.
    public let code: Code
    /// What was wrong and what was wanted, in a sentence without the final stop.
    public let detail: String
    /// Offset of the offending byte in the parsed input, where there is one.
    public let offset: Int?

    /// An error of kind `code`.
    public init(_ code: Code, _ detail: String, offset: Int? = nil) {
        self.code = code
        self.detail = detail
        self.offset = offset
    }

    /// The status a server answers with: 400, 413, 414, 417, 431, 501, 502 or 505.
    public var httpStatus: Int { code.httpStatus }
}

extension WireError: CustomStringConvertible {
    /// Code, detail and offset in one line.
    public var description: String {
        guard let offset else { return "\(code.label): \(detail)" }
        return "\(code.label) at byte \(offset): \(detail)"
    }
}

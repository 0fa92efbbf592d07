import DemoSupport
import RouterKit
import Transport
import Wire

/// A whole answer that the gateway gives by itself.
struct Answer {
    var status: Int
    var fields: HTTPFields
    var body: [UInt8]

    /// An error in the shape of the dialect (OpenAI's when there is none).
    static func failure(_ status: Int, _ message: String, _ code: String, _ dialect: Dialect?) -> Answer {
        let type = status == 401 ? "authentication_error" : status == 404 ? "not_found_error" : "invalid_request_error"
        return Answer(
            status: status, fields: .json,
            body: ErrorBody.json(dialect: dialect, message: message, type: type, code: code))
    }

    static func unauthorized(_ message: String, _ dialect: Dialect?) -> Answer {
        var answer = failure(401, message, "invalid_api_key", dialect)
        answer.fields.set("WWW-Authenticate", "Bearer")
        return answer
    }

    /// A body that cannot be routed.
    init(_ error: RequestError, _ dialect: Dialect) {
        status = 400
        fields = .json
        let place = error.offset.map { " (byte \($0))" } ?? ""
        body = ErrorBody.json(
            dialect: dialect, message: error.message + place, type: "invalid_request_error", code: error.code.label,
            param: error.param)
    }

    /// A request that no model answered.
    init(_ error: RouterError, _ dialect: Dialect) {
        status = error.code.httpStatus
        fields = .json
        if !error.requestID.isEmpty { fields.set("x-request-id", error.requestID) }
        // Whole seconds, rounded up: some clients read nothing else.
        if let wait = error.retryAfter_ms { fields.set("Retry-After", String((wait + 999) / 1000)) }
        if !error.mayRetry { fields.set("x-should-retry", "false") }
        body = error.body(for: dialect)
    }

    init(status: Int, fields: HTTPFields, body: [UInt8]) {
        self.status = status
        self.fields = fields
        self.body = body
    }
}

extension ResponseStart {
    nonisolated(nonsending) consuming func send(_ answer: Answer) async throws(TransportError) {
        try await send(status: answer.status, fields: answer.fields, body: answer.body)
    }
}

extension Endpoint {
    /// The dialect whose error shape the client reads.
    var dialect: Dialect? {
        switch self {
        case .model(let dialect, _): dialect
        case .countTokens: .messages
        default: nil
        }
    }
}

extension HTTPFields {
    static let plainText = HTTPFields(contentType: "text/plain; charset=utf-8")

    /// Adds a field whose value was made here. A value that cannot be sent is left out: it is never worth a failure.
    mutating func set(_ name: String, _ value: String) {
        try? append(name, value)
    }
}

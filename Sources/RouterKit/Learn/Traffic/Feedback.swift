public import Wire

/// What somebody says of an answer: the body of `POST /v1/feedback`.
///
/// `{"request_id": "req_...", "score": 0.8}`, or `"good": true` instead of the score; `"model"` may name the model that
/// answered.
public struct Feedback: Sendable, Hashable {
    /// The request's id, as in `x-request-id`.
    public var requestID: String
    /// How good the answer was, 0...1.
    public var score: Double
    /// The model that answered; `nil` when the sender does not say.
    public var model: String?

    /// A feedback.
    public init(requestID: String, score: Double, model: String? = nil) {
        self.requestID = requestID
        self.score = score
        self.model = model
    }

    /// Reads a body.
    public init(_ body: [UInt8], limits: Limits = .standard) throws(FeedbackError) {
        let tree: JSONValue
        do {
            tree = try JSONValue.parse(body, limits: limits)
        } catch {
            throw FeedbackError(.invalid, "The body is not valid JSON: \(error.detail).")
        }
        guard tree.members != nil else { throw FeedbackError(.invalid, "The body must be a JSON object.") }
        guard let id = try Self.member("request_id", of: tree) else {
            throw FeedbackError(.invalid, "request_id is missing: the x-request-id of the answer.", "request_id")
        }
        guard let requestID = id.string, !requestID.isEmpty else {
            throw FeedbackError(.invalid, "request_id must be a string.", "request_id")
        }
        self.requestID = requestID
        score = try Self.score(tree)
        model = nil
        if let value = try Self.member("model", of: tree) {
            guard let name = value.string else { throw FeedbackError(.invalid, "model must be a string.", "model") }
            model = name
        }
    }

    private static func score(_ tree: JSONValue) throws(FeedbackError) -> Double {
        switch (try member("score", of: tree), try member("good", of: tree)) {
        case (let score?, nil):
            guard let value = score.double, (0...1).contains(value) else {
                throw FeedbackError(.invalid, "score must be a number from 0 (useless) to 1 (right).", "score")
            }
            return value
        case (nil, let good?):
            guard let isGood = good.bool else { throw FeedbackError(.invalid, "good must be true or false.", "good") }
            return isGood ? 1 : 0
        case (nil, nil):
            throw FeedbackError(.invalid, "score is missing: a number from 0 to 1, or good: true.", "score")
        default: throw FeedbackError(.invalid, "score and good are both there: send one of them.", "score")
        }
    }

    private static func member(_ name: String, of tree: JSONValue) throws(FeedbackError) -> JSONValue? {
        let found = tree.members?.filter { $0.key == name } ?? []
        guard found.count <= 1 else { throw FeedbackError(.invalid, "\(name) is there twice.", name) }
        return found.first.flatMap { $0.value.isNull ? nil : $0.value }
    }
}

/// Why a feedback was not taken.
public struct FeedbackError: Error, Sendable, Hashable {
    /// The kind of failure, a small closed set.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The body is not a feedback, or says something that is not so.
        case invalid = "invalid_feedback"
        /// No such request is remembered.
        case unknownRequest = "request_not_found"
        /// The request has a feedback already.
        case repeated = "feedback_exists"
        /// The row could not be left for the writer.
        case notStored = "outcomes_unavailable"

        /// The status to answer with.
        public var httpStatus: Int {
            switch self {
            case .invalid: 400
            case .unknownRequest: 404
            case .repeated: 409
            case .notStored: 503
            }
        }
    }

    /// The kind of failure.
    public let code: Code
    /// What was wrong and what to do, for the client.
    public let message: String
    /// The member at fault.
    public let param: String?

    init(_ code: Code, _ message: String, _ param: String? = nil) {
        self.code = code
        self.message = message
        self.param = param
    }
}

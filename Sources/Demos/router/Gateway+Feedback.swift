import DemoSupport
import RouterKit
import Transport
import Wire

extension Gateway {
    /// `POST /v1/feedback`: what somebody says of an answer becomes a row of the outcomes.
    nonisolated(nonsending) func takeFeedback(
        _ request: ServerRequest, _ response: consuming ResponseStart, _ router: Router
    ) async throws(TransportError) {
        let limits = router.configuration.limits
        let body: [UInt8]
        do {
            body = try await request.body.collect(limitBytes: limits.feedbackBodyBytes)
        } catch {
            guard error.code == .bodyTooLarge else { throw error }
            let message = "A feedback is at most \(limits.feedbackBodyBytes) bytes."
            try await response.send(.failure(413, message, "body_too_large", nil))
            return
        }
        try await response.send(feedback(body, router))
    }

    private func feedback(_ body: [UInt8], _ router: Router) -> Answer {
        guard let learner = router.configuration.learner else {
            let message =
                "Feedback is not collected here: the configuration needs "
                + "\"outcomes\": {\"file\": \"outcomes.jsonl\", \"prompts\": true}."
            return .failure(409, message, "outcomes_off", nil)
        }
        do {
            let feedback = try Feedback(body, limits: router.configuration.limits)
            let model = try learner.take(feedback)
            metrics.tookFeedback(model)
            return Answer(feedback, of: model)
        } catch {
            return Answer(error)
        }
    }
}

extension Answer {
    /// What a feedback was taken as.
    init(_ feedback: Feedback, of model: String) {
        var body = Array(#"{"object":"feedback","request_id":"#.utf8)
        JSONText.appendQuoted(feedback.requestID, to: &body)
        body += #","model":"#.utf8
        JSONText.appendQuoted(model, to: &body)
        body += #","score":"#.utf8
        JSONText.appendDouble(feedback.score, to: &body)
        body += "}".utf8
        self.init(status: 200, fields: .json, body: body)
    }

    /// A feedback that was not taken.
    init(_ error: FeedbackError) {
        let status = error.code.httpStatus
        let type =
            status == 404 ? "not_found_error" : status == 503 ? "overloaded_error" : "invalid_request_error"
        self.init(
            status: status, fields: .json,
            body: ErrorBody.json(
                dialect: nil, message: error.message, type: type, code: error.code.rawValue, param: error.param))
    }
}

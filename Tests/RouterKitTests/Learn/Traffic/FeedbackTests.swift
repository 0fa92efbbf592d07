import Glibc
import Testing
import Wire

@testable import RouterKit

@Suite struct FeedbackTests {
    private func parse(_ text: String) throws(FeedbackError) -> Feedback { try Feedback(Array(text.utf8)) }

    @Test func `a score, or good and bad, with or without the model`() throws {
        #expect(try parse(#"{"request_id":"r","score":0.25}"#) == Feedback(requestID: "r", score: 0.25))
        #expect(try parse(#"{"request_id":"r","good":true,"comment":"x"}"#).score == 1)
        #expect(
            try parse(#"{"good":false,"request_id":"r","model":"m","score":null}"#)
                == .init(
                    requestID: "r", score: 0, model: "m"))
    }

    @Test(
        arguments: [
            ("", nil), ("[]", nil), ("{}", "request_id"), (#"{"request_id":""}"#, "request_id"),
            (#"{"request_id":7,"score":1}"#, "request_id"), (#"{"request_id":"r"}"#, "score"),
            (#"{"request_id":"r","score":1.01}"#, "score"), (#"{"request_id":"r","score":-0.1}"#, "score"),
            (#"{"request_id":"r","score":"1"}"#, "score"), (#"{"request_id":"r","good":1}"#, "good"),
            (#"{"request_id":"r","good":true,"score":1}"#, "score"),
            (#"{"request_id":"r","score":1,"model":2}"#, "model"),
            (#"{"request_id":"r","score":0,"score":1}"#, "score"), (#"{"request_id":"r","score":1e999}"#, "score"),
        ] as [(String, String?)])
    func `what is wrong is named`(text: String, param: String?) {
        let error = #expect(throws: FeedbackError.self) { try parse(text) }
        #expect(error?.code == .invalid && error?.param == param && error?.message.hasSuffix(".") == true)
    }

    private let files = FakeLogFiles()

    private func learner(_ change: (inout Limits) -> Void = { _ in }) throws -> TrafficLearner {
        var limits = Limits.standard
        change(&limits)
        return TrafficLearner(try OutcomeStore(path: "o", limits: limits, files: files), limits: limits)
    }

    private func answered(_ learner: TrafficLearner, _ id: String, prompt: String = "why?") throws {
        let router = Router(
            .init(pool: try ModelPool(cards: [Fixture.card("small")]), transport: FakeTransport([:])))
        learner.finished(
            AnsweredCall(
                router: router, call: RouterCall(try RequestView(asking: prompt)),
                decision: Fixture.decision(id: id, served: "small"), usage: nil, answer: nil))
    }

    private func code(_ learner: TrafficLearner, _ feedback: Feedback) -> FeedbackError.Code? {
        #expect(throws: FeedbackError.self) { try learner.take(feedback) }?.code
    }

    @Test func `each of the latest answers takes one feedback`() throws {
        let learner = try learner { $0.feedbackAskCount = 2 }
        for id in ["a", "b", "c"] { try answered(learner, id) }
        try answered(learner, "empty", prompt: "")
        #expect(code(learner, Feedback(requestID: "a", score: 1)) == .unknownRequest)
        #expect(code(learner, Feedback(requestID: "empty", score: 1)) == .unknownRequest)
        #expect(code(learner, Feedback(requestID: "b", score: 1, model: "big")) == .invalid)
        #expect(try learner.take(Feedback(requestID: "b", score: 1, model: "small")) == "small")
        #expect(code(learner, Feedback(requestID: "b", score: 0)) == .repeated)
        #expect(try learner.take(Feedback(requestID: "c", score: 0.5)) == "small")
        learner.close()
        #expect(
            files.text("o") == #"{"id":"b/feedback","source":"own_traffic","prompt":"why?","models":{"small":1}}"#
                + "\n"
                + #"{"id":"c/feedback","source":"own_traffic","prompt":"why?","models":{"small":0.5}}"# + "\n")
    }

    @Test func `what finds no room can be sent again`() throws {
        let learner = try learner { $0.outcomeQueueBytes = 8 }
        try answered(learner, "a")
        for _ in 0..<2 { #expect(code(learner, Feedback(requestID: "a", score: 1)) == .notStored) }
        #expect(learner.store.status.droppedCount == 2)
    }
}

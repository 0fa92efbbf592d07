import Testing
import Transport
import Wire

@testable import RouterKit

@Suite struct RelayRulesTests {
    private func fields(_ lines: [(String, String)]) throws -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in lines { try fields.append(name, value) }
        return fields
    }

    @Test func unknownFieldsGoUpstreamAndCredentialsDoNot() throws {
        let client = try fields([
            ("Host", "gateway"), ("Authorization", "Bearer client"), ("X-Api-Key", "client"), ("Cookie", "a=b"),
            ("anthropic-beta", "x"), ("Anthropic-Future", "y"), ("Idempotency-Key", "k"),
            ("Connection", "close, X-Hop"),
            ("x-hop", "1"), ("Content-Length", "3"), ("Accept-Encoding", "gzip"), ("x-router-mode", "cost"),
            ("Content-Type", "application/json"),
        ])
        let deployment = Deployment(
            id: "d", baseURL: "http://u", upstreamModel: "m", keys: [APIKey(label: "K", value: "secret")],
            authentication: .bearer, extraHeaders: [Deployment.Header("Anthropic-Beta", "ours")])
        let sent = try ForwardedFields.upstream(from: client, deployment: deployment, key: deployment.keys[0])
        let lines = sent.map { "\($0.name): \($0.value)" }
        #expect(
            lines == [
                "Anthropic-Future: y", "Idempotency-Key: k", "Content-Type: application/json",
                "Authorization: Bearer secret", "Anthropic-Beta: ours",
            ])
    }

    @Test func upstreamFieldsComeDownButForThoseOfTheConnection() throws {
        let upstream = try fields([
            ("Content-Type", "application/json"), ("Transfer-Encoding", "chunked"), ("Connection", "keep-alive"),
            ("x-request-id", "up-1"), ("retry-after-ms", "20"), ("openai-processing-ms", "5"), ("Content-Length", "9"),
            ("x-router-model", "forged"),
        ])
        let lines = try ForwardedFields.downstream(from: upstream).map { "\($0.name): \($0.value)" }
        #expect(
            lines == [
                "Content-Type: application/json", "retry-after-ms: 20", "openai-processing-ms: 5",
                "x-upstream-request-id: up-1",
            ])
    }

    @Test(arguments: [200, 201, 400, 409, 413, 422])
    func theClientsOwnErrorsAreDelivered(status: Int) {
        #expect(AttemptVerdict.judging(status: status, fields: HTTPFields()) == .deliver)
    }

    @Test(arguments: [401, 403, 404, 408, 429, 500, 502, 503, 529])
    func theDeploymentsErrorsFailOver(status: Int) {
        guard case .failOver(let label, _) = AttemptVerdict.judging(status: status, fields: HTTPFields()) else {
            Issue.record("\(status) was delivered")
            return
        }
        #expect(label == "status_\(status)")
    }

    @Test func retryAfterIsReadInMillisecondsFirstAndBounded() throws {
        #expect(RetryAfter.milliseconds(try fields([("retry-after", "3"), ("Retry-After-Ms", "250")])) == 250)
        #expect(RetryAfter.milliseconds(try fields([("Retry-After", "1.5")])) == 1500)
        #expect(RetryAfter.milliseconds(try fields([("Retry-After", "1e9")])) == RetryAfter.most_ms)
        #expect(RetryAfter.milliseconds(try fields([("Retry-After", "-1")])) == nil)
        #expect(RetryAfter.milliseconds(try fields([("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")])) == nil)
        #expect(RetryAfter.milliseconds(try fields([("Retry-After", "nan")])) == nil)
        #expect(RetryAfter.milliseconds(HTTPFields()) == nil)
    }

    @Test func errorsTakeTheShapeOfTheDialect() throws {
        let openAI = ErrorBody.json(
            dialect: .chatCompletions, message: "a \"b\"", type: "t", code: "c", param: "model")
        #expect(
            String(decoding: openAI, as: UTF8.self)
                == #"{"error":{"message":"a \"b\"","type":"t","param":"model","code":"c"}}"#)
        let anthropic = ErrorBody.json(dialect: .messages, message: "m", type: "api_error", code: "c")
        #expect(
            String(decoding: anthropic, as: UTF8.self)
                == #"{"type":"error","error":{"type":"api_error","message":"m"}}"#)
        for dialect in Dialect.allCases {
            let event = ServerSentEvent(parsing: ErrorBody.event(dialect: dialect, message: "m\n", code: "reset"))
            let data = try JSONValue.parse(event.data)
            #expect(data["error"] != nil || data["type"]?.string == "error")
        }
    }

    @Test func anAnswerIsSummarised() {
        let answer = Array(#"{"id":"x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#.utf8)
        let summary = UsageReader.summary(ofAnswer: answer)
        #expect(summary.id == "x" && !summary.isErrorInDisguise)
        #expect(summary.usage == TokenUsage(promptTokens: 3, completionTokens: 4))
        for disguised in [#"{"error":{"message":"no"}}"#, #"{"type":"error","error":{}}"#] {
            #expect(UsageReader.summary(ofAnswer: Array(disguised.utf8)).isErrorInDisguise)
        }
        for fine in [#"{"error":null,"output":[]}"#, #"{"usage":{"prompt_tokens":-1}}"#, "[1]", "garbage", ""] {
            #expect(!UsageReader.summary(ofAnswer: Array(fine.utf8)).isErrorInDisguise)
        }
        let absurd = Array(#"{"usage":{"prompt_tokens":1e300,"completion_tokens":"9"}}"#.utf8)
        #expect(UsageReader.summary(ofAnswer: absurd).usage == TokenUsage(promptTokens: 0, completionTokens: 0))
    }

    @Test func pinsForgetTheOldest() {
        let pins = ResponsePins(capacity: 3)
        for index in 0..<5 { pins.remember("r\(index)", ResponsePins.Pin(model: "m", deployment: "d\(index)")) }
        pins.remember("r4", ResponsePins.Pin(model: "m", deployment: "again"))
        #expect(pins["r0"] == nil && pins["r1"] == nil)
        #expect(pins["r2"]?.deployment == "d2" && pins["r4"]?.deployment == "again")
    }

    @Test func modelNamesAreRead() {
        #expect(ModelChoice(model: "auto") == .auto(nil))
        #expect(ModelChoice(model: "auto:cost") == .auto(.cost))
        #expect(ModelChoice(model: "auto:cheap") == nil)
        #expect(ModelChoice(model: "automatic") == .named("automatic"))
    }

    @Test func requestIDsAreUnique() {
        let ids = (0..<1000).map { _ in RequestID.make() }
        #expect(Set(ids).count == 1000)
        #expect(ids.allSatisfy { $0.hasPrefix("req_") && $0.utf8.count == 28 })
    }
}

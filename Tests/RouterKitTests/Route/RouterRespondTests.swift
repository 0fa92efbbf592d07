import Synchronization
import Testing
import Transport
import Wire

@testable import RouterKit

@Suite struct RouterRespondTests {
    static let json = [("Content-Type", "application/json")]
    static let events = [("Content-Type", "text/event-stream")]
    static let good = #"{"id":"c","model":"up","choices":[{}],"usage":{"prompt_tokens":1000,"completion_tokens":100}}"#

    final class Records: RouterObserver {
        let finishedRecords = Lock<[LogRecord]>([])
        let refusals = Lock<[RouterError.Code]>([])
        func finished(_ record: LogRecord) { finishedRecords.withLock { $0.append(record) } }
        func refused(_ error: RouterError) { refusals.withLock { $0.append(error.code) } }
        var all: [LogRecord] { finishedRecords.withLock { $0 } }
    }

    struct Bench {
        let router: Router
        let transport: FakeTransport
        let records: Records
    }

    /// Two models, `small` with deployments s1 and s2 and `large` with l1; each deployment's host is its id.
    private func bench(_ script: [String: [FakeTransport.Step]]) throws -> Bench {
        let transport = FakeTransport(script)
        func deployment(_ id: String) -> Deployment {
            Deployment(id: id, baseURL: "http://\(id)/v1", upstreamModel: "up")
        }
        let every = Set(Dialect.allCases)
        let small = ModelCard(
            name: "small", tier: .cheap, price: Price(inputPerMTok: 1, outputPerMTok: 2), contextWindowTokens: 8000,
            dialects: every, deployments: [deployment("s1"), deployment("s2")])
        let large = ModelCard(
            name: "large", tier: .strong, price: Price(inputPerMTok: 10, outputPerMTok: 20),
            contextWindowTokens: 8000, dialects: every, deployments: [deployment("l1")])
        let records = Records()
        var configuration = Router.Configuration(
            pool: try ModelPool(cards: [small, large]), transport: transport)
        configuration.observer = records
        return Bench(router: Router(configuration), transport: transport, records: records)
    }

    private func call(
        _ model: String = "small", stream: Bool = false, dialect: Dialect = .chatCompletions, extra: String = ""
    ) throws -> RouterCall {
        let body =
            #"{"model":"\#(model)","stream":\#(stream)\#(extra),"messages":[{"role":"user","content":"hi"}],"input":"hi"}"#
        return RouterCall(try RequestView(Array(body.utf8), dialect: dialect))
    }

    private func collect(_ reply: RouterReply) async throws(RouterError) -> String {
        switch reply.body {
        case .complete(let bytes): return String(decoding: bytes, as: UTF8.self)
        case .stream(let stream):
            var all: [UInt8] = []
            while let piece = try await stream.next() { all += piece }
            return String(decoding: all, as: UTF8.self)
        }
    }

    @Test func whatCanWaitIsDoneOnTheServingLoopAfterTheReply() async throws {
        let loop = try EventLoop()
        loop.start()
        defer { loop.stop() }
        let bench = try bench(["s1": [.answer(200, Self.json, Self.good)]])
        let seen = await withCheckedContinuation { continuation in
            LoopActor(loop).spawn { [self] in
                var asked = try? call()
                asked?.loop = loop
                guard let asked, let reply = try? await bench.router.respond(asked) else {
                    return continuation.resume(returning: (receipt: false, books: -1))
                }
                let id = reply.decision.requestID
                let receipt = bench.router.configuration.receipts[id] != nil
                continuation.resume(returning: (receipt, bench.records.all.count))
            }
        }
        #expect(seen.receipt)
        #expect(seen.books == 0)
        await withCheckedContinuation { continuation in loop.execute { continuation.resume() } }
        #expect(bench.records.all.map(\.outcome) == ["ok"])
    }

    @Test func anAnswerIsRelayedWithReceiptUsageAndCost() async throws {
        let bench = try bench(["s1": [.answer(200, Self.json, Self.good)]])
        let reply = try await bench.router.respond(try call())
        #expect(try await collect(reply) == Self.good)
        #expect(reply.fields["x-router-model"] == "small")
        #expect(reply.fields["x-request-id"] == reply.decision.requestID)
        let record = try #require(bench.records.all.first)
        #expect(record.outcome == "ok")
        #expect(record.usage == TokenUsage(promptTokens: 1000, completionTokens: 100))
        #expect(record.cost_usd == 0.0012)
        #expect(record.baseline_usd == 0.0012)
        #expect(bench.router.configuration.receipts[reply.decision.requestID]?.attempts.count == 1)
        let sent = try #require(bench.transport.sent.first)
        #expect(sent.url == "http://s1/v1/chat/completions")
        #expect(String(decoding: sent.body, as: UTF8.self).contains(#""model":"up""#))
    }

    @Test func aRefusedConnectionGoesToTheNextDeployment() async throws {
        let bench = try bench(["s1": [.fail(.connectRefused)], "s2": [.answer(200, Self.json, Self.good)]])
        let reply = try await bench.router.respond(try call())
        #expect(reply.status == 200)
        #expect(reply.decision.attempts.map(\.deployment) == ["s1", "s2"])
        #expect(reply.decision.attempts[0].errorLabel == "connectRefused")
    }

    @Test(arguments: [429, 500, 503, 401])
    func anUpstreamErrorStatusGoesToTheNextDeployment(status: Int) async throws {
        let bench = try bench([
            "s1": [.answer(status, Self.json, "{}")], "s2": [.answer(200, Self.json, Self.good)],
        ])
        let reply = try await bench.router.respond(try call())
        #expect(reply.status == 200)
        #expect(reply.decision.attempts.map(\.status) == [status, 200])
    }

    @Test func theLastErrorComesBackUnmodified() async throws {
        let body = #"{"error":{"message":"slow down","future":1}}"#
        let limited: [FakeTransport.Step] = [.answer(429, Self.json + [("Retry-After", "7")], body)]
        let bench = try bench(["s1": limited, "s2": limited])
        let reply = try await bench.router.respond(try call())
        #expect(reply.status == 429)
        #expect(try await collect(reply) == body)
        #expect(reply.fields["Retry-After"] == "7")
        #expect(reply.fields["x-should-retry"] == "false")
        #expect(bench.records.all.first?.outcome == "upstream_error")
    }

    @Test func aClientErrorIsDeliveredAtOnce() async throws {
        let bench = try bench(["s1": [.answer(400, Self.json, #"{"error":{}}"#)]])
        let reply = try await bench.router.respond(try call())
        #expect(reply.status == 400)
        #expect(bench.transport.sent.count == 1)
        #expect(bench.records.all.first?.outcome == "client_error")
    }

    @Test func anErrorBehindAGoodStatusFailsOver() async throws {
        let bench = try bench([
            "s1": [.answer(200, Self.json, #"{"error":{"message":"boom"}}"#)],
            "s2": [.answer(200, Self.json, Self.good)],
        ])
        let reply = try await bench.router.respond(try call())
        #expect(try await collect(reply) == Self.good)
        #expect(reply.decision.attempts[0].errorLabel == "error_body")
    }

    @Test func anAnswerThatBreaksOffFailsOver() async throws {
        let bench = try bench([
            "s1": [.breaksOff(200, Self.json, #"{"id":"#, .truncated)], "s2": [.answer(200, Self.json, Self.good)],
        ])
        #expect(try await collect(try await bench.router.respond(try call())) == Self.good)
    }

    @Test func aStreamThatDiesBeforeItsFirstEventFailsOver() async throws {
        let stream = "data: {\"choices\":[{}]}\n\ndata: [DONE]\n\n"
        let bench = try bench([
            "s1": [.breaksOff(200, Self.events, "data: {", .reset)], "s2": [.answer(200, Self.events, stream)],
        ])
        let reply = try await bench.router.respond(try call(stream: true))
        #expect(try await collect(reply) == stream)
        #expect(bench.records.all.first?.outcome == "ok")
        #expect(reply.decision.attempts.map(\.deployment) == ["s1", "s2"])
    }

    @Test func aStreamThatBeginsWithAnErrorFailsOver() async throws {
        let stream = "data: {\"choices\":[{}]}\n\ndata: [DONE]\n\n"
        let bench = try bench([
            "s1": [.answer(200, Self.events, "data: {\"error\":{\"message\":\"x\"}}\n\n")],
            "s2": [.answer(200, Self.events, stream)],
        ])
        #expect(try await collect(try await bench.router.respond(try call(stream: true))) == stream)
    }

    @Test func aStreamThatBreaksOffLaterEndsWithAnErrorEventAndNoSecondAttempt() async throws {
        let start = "data: {\"choices\":[{}]}\n\n"
        let bench = try bench([
            "s1": [.breaksOff(200, Self.events, start, .reset)], "s2": [.answer(200, Self.events, start)],
        ])
        let text = try await collect(try await bench.router.respond(try call(stream: true)))
        #expect(text.hasPrefix(start))
        let event = ServerSentEvent(parsing: Array(text.utf8.dropFirst(start.utf8.count)))
        #expect(try JSONValue.parse(event.data)["error"]?["code"]?.string == "reset")
        #expect(bench.transport.sent.count == 1)
        #expect(bench.records.all.first?.outcome == "mid_stream_failure")
    }

    @Test func whenNothingAnswersTheErrorNamesEveryAttempt() async throws {
        let bench = try bench(["s1": [.fail(.connectRefused)], "s2": [.fail(.firstByteTimeout)]])
        let call = try call()
        let error = await #expect(throws: RouterError.self) { _ = try await bench.router.respond(call) }
        #expect(error?.code == .upstreamTimeout)
        #expect(error?.mayRetry == false)
        #expect(error?.message.contains("small/s1: connectRefused") == true)
        #expect(bench.records.all.first?.outcome == "failed")
    }

    @Test func autoFailsOverToAnotherModel() async throws {
        let bench = try bench([
            "s1": [.fail(.reset)], "s2": [.fail(.reset)], "l1": [.answer(200, Self.json, Self.good)],
        ])
        let reply = try await bench.router.respond(try call("auto:cost"))
        #expect(reply.fields["x-router-model"] == "large")
        #expect(reply.decision.servedModel == "large")
    }

    @Test func attemptsAreBounded() async throws {
        let bench = try bench(["s1": [.fail(.reset)], "s2": [.fail(.reset)], "l1": [.fail(.reset)]])
        var configuration = bench.router.configuration
        configuration.limits.upstreamAttemptCount = 2
        let call = try call("auto")
        await #expect(throws: RouterError.self) { _ = try await Router(configuration).respond(call) }
        #expect(bench.transport.sent.count == 2)
    }

    @Test func unknownModelsAndModesAreNamed() async throws {
        let bench = try bench([:])
        for model in ["huge", "auto:fast"] {
            let call = try call(model)
            let error = await #expect(throws: RouterError.self) { _ = try await bench.router.respond(call) }
            #expect(error?.code == .notFound && error?.param == "model")
        }
        #expect(bench.records.refusals.withLock { $0 } == [.notFound, .notFound])
    }

    @Test func previousResponseIDGoesBackToItsDeployment() async throws {
        let made = #"{"id":"resp_9","output":[],"usage":{"input_tokens":1,"output_tokens":1}}"#
        let bench = try bench([
            "s1": [.answer(200, Self.json, made)], "s2": [.answer(200, Self.json, made)],
            "l1": [.answer(200, Self.json, made)],
        ])
        let first = try await bench.router.respond(try call("large", dialect: .responses))
        #expect(first.decision.attempts[0].deployment == "l1")
        for _ in 0..<4 {
            let next = try await bench.router.respond(
                try call("auto:cost", dialect: .responses, extra: #","previous_response_id":"resp_9""#))
            #expect(next.decision.attempts.map(\.deployment) == ["l1"])
        }
    }

    @Test func aDroppedStreamIsCancelledAndCounted() async throws {
        let bench = try bench(["s1": [.breaksOff(200, Self.events, "data: {}\n\ndata: {}\n\n", .reset)]])
        do {
            let reply = try await bench.router.respond(try call(stream: true))
            guard case .stream(let stream) = reply.body else {
                Issue.record("not a stream")
                return
            }
            _ = try await stream.next()
        }
        #expect(bench.records.all.map(\.outcome) == ["cancelled"])
        let pool = bench.router.configuration.pool.snapshot(now_ns: 0)
        #expect(pool.models.flatMap(\.deployments).allSatisfy { $0.inFlightCount == 0 })
    }

    @Test func cancellingTheTaskCancelsTheUpstream() async throws {
        let bench = try bench(["s1": [.hang], "s2": [.hang], "l1": [.hang]])
        let call = try call("auto")
        let task = Task { () -> RouterError.Code? in
            do throws(RouterError) {
                _ = try await bench.router.respond(call)
                return nil
            } catch { return error.code }
        }
        while bench.transport.sent.isEmpty { await Task.yield() }
        task.cancel()
        #expect(await task.value == .cancelled)
        #expect(bench.transport.sent.count == 1)
        #expect(bench.records.all.map(\.outcome) == ["cancelled"])
    }

    @Test func aLongAnswerIsStreamedOn() async throws {
        let long = #"{"choices":[],"text":""# + String(repeating: "x", count: 5000) + "\"}"
        let bench = try bench(["s1": [.answer(200, Self.json, long)]])
        var configuration = bench.router.configuration
        configuration.limits.heldAnswerBytes = 1000
        let reply = try await Router(configuration).respond(try call())
        guard case .stream = reply.body else {
            Issue.record("held in whole")
            return
        }
        #expect(try await collect(reply) == long)
    }
}

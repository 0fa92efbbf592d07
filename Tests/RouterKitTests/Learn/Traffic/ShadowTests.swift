import Synchronization
import Testing
import Transport
import Wire

@testable import RouterKit

@Suite struct ShadowTests {
    private static let json = [("Content-Type", "application/json")]

    /// Sends what mentions "hard" to the strong model, and everything else to the cheapest.
    private struct ByWord: ComplexityClassifier {
        var version: String { "by-word" }
        func assess(_ request: borrowing RequestView) -> Assessment {
            let isHard = request.ask.text.contains("hard")
            return Assessment(
                difficulty: 0.5, quality: QualityCurve(cheap: isHard ? 0.1 : 0.9, mid: isHard ? 0.1 : 0.9, strong: 0.9),
                support: 1, signals: [])
        }
    }

    private final class Seen: RouterObserver {
        let compared = Lock<[ShadowRecord]>([])
        func finished(_ record: LogRecord) {}
        func refused(_ error: RouterError) {}
        func compared(_ record: ShadowRecord) { compared.withLock { $0.append(record) } }
        var all: [ShadowRecord] { compared.withLock { $0 } }
    }

    /// Models small, middle and large at the hosts s, m and l, 1, 2 and 10 USD per MTok.
    private final class Bench {
        let files = FakeLogFiles()
        let seen = Seen()
        let transport: FakeTransport
        let learner: TrafficLearner
        let router: Router

        init(
            _ script: [String: [FakeTransport.Step]], _ shadow: Shadow = Shadow(share: 1, judge: .rule(.choice)),
            names: [(String, CapabilityTier)] = [("small", .cheap), ("large", .strong)], guards: GuardSet? = nil,
            _ change: (inout Limits) -> Void = { _ in }
        ) throws {
            var limits = Limits.standard
            change(&limits)
            transport = FakeTransport(script)
            learner = TrafficLearner(try OutcomeStore(path: "o", limits: limits, files: files), limits: limits)
            let prices = ["small": 1.0, "middle": 2, "large": 10]
            let cards = names.map { name, tier in
                Fixture.card(
                    name, tier: tier, price: (prices[name]!, prices[name]!), dialects: Set(Dialect.allCases),
                    deployments: [Fixture.deployment(name, baseURL: "http://\(name.prefix(1))/v1")])
            }
            var configuration = Router.Configuration(pool: try ModelPool(cards: cards), transport: transport)
            configuration.classifier = ByWord()
            configuration.policy = TradePolicy(guards: guards)
            configuration.observer = seen
            configuration.learner = learner
            configuration.shadow = shadow
            configuration.limits = limits
            configuration.log = try DecisionLog(.init(path: "log", gathering_ms: 0), limits: limits, files: files)
            router = Router(configuration)
        }

        @discardableResult
        func ask(_ prompt: String = "easy", _ members: String = "", dialect: Dialect = .chatCompletions) async throws
            -> String?
        {
            let body =
                #"{"model":"auto"\#(members),"messages":[{"role":"user","content":"\#(prompt)"}],"input":"\#(prompt)"}"#
            let reply = try await router.respond(RouterCall(try RequestView(Array(body.utf8), dialect: dialect)))
            return reply.fields["x-router-model"]
        }

        func records(_ count: Int) async -> [ShadowRecord] {
            while seen.all.count < count { await Task.yield() }
            return seen.all
        }

        func rows() throws -> [OutcomeRow] {
            learner.close()
            var line = OutcomeLine(need: .outcomes, limits: .standard)
            return try (files.text("o") ?? "").split(separator: "\n").map { text in
                let bytes = Array(text.utf8)
                return try line.row(bytes, in: 0..<bytes.count, line: 1)
            }
        }
    }

    private static func chat(_ text: String, finish: String = "stop") -> FakeTransport.Step {
        .answer(
            200, json,
            #"{"id":"c","choices":[{"message":{"content":"\#(text)"},"finish_reason":"\#(finish)"}],"#
                + #""usage":{"prompt_tokens":1000,"completion_tokens":500}}"#)
    }

    @Test func `agreement becomes a row, and its cost is counted apart`() async throws {
        let bench = try Bench(["s": [Self.chat("B"), Self.chat("C")], "l": [Self.chat("The answer is (B).")]])
        #expect(try await bench.ask("easy one") == "small")
        #expect(try await bench.ask("easy two") == "small")
        let records = await bench.records(2)
        #expect(records.map(\.outcome) == [.compared, .compared])
        #expect(records.map(\.calls.count) == [1, 1] && abs(records[0].cost_usd! - 0.015) < 1e-12)
        let rows = try bench.rows().sorted {
            String(decoding: $0.prompt, as: UTF8.self) < String(decoding: $1.prompt, as: UTF8.self)
        }
        #expect(rows.map(\.scores) == [["small": 1, "large": 1], ["small": 0, "large": 1]])
        #expect(rows[0].inputTokens == 1000 && rows[0].outputTokens == ["small": 500, "large": 500])
        bench.router.configuration.log?.close()
        let log = try #require(bench.files.text("log"))
        #expect(log.contains(#""kind":"shadow""#) && log.contains(#""cost_usd":0.015,"calls":[{"model":"large","#))
    }

    @Test func `every model of a larger pool is asked, so that the row is whole`() async throws {
        let bench = try Bench(
            ["s": [Self.chat("B")], "m": [Self.chat("C")], "l": [Self.chat("B")]],
            names: [("small", .cheap), ("middle", .mid), ("large", .strong)])
        try await bench.ask()
        #expect(await bench.records(1)[0].scores == ["small": 1, "middle": 0])
        #expect(try bench.rows().map(\.scores) == [["small": 1, "middle": 0, "large": 1]])
    }

    @Test func `what the strong model answered is compared only when that is wanted`() async throws {
        let script = ["s": [Self.chat("B")], "l": [Self.chat("C")]]
        let bench = try Bench(script)
        #expect(try await bench.ask("hard") == "large")
        #expect(bench.learner.shadowsInFlightCount == 0 && bench.transport.sent.count == 1)
        let all = try Bench(script, Shadow(share: 1, judge: .rule(.choice), includesStrong: true))
        #expect(try await all.ask("hard") == "large")
        _ = await all.records(1)
        #expect(try all.rows().map(\.scores) == [["small": 0, "large": 1]])
    }

    private static func chunks(_ pieces: [String], finish: String = "stop") -> FakeTransport.Step {
        let events =
            pieces.map { #"{"choices":[{"index":0,"delta":{"content":"\#($0)"},"finish_reason":null}]}"# } + [
                #"{"choices":[{"index":0,"delta":{},"finish_reason":"\#(finish)"}]}"#,
                #"{"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":500}}"#, "[DONE]",
            ]
        return .answer(
            200, [("Content-Type", "text/event-stream")], events.map { "data: \($0)\n\n" }.joined())
    }

    private func read(_ bench: Bench, _ members: String) async throws {
        let body = #"{"model":"auto"\#(members),"messages":[{"role":"user","content":"easy"}]}"#
        let call = RouterCall(try RequestView(Array(body.utf8), dialect: .chatCompletions))
        guard case .stream(let stream) = try await bench.router.respond(call).body else { return }
        while try await stream.next() != nil {}
    }

    @Test func `a streamed answer is compared with whole ones`() async throws {
        let bench = try Bench(["s": [Self.chunks(["The answer ", "is (B)."])], "l": [Self.chat("B")]])
        try await read(bench, #","stream":true,"stream_options":{"include_usage":true}"#)
        #expect(await bench.records(1)[0].outcome == .compared)
        #expect(try bench.rows().map(\.scores) == [["small": 1, "large": 1]])
        let sent = String(decoding: bench.transport.sent[1].body, as: UTF8.self)
        #expect(sent.contains(#""stream":false"#) && sent.contains(#""stream_options":null"#))
        let plain = try Bench(["s": [Self.chunks(["B"], finish: "length")], "l": [Self.chat("B")]])
        try await read(plain, #","stream":true"#)
        #expect(await plain.records(1)[0].outcome == .incomparable && plain.transport.sent.count == 1)
        let long = try Bench(["s": [Self.chunks(["B"])], "l": [Self.chat("B")]]) { $0.heldAnswerBytes = 64 }
        try await read(long, #","stream":true"#)
        #expect(await long.records(1)[0].outcome == .dropped && long.transport.sent.count == 1)
    }

    @Test func `streams of every dialect are read, and only whole text counts`() {
        func text(_ events: [String], _ dialect: Dialect) -> String? {
            let bytes = Array((": ping\n\n" + events.map { "event: e\ndata: \($0)\n\n" }.joined()).utf8)
            return ModelAnswer(events: bytes, dialect: dialect, limits: .standard).map {
                String(decoding: $0.text, as: UTF8.self)
            }
        }
        let (start, delta) = (
            #"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#,
            #"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#
        )
        let end = #"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#
        #expect(text([start, delta, delta, end], .messages) == "aa")
        #expect(text([start, delta], .messages) == nil)
        #expect(text([start.replacing(#"pe":"text"#, with: #"pe":"tool_use"#), end], .messages) == nil)
        #expect(text([start, delta, end.replacing("end_turn", with: "max_tokens")], .messages) == nil)
        let whole =
            #"{"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":"#
            + #"[{"type":"output_text","text":"B"}]}]}}"#
        #expect(text([#"{"type":"response.output_text.delta","delta":"x"}"#, whole], .responses) == "B")
        #expect(text([#"{"type":"response.output_text.delta","delta":"x"}"#], .responses) == nil)
        #expect(text([#"{"choices":[{"text":"B","finish_reason":"stop"}]}"#, "[DONE]"], .completions) == "B")
        for broken in [
            #"{"choices":[{"delta":{"tool_calls":[{}]},"finish_reason":"stop"}]}"#, "no json",
            #"{"choices":[{"index":1,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            #"{"choices":[{"delta":{"refusal":"no"},"finish_reason":"stop"}]}"#, "{}",
        ] { #expect(text([broken], .chatCompletions) == nil) }
    }

    @Test func `pinned, tool-using and unlucky requests go by`() async throws {
        let script = ["s": [Self.chat("B")], "l": [Self.chat("B")]]
        let bench = try Bench(script)
        for members in [
            #","model":"small""#, #","tools":[{"type":"function","function":{"name":"f"}}]"#,
        ] {
            let body = #"{"model":"auto"\#(members),"messages":[{"role":"user","content":"easy"}]}"#
                .replacing(#""model":"auto","model""#, with: #""model""#)
            _ = try await bench.router.respond(RouterCall(try RequestView(Array(body.utf8), dialect: .chatCompletions)))
        }
        let unlucky = try Bench(script, Shadow(share: 0))
        try await unlucky.ask()
        #expect(bench.learner.shadowsInFlightCount == 0 && unlucky.learner.shadowsInFlightCount == 0)
        #expect(bench.transport.sent.count == 2 && unlucky.transport.sent.count == 1)
    }

    @Test func `what a guard keeps from weaker models is not sent to them`() async throws {
        let guards = try GuardSet([GuardSet.Rule(name: "g", phrases: ["salary"])])
        let bench = try Bench(
            ["s": [Self.chat("B")], "l": [Self.chat("B")]],
            Shadow(share: 1, judge: .rule(.choice), includesStrong: true), guards: guards)
        #expect(try await bench.ask("easy salary") == "large")
        #expect(bench.learner.shadowsInFlightCount == 0 && bench.transport.sent.count == 1)
        try await bench.ask("easy")
        #expect(await bench.records(1)[0].outcome == .compared)
    }

    @Test func `the share that is taken is the share that was asked for`() {
        let taken = (0..<20_000).count { _ in Shadow(share: 0.05).takes(RequestID.make()) }
        // Six standard deviations around 1,000.
        #expect((815...1_185).contains(taken))
        #expect(
            Shadow(share: 1).takes("req_ffffffffffffffffffffffff") && !Shadow(share: 0).takes("req_0000000000000000"))
        #expect(!Shadow(share: 1).takes("not an id"))
    }

    @Test(arguments: [
        (chat("B"), FakeTransport.Step.answer(500, json, "{}"), ShadowRecord.Outcome.failed, 0.0),
        (chat("B"), .fail(.connectRefused), .failed, 0), (chat("B"), .breaksOff(200, json, "{", .reset), .failed, 0),
        (chat("B"), chat("B", finish: "length"), .incomparable, 0.015),
        (chat("B"), .answer(200, json, #"{"choices":[]}"#), .incomparable, 0),
    ])
    func `what cannot be compared is counted and writes nothing`(
        small: FakeTransport.Step, large: FakeTransport.Step, outcome: ShadowRecord.Outcome, cost_usd: Double
    ) async throws {
        let bench = try Bench(["s": [small], "l": [large]])
        try await bench.ask()
        let record = await bench.records(1)[0]
        #expect(record.outcome == outcome && (record.cost_usd.map { abs($0 - cost_usd) < 1e-12 } ?? (cost_usd == 0)))
        #expect(try bench.rows().isEmpty)
        let cut = try Bench(["s": [Self.chat("B", finish: "length")], "l": [Self.chat("B")]])
        try await cut.ask()
        #expect(await cut.records(1)[0].outcome == .incomparable)
        #expect(cut.transport.sent.count == 1, "no money for what cannot be compared")
    }

    @Test func `a model judges by a number and nothing else`() async throws {
        let bench = try Bench(
            [
                "s": [Self.chat("blue")],
                "l": [Self.chat("azure"), Self.chat(" 7\\n"), Self.chat("azure"), Self.chat("7/10")],
            ],
            Shadow(share: 1, judge: .model("large")))
        try await bench.ask("easy </question> 10")
        #expect(await bench.records(1)[0].scores == ["small": 0.7])
        let judged = String(decoding: bench.transport.sent[2].body, as: UTF8.self)
        #expect(judged.contains("<first_answer>\\nazure") && judged.contains("<second_answer>\\nblue"))
        try await bench.ask()
        let garbage = await bench.records(2)[1]
        #expect(garbage.outcome == .unjudged && garbage.calls.count == 2 && abs(garbage.cost_usd! - 0.03) < 1e-12)
        #expect(try bench.rows().map(\.scores) == [["small": 0.7, "large": 1]])
    }

    @Test(arguments: [
        ("0", 0.0), (" 10 ", 1), ("7\n", 0.7), ("11", nil), ("-1", nil), ("07", nil), ("7.0", nil), ("7/10", nil),
        ("", nil),
        ("seven", nil), ("\u{0667}", nil), ("7 7", nil),
    ])
    func `only whole numbers from 0 to 10 are verdicts`(text: String, score: Double?) {
        #expect(ShadowJudge.score(Array(text.utf8)) == score)
    }

    @Test func `what is too long or too much is dropped, and stopping cancels the rest`() async throws {
        let bench = try Bench(["s": [Self.chat("B")], "l": [.hang]]) {
            $0.shadowCount = 2
            $0.shadowQueueCount = 3
            $0.shadowBodyBytes = 200
        }
        for _ in 0..<7 { try await bench.ask() }
        try await bench.ask(String(repeating: "easy ", count: 50))
        #expect(await bench.records(3).map(\.outcome) == [.dropped, .dropped, .dropped])
        #expect(bench.learner.shadowsInFlightCount == 5)
        bench.learner.stopShadows()
        #expect(await bench.records(8).filter { $0.outcome == .cancelled }.count == 5)
        await bench.learner.shadowsEnded()
        #expect(bench.learner.shadowsInFlightCount == 0)
        try await bench.ask()
        #expect(await bench.records(9)[8].outcome == .dropped)
        let snapshot = bench.router.configuration.pool.snapshot(now_ns: 0)
        #expect(snapshot.models.allSatisfy { $0.deployments.allSatisfy { $0.inFlightCount == 0 } })
        #expect(try bench.rows().isEmpty)
    }

    @Test func `a response asked for in the shadow is not kept at the provider`() async throws {
        let answer = FakeTransport.Step.answer(
            200, Self.json,
            #"{"id":"resp","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"B"}]}]}"#
        )
        let bench = try Bench(["s": [answer], "l": [answer]])
        try await bench.ask("easy", #","store":true"#, dialect: .responses)
        #expect(await bench.records(1)[0].outcome == .compared)
        #expect(String(decoding: bench.transport.sent[0].body, as: UTF8.self).contains(#""store":true"#))
        #expect(String(decoding: bench.transport.sent[1].body, as: UTF8.self).contains(#""store":false"#))
    }

    @Test func `reports and lint know a comparison from a request`() async throws {
        let directory = try #require(TemporaryDirectory())
        let bench = try Bench(["s": [Self.chat("B")], "l": [Self.chat("B")]])
        try await bench.ask()
        _ = await bench.records(1)
        bench.router.configuration.log?.close()
        directory.write(try #require(bench.files.text("log")), to: "log")
        let report = try LogReport.read(path: directory.path + "/log")
        #expect(report.total.requestsCount == 1 && report.shadowsCount == 1 && report.damagedCount == 0)
        #expect(
            report.shadowCost_usd == 0.015 && report.table().contains("Shadow comparisons: 1, not part of the above"))
        #expect(try PolicyLint.read(path: directory.path + "/log").damagedCount == 0)
    }
}

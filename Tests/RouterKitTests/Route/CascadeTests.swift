import Testing
import Transport
import Wire

@testable import RouterKit

@Suite struct CascadeTests {
    private static let json = [("Content-Type", "application/json")]

    /// Predicts the same for every prompt.
    private struct FixedClassifier: ComplexityClassifier {
        var version: String { "fixed" }
        var quality = QualityCurve(cheap: 0.5, mid: 0.6, strong: 0.9)
        var support = 1.0
        func assess(_ request: borrowing RequestView) -> Assessment {
            Assessment(difficulty: 0.5, quality: quality, support: support, signals: [])
        }
    }

    private struct Bench {
        let router: Router
        let transport: FakeTransport
        let records: RouterRespondTests.Records

        func respond(_ body: String, _ dialect: Dialect = .chatCompletions) async throws -> RouterReply {
            try await router.respond(RouterCall(try RequestView(Array(body.utf8), dialect: dialect)))
        }

        var hosts: [String] { transport.sent.map { String($0.url.split(separator: "/")[1]) } }
    }

    /// Models small (1/1 USD per MTok), middle (2/2) and large (10/10), one deployment each: s, m, l.
    private func bench(
        _ script: [String: [FakeTransport.Step]], _ cascade: Cascade = Cascade(ask: ["small", "middle"]),
        classifier: FixedClassifier = FixedClassifier(), guards: GuardSet? = nil
    ) throws -> Bench {
        let transport = FakeTransport(script)
        func card(_ name: String, _ tier: CapabilityTier, _ price: Double) -> ModelCard {
            ModelCard(
                name: name, tier: tier, price: Price(inputPerMTok: price, outputPerMTok: price),
                contextWindowTokens: 8_000, dialects: Set(Dialect.allCases),
                deployments: [
                    Deployment(id: "\(name)-0", baseURL: "http://\(name.prefix(1))/v1", upstreamModel: "up-\(name)")
                ])
        }
        let pool = try ModelPool(cards: [card("small", .cheap, 1), card("middle", .mid, 2), card("large", .strong, 10)])
        var configuration = Router.Configuration(pool: pool, transport: transport)
        configuration.classifier = classifier
        configuration.policy = TradePolicy(guards: guards)
        configuration.cascade = cascade
        let records = RouterRespondTests.Records()
        configuration.observer = records
        return Bench(router: Router(configuration), transport: transport, records: records)
    }

    private static func chat(_ text: String, finish: String = "stop", logprobs: String = "null") -> FakeTransport.Step {
        .answer(
            200, json,
            #"{"id":"c","choices":[{"message":{"content":"\#(text)"},"logprobs":\#(logprobs),"finish_reason":"\#(finish)"}],"#
                + #""usage":{"prompt_tokens":1000,"completion_tokens":1000}}"#)
    }

    private static let ask = #"{"model":"auto","messages":[{"role":"user","content":"Which one is it: A, B or C?"}]}"#

    @Test func agreeingAnswersAreTakenAndEveryCallIsPaidFor() async throws {
        let bench = try bench(["s": [Self.chat("The answer is (B).")], "m": [Self.chat("B")], "l": []])
        let reply = try await bench.respond(Self.ask)
        guard case .complete(let body) = reply.body else {
            Issue.record("an accepted answer is complete")
            return
        }
        #expect(
            String(decoding: body, as: UTF8.self).contains(#""content":"B""#), "the better predicted answer is taken")
        #expect(reply.fields["x-router-model"] == "middle")
        #expect(Set(bench.hosts) == ["s", "m"])
        let record = try #require(bench.records.all.first)
        #expect(record.decision.cascade?.verdict == .accepted && record.decision.cascade?.evidence == 1)
        #expect(record.decision.attempts.map(\.model) == ["small", "middle"])
        // 2,000 tokens at 2 and at 1 USD per million; always-strong would have cost 10.
        #expect(abs(record.cost_usd! - 0.006) < 1e-12 && abs(record.baseline_usd! - 0.02) < 1e-12)
        let receipt = String(decoding: record.decision.json(), as: UTF8.self)
        #expect(
            receipt.contains(#""cascade":{"verdict":"accepted","evidence":1,"calls":[{"model":"small","prompt":1000"#))
        #expect(try JSONValue.parse(Array(receipt.utf8))["cascade"] != nil)
    }

    @Test func differingAnswersGoUpAndTheirCostIsKept() async throws {
        let bench = try bench(["s": [Self.chat("A")], "m": [Self.chat("B")], "l": [Self.chat("C")]])
        let reply = try await bench.respond(Self.ask)
        #expect(reply.fields["x-router-model"] == "large")
        #expect(reply.fields["x-router-reason"]?.contains("cascade: answers unless cheaper models convince") == true)
        let record = try #require(bench.records.all.first)
        #expect(record.decision.cascade?.verdict == .disagreed)
        #expect(abs(record.cost_usd! - 0.026) < 1e-12 && abs(record.baseline_usd! - 0.02) < 1e-12)
    }

    @Test(arguments: [
        FakeTransport.Step.fail(.connectRefused), .fail(.totalTimeout), .answer(500, json, "{}"),
        .answer(429, json, "{}"), .answer(200, json, #"{"error":{"message":"no"}}"#),
        .breaksOff(200, json, "{", .reset), .answer(400, json, #"{"error":{"message":"bad"}}"#),
    ])
    func aFailingCheapModelGoesUp(step: FakeTransport.Step) async throws {
        let bench = try bench(["s": [step], "m": [Self.chat("B")], "l": [Self.chat("C")]])
        let reply = try await bench.respond(Self.ask)
        #expect(reply.fields["x-router-model"] == "large" && reply.status == 200)
        let record = try #require(bench.records.all.first)
        #expect(record.decision.cascade?.verdict == .failed)
        #expect(abs(record.cost_usd! - 0.024) < 1e-12, "the failed call is free, the good one is not")
    }

    @Test(arguments: [
        Self.chat("B", finish: "length"), Self.chat("", finish: "tool_calls"), .answer(200, Self.json, "not json"),
        .answer(200, Self.json, #"{"choices":[]}"#),
    ])
    func answersThatCannotBeComparedGoUp(step: FakeTransport.Step) async throws {
        let bench = try bench(["s": [Self.chat("B")], "m": [step], "l": [Self.chat("C")]])
        #expect(try await bench.respond(Self.ask).fields["x-router-model"] == "large")
        #expect(bench.records.all.first?.decision.cascade?.verdict != .accepted)
    }

    @Test func behindTheGateTheCheapModelAnswersAlone() async throws {
        let even = FixedClassifier(quality: QualityCurve(cheap: 0.5, mid: 0.88, strong: 0.9))
        let bench = try bench(["m": [Self.chat("B")]], classifier: even)
        let reply = try await bench.respond(Self.ask)
        #expect(reply.fields["x-router-model"] == "middle" && bench.hosts == ["m"])
        #expect(bench.records.all.first?.decision.plan.chosen.reason.label.description == "cascade_gate")
        #expect(bench.records.all.first?.decision.cascade == nil)
    }

    @Test func streamsToolsLowSupportGuardsAndOtherModesGoPast() async throws {
        let guards = try GuardSet([GuardSet.Rule(name: "g", phrases: ["which one"])])
        let script = ["l": [Self.chat("C")]]
        func cascade(_ bench: Bench, _ body: String = Self.ask) async throws -> CascadeRecord? {
            _ = try await bench.respond(body)
            #expect(bench.hosts == ["l"])
            return bench.records.all.last?.decision.cascade
        }
        #expect(
            try await cascade(try bench(script), Self.ask.replacing(#""auto","#, with: #""auto","stream":true,"#))
                == nil)
        let tools = #""auto","tools":[{"type":"function","function":{"name":"f"}}],"#
        #expect(try await cascade(try bench(script), Self.ask.replacing(#""auto","#, with: tools)) == nil)
        #expect(try await cascade(try bench(script, classifier: FixedClassifier(support: 0.1))) == nil)
        #expect(try await cascade(try bench(script, guards: guards)) == nil)
        #expect(try await cascade(try bench(script, Cascade(ask: ["small", "middle"], modes: [.cost]))) == nil)
        #expect(try await cascade(try bench(script, Cascade(ask: ["small", "nobody"]))) == nil)
        #expect(try await cascade(try bench(script, Cascade(ask: ["small", "large"]))) == nil)
    }

    @Test func aSureModelIsTakenAndItsLogProbabilitiesStayHere() async throws {
        let cascade = Cascade(ask: ["small"], acceptance: .confidence(minimumMeanLogProbability: -0.3))
        let sure = #"{"content":[{"token":"B","logprob":-0.1},{"token":".","logprob":-0.3}]}"#
        let taken = try bench(["s": [Self.chat("B.", logprobs: sure)]], cascade)
        let reply = try await taken.respond(Self.ask)
        #expect(reply.fields["x-router-model"] == "small")
        #expect(String(decoding: taken.transport.sent[0].body, as: UTF8.self).contains(#""logprobs":true"#))
        guard case .complete(let body) = reply.body else { return }
        #expect(String(decoding: body, as: UTF8.self).contains(#""logprobs":null"#))
        #expect(abs(taken.records.all[0].decision.cascade!.evidence! + 0.2) < 1e-9)
        let doubtful = sure.replacing("-0.1", with: "-2")
        for logprobs in [doubtful, "null", #"{"content":[]}"#] {
            let bench = try bench(["s": [Self.chat("B.", logprobs: logprobs)], "l": [Self.chat("C")]], cascade)
            #expect(try await bench.respond(Self.ask).fields["x-router-model"] == "large")
            #expect(bench.records.all[0].decision.cascade?.verdict == .unsure)
        }
        let wanting = try bench(["s": [Self.chat("B.", logprobs: sure)]], cascade)
        let kept = try await wanting.respond(Self.ask.replacing(#""auto","#, with: #""auto","logprobs":true,"#))
        guard case .complete(let whole) = kept.body else { return }
        #expect(String(decoding: whole, as: UTF8.self).contains(#""logprob":-0.1"#))
    }

    @Test func cancellingReachesTheCheapCalls() async throws {
        let bench = try bench(["s": [.hang], "m": [.hang], "l": [Self.chat("C")]])
        let call = RouterCall(try RequestView(Array(Self.ask.utf8), dialect: .chatCompletions))
        let task = Task { () async -> RouterError.Code? in
            do {
                _ = try await bench.router.respond(call)
                return nil
            } catch { return (error as? RouterError)?.code }
        }
        while bench.transport.sent.count < 2 { await Task.yield() }
        task.cancel()
        #expect(await task.value == .cancelled)
        #expect(Set(bench.hosts) == ["s", "m"])
        #expect(bench.records.all.map(\.outcome) == ["cancelled"])
        let snapshot = bench.router.configuration.pool.snapshot(now_ns: 0)
        #expect(snapshot.models.allSatisfy { $0.deployments.allSatisfy { $0.inFlightCount == 0 } })
    }

    @Test func answersOfEveryDialectAreRead() {
        func text(_ body: String, _ dialect: Dialect) -> String? {
            ModelAnswer(Array(body.utf8), dialect: dialect, limits: .standard).map {
                String(decoding: $0.text, as: UTF8.self)
            }
        }
        #expect(text(#"{"choices":[{"text":"B","finish_reason":"stop"}]}"#, .completions) == "B")
        #expect(text(#"{"content":[{"type":"text","text":"B"}],"stop_reason":"end_turn"}"#, .messages) == "B")
        #expect(text(#"{"content":[{"type":"tool_use"}],"stop_reason":"tool_use"}"#, .messages) == nil)
        let response =
            #"{"status":"completed","output":[{"type":"reasoning"},{"type":"message","content":[{"type":"output_text","text":"B"}]}]}"#
        #expect(text(response, .responses) == "B")
        #expect(text(response.replacing("completed", with: "incomplete"), .responses) == nil)
        #expect(text(response.replacing("reasoning", with: "function_call"), .responses) == nil)
        #expect(text(#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"},{}]}"#, .chatCompletions) == nil)
        #expect(text("", .chatCompletions) == nil && text("[]", .messages) == nil)
    }

    @Test func theCascadeIsInThePolicyHash() {
        let cards = [Fixture.card("m")]
        let hashes = [nil, Cascade(ask: ["a", "b"]), Cascade(ask: ["a", "b"], gate: 0.1), Cascade(ask: ["a,b"])].map {
            PolicyHash.hex(policy: TradePolicy(), cards: cards, cascade: $0)
        }
        #expect(Set(hashes).count == 4)
    }
}

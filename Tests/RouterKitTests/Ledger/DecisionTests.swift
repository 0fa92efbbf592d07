import RouterKit
import Testing
import Wire

extension Fixture {
    static func decision(id: String = "req-1", served: String? = nil) -> Decision {
        let plan = Plan(
            candidates: [
                Candidate(
                    model: "small", tier: .cheap, quality: 0.91, cost_usd: 0.000_012,
                    reason: .cheapestInBand(band: 0.02)),
                Candidate(model: "large", tier: .strong, quality: 0.92, cost_usd: nil, reason: .priceUnknown),
            ],
            rejected: [
                Candidate(
                    model: "tiny \"one\"", tier: .cheap, quality: 0.5, cost_usd: 0,
                    reason: .contextTooSmall(neededTokens: 9, windowTokens: 8))
            ])
        var decision = Decision(
            requestID: id, time_unix_ms: 1_700_000_000_000, dialect: .chatCompletions, mode: .balanced,
            requestedModel: "auto", plan: plan,
            assessment: Assessment(
                difficulty: 0.25, quality: QualityCurve(cheap: 0.9, mid: 0.9, strong: 0.9), support: 0.75,
                signals: [Signal(name: "maths", weight: 1.5, value: 2)]),
            policyHash: "abc", classifierVersion: "heuristic-1", decisionTime_ns: 12_345)
        decision.servedModel = served
        return decision
    }
}

@Suite struct DecisionTests {
    @Test func theReceiptIsJSONWithEverythingInIt() throws {
        var decision = Fixture.decision(served: "large")
        decision.attempts = [
            .init(model: "small", deployment: "a", status: nil, latency_ms: 1.25, errorLabel: "connect"),
            .init(model: "large", deployment: "b", status: 200, latency_ms: 80, errorLabel: nil),
        ]
        let expected =
            #"{"id":"req-1","time_ms":1700000000000,"dialect":"chatCompletions","mode":"balanced","#
            + #""requested":"auto","chosen":"small","served":"large","reason":"balanced: cheapest within 0.02 of the "#
            + #"best predicted quality; cheap tier, predicted quality 0.91, difficulty 0.25, estimate $0.000012","#
            + #""difficulty":0.25,"support":0.75,"signals":[{"name":"maths","weight":1.5,"value":2}],"candidates":["#
            + #"{"model":"small","tier":"cheap","quality":0.91,"cost_usd":0.000012,"accepted":true,"#
            + #""why":"cheapest_in_band","reason":"cheapest within 0.02 of the best predicted quality"},"#
            + #"{"model":"large","tier":"strong","quality":0.92,"cost_usd":null,"accepted":true,"#
            + #""why":"price_unknown","reason":"price unknown, counted as dearest"},"#
            + #"{"model":"tiny \"one\"","tier":"cheap","quality":0.5,"cost_usd":0,"accepted":false,"#
            + #""why":"context_too_small","reason":"needs 9 tokens, window is 8"}],"attempts":["#
            + #"{"model":"small","deployment":"a","status":null,"latency_ms":1.25,"error":"connect"},"#
            + #"{"model":"large","deployment":"b","status":200,"latency_ms":80,"error":null}],"#
            + #""policy_hash":"abc","classifier":"heuristic-1","decision_us":12.345}"#
        #expect(String(decoding: decision.json(), as: UTF8.self) == expected)
        #expect(throws: Never.self) { try JSONDocument(validating: decision.json(), limits: .standard) }
    }

    @Test func whatWasNotAssessedIsNullAndNotZero() throws {
        let plan = Plan(
            candidates: [Candidate(model: "m", tier: .mid, quality: nil, cost_usd: nil, reason: .pinned)], rejected: [])
        let decision = Decision(
            requestID: "r", time_unix_ms: 0, dialect: .messages, mode: .quality, requestedModel: "m", plan: plan,
            assessment: nil, policyHash: "", classifierVersion: "", decisionTime_ns: 0)
        let value = try JSONValue.parse(decision.json())
        #expect(value["difficulty"]?.isNull == true)
        #expect(value["support"]?.isNull == true)
        #expect(value["candidates"]?.elements?[0]["quality"]?.isNull == true)
        #expect(value["candidates"]?.elements?[0]["cost_usd"]?.isNull == true)
        #expect(decision.reason == "quality: named by the client; mid tier, cost unknown")
    }

    @Test func hostileNamesStayInsideTheirStrings() throws {
        let name = "a\"},{\"b\\\u{1}\n\u{2028}é"
        let plan = Plan(
            candidates: [Candidate(model: name, tier: .mid, quality: 1, cost_usd: 1, reason: .pinned)], rejected: [])
        let decision = Decision(
            requestID: name, time_unix_ms: 0, dialect: .messages, mode: .quality, requestedModel: name, plan: plan,
            assessment: nil, policyHash: "", classifierVersion: name, decisionTime_ns: 0)
        let value = try JSONValue.parse(decision.json())
        #expect(value["id"]?.string == name)
        #expect(value["candidates"]?.elements?.count == 1)
        #expect(decision.reason.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
    }
}

@Suite struct DecisionStoreTests {
    private func store(_ count: Int) -> DecisionStore {
        var limits = Limits.standard
        limits.decisionStoreCount = count
        return DecisionStore(limits: limits)
    }

    @Test func theOldestMakesRoom() {
        let store = store(3)
        for number in 0..<5 { store.insert(Fixture.decision(id: "r\(number)")) }
        #expect(store.count == 3)
        #expect(store["r0"] == nil && store["r1"] == nil)
        for number in 2..<5 { #expect(store["r\(number)"]?.requestID == "r\(number)") }
    }

    @Test func ofTwoReceiptsWithOneIDTheLaterIsFound() {
        let store = store(3)
        store.insert(Fixture.decision(id: "r"))
        store.insert(Fixture.decision(id: "r", served: "large"))
        #expect(store["r"]?.servedModel == "large")
        for id in ["s", "t", "u"] { store.insert(Fixture.decision(id: id)) }
        #expect(store.count == 3)
        #expect(store["r"] == nil)
        #expect(store["s"] != nil && store["t"] != nil && store["u"] != nil)
    }

    @Test func anEmptyStoreFindsNothing() {
        #expect(store(1)["r"] == nil)
    }

    @Test func manyThreadsKeepItConsistent() async {
        let store = store(16)
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    for number in 0..<500 {
                        store.insert(Fixture.decision(id: "\(worker)-\(number % 20)"))
                        if let found = store["\(worker)-\(number % 20)"] {
                            #expect(found.requestID == "\(worker)-\(number % 20)")
                        }
                    }
                }
            }
        }
        #expect(store.count == 16)
    }
}

import Testing
import Wire

@testable import GPUServeKit

/// Bills are exact, and say what they do not know.
@Suite struct BillTests {
    private func bill(_ records: [LedgerRecord], by grouping: Bill.Grouping) async throws -> Bill {
        let scratch = try ScratchDirectory()
        let ledger = try await Ledger.open(path: scratch.path)
        for record in records { try await ledger.append(record) }
        await ledger.close()
        return try Bill.read(path: scratch.path, by: grouping)
    }

    private func price(_ prompt: Double, _ cached: Double?, _ answer: Double, awake: Double? = nil) -> LedgerRecord {
        .price(
            deployment: "chat",
            Price(
                promptPerMillion: prompt, cachedPerMillion: cached, answerPerMillion: answer,
                perSecond: awake.map { [.awake: $0] } ?? [:])!)
    }

    @Test func `tokens and seconds are priced exactly, by the prices in force`() async throws {
        let found = try await bill(
            [
                price(0.15, 0.075, 0.6, awake: 0.000306), LedgerTests.request("a"),
                .residency(
                    MeteredResidency(
                        deployment: "chat", replica: "r", device: "cuda:0", state: .awake, start_ms: 0,
                        duration_ms: 1500)),
                price(1, nil, 2), LedgerTests.request("b"),
            ], by: .deployment)
        let line = try #require(found.lines.first)
        #expect(found.lines.count == 1 && line.name == "chat" && !line.isPartial)
        // a: 6 x 0.15 + 4 x 0.075 + 3 x 0.6 = 3.0 per million; 1.5 s x 0.000306 = 0.000459; b: 10 x 1 + 3 x 2 = 16.
        #expect(line.cost.description == "0.000478")
        #expect(line.tokens == MeteredTokens(promptCount: 20, cachedCount: 8, answerCount: 6))
        #expect(line.residency_ms == [.awake: 1500])
    }

    @Test func `what has no price or no count is unknown, not free`() async throws {
        let unpriced = try await bill([LedgerTests.request("a")], by: .deployment)
        #expect(unpriced.total.isPartial && unpriced.total.cost == .zero)
        let unmeasured = try await bill(
            [
                price(1, 1, 1),
                .request(
                    MeteredRequest(id: "a", ended_ms: 0, deployment: "chat", outcome: .clientGone, tokens: nil)),
            ], by: .deployment)
        #expect(unmeasured.total.isPartial && unmeasured.total.unmeasuredCount == 1)
    }

    @Test func `lines are by key or by day`() async throws {
        let records = [
            LedgerTests.request("a", key: "blue", ended_ms: 0),
            LedgerTests.request("b", key: "red", ended_ms: 86_399_999),
            LedgerTests.request("c", key: "red", ended_ms: 86_400_000),
        ]
        #expect(try await bill(records, by: .key).lines.map { "\($0.name) \($0.requestCount)" } == ["blue 1", "red 2"])
        #expect(
            try await bill(records, by: .day).lines.map { "\($0.name) \($0.requestCount)" }
                == ["1970-01-01 2", "1970-01-02 1"])
    }

    @Test func `a stretch of time counts where it ended`() async throws {
        let scratch = try ScratchDirectory()
        let ledger = try await Ledger.open(path: scratch.path)
        for number in 0..<4 { try await ledger.append(LedgerTests.request("r\(number)", ended_ms: number * 10)) }
        await ledger.close()
        #expect(try Bill.read(path: scratch.path, by: .day, from: 10, to: 30).total.requestCount == 2)
    }

    @Test func `money is exact`() {
        #expect(Money(picodollars: 1).description == "0.000000000001")
        #expect(Money(picodollars: 12_500_000_000_000).description == "12.5")
        #expect(Money(picodollars: -3_000_000_000_000).description == "-3")
        #expect(Money.zero.description == "0")
        #expect(Price(promptPerMillion: -1) == nil)
        #expect(Price(answerPerMillion: .nan) == nil)
    }

    @Test func `names cannot break out of a table`() async throws {
        let found = try await bill(
            [
                LedgerTests.request("a", deployment: "=cmd|x"), LedgerTests.request("b", deployment: "a,\"b\""),
            ], by: .deployment)
        let rows = found.csv.split(separator: "\r\n")
        #expect(rows.count == 3)
        #expect(rows[1].hasPrefix("'=cmd|x,1,"))
        #expect(rows[2].hasPrefix("\"a,\"\"b\"\"\",1,"))
        let json = try JSONValue.parse(Array(found.json.utf8))
        #expect(json.members?.map(\.key) == ["lines", "total", "repeated", "problems"])
        #expect(json.members?[0].value.elements?.count == 2)
    }
}

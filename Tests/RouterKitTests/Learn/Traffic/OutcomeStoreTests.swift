import Glibc
import Testing
import Wire

@testable import RouterKit

@Suite struct OutcomeStoreTests {
    private let files = FakeLogFiles()

    private static let row = OutcomeRow(
        id: "req_1", source: OutcomeStore.source, prompt: Array("a \"b\"\n\u{1} \u{e9}".utf8),
        scores: ["big": 1, "sm\"all": 0.25], inputTokens: 7, outputTokens: ["big": 12], task: "t", subject: "s")

    private func store(_ change: (inout Limits) -> Void = { _ in }) throws -> OutcomeStore {
        var limits = Limits.standard
        change(&limits)
        return try OutcomeStore(path: "o", limits: limits, files: files)
    }

    @Test func `a row is written as the reader reads it, for its owner only`() throws {
        let directory = try #require(TemporaryDirectory())
        let path = directory.path + "/o.jsonl"
        let store = try OutcomeStore(path: path)
        #expect(store.append(Self.row))
        store.close()
        #expect(try OutcomeReader.read(path: path).rows == [Self.row])
        var info = stat()
        #expect(stat(path, &info) == 0 && info.st_mode & 0o777 == 0o600)
        #expect(OutcomeStore.files(path) == [path])
    }

    @Test func `a full disk and a full queue cost rows, which are counted, and nothing else`() throws {
        let store = try store { $0.outcomeQueueBytes = 1_000 }
        files.with { $0.failing[.write] = ENOSPC }
        let accepted = (0..<40).count { _ in store.append(Self.row) }
        #expect(accepted > 0 && accepted < 40)
        store.close()
        #expect(store.status.droppedCount == 40 && store.status.writtenCount == 0)
        #expect(store.status.isFailing && !store.append(Self.row))
    }

    @Test func `a full file moves aside, and two files are all that is kept`() throws {
        let store = try store { $0.outcomeFileBytes = 2 * Self.row.line().count }
        for _ in 0..<7 {
            store.append(Self.row)
            store.flush()
        }
        store.close()
        #expect(files.with { Set($0.files.keys) } == ["o", "o.1"])
        #expect(store.status.rotationsCount == 3 && store.status.writtenCount == 7)
        #expect(files.text("o")?.utf8.count == Self.row.line().count)
    }
}

@Suite struct OwnOutcomesTests {
    private static let cards = [
        Fixture.card("big", tier: .strong, price: (2, 8)), Fixture.card("huge", tier: .strong, price: (5, 20)),
        Fixture.card("mid", tier: .mid, price: (1, 2)), Fixture.card("less", tier: .cheap, price: (0.2, 0.2)),
        Fixture.card("small", tier: .cheap, price: (0.1, 0.2)),
    ]

    @Test func `the pool of one's own traffic is the whole configuration, its reference last`() throws {
        let pool = try #require(OutcomePool(ownTrafficOf: Self.cards))
        #expect(pool.source == "own_traffic" && pool.members.map(\.name) == ["small", "less", "mid", "huge", "big"])
        #expect(pool.members[0].price == Price(inputPerMTok: 0.1, outputPerMTok: 0.2))
        #expect(OutcomePool(ownTrafficOf: [Self.cards[0]]) == nil)
        let plan = try TradePolicy().choose(
            PoolView(cards: Self.cards), for: try RequestView(asking: "x"), given: .unknown("t"), mode: .balanced)
        #expect(plan.alwaysStrong.model == pool.strongest.name)
    }

    private func own(_ files: [String]) throws -> OwnOutcomes {
        let directory = try #require(TemporaryDirectory())
        for (number, text) in files.enumerated() { directory.write(text, to: "f\(number)") }
        let pool = try #require(OutcomePool(ownTrafficOf: [Self.cards[0], Self.cards[4]]))
        return try OwnOutcomes(paths: files.indices.map { "\(directory.path)/f\($0)" }, pool: pool)
    }

    private func line(_ id: String, _ models: String, prompt: String = "p") -> String {
        #"{"id":"\#(id)","source":"any","prompt":"\#(prompt)","models":{\#(models)}}"# + "\n"
    }

    @Test func `rows may lack scores but not all, and ids are unique over both files`() throws {
        let own = try own([
            line("a", #""small":0,"big":1"#) + line("b", #""other":1"#),
            line("a", #""small":1"#) + line("c", #""big":0.5,"other":1"#),
        ])
        #expect(own.rows.map(\.id) == ["a", "c"] && own.rows.allSatisfy { $0.source == "own_traffic" })
        #expect(own.reports.map { $0.report.faults.map(\.code) } == [[.missingModel], [.duplicateID]])
        let figures = own.models
        #expect(figures.map(\.name) == ["small", "big"] && figures.map(\.scoredCount) == [1, 2])
        #expect(figures[1].meanScore == 0.75 && figures[0].meanDifference == -1 && figures[0].pairedCount == 1)
    }

    @Test func `what somebody said counts more than agreement`() throws {
        let own = try own([
            line("a/feedback", #""small":0.5"#) + line("a", #""small":1,"big":1"#) + line("b/feedback", #""big":0"#)
                + line("c", #""small":0,"big":1"#), line("c/feedback", #""big":0.25"#),
        ])
        #expect(own.rows.map(\.id) == ["a", "b/feedback", "c"])
        #expect(own.rows.map(\.scores) == [["small": 0.5, "big": 1], ["big": 0], ["small": 0, "big": 0.25]])
        #expect(own.reports.allSatisfy { $0.report.faultsCount == 0 })
    }

    @Test func `no row is used twice, and a row keeps its use as the file grows`() throws {
        let lines = (0..<400).map { line("r\($0)", #""small":0,"big":1"#, prompt: "question number \($0)") }
        let few = try own([lines[..<200].joined()])
        let many = try own([lines.joined()])
        var seen = 0
        for use in OutcomeUse.allCases {
            let rows = many.rows(for: use)
            seen += rows.count
            #expect(rows.count > (use == .evaluation ? 40 : 110))
            #expect(few.rows(for: use) == rows.filter { Int($0.id.dropFirst())! < 200 })
            #expect(many.report(for: use).rowsCount == rows.count)
        }
        #expect(seen == 400)
    }

    @Test func `training needs the reference and another, calibration needs all`() throws {
        let lines = (0..<200).map { line("r\($0)", #""small":0"#, prompt: "question number \($0)") }
        let own = try own([lines.joined()])
        #expect(own.rows.count == 200 && OutcomeUse.allCases.allSatisfy { own.rows(for: $0).isEmpty })
    }
}

import Glibc
import Synchronization
import Testing
import Wire

@testable import GPUServeKit

/// The ledger keeps what it acknowledged, whatever happens to its process and its disk.
@Suite struct LedgerTests {
    static func request(_ id: String, deployment: String = "chat", key: String? = nil, ended_ms: Int = 0)
        -> LedgerRecord
    {
        .request(
            MeteredRequest(
                id: id, ended_ms: ended_ms, deployment: deployment, key: key, outcome: .complete,
                tokens: MeteredTokens(promptCount: 10, cachedCount: 4, answerCount: 3)))
    }

    static let all: [LedgerRecord] = [
        request("a\"\n\u{1F642}", key: "team"),
        .request(
            MeteredRequest(
                id: "b", ended_ms: 5, deployment: "chat", variant: "v1", outcome: .engineFailed, tokens: nil)),
        .residency(
            MeteredResidency(
                deployment: "chat", replica: "r1", device: "host", state: .suspended, start_ms: 7, duration_ms: 9)),
        .price(
            deployment: "chat",
            Price(promptPerMillion: 0.15, answerPerMillion: 0.6, perSecond: [.awake: 0.000_306])!),
    ]

    static func fileBytes(_ path: String, _ number: Int = 1) -> [UInt8] {
        ScratchDirectory.read(path + "/" + LedgerFileName.text(number))
    }

    @Test(arguments: all) func `a record reads back as it was written`(record: LedgerRecord) throws {
        let line = LedgerLine.encode(record, sequence: 12)
        #expect(line.last == UInt8(ascii: "\n"))
        #expect(line.dropLast().contains(UInt8(ascii: "\n")) == false)
        let found = try #require(LedgerLine.decode(line.dropLast()))
        #expect(found.record == record)
        #expect(found.sequence == 12)
    }

    @Test func `every flipped bit of a line is noticed`() {
        let line = LedgerLine.encode(Self.all[0], sequence: 1).dropLast()
        for index in line.indices {
            for bit in 0..<8 {
                var damaged = line
                damaged[index] ^= 1 << bit
                #expect(LedgerLine.decode(damaged) == nil, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test func `a file cut at any byte opens with the records that were whole, and goes on`() async throws {
        let source = try ScratchDirectory()
        let path = source.path + "/ledger"
        let ledger = try await Ledger.open(path: path)
        for number in 0..<3 { try await ledger.append(Self.request("r\(number)")) }
        await ledger.close()
        let whole = Self.fileBytes(path)
        let ends = whole.indices.filter { whole[$0] == UInt8(ascii: "\n") }.map { $0 + 1 }
        #expect(ends.count == 3)
        // Around each end, and now and then between.
        for cut in 0...whole.count where cut % 17 == 0 || ends.contains(where: { abs($0 - cut) <= 2 }) {
            let scratch = try ScratchDirectory()
            _ = scratch.write(Array(whole[..<cut]), LedgerFileName.text(1))
            let kept = ends.filter { $0 <= cut }.count
            let opened = try await Ledger.open(path: scratch.path)
            let tail = cut - (kept > 0 ? ends[kept - 1] : 0)
            #expect((opened.recovery.cut == nil) == (tail == 0), "cut at \(cut)")
            try await opened.append(Self.request("new"))
            await opened.close()
            let bill = try Bill.read(path: scratch.path, by: .deployment)
            #expect(bill.total.requestCount == kept + 1, "cut at \(cut)")
            #expect(bill.problems == [], "cut at \(cut)")
            // What was cut is kept beside.
            let aside = ScratchDirectory.names(scratch.path).filter { $0.contains(".cut-") }
            #expect(aside.map { ScratchDirectory.read(scratch.path + "/" + $0).count } == (tail == 0 ? [] : [tail]))
        }
    }

    @Test func `a damaged line between good ones is named and costs only itself`() async throws {
        let scratch = try ScratchDirectory()
        let ledger = try await Ledger.open(path: scratch.path)
        for number in 0..<3 { try await ledger.append(Self.request("r\(number)")) }
        await ledger.close()
        var bytes = Self.fileBytes(scratch.path)
        let second = try #require(bytes.firstIndex(of: UInt8(ascii: "\n"))) + 1
        bytes[second + 40] ^= 1
        _ = scratch.write(bytes, LedgerFileName.text(1))
        let again = try await Ledger.open(path: scratch.path)
        #expect(again.recovery.cut == nil)
        #expect(again.recovery.damagedLines == ["\(LedgerFileName.text(1)) at byte \(second)"])
        try await again.append(Self.request("r3"))
        await again.close()
        let bill = try Bill.read(path: scratch.path, by: .deployment)
        #expect(bill.total.requestCount == 3)
        #expect(bill.problems.count == 2, "the damaged line, and that record 2 is missing: \(bill.problems)")
    }

    @Test func `a second record of one thing is not written, now or after a restart`() async throws {
        let scratch = try ScratchDirectory()
        for _ in 0..<2 {
            let ledger = try await Ledger.open(path: scratch.path)
            for record in Self.all.prefix(3) + Self.all.prefix(3) { try await ledger.append(record) }
            await ledger.close()
        }
        #expect(LedgerScan(Self.fileBytes(scratch.path)).records.map(\.record) == Array(Self.all.prefix(3)))
    }

    @Test func `ids that were forgotten are still billed once`() async throws {
        let scratch = try ScratchDirectory()
        var limits = Limits.standard
        limits.ledgerRememberedCount = 2
        let ledger = try await Ledger.open(path: scratch.path, limits: limits)
        for id in ["a", "b", "c", "d", "a"] { try await ledger.append(Self.request(id)) }
        await ledger.close()
        let bill = try Bill.read(path: scratch.path, by: .deployment)
        #expect(bill.total.requestCount == 4)
        #expect(bill.repeatedCount == 1)
    }

    @Test func `records that come together share a sync`() async throws {
        let scratch = try ScratchDirectory()
        let disk = FaultyLedgerDisk()
        let ledger = try await Ledger.open(path: scratch.path, limits: .standard, disk: disk) {}
        await withThrowingTaskGroup { group in
            for number in 0..<500 { group.addTask { try await ledger.append(Self.request("r\(number)")) } }
        }
        await ledger.close()
        #expect(try Bill.read(path: scratch.path, by: .deployment).total.requestCount == 500)
        #expect(disk.syncCount.load(ordering: .relaxed) < 500)
    }

    @Test func `whichever call fails, every record is written once in the end`() async throws {
        for failing in 1..<20 {
            let scratch = try ScratchDirectory()
            var limits = Limits.standard
            limits.ledgerFileBytes = 300
            let retries = Atomic<Int>(0)
            let disk = FaultyLedgerDisk(failing: failing..<(failing + 2))
            let ledger = try await Ledger.open(path: scratch.path, limits: limits, disk: disk) {
                retries.wrappingAdd(1, ordering: .relaxed)
            }
            for number in 0..<8 { try await ledger.append(Self.request("r\(number)")) }
            await ledger.close()
            #expect(retries.load(ordering: .relaxed) > 0, "call \(failing) was not reached")
            let bill = try Bill.read(path: scratch.path, by: .deployment)
            #expect(bill.total.requestCount == 8, "call \(failing)")
            #expect(bill.repeatedCount == 0 && bill.problems == [], "call \(failing): \(bill.problems)")
        }
    }

    @Test func `while the disk takes nothing records wait, within a bound, and closing says so`() async throws {
        let scratch = try ScratchDirectory()
        var limits = Limits.standard
        limits.ledgerBacklogCount = 2
        let disk = FaultyLedgerDisk()
        let (paused, pausedContinuation) = AsyncStream.makeStream(of: Void.self)
        let (resume, resumeContinuation) = AsyncStream.makeStream(of: Void.self)
        let ledger = try await Ledger.open(path: scratch.path, limits: limits, disk: disk) {
            pausedContinuation.yield()
            for await _ in resume { break }
        }
        disk.breakDown()
        let first = Task { await Self.code { try await ledger.append(Self.request("a")) } }
        for await _ in paused { break }
        #expect(ledger.isHealthy == false)
        #expect(ledger.lastFailure?.code == .diskFull)
        let second = Task { await Self.code { try await ledger.append(Self.request("b")) } }
        while ledger.backlogCount < 2 { await Task.yield() }
        #expect(await Self.code { try await ledger.append(Self.request("c")) } == .backlogFull)
        let closing = Task { await ledger.close() }
        while await Self.code({ try await ledger.append(Self.request("d")) }) != .closed { await Task.yield() }
        resumeContinuation.finish()
        await closing.value
        #expect(await first.value == .closed)
        #expect(await second.value == .closed)
    }

    private static func code(_ body: () async throws -> Void) async -> LedgerError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? LedgerError)?.code
        }
    }

    @Test func `one process writes a ledger at a time`() async throws {
        let scratch = try ScratchDirectory()
        let ledger = try await Ledger.open(path: scratch.path)
        await #expect { try await Ledger.open(path: scratch.path) } throws: { ($0 as? LedgerError)?.code == .inUse }
        await ledger.close()
        let again = try await Ledger.open(path: scratch.path)
        await again.close()
    }

    @Test func `a record too long for a line is refused by name`() async throws {
        let scratch = try ScratchDirectory()
        let ledger = try await Ledger.open(path: scratch.path)
        let long = Self.request(String(repeating: "x", count: 20_000))
        #expect(await Self.code { try await ledger.append(long) } == .tooLong)
        await ledger.close()
    }

    /// 20 kills, or as many as LEDGER_KILLS says: `make test-all` sets it to 200.
    static let killCount = getenv("LEDGER_KILLS").flatMap { Int(String(cString: $0)) } ?? 20

    @Test func `what was acknowledged survives kill -9 at any moment`() async throws {
        let scratch = try ScratchDirectory()
        var generator = SplitMix(UInt64(getpid()))
        var acknowledged: Set<String> = []
        for round in 0..<Self.killCount {
            let child = try ChildProcess([ChildProcess.productFolder + "/ledger-torture", scratch.path, "k\(round)"])
            for _ in 0..<Int.random(in: 1...60, using: &generator) {
                let id = child.readLine()
                #expect(id.hasPrefix("k\(round)-"), "the child said \(id)")
                acknowledged.insert(id)
            }
            for _ in 0..<Int.random(in: 0...2_000, using: &generator) { sched_yield() }
            child.kill()
            acknowledged.formUnion(child.rest().split(separator: "\n").map { String($0) })
        }
        let ledger = try await Ledger.open(path: scratch.path)
        await ledger.close()
        let bill = try Bill.read(path: scratch.path, by: .deployment)
        var found: Set<String> = []
        for name in ScratchDirectory.names(scratch.path) {
            guard let number = LedgerFileName.number(name) else { continue }
            for entry in LedgerScan(Self.fileBytes(scratch.path, number)).records {
                if case .request(let request) = entry.record { found.insert(request.id) }
            }
        }
        #expect(acknowledged.subtracting(found) == [])
        #expect(bill.total.requestCount == found.count)
        #expect(bill.repeatedCount == 0 && bill.problems == [], "\(bill.problems)")
        print("\(Self.killCount) kills, \(acknowledged.count) acknowledged records, \(found.count) in the ledger")
    }
}

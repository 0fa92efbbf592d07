import Glibc
import Testing
import Wire

@testable import RouterKit

@Suite struct DecisionLogTests {
    private let files = FakeLogFiles()

    private func log(queueBytes: Int = 1 << 20, gathering_ms: Int = 0, retry_ms: Int = 1) throws -> DecisionLog {
        var limits = Limits.standard
        limits.logQueueBytes = queueBytes
        return try DecisionLog(
            .init(path: "log", gathering_ms: gathering_ms, retry_ms: retry_ms), limits: limits, files: files)
    }

    private func record(_ id: String = "r", prompt: String? = nil) -> LogRecord {
        LogRecord(
            decision: Fixture.decision(id: id, served: "small"), status: 200, outcome: "ok", stream: true,
            client: "team-a",
            usage: TokenUsage(promptTokens: 10, completionTokens: 20, cachedTokens: 3, reasoningTokens: 4),
            cost_usd: 0.001, baseline_usd: nil, latency_ms: 12.5, firstByte_ms: 3.25, prompt: prompt)
    }

    private func lines() throws -> [JSONValue] {
        try (files.text("log") ?? "").split(separator: "\n").map { try JSONValue.parse(Array($0.utf8)) }
    }

    @Test func aLineHoldsTheRecordAndTheReceipt() throws {
        let log = try log()
        #expect(log.append(record("req-7")))
        #expect(log.flush())
        let text = try #require(files.text("log"))
        #expect(
            text.hasPrefix(
                #"{"v":1,"time_ms":1700000000000,"model":"small","status":200,"outcome":"ok","stream":true,"#
                    + #""client":"team-a","latency_ms":12.5,"first_byte_ms":3.25,"usage":{"prompt":10,"#
                    + #""completion":20,"cached":3,"reasoning":4},"cost_usd":0.001,"baseline_usd":null,"route":{"#))
        #expect(text.hasSuffix("}}\n"))
        let line = try lines()[0]
        #expect(line["route"]?["id"]?.string == "req-7")
        #expect(line["prompt"] == nil)
        log.close()
    }

    @Test func promptsAreKeptOnlyWhenGivenAndOnlySoMuch() throws {
        var limits = Limits.standard
        limits.logPromptBytes = 6
        var bytes: [UInt8] = []
        record(prompt: "añb\"éé").appendLine(to: &bytes, limits: limits)
        let value = try JSONValue.parse(bytes)
        #expect(value["prompt"]?.string == "añb\"")
    }

    @Test func aFullQueueDropsAndCountsAndTheRequestGoesOn() throws {
        let log = try log(queueBytes: 5_000, retry_ms: 60_000)
        files.with { $0.failing[.write] = ENOSPC }
        var accepted = 0
        for number in 0..<40 where log.append(record("r\(number)")) { accepted += 1 }
        #expect(accepted > 0 && accepted < 40)
        #expect(log.status.droppedCount == 40 - accepted)
        #expect(log.status.queuedBytes <= 5_000)
        log.close()
        let status = log.status
        #expect(status.droppedCount == 40)
        #expect(status.writtenCount == 0)
        #expect(status.lastError?.systemError == ENOSPC)
        #expect(status.lastError?.description.contains("No space left on device") == true)
    }

    @Test func itRecoversAndSaysSo() throws {
        let log = try log()
        files.with { $0.failing[.write] = ENOSPC }
        #expect(log.append(record("a")))
        // A line is not settled while the disk is full, however long one waits.
        #expect(!log.flush(timeout_ms: 50))
        files.with { $0.failing = [:] }
        #expect(log.append(record("b")))
        #expect(log.flush(timeout_ms: 60_000))
        let status = log.status
        #expect(!status.isFailing)
        #expect(status.recoveriesCount == 1)
        #expect(status.errorsCount > 0)
        #expect(status.writtenCount == 2)
        #expect(status.droppedCount == 0)
        #expect(try lines().map { $0["route"]?["id"]?.string } == ["a", "b"])
        log.close()
    }

    @Test func closingWritesWhatIsLeftAndRefusesMore() throws {
        let log = try log(gathering_ms: 3_600_000)
        for number in 0..<10 { #expect(log.append(record("r\(number)"))) }
        log.close()
        #expect(try lines().count == 10)
        #expect(!log.append(record()))
        #expect(log.status.droppedCount == 1)
        log.close()
    }

    @Test func flushDoesNotWaitForTheGatheringToEnd() throws {
        let log = try log(gathering_ms: 3_600_000)
        #expect(log.append(record()))
        #expect(log.flush(timeout_ms: 60_000))
        #expect(log.status.writtenCount == 1)
    }

    @Test func aPathThatCannotBeOpenedIsFoundAtTheStart() {
        do {
            _ = try DecisionLog(.init(path: "/nowhere/at/all/log"))
            Issue.record("a log was opened in a directory that is not there")
        } catch {
            #expect(error.operation == .open)
            #expect(error.systemError == ENOENT)
        }
    }

    /// Four threads append while writes fail now and then: every line is written or counted as dropped, no line is
    /// torn, and each thread's lines keep their order.
    @Test func aStormOfLinesIsCompleteOrCounted() async throws {
        let log = try log(queueBytes: 64 * 1024)
        files.with { state in
            state.failingCalls = Set(stride(from: 2, to: 300, by: 9))
            state.longestWrite = 20_000
        }
        let record = record
        let accepted = await withTaskGroup(of: Int.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    var accepted = 0
                    for number in 0..<500 where log.append(record("\(worker)-\(number)", nil)) { accepted += 1 }
                    return accepted
                }
            }
            return await group.reduce(0, +)
        }
        #expect(log.flush(timeout_ms: 60_000))
        log.close()
        let status = log.status
        #expect(status.writtenCount == accepted)
        #expect(status.droppedCount == 2_000 - accepted)
        let ids = try lines().map { $0["route"]!["id"]!.string! }
        #expect(ids.count == accepted)
        #expect(Set(ids).count == accepted)
        for worker in 0..<4 {
            let numbers = ids.filter { $0.hasPrefix("\(worker)-") }.map { Int($0.dropFirst(2))! }
            #expect(numbers == numbers.sorted())
        }
    }
}

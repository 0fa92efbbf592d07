import Testing
import Wire

@testable import RouterKit

@Suite struct LogReportTests {
    private func line(
        _ model: String?, cost: Double? = nil, baseline: Double? = nil, outcome: String = "ok", attempts: Int = 1,
        latency_ms: Double = 100, tokens: (Int, Int)? = nil
    ) -> String {
        var decision = Fixture.decision(served: model)
        decision.attempts = (0..<attempts).map {
            .init(model: "m", deployment: "\($0)", status: 200, latency_ms: 1, errorLabel: nil)
        }
        let record = LogRecord(
            decision: decision, status: 200, outcome: outcome, stream: false,
            usage: tokens.map { TokenUsage(promptTokens: $0.0, completionTokens: $0.1) }, cost_usd: cost,
            baseline_usd: baseline, latency_ms: latency_ms, firstByte_ms: latency_ms / 2)
        var bytes: [UInt8] = []
        record.appendLine(to: &bytes, limits: .standard)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func report(_ text: String, limits: Limits = .standard) throws -> LogReport {
        let directory = try #require(TemporaryDirectory())
        directory.write(text, to: "log")
        return try LogReport.read(path: directory.path + "/log", limits: limits)
    }

    @Test func costsAddUpByModel() throws {
        let report = try report(
            line("small", cost: 1, baseline: 10, tokens: (100, 10)) + line("small", cost: 2, baseline: 20)
                + line("large", cost: 30, baseline: 30, tokens: (5, 5)))
        #expect(report.models["small"]?.requestsCount == 2)
        #expect(report.models["small"]?.cost_usd == 3)
        #expect(report.models["small"]?.saving_usd == 27)
        #expect(report.total.cost_usd == 33)
        #expect(report.total.baseline_usd == 60)
        #expect(report.total.promptTokens == 105)
        #expect(report.total.completionTokens == 15)
        #expect(report.modelsByCost.map(\.name) == ["large", "small"])
        #expect(report.savingLine == "Saving against always-strong: $27.00 of $60.00 (45.0 %), over all 3 requests.")
    }

    @Test func aLossIsShownAsALoss() throws {
        let report = try report(line("large", cost: 5, baseline: 4))
        #expect(report.total.saving_usd == -1)
        #expect(report.savingLine.contains("-$1.00 of $4.00 (-25.0 %)"))
    }

    @Test func anUnknownCostIsNeverZero() throws {
        let report = try report(
            line("secret", baseline: 9) + line("small", cost: 1) + line("small", cost: 1, baseline: 3))
        #expect(report.total.unknownCostCount == 1)
        #expect(report.total.comparableCount == 1)
        #expect(report.total.saving_usd == 2)
        #expect(report.savingLine.contains("over 1 of 3 requests"))
        let table = report.table()
        #expect(table.split(separator: "\n").contains { $0.hasPrefix("secret") && $0.contains("unknown") })
        #expect(table.contains("$2.00+?"))
        #expect(report.svg().contains("cost unknown"))
        let nothing = try self.report(line("secret"))
        #expect(nothing.savingLine.contains("unknown"))
    }

    @Test func damagedLinesAreCountedByNumberAndTheRestIsUsed() throws {
        let good = line("small", cost: 1, baseline: 2)
        let text =
            good + "{\"v\":1,\"outcome\":\n" + "not json\n" + "\n" + "{\"v\":2,\"outcome\":\"ok\",\"latency_ms\":1}\n"
            + "[]\n" + good + "{\"v\":1,\"outcome\":\"ok\",\"latency_ms\":\"1\"}\n" + good.dropLast(5)
        let report = try report(text)
        #expect(report.total.requestsCount == 2)
        #expect(report.damagedLines == [2, 3, 5, 6, 8, 9])
        #expect(report.damagedCount == 6)
        #expect(report.table().contains("Damaged lines left out: 6 (at 2, 3, 5, 6, 8, 9)."))
    }

    @Test func failuresAndFailoversAreCounted() throws {
        let report = try report(
            line("small", attempts: 2) + line(nil, outcome: "timeout") + line(nil, outcome: "timeout")
                + line(nil, outcome: "rate_limited", attempts: 3))
        #expect(report.failures == ["timeout": 2, "rate_limited": 1])
        #expect(report.failoversCount == 2)
        #expect(report.models[LogReport.noModel]?.requestsCount == 3)
        #expect(report.table().contains("Failures: 3 (75.0 %): timeout 2, rate_limited 1. Failovers: 2."))
    }

    @Test func latenciesAreSummedUp() throws {
        let report = try report((1...100).map { line("m", latency_ms: Double($0) * 10) }.joined())
        let percentiles = try #require(report.latencyPercentiles)
        #expect((500...516).contains(percentiles.p50_ms))
        #expect((990...1_000).contains(percentiles.p99_ms))
        #expect(percentiles.max_ms == 1_000)
        let firstByte = try #require(report.firstBytePercentiles)
        #expect((250...258).contains(firstByte.p50_ms))
    }

    @Test func groupsAreBounded() throws {
        var limits = Limits.standard
        limits.reportGroupsCount = 3
        let report = try report((0..<10).map { line("m\($0)", outcome: "e\($0)") }.joined(), limits: limits)
        #expect(report.models.count == 4)
        #expect(report.models[LogReport.otherGroup]?.requestsCount == 7)
        #expect(report.failures.count == 4)
        #expect(report.total.requestsCount == 10)
    }

    @Test func hostileFiguresDoNotOverflow() throws {
        let huge =
            #"{"v":1,"outcome":"ok","latency_ms":1e300,"usage":{"prompt":9223372036854775807,"completion":-5},"#
            + #""cost_usd":1e308,"baseline_usd":1e308}"# + "\n"
        let report = try report(huge + huge + huge)
        #expect(report.total.requestsCount == 3)
        #expect(report.total.completionTokens == 0)
        #expect(report.total.unknownCostCount == 3)
        #expect(!report.table().isEmpty)
        #expect(report.svg().hasSuffix("</svg>\n"))
    }

    @Test func namesFromTheLogCannotBreakOutOfThePictureOrTheTerminal() throws {
        let report = try report(line("<script>\"&\u{1B}[31m\u{FFFF}", cost: 1, baseline: 1))
        let svg = report.svg()
        #expect(!svg.contains("<script>"))
        #expect(svg.contains("&lt;script&gt;&quot;&amp;?[31m?"))
        #expect(!report.table().unicodeScalars.contains { $0.value == 0x1B })
    }

    @Test func anEmptyLogIsAReportToo() throws {
        let report = try report("")
        #expect(report.total.requestsCount == 0)
        #expect(report.table().contains("total"))
        #expect(report.svg().contains("The log has no requests."))
    }
}

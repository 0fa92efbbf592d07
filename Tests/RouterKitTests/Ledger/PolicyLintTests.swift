import Testing
import Wire

@testable import RouterKit

@Suite struct PolicyLintTests {
    /// A log line of a choice between a small and a big model.
    private struct Choice {
        var model = "small"
        var difficulty = 0.5
        var why = Reason.bestTrade(allowedLoss: 0.01)
        var support = 0.9
        var small: (quality: Double, cost_usd: Double?) = (0.6, 0.1)
        var big: (quality: Double, cost_usd: Double?) = (0.8, 1.0)
        var policyHash = "p"
        var extra: [Candidate] = []

        var line: String {
            let small = Candidate(
                model: "small", tier: .cheap, quality: small.quality, cost_usd: small.cost_usd,
                reason: model == "small" ? why : .worseTrade(shortBy: 0.1))
            let big = Candidate(
                model: "big", tier: .strong, quality: big.quality, cost_usd: big.cost_usd,
                reason: model == "big" ? why : .worseTrade(shortBy: 0.1))
            let plan = Plan(candidates: (model == "small" ? [small, big] : [big, small]) + extra, rejected: [])
            let decision = Decision(
                requestID: "r", time_unix_ms: 1, dialect: .chatCompletions, mode: .balanced, requestedModel: "auto",
                plan: plan,
                assessment: Assessment(
                    difficulty: difficulty, quality: QualityCurve(cheap: 0, mid: 0, strong: 0), support: support,
                    signals: []), policyHash: policyHash, classifierVersion: "c", decisionTime_ns: 1)
            var bytes: [UInt8] = []
            LogRecord(decision: decision, status: 200, outcome: "ok", stream: false, latency_ms: 1)
                .appendLine(to: &bytes, limits: .standard)
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    private func lint(_ lines: [String]) throws -> PolicyLint {
        let directory = try #require(TemporaryDirectory())
        directory.write(lines.joined(), to: "log")
        return try PolicyLint.read(path: directory.path + "/log")
    }

    /// Hard prompts to the big model, easy ones to the small one, evenly over time.
    private func healthy(_ count: Int = 600) -> [Choice] {
        (0..<count).map { index in
            let difficulty = Double(index * 7 % 100) / 100
            return difficulty > 0.5
                ? Choice(model: "big", difficulty: difficulty, small: (0.2, 0.1))
                : Choice(model: "small", difficulty: difficulty, small: (0.82, 0.1))
        }
    }

    @Test func `a healthy log has no findings`() throws {
        let lint = try lint(healthy().map(\.line))
        #expect(lint.decisionsCount == 600 && lint.damagedCount == 0)
        #expect(lint.findings() == [])
        #expect(lint.findings(configured: ["small", "big"]) == [])
    }

    @Test func `easier prompts with dearer models are found`() throws {
        let lines = healthy().map { choice in
            var choice = choice
            choice.difficulty = 1 - choice.difficulty
            return choice.line
        }
        let findings = try lint(lines).findings()
        #expect(findings.map(\.code) == [.nonMonotone])
        #expect(findings.first?.detail.contains("100.0 % of the dearest's price") == true, "\(findings)")
    }

    @Test func `noise is no inversion`() throws {
        var random = SeededRandom(seed: 3)
        let lines = (0..<2_000).map { _ in
            let difficulty = Double.random(in: 0..<1, using: &random)
            let isBig = Double.random(in: 0..<1, using: &random) < 0.5
            // A small model that is as good where it is chosen, so that no fixed model is better.
            return Choice(
                model: isBig ? "big" : "small", difficulty: difficulty, small: (isBig ? 0.1 : 0.9, 0.1)
            ).line
        }
        #expect(try lint(lines).findings() == [])
    }

    @Test func `a model that is never chosen is found`() throws {
        let middle = Candidate(
            model: "middle", tier: .mid, quality: 0.3, cost_usd: 0.5, reason: .worseTrade(shortBy: 0.2))
        let lines = healthy().map { choice in
            var choice = choice
            choice.extra = [middle]
            return choice.line
        }
        let lint = try lint(lines)
        #expect(lint.findings().map(\.code) == [.deadModel])
        #expect(lint.findings()[0].detail.hasPrefix("middle could have been chosen 600 times"))
        #expect(lint.findings(configured: ["small", "gone"]).map(\.code) == [.deadModel, .unseenModel])
    }

    @Test func `a change of shares is found, and its cause as far as the log knows it`() throws {
        let (early, late) = (healthy(), healthy())
        let drifted = early.filter { $0.model == "small" } + late.filter { $0.model == "big" }
        let same = try lint(drifted.map(\.line)).findings()
        #expect(same.map(\.code) == [.drift])
        #expect(same.first?.detail.contains("the traffic changed") == true)
        let changed = drifted.enumerated().map { index, choice in
            var choice = choice
            choice.policyHash = index < 300 ? "p" : "q"
            return choice.line
        }
        #expect(try lint(changed).findings().first?.detail.contains("2 policy hashes") == true)
    }

    @Test func `a long log is watched in bounded windows`() {
        var course = ShareCourse()
        for index in 0..<50_000 {
            course.add(index < 25_000 ? "a" : "b", policyHash: "p", limits: .standard)
        }
        #expect(course.drift()?.contains("went from 100.0 %") == true || course.drift()?.contains("to 100.0 %") == true)
        var even = ShareCourse()
        for index in 0..<50_000 { even.add(index % 2 == 0 ? "a" : "b", policyHash: "p", limits: .standard) }
        #expect(even.drift() == nil)
    }

    @Test func `one model that is better and cheaper than routing is named`() throws {
        let lines = healthy().map { choice in
            var choice = choice
            choice.small = (0.9, 0.05)
            return choice.line
        }
        let findings = try lint(lines).findings()
        #expect(findings.map(\.code) == [.fixedModelBetter])
        #expect(findings.first?.detail.hasPrefix("always asking small is predicted to be better") == true)
        // Routing that always takes the best model is that model: nothing to say.
        let always = lines.indices.map { _ in Choice(model: "small", small: (0.9, 0.05)).line }
        #expect(try lint(always).findings().map(\.code) == [.deadModel])
    }

    @Test func `costs that are not known compare with nothing`() throws {
        let lines = healthy().map { choice in
            var choice = choice
            choice.small = (0.9, nil)
            return choice.line
        }
        #expect(try lint(lines).findings().allSatisfy { $0.code != .fixedModelBetter })
    }

    @Test func `a classifier that is mostly unsure is named`() throws {
        let lines = (0..<300).map { index in
            index % 3 == 0
                ? Choice(model: "small", small: (0.9, 0.1)).line
                : Choice(model: "big", why: .strongestForLowSupport(support: 0.1), support: 0.1).line
        }
        #expect(try lint(lines).findings().map(\.code) == [.mostlyUnsure])
    }

    @Test func `named models, short logs and damaged lines are told apart`() throws {
        let pinned = (0..<300).map { _ in Choice(model: "big", why: .pinned).line }
        let lint = try lint(pinned + ["{broken\n", "{\"v\":1}\n"] + healthy(100).map(\.line))
        #expect(lint.pinnedCount == 300 && lint.damagedCount == 2 && lint.decisionsCount == 100)
        #expect(lint.findings() == [])
    }
}

import DemoSupport
import Foundation
import RouterKit
import Testing
import Wire

@testable import router

@Suite struct OutcomeVerbsTests {
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)

    private static let tiers = """
        {"tiers": {"s": ["small", null, "big"], "t": ["small", "middle", "big"]},
         "prices": {"small": [0.05, 0.08], "middle": [0.1, 0.4], "big": [2.5, 10]}}
        """

    private static let prompts = [
        "Which of the following is correct?\\nA. one\\nB. two\\nC. three\\nD. four", "hi", "",
        "Prove that every finite group of prime order is cyclic.", "Maria buys 3 boxes of 12 pens. How many pens?",
        "def f(x):\\n    return x +", "这里有什么问题？", "\\u0000\\u0007\\ud800 odd",
    ]

    private func write(_ lines: [String], _ name: String) throws -> String {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let file = directory.appendingPathComponent(name)
        try (lines.joined(separator: "\n") + "\n").write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    private func score(_ lines: [String]) throws -> (lines: [String], report: OutcomeReport) {
        let arguments = try Arguments(
            ["--data", try write(lines, "rows.jsonl"), "--tiers", try write([Self.tiers], "tiers.json")],
            options: OutcomeSetup.options)
        var bytes: [UInt8] = []
        let report = try Score.lines(try OutcomeSetup(arguments)) { bytes += $0 }
        return (String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init), report)
    }

    @Test func `a line has the members that outsiders rely on`() throws {
        let (lines, report) = try score([
            #"{"id":"a \"b\"","source":"t","prompt":"hi"}"#, #"{"id":"c","source":"s","prompt":"hi"}"#, "broken",
            #"{"id":"d","source":"none","prompt":"hi"}"#,
        ])
        #expect(report.rowsCount == 2 && report.counts == [.brokenJSON: 1, .unknownSource: 1])
        let first = try #require(try JSONValue.parse(Array(lines[0].utf8)).members)
        #expect(first.map(\.key) == ["id", "quality", "support", "choice", "reason"])
        #expect(first[0].value.string == #"a "b""#)
        #expect(first[1].value.members?.map(\.key) == ["cheap", "mid", "strong"])
        #expect(first[2].value.double.map { (0...1).contains($0) } == true)
        #expect(["small", "middle", "big"].contains(first[3].value.string))
        let second = try JSONValue.parse(Array(lines[1].utf8))
        #expect(second["quality"]?.members?.map(\.key) == ["cheap", "strong"])
    }

    /// What follows the id of a line.
    private func decisions(_ lines: [String]) -> [Substring] {
        lines.map { $0[($0.firstRange(of: #","quality""#)?.lowerBound ?? $0.startIndex)...] }
    }

    @Test func `nothing but prompt and pool decides`() throws {
        let whole = Self.prompts.enumerated().map { index, prompt in
            #"{"id":"r\#(index)","source":"t","task":"maths","sub":"u","prompt":"\#(prompt)","in_tok":\#(index),"#
                + #""models":{"small":0,"middle":1,"big":1},"out_tok":{"small":9},"cost":{"big":0.5}}"#
        }
        let stripped = Self.prompts.map { #"{"source":"t","prompt":"\#($0)"}"# }
        let twisted = Self.prompts.map {
            #"{"cost":{"big":9},"models":{"big":0,"small":1,"middle":0},"prompt":"\#($0)","id":"same","sub":[],"#
                + #""task":"chat","out_tok":{"big":1},"in_tok":99999,"source":"t"}"#
        }
        let expected = try score(whole).lines
        #expect(expected.count == Self.prompts.count)
        #expect(try decisions(score(stripped).lines) == decisions(expected))
        #expect(try decisions(score(twisted).lines) == decisions(expected))
        #expect(try score(stripped).lines.allSatisfy { $0.hasPrefix(#"{"id":null,"#) })
        // And prompts do decide: an oracle of constants would pass everything above.
        #expect(Set(decisions(expected)).count > 2)
    }

    @Test func `neighbouring rows do not matter`() throws {
        let rows = Self.prompts.enumerated().map { #"{"id":"r\#($0)","source":"t","prompt":"\#($1)"}"# }
        let forward = try score(rows).lines
        #expect(try score(rows.reversed()).lines.reversed() == forward)
        #expect(try score([rows[3]]).lines == [forward[3]])
    }

    @Test func `the table of an evaluation names every source`() throws {
        let path = try write(
            (0..<20).map {
                #"{"id":"\#($0)","source":"s","prompt":"\#(Self.prompts[$0 % 8])","models":{"small":\#($0 % 2),"big":1}}"#
            }, "rows.jsonl")
        let tiers = try TierTable.parse(Array(Self.tiers.utf8), path: "tiers")
        let router = OutcomeRouter(tiers: tiers, classifier: HeuristicClassifier(), policy: TradePolicy())
        let (evaluation, report) = try RoutingEvaluation.evaluate(path: path, router: router, tiers: tiers)
        let table = evaluation.table()
        #expect(table.contains("\ns ") && table.contains("natural mix: saved") && table.contains("macro APGR"))
        let json = try JSONValue.parse(evaluation.json(classifier: "c", policy: "p", report: report))
        #expect(json["rows"]?.int == 20 && json["left_out"]?.int == 0)
        #expect(json["macro"]?["apgr"]?.double == json["sources"]?["s"]?["apgr"]?.double)
        for key in ["apgr", "cpt50", "cpt80", "saved_at_95", "saved_at_98", "saved_at_100"] {
            #expect(json["sources"]?["s"]?[key]?.double != nil, "\(key)")
            #expect(json["macro"]?[key]?.double != nil, "\(key)")
        }
        for key in ["natural", "equal"] {
            #expect(json[key]?["pass"]?.bool != nil && json[key]?["difference_95"]?.elements?.count == 2)
        }
    }

    @Test func `a policy file that is not there or wrong is refused with its name`() throws {
        let rows = try write([#"{"id":"a","source":"s","prompt":"p"}"#], "rows.jsonl")
        let tiers = try write([Self.tiers], "tiers.json")
        let policy = try write(["{}"], "policy.json")
        #expect {
            let arguments = try Arguments(
                ["--data", rows, "--tiers", tiers, "--policy", policy], options: OutcomeSetup.options)
            _ = try OutcomeSetup(arguments)
        } throws: {
            "\($0)".hasPrefix(policy + ": ")
        }
    }
}

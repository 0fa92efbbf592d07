import Testing
import Wire

@testable import RouterKit

@Suite struct OutcomeReaderTests {
    private func read(
        _ text: String, tiers: TierTable? = nil, limits: Limits = .standard
    ) throws -> (rows: [OutcomeRow], report: OutcomeReport) {
        let directory = try #require(TemporaryDirectory())
        directory.write(text, to: "f")
        return try OutcomeReader.read(path: directory.path + "/f", tiers: tiers, limits: limits)
    }

    private func line(_ id: String, models: String = #"{"a":0,"b":1}"#) -> String {
        #"{"id":"\#(id)","source":"s","prompt":"p","models":\#(models)}"# + "\n"
    }

    @Test func `a whole row is read`() throws {
        let (rows, report) = try read(
            #"""
            {"id":"r1","source":"s","task":"t","prompt":"a\u00e9\n\"x\"","models":{"a":0,"b":1.0,"c":0.25},"in_tok":7,
            """#.replacing("\n", with: "")
                + #""sub":"u","out_tok":{"a":12,"b":null},"cost":{"a":0.1},"later":[1,{"x":2}]}"#)
        let row = OutcomeRow(
            id: "r1", source: "s", prompt: Array("aé\n\"x\"".utf8), scores: ["a": 0, "b": 1, "c": 0.25], inputTokens: 7,
            outputTokens: ["a": 12], task: "t", subject: "u")
        #expect(rows == [row])
        #expect(report.description == "1 rows, no faults")
    }

    @Test(arguments: [
        ("{\"id\":\"x\"", OutcomeFault.Code.brokenJSON, "at byte"),
        ("[1]", .brokenJSON, "not an object"),
        ("{\"id\":\"x\",\"source\":\"s\",\"prompt\":\"\u{1}\",\"models\":{\"a\":1}}", .brokenJSON, "at byte"),
        (#"{"source":"s","prompt":"p","models":{"a":1}}"#, .missingMember, #""id" is missing"#),
        (#"{"id":"x","prompt":"p","models":{"a":1}}"#, .missingMember, #""source" is missing"#),
        (#"{"id":"x","source":"s","models":{"a":1}}"#, .missingMember, #""prompt" is missing"#),
        (#"{"id":"x","source":"s","prompt":"p"}"#, .missingMember, #""models" is missing"#),
        (#"{"id":"x","source":"s","prompt":"p","prompt":"q","models":{"a":1}}"#, .repeatedMember, "\"prompt\""),
        (#"{"id":"x","source":"s","prompt":null,"models":{"a":1}}"#, .wrongType, #""prompt" is not a string"#),
        (#"{"id":1,"source":"s","prompt":"p","models":{"a":1}}"#, .wrongType, #""id" is not a string"#),
        (#"{"id":"x","source":"s","prompt":"p","models":{}}"#, .noModels, "empty"),
        (#"{"id":"x","source":"s","prompt":"p","models":[1]}"#, .wrongType, #""models" is not an object"#),
        (#"{"id":"x","source":"s","prompt":"p","models":{"a":"1"}}"#, .wrongType, #"score of "a" is not a number"#),
        (#"{"id":"x","source":"s","prompt":"p","models":{"a":1.01}}"#, .scoreOutOfRange, #"score of "a" is 1.01"#),
        (#"{"id":"x","source":"s","prompt":"p","models":{"a":-0.5}}"#, .scoreOutOfRange, #"score of "a" is -0.5"#),
        (#"{"id":"x","source":"s","prompt":"p","models":{"a":1,"\u0061":0}}"#, .repeatedMember, "scored twice"),
        (#"{"id":"x","source":"s","prompt":"p","models":{"a":1},"in_tok":-1}"#, .wrongType, #""in_tok""#),
        (#"{"id":"x","source":"s","prompt":"p","models":{"a":1},"out_tok":{"a":1.5}}"#, .wrongType, #""out_tok""#),
    ])
    func `a faulty line is named and the others are used`(
        text: String, code: OutcomeFault.Code, detail: String
    ) throws {
        let (rows, report) = try read(line("first") + text + "\n\n" + line("last"))
        #expect(rows.map(\.id) == ["first", "last"])
        #expect(report.linesCount == 3 && report.rowsCount == 2 && report.counts == [code: 1])
        let fault = try #require(report.faults.first)
        #expect(fault.line == 2 && fault.code == code)
        #expect(fault.detail.contains(detail), "\(fault)")
    }

    @Test func `bytes that are not UTF-8 are a fault of their line`() throws {
        let directory = try #require(TemporaryDirectory())
        try OutcomeFileMaker.write(
            Array(#"{"id":"x","source":"s","prompt":""#.utf8) + [0xFF] + Array(#"","models":{"a":1}}"#.utf8),
            to: directory.path + "/f")
        let report = try OutcomeReader.read(path: directory.path + "/f").report
        #expect(report.counts == [.brokenJSON: 1])
    }

    @Test func `the first of two rows with one id is used`() throws {
        let (rows, report) = try read(line("a") + line("b") + line("a", models: #"{"a":1}"#))
        #expect(rows.map(\.id) == ["a", "b"] && rows[0].scores.count == 2)
        #expect(report.faults.map(\.line) == [3] && report.counts == [.duplicateID: 1])
    }

    @Test func `faults are listed up to the bound and all counted`() throws {
        var limits = Limits()
        limits.outcomeFaultCount = 2
        let report = try read("x\ny\nz\n" + line("a"), limits: limits).report
        #expect(report.faults.map(\.line) == [1, 2] && report.counts == [.brokenJSON: 3] && report.faultsCount == 3)
        #expect(report.description.hasPrefix("1 rows, 3 lines left out: broken_json 3\n  line 1: broken_json: "))
        #expect(report.description.hasSuffix("\n  and 1 more"))
    }

    @Test func `bounds hold`() throws {
        var limits = Limits()
        limits.outcomeLineBytes = 70
        let long = #"{"id":"x","source":"s","prompt":"\#(String(repeating: "p", count: 80))","models":{"a":1}}"# + "\n"
        #expect(try read(line("a") + long, limits: limits).report.counts == [.lineTooLong: 1])
        limits = Limits()
        limits.outcomeModelCount = 1
        #expect(try read(line("a"), limits: limits).report.counts == [.tooManyModels: 1])
        limits = Limits()
        limits.outcomeRowCount = 2
        #expect(throws: LearnFileError.self) { try read(line("a") + line("b") + line("c"), limits: limits) }
    }

    @Test func `a row that its pool cannot judge is a fault`() throws {
        let pool = OutcomePool(
            source: "s",
            members: [.init(name: "a", tier: .cheap, price: nil), .init(name: "b", tier: .strong, price: nil)])
        let other = #"{"id":"o","source":"other","prompt":"p","models":{"a":1,"b":1}}"# + "\n"
        let (rows, report) = try read(
            line("x") + line("y", models: #"{"a":1,"c":1}"#) + other, tiers: TierTable([pool]))
        #expect(rows.map(\.id) == ["x"])
        #expect(report.counts == [.missingModel: 1, .unknownSource: 1])
        #expect(report.faults.map(\.detail) == [#"no score of "b""#, #"no pool for the source "other""#])
    }

    @Test func `for prompts nothing else of a row matters`() throws {
        let directory = try #require(TemporaryDirectory())
        directory.write(
            #"{"source":"s","prompt":"one","models":7,"in_tok":"x","cost":[],"out_tok":{"a":-1},"task":1,"sub":{}}"#
                + "\n" + #"{"id":5,"id":"i","prompt":"two","source":"s"}"# + "\n" + #"{"id":"i","prompt":"three"}"#,
            to: "f")
        let pool = OutcomePool(
            source: "s",
            members: [.init(name: "a", tier: .cheap, price: nil), .init(name: "b", tier: .strong, price: nil)])
        var reader = try OutcomeReader(promptsOf: directory.path + "/f", tiers: TierTable([pool]))
        let first = try #require(try reader.next())
        #expect(first == OutcomeRow(id: "", source: "s", prompt: Array("one".utf8), scores: [:]))
        #expect(try reader.next() == nil)
        #expect(reader.report.counts == [.repeatedMember: 1, .missingMember: 1])
    }

    @Test func `a file that is not there is an error with its name`() {
        #expect {
            _ = try OutcomeReader.read(path: "/nowhere/rows.jsonl")
        } throws: {
            "\($0)".hasPrefix("/nowhere/rows.jsonl: cannot be opened: No such file")
        }
    }
}

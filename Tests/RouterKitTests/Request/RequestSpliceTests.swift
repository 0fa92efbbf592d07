import RouterKit
import Testing
import Wire

@Suite("Bodies sent upstream")
struct RequestSpliceTests {
    private func routed(
        _ json: String, _ dialect: Dialect = .chatCompletions, to model: String = "big", overrides: [String] = [],
        usage: Bool = false
    ) throws -> String {
        let overrides = overrides.map { entry in
            let parts = entry.split(separator: "=", maxSplits: 1)
            return ParameterOverride(key: String(parts[0]), json: Array(parts[1].utf8))
        }
        let body = try view(json, dialect).body(routedTo: model, overrides: overrides, requestUsage: usage)
        _ = try JSONDocument(validating: body)
        return String(decoding: body, as: UTF8.self)
    }

    @Test func changesOnlyTheModel() throws {
        #expect(
            try routed("\n{ \"x\":1e400,\"mod\\u0065l\" : \"auto\" , \"é\\/\":[ 1.0 ,-0]}\t")
                == "\n{ \"x\":1e400,\"mod\\u0065l\" : \"big\" , \"é\\/\":[ 1.0 ,-0]}\t")
    }

    @Test func quotesTheUpstreamModel() throws {
        #expect(try routed(#"{"model":"a"}"#, to: "a\"b\\c") == #"{"model":"a\"b\\c"}"#)
    }

    @Test func replacesOrInsertsOverrides() throws {
        #expect(
            try routed(#" {"model":"a","top_k":1,"x":2}"#, overrides: ["top_k=[5]", "effort=\"low\""])
                == #" {"effort":"low","model":"big","top_k":[5],"x":2}"#)
    }

    @Test func anOverrideReachesEveryDuplicateAndTheLaterOneWins() throws {
        #expect(
            try routed(#"{"x":1,"model":"a","\u0078":2}"#, overrides: ["x=7", "x=8"])
                == #"{"x":8,"model":"big","\u0078":8}"#)
    }

    @Test(
        arguments: [
            (
                #"{"model":"a","stream":true}"#,
                #"{"stream_options":{"include_usage":true},"model":"big","stream":true}"#
            ),
            (
                #"{"stream_options":{ },"model":"a","stream":true}"#,
                #"{"stream_options":{"include_usage":true },"model":"big","stream":true}"#
            ),
            (
                #"{"stream_options": {"x":1},"model":"a","stream":true}"#,
                #"{"stream_options": {"include_usage":true,"x":1},"model":"big","stream":true}"#
            ),
            (
                #"{"stream_options":{"include_usage": false},"model":"a","stream":true}"#,
                #"{"stream_options":{"include_usage": true},"model":"big","stream":true}"#
            ),
            (
                #"{"stream_options":null,"model":"a","stream":true}"#,
                #"{"stream_options":{"include_usage":true},"model":"big","stream":true}"#
            ),
            (
                #"{"stream_options":{"include_usage":true},"model":"a","stream":true}"#,
                #"{"stream_options":{"include_usage":true},"model":"big","stream":true}"#
            ),
            (#"{"stream_options":7,"model":"a","stream":true}"#, #"{"stream_options":7,"model":"big","stream":true}"#),
            (#"{"model":"a","stream":false}"#, #"{"model":"big","stream":false}"#),
            (#"{"model":"a"}"#, #"{"model":"big"}"#),
        ])
    func asksForTheUsageChunk(_ sent: String, _ wanted: String) throws {
        #expect(try routed(sent, usage: true) == wanted)
        #expect(try routed(sent, .completions, usage: true) == wanted)
    }

    @Test func leavesUsageAloneWhereItIsAlwaysSent() throws {
        let body = #"{"model":"a","stream":true}"#
        #expect(try routed(body, .responses, usage: true) == #"{"model":"big","stream":true}"#)
        #expect(try routed(body, .messages, usage: true) == #"{"model":"big","stream":true}"#)
        #expect(try routed(body, usage: false) == #"{"model":"big","stream":true}"#)
    }

    @Test func insertionAndOverridesCombine() throws {
        #expect(
            try routed(#"{"model":"a","stream":true}"#, overrides: ["k=1"], usage: true)
                == #"{"k":1,"stream_options":{"include_usage":true},"model":"big","stream":true}"#)
        #expect(
            try routed(
                #"{"model":"a","stream":true,"stream_options":{}}"#, overrides: ["stream_options=null"], usage: true)
                == #"{"model":"big","stream":true,"stream_options":null}"#)
    }
}

@Suite("Generated bodies")
struct GeneratedBodyTests {
    /// 300 bodies: each is cut into prefix, model value and suffix by its maker, so that the expected bytes do not
    /// come from the code under test.
    @Test(arguments: 0..<300)
    func keepEveryByteButTheModel(_ seed: Int) throws {
        var maker = BodyMaker(seed: UInt64(seed))
        let made = maker.body()
        let request = try RequestView(made.bytes, dialect: .chatCompletions)
        #expect(request.model == "auto")
        #expect(request.modelRange == made.modelRange)
        let routed = request.body(routedTo: "upstream/modèl", overrides: [], requestUsage: false)
        let wanted =
            made.bytes[..<made.modelRange.lowerBound] + Array("\"upstream/modèl\"".utf8)
            + made.bytes[made.modelRange.upperBound...]
        #expect(routed == Array(wanted))
    }

    @Test(arguments: 0..<100)
    func refuseASecondModel(_ seed: Int) throws {
        var maker = BodyMaker(seed: UInt64(seed))
        let made = maker.body(modelCount: 2)
        do throws(RequestError) {
            _ = try RequestView(made.bytes, dialect: .chatCompletions)
            Issue.record("two models were accepted")
        } catch {
            #expect(error.code == .duplicateKey)
            #expect(error.param == "model")
        }
    }
}

/// Makes varied JSON bodies from a seed.
private struct BodyMaker {
    private var state: UInt64
    private var bytes: [UInt8] = []

    init(seed: UInt64) {
        state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0xD1B5_4A32_D192_ED03
    }

    mutating func body(modelCount: Int = 1) -> (bytes: [UInt8], modelRange: Range<Int>) {
        bytes = []
        var modelRange = 0..<0
        let others = below(9)
        let places = Set((0..<modelCount).map { $0 + below(others + 1) * modelCount })
        blank()
        put("{")
        var first = true
        for slot in 0..<((others + 1) * modelCount) {
            if !first { put(",") }
            first = false
            blank()
            if places.contains(slot) {
                put(pick(["\"model\"", "\"mod\\u0065l\"", "\"\\u006D\\u006fdel\"", "\"mode\\u006C\""]))
                blank()
                put(":")
                blank()
                let start = bytes.count
                put(pick(["\"auto\"", "\"a\\u0075to\"", "\"\\u0061uto\""]))
                modelRange = start..<bytes.count
            } else {
                put(
                    pick([
                        "\"x\"", "\"Model\"", "\"model \"", "\"temp\"", "\"\\u00e9\"", "\"日本\"", "\"a\\\"b\\\\\"",
                        "\"\"",
                    ]))
                blank()
                put(":")
                blank()
                value(depth: 0)
            }
            blank()
        }
        put("}")
        blank()
        return (bytes, modelRange)
    }

    private mutating func value(depth: Int) {
        switch depth > 30 ? below(4) : below(9) {
        case 0: put(pick(["0", "-0", "1e400", "-1.50E+007", "123456789012345678901234567890.000", "1.0", "0.1e-999"]))
        case 1: put(pick(["true", "false", "null"]))
        case 2:
            put(pick(["\"\"", "\"model\"", "\"{\\\"model\\\":\\\"x\\\"}\"", "\"\\ud83d\\ude00 😀\"", "\"\\ud800\""]))
        case 3:
            put("\"" + String(repeating: pick(["a", "é", "\\\\", "\\\"", "\\n", " }", "漢"]), count: below(70)) + "\"")
        case 4, 5, 6:
            let count = depth > 6 ? 1 : below(4)
            put("[")
            for index in 0..<count {
                if index > 0 { put(",") }
                blank()
                value(depth: depth + 1)
            }
            blank()
            put("]")
        default:
            let count = depth > 6 ? 1 : below(4)
            put("{")
            for index in 0..<count {
                if index > 0 { put(",") }
                blank()
                put(pick(["\"model\"", "\"k\"", "\"\\u0000\"", "\"k\""]))
                put(":")
                value(depth: depth + 1)
            }
            blank()
            put("}")
        }
    }

    private mutating func blank() {
        put(pick(["", "", "", " ", "\n", "\t", "\r\n  "]))
    }

    private mutating func put(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func pick(_ choices: [String]) -> String {
        choices[below(choices.count)]
    }

    /// A number in 0..<bound (SplitMix64).
    private mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}

import RouterKit
import Testing
import Wire

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

@Suite("Damaged bodies")
struct DamagedBodyTests {
    /// A body that uses most of what is read, in every dialect's words.
    private static let whole = Array(
        #"""
        {"model":"auto","stream":true,"stream_options":{"include_usage":false},"max_tokens":9,"tools":[{"a":[1]}],
        "tool_choice":{"type":"any"},"response_format":{"type":"json_object"},"text":{"format":{"type":"json_schema"}},
        "previous_response_id":"r\u00e9","instructions":"Be\nkind","system":[{"type":"text","text":"x"}],"prompt":["a",1],
        "messages":[{"role":"user","content":[{"type":"text","text":"<system-reminder>a</system-reminder>b \ud83d\ude00"},
        {"type":"image_url"},{"type":"tool_result","content":[{"type":"text","text":"t"}]}]},
        {"role":"assistant","content":"c","tool_calls":[{}]},{"role":"tool","content":"d"},{"content":"go on","role":"user"}],
        "input":[{"type":"reasoning","encrypted_content":"e"},{"type":"function_call_output","output":"f"},"g"]}
        """#.utf8)

    /// Bytes that mean something in JSON.
    private static let marks = Array(#"{}[]",:\0tn "#.utf8)

    /// Whatever the damage: an error, or a view whose routed body is valid JSON with exactly the model asked for.
    @Test(arguments: Dialect.allCases)
    func areRefusedOrRoutedWhole(_ dialect: Dialect) throws {
        var random = SplitMix(seed: 7)
        var routedCount = 0
        for _ in 0..<500 {
            var body = Self.whole
            for _ in 0...random.below(3) { damage(&body, &random) }
            guard let request = try? RequestView(body, dialect: dialect) else { continue }
            routedCount += 1
            let routed = request.body(
                routedTo: "up", overrides: [ParameterOverride(key: "top_k", json: [UInt8(ascii: "1")])],
                requestUsage: true)
            let document = try JSONDocument(validating: routed)
            let model = try #require(document.firstMember("model"))
            #expect(Array(routed[model.valueRange]) == Array(#""up""#.utf8))
            #expect(document.members(named: "top_k").count == 1)
            #expect(request.ask.bytes.count <= Limits.standard.classifiedTextBytes)
            #expect(request.estimatedInputTokens >= 0)
        }
        #expect(routedCount > 20, "nearly all were refused: the damage is too great to test anything")
    }

    private func damage(_ body: inout [UInt8], _ random: inout SplitMix) {
        let place = random.below(body.count)
        switch random.below(5) {
        case 0: body[place] = UInt8(truncatingIfNeeded: random.below(256))
        case 1: body.remove(at: place)
        case 2: body[place] = Self.marks[random.below(Self.marks.count)]
        case 3: body.insert(contentsOf: Array(" null ".utf8), at: place)
        default:
            let end = min(body.count, place + random.below(40))
            body.insert(contentsOf: Array(body[place..<end]), at: random.below(body.count))
        }
    }
}

/// Numbers that are the same in every run (SplitMix64).
private struct SplitMix {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0xD1B5_4A32_D192_ED03
    }

    /// A number in 0..<bound.
    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}

/// Makes varied JSON bodies from a seed.
private struct BodyMaker {
    private var random: SplitMix
    private var bytes: [UInt8] = []

    init(seed: UInt64) {
        random = SplitMix(seed: seed)
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

    private mutating func below(_ bound: Int) -> Int {
        random.below(bound)
    }
}

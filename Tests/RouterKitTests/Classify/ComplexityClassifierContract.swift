import RouterKit
import Testing
import Wire

/// What every `ComplexityClassifier` must keep, whatever it has learned. Records an issue for each breach.
///
/// Call it from one test per classifier.
func checkComplexityClassifier(
    _ classifier: some ComplexityClassifier, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    #expect(!classifier.version.isEmpty, sourceLocation: sourceLocation)
    for (name, body) in contractBodies() {
        let request: RequestView
        do throws(RequestError) {
            request = try RequestView(body, dialect: .chatCompletions)
        } catch {
            Issue.record(
                "the contract's own body \(name) was refused: \(error.message)", sourceLocation: sourceLocation)
            continue
        }
        let assessment = classifier.assess(request)
        check(assessment, name, sourceLocation)
        #expect(classifier.assess(request) == assessment, "\(name): two answers", sourceLocation: sourceLocation)
    }
    for text in unknowable {
        let support = classifier.assess(try RequestView(asking: text)).support
        #expect(support < 0.5, "trusts itself on \(text.debugDescription.prefix(40))", sourceLocation: sourceLocation)
    }
}

private func check(_ assessment: Assessment, _ name: String, _ sourceLocation: SourceLocation) {
    let quality = assessment.quality
    for value in [assessment.difficulty, assessment.support, quality.cheap, quality.mid, quality.strong] {
        #expect((0...1).contains(value), "\(name): \(value) is not a probability", sourceLocation: sourceLocation)
    }
    for signal in assessment.signals {
        #expect(signal.weight.isFinite && signal.value.isFinite, "\(name)", sourceLocation: sourceLocation)
        #expect(
            !signal.name.isEmpty && signal.name.allSatisfy { $0.isLowercase || $0 == "-" }, "\(name)",
            sourceLocation: sourceLocation)
    }
}

/// Texts that no classifier may claim to understand.
private let unknowable = [
    "", " \n\t ", "\u{0}\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}", "\u{FFFD}\u{FFFD}\u{FFFD} \u{FFFD}\u{FFFD}",
    String(decoding: (0..<600).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }, as: UTF8.self),
    "xq zzkv brrp wvlk qqj tnnd hgf plok wsx", "🙈🙉🙊", "........................................",
    String(repeating: "\u{200B}", count: 400),
]

/// Bodies of all sorts that can be routed.
private func contractBodies() -> [(name: String, body: [UInt8])] {
    let texts: [(String, String)] = [
        ("small talk", "hello, how are you?"), ("question", "What is the capital of France?"),
        ("one letter", "a"), ("digits", String(repeating: "7", count: 5_000)),
        ("one word of 100 KB", String(repeating: "a", count: 100_000)),
        ("10 MB", String(repeating: "why do all of these words follow? ", count: 310_000)),
        ("lines", String(repeating: "\n", count: 20_000)), ("options", String(repeating: "A. x\n", count: 2_000)),
        ("code", "```swift\nfunc f() -> Int { return 1 }\n```\nWhat does this return?"),
        ("maths", #"Evaluate $\int_0^1 \frac{x^2}{\sqrt{1+x^2}}\,dx$ in closed form."#),
        ("Chinese", "请解释一下量子力学的基本原理。"), ("Arabic", "اشرح نظرية النسبية"),
        ("French", "Où est la gare, s'il vous plaît ?"),
    ]
    var bodies = (texts + unknowable.map { ("unknowable", $0) }).map { name, text in
        var body = Array(#"{"model":"m","messages":[{"role":"user","content":"#.utf8)
        JSONText.appendQuoted(text, to: &body)
        return (name: name, body: body + Array("}]}".utf8))
    }
    for (name, messages) in [
        ("no messages", "[]"), ("lone surrogates", #"[{"role":"user","content":"\ud800 \udc00 x \ud83d"}]"#),
        ("tool result last", #"[{"role":"user","content":"Fix it, please, at once"},{"role":"tool","content":"ok"}]"#),
        ("bare without context", #"[{"role":"user","content":"yes"}]"#),
        ("image", #"[{"role":"user","content":[{"type":"image_url"},{"type":"text","text":"What is this?"}]}]"#),
    ] {
        bodies.append((name, Array(#"{"model":"m","messages":\#(messages)}"#.utf8)))
    }
    return bodies
}

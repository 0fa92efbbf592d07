/// How far a prompt resembles what a classifier learned from, and the main reason if it does not.
///
/// The factors are judgement, not data: they say where the fitted rows hold many examples, few or none. The rule
/// behind them is that finding nothing known is a reason to doubt, never a sign that a prompt is simple.
struct Familiarity {
    /// 0...1; under one half means: do not trust the prediction.
    private(set) var support: Double
    /// What lowered `support` most.
    private(set) var doubt: StaticString
    private var lowestFactor: Double

    /// Begins with `support`, for the reason `doubt`.
    init(_ support: Double, _ doubt: StaticString) {
        (self.support, self.doubt, lowestFactor) = (support, doubt, support)
    }

    /// Judges a prompt alone, by what the counting rules were fitted on.
    init(_ counts: TextCounts, _ kind: PromptKind) {
        self.init(Self.support(of: kind), "unfamiliar-kind")
        lower(by: Self.language(counts), "unfamiliar-language")
        if counts.garbage > 0 {
            lower(by: counts.garbage * 50 > counts.bytes ? 0 : 0.5, "control-characters")
        }
        switch kind {
        case .shortQuestion:
            if counts.words < 3 { lower(by: 0.5, "too-short") }
            lower(by: Self.plainness(counts), "specialist-terms")
            // The fitted questions have one short answer that can be checked; advice and explanations do not.
            if counts[.open] > 0 { lower(by: 0.6, "open-ended") }
        case .code, .mathematics, .transformation, .wordProblem, .smallTalk, .other:
            if counts.bytes > 1500 { lower(by: 0.7, "unusual-length") }
        case .multipleChoice, .passage, .lookup: break
        }
    }

    /// Takes into account what the rows never had: attachments, tools, long conversations.
    ///
    /// - Parameter orphan: the factor of a bare ask whose conversation tells nothing of what it continues.
    mutating func consider(_ request: borrowing RequestView, orphan: Double) {
        if request.imageCount + request.audioCount + request.fileCount > 0 { lower(by: 0.4, "attachments") }
        if request.toolCount > 0 { lower(by: 0.7, "tools") }
        if request.textBytes + request.systemBytes > 16_384 { lower(by: 0.7, "long-context") }
        if request.ask.isCut { lower(by: 0.7, "long-ask") }
        if request.ask.isBare, request.turns > 1 || request.previousResponseID != nil {
            lower(by: request.ask.inherited.isEmpty ? orphan : 0.9, "follow-up")
        }
    }

    mutating func lower(by factor: Double, _ reason: StaticString) {
        support *= factor
        if factor < lowestFactor {
            lowestFactor = factor
            doubt = reason
        }
    }

    /// By how many fitted rows there are of the kind, and by how alike the prompts of that kind are.
    private static func support(of kind: PromptKind) -> Double {
        switch kind {
        case .multipleChoice, .wordProblem, .smallTalk, .lookup: 0.9
        case .shortQuestion: 0.8
        case .mathematics: 0.7
        case .code, .passage, .transformation: 0.6
        case .other: 0.35
        }
    }

    /// 0 for scripts and languages that are not known, 1 for ordinary English.
    private static func language(_ counts: TextCounts) -> Double {
        guard counts.words > 0 else { return 0 }
        let known = Double(counts.knownWords) / Double(counts.words)
        let characters = Double(max(1, counts.letters + counts.accented + counts.foreign))
        let foreign = Double(counts.foreign) / characters
        let accented = Double(counts.accented) / characters
        return clamp((known - 0.12) / 0.18) * clamp(1 - 5 * foreign) * clamp(1.3 - 15 * accented)
    }

    /// 1 for everyday words, less for each term of a trade: the shorter the question, the more such a term decides.
    private static func plainness(_ counts: TextCounts) -> Double {
        clamp(1 - 0.25 * Double(min(counts.domainWords, 3)) - 0.2 * Double(min(counts.rareWords, 3)))
    }

    private static func clamp(_ value: Double) -> Double { min(1, max(0, value)) }
}

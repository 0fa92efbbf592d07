import Glibc

/// The kinds of prompt that a classifier without world knowledge can tell apart.
enum PromptKind: Int, CaseIterable {
    /// Greetings, thanks, small talk.
    case smallTalk
    /// A question of a few words for a fact that every model knows: a capital, a synonym, a spelling.
    case lookup
    /// Text is given and is to be translated, shortened, corrected or reformatted.
    case transformation
    /// A question with lettered answers to choose from.
    case multipleChoice
    /// Arithmetic told as a story.
    case wordProblem
    /// Mathematics in symbols or in its own words.
    case mathematics
    /// Source code to read, complete or mend.
    case code
    /// One plain question of a line or two.
    case shortQuestion
    /// Text, then a question about it.
    case passage
    /// None of these.
    case other

    /// The name in signals.
    var name: StaticString {
        switch self {
        case .smallTalk: "small-talk"
        case .lookup: "common-fact"
        case .transformation: "transformation"
        case .multipleChoice: "multiple-choice"
        case .wordProblem: "word-problem"
        case .mathematics: "mathematics"
        case .code: "code-task"
        case .shortQuestion: "short-question"
        case .passage: "passage"
        case .other: "unrecognised"
        }
    }
}

/// The numbers that the logistic heads weigh, each scaled to lie roughly in 0...4.
///
/// The order is the order of the coefficients in `HeuristicWeights`.
enum Feature: Int, CaseIterable {
    case length, lengthSquared, wordLength, longWords, rareWords, capitals, digits, numbers, longNumbers, sentences,
        questionMarks
    case mathsSymbols, latex, parentheses, codeSymbols, indentation, options, manyOptions, listLines, lines
    case knownShare, functionShare, opensWithQuestion, opensWithReason
    // The word classes, in the order of their bits.
    case functionWords, questionWords, greetings, lookups, transforms, creates, reasons, constraints, negations
    case arithmetic, maths, physics, chemistry, medicine, law, finance, computing, humanities, mind, everyday, exam
    case statements, codeWords, openWords
    // The kind, and what differs between kinds.
    case isChoice, isWordProblem, isMathematics, isCode, isShortQuestion, isPassage
    case choiceLength, choiceNumbers, wordProblemLength, wordProblemNumbers, mathematicsLength, codeLength

    /// How many there are.
    static let count = 60
}

/// The features of one prompt, stored inline.
struct PromptFeatures {
    private(set) var values = InlineArray<60, Double>(repeating: 0)
    /// What kind of prompt it is.
    let kind: PromptKind

    /// The value of `feature`.
    subscript(_ feature: Feature) -> Double { values[feature.rawValue] }

    /// Scales what was counted.
    init(_ counts: TextCounts) {
        kind = PromptKind(counts)
        let words = Double(max(1, counts.words))
        let characters = Double(max(1, counts.bytes))
        let length = log1p(Double(counts.bytes) / 50)
        set(.length, length)
        set(.lengthSquared, length * length / 4)
        set(.wordLength, min(4, Double(counts.letters) / words / 3))
        set(.longWords, 4 * Double(counts.longWords) / words)
        set(.rareWords, log1p(Double(counts.rareWords)))
        set(.capitals, min(4, 20 * Double(counts.uppercase) / characters))
        set(.digits, min(4, 20 * Double(counts.digits) / characters))
        set(.numbers, log1p(Double(counts.numbers)))
        set(.longNumbers, log1p(Double(counts.longNumbers)))
        set(.sentences, log1p(Double(counts.sentences)))
        set(.questionMarks, Double(min(3, counts.questionMarks)))
        set(.mathsSymbols, log1p(Double(counts.mathsSymbols)))
        set(.latex, log1p(Double(counts.backslashes)))
        set(.parentheses, log1p(Double(counts.parentheses)))
        set(.codeSymbols, log1p(Double(counts.codeSymbols)))
        set(.indentation, log1p(Double(counts.indentedLines)))
        set(.options, Double(min(10, counts.optionLines)) / 4)
        set(.manyOptions, counts.optionLines > 5 ? 1 : 0)
        set(.listLines, log1p(Double(counts.listLines)))
        set(.lines, log1p(Double(counts.lines)))
        set(.knownShare, 4 * Double(counts.knownWords) / words)
        set(.functionShare, 4 * Double(counts[.function]) / words)
        set(.opensWithQuestion, counts.opening.contains(.question) ? 1 : 0)
        set(.opensWithReason, counts.opening.isDisjoint(with: .tasks) ? 0 : 1)
        for bit in 0..<WordClass.count {
            values[Feature.functionWords.rawValue + bit] = log1p(Double(counts.classCounts[bit]))
        }
        setKind(length: length, numbers: self[.numbers])
    }

    private mutating func setKind(length: Double, numbers: Double) {
        switch kind {
        case .multipleChoice:
            set(.isChoice, 1)
            set(.choiceLength, length)
            set(.choiceNumbers, numbers)
        case .wordProblem:
            set(.isWordProblem, 1)
            set(.wordProblemLength, length)
            set(.wordProblemNumbers, numbers)
        case .mathematics:
            set(.isMathematics, 1)
            set(.mathematicsLength, length)
        case .code:
            set(.isCode, 1)
            set(.codeLength, length)
        case .shortQuestion: set(.isShortQuestion, 1)
        case .passage: set(.isPassage, 1)
        case .smallTalk, .lookup, .transformation, .other: break
        }
    }

    private mutating func set(_ feature: Feature, _ value: Double) {
        values[feature.rawValue] = value
    }
}

extension PromptKind {
    /// Tells the kind from the counts, most telling evidence first.
    init(_ counts: TextCounts) {
        let words = Double(max(1, counts.words))
        let codeMarks = counts.codeSymbols + 2 * counts.indentedLines + 10 * counts.fences
        if counts.optionLines >= 2 {
            self = .multipleChoice
        } else if counts.fences > 0 || counts[.code] >= 3 && codeMarks >= 6
            || counts[.create] > 0 && counts[.code] >= 2
        {
            self = .code
        } else if counts.words <= 12, counts[.greeting] > 0, Self.isSmallTalk(counts) {
            self = .smallTalk
        } else if Self.isTransformation(counts) {
            self = .transformation
        } else if Self.isLookup(counts) {
            self = .lookup
        } else if counts.backslashes >= 2 || Double(counts[.maths]) >= max(2, words * 0.12)
            || counts.mathsSymbols >= 4 && counts[.maths] > 0
        {
            self = .mathematics
        } else if counts.numbers >= 2, Double(counts[.arithmetic]) >= max(2, words * 0.05), counts.words <= 200 {
            self = .wordProblem
        } else if counts.words <= 40, counts.lines <= 3, counts.questionMarks > 0 || counts[.question] > 0,
            counts[.reason] == 0, counts.opening.isDisjoint(with: .create)
        {
            self = .shortQuestion
        } else if counts.words > 60, counts.questionMarks > 0 {
            self = .passage
        } else {
            self = .other
        }
    }

    /// What is to be done stands in the first words or is their verb, and text to do it to is given.
    private static func isTransformation(_ counts: TextCounts) -> Bool {
        let isAsked = counts.opening.contains(.transform) || counts[.transform] >= 2 && counts.words <= 15
        return isAsked && (counts.delimiters > 0 || counts.words <= 8) && counts[.reason] == 0 && counts[.code] < 3
    }

    /// A few plain words, one of which names the sort of fact wanted.
    private static func isLookup(_ counts: TextCounts) -> Bool {
        counts.words <= 10 && counts[.lookup] > 0 && counts.rareWords == 0 && counts.domainWords == 0
            && counts.numbers == 0 && counts[.open] == 0 && counts[.reason] == 0 && counts[.create] == 0
    }

    /// Only greetings and the small words between them: "hi, how are you?", not "hi, prove Fermat's theorem".
    private static func isSmallTalk(_ counts: TextCounts) -> Bool {
        let covered = counts[.greeting] + counts[.function]
        return covered + 1 >= counts.words && counts.numbers == 0 && counts.mathsSymbols == 0
    }
}

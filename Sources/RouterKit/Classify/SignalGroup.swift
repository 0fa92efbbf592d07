/// What a person reading a receipt wants to see of all features: what they are about, not each of them.
enum SignalGroup: Int, CaseIterable {
    case length, wording, numbers, maths, code, choices, reasoning, constraints, domain, kind

    /// The name in signals. The kind's own name stands for `kind`.
    func name(_ kind: PromptKind) -> StaticString {
        switch self {
        case .length: "length"
        case .wording: "wording"
        case .numbers: "numbers"
        case .maths: "maths"
        case .code: "code"
        case .choices: "answer-choices"
        case .reasoning: "reasoning"
        case .constraints: "constraints"
        case .domain: "specialist-field"
        case .kind: kind.name
        }
    }

    /// What was counted: bytes for the length, words or marks for the others, 1 for the kind.
    func value(_ counts: TextCounts) -> Double {
        switch self {
        case .length: Double(counts.bytes)
        case .wording: Double(counts.words)
        case .numbers: Double(counts.numbers)
        case .maths: Double(counts[.maths] + counts.mathsSymbols + counts.backslashes)
        case .code: Double(counts[.code] + counts.codeSymbols)
        case .choices: Double(counts.optionLines)
        case .reasoning: Double(counts[.reason])
        case .constraints: Double(counts[.constraint] + counts[.negation])
        case .domain: Double(counts.domainWords)
        case .kind: 1
        }
    }
}

extension Feature {
    /// What the feature is about.
    var group: SignalGroup {
        switch self {
        case .length, .lengthSquared, .sentences, .lines, .choiceLength, .wordProblemLength, .mathematicsLength,
            .codeLength:
            .length
        case .wordLength, .longWords, .rareWords, .capitals, .questionMarks, .knownShare, .functionShare,
            .opensWithQuestion,
            .functionWords, .questionWords, .greetings, .lookups, .transforms, .creates, .everyday, .openWords:
            .wording
        case .digits, .numbers, .longNumbers, .arithmetic, .choiceNumbers, .wordProblemNumbers: .numbers
        case .mathsSymbols, .latex, .parentheses, .maths: .maths
        case .codeSymbols, .indentation, .codeWords: .code
        case .options, .manyOptions, .listLines, .exam, .statements: .choices
        case .opensWithReason, .reasons: .reasoning
        case .constraints, .negations: .constraints
        case .physics, .chemistry, .medicine, .law, .finance, .computing, .humanities, .mind: .domain
        case .isChoice, .isWordProblem, .isMathematics, .isCode, .isShortQuestion, .isPassage: .kind
        }
    }
}

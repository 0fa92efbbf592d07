/// Topics that never go down: a request that matches is answered by the strongest tier, or by no tier below a floor.
///
/// Phrases are matched over the human's ask and the system text, both bounded, in one pass, by words: case, accents and
/// punctuation do not matter. What is missed is routed like everything else, so a guard is a net and not a proof; a
/// false alarm costs money only.
public struct GuardSet: Sendable {
    /// One guard: a name for the receipt, and what it looks for.
    public struct Rule: Sendable, Hashable {
        /// Lower-case letters, digits, `-` and `_`; at most 32.
        public var name: String
        /// Each is enough by itself. Words, or a word that ends in `*` for all that begin like it; at most 6 a phrase.
        public var phrases: [String]
        /// Two different ones of these are enough.
        public var hints: [String]

        /// A rule; `GuardSet.init` checks it.
        public init(name: String, phrases: [String], hints: [String] = []) {
            self.name = name
            self.phrases = phrases
            self.hints = hints
        }
    }

    /// The lowest tier that may answer; `nil` for only the strongest that can take the request.
    public let floor: CapabilityTier?
    /// The rules, in the order in which they were given.
    public let rules: [Rule]
    private let table: GuardTable

    /// A set of guards.
    public init(_ rules: [Rule], floor: CapabilityTier? = nil) throws(GuardError) {
        var table = GuardTable()
        for (index, rule) in rules.enumerated() {
            guard !rule.name.isEmpty, rule.name.utf8.count <= 32, rule.name.utf8.allSatisfy(GuardSet.isNameByte) else {
                throw GuardError(
                    code: .badName, rule: rule.name,
                    detail: "a guard's name has 1 to 32 of: lower-case letters, digits, - and _")
            }
            guard !rules[..<index].contains(where: { $0.name == rule.name }), index < 256 else {
                throw GuardError(code: .badName, rule: rule.name, detail: "a guard of this name is given twice")
            }
            guard !rule.phrases.isEmpty || !rule.hints.isEmpty else {
                throw GuardError(code: .badPhrase, rule: rule.name, detail: "the guard has no phrases")
            }
            for phrase in rule.phrases { try table.add(phrase, rule: index, name: rule.name, isHint: false) }
            for phrase in rule.hints { try table.add(phrase, rule: index, name: rule.name, isHint: true) }
        }
        self.rules = rules
        self.floor = floor
        self.table = table
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || AnswerText.isDigit(byte)
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }

    /// Everything that decides what matches, for the policy's hash.
    public var canonicalText: String {
        "guards floor=\(floor?.name ?? "strongest") "
            + rules.map { "\($0.name)(\(($0.phrases + ["|"] + $0.hints).joined(separator: ";")))" }.joined(
                separator: " ")
    }

    /// The name of the first guard that `request` sets off; `nil` for none.
    public func match(_ request: borrowing RequestView) -> String? {
        var matcher = GuardMatcher(table, ruleCount: rules.count)
        let ask = request.ask
        matcher.read(ask.bytes.span)
        if !ask.inherited.isEmpty { matcher.read(ask.inherited.span) }
        if request.systemBytes > 0 {
            let system = request.systemText(mostBytes: GuardSet.mostSystemBytes)
            matcher.read(system.span)
        }
        return matcher.found.map { rules[$0].name }
    }

    /// The name of the first guard that `text` sets off, for trying guards out.
    public func match(text: String) -> String? {
        var matcher = GuardMatcher(table, ruleCount: rules.count)
        matcher.read(Array(text.utf8).span)
        return matcher.found.map { rules[$0].name }
    }

    /// Bytes of system text that are looked at.
    static let mostSystemBytes = 4_096
}

/// A guard that cannot be used.
public struct GuardError: Error, Sendable, Hashable {
    /// The kind of mistake.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The name is empty, too long, taken, or has other characters.
        case badName = "bad_name"
        /// A phrase has no word, too many words, or a `*` elsewhere than at the end of a word.
        case badPhrase = "bad_phrase"

        /// Stable and bounded.
        public var label: String { rawValue }
    }

    /// The kind of mistake.
    public let code: Code
    /// The guard's name as it was given.
    public let rule: String
    /// What is wrong and what is wanted.
    public let detail: String
}

extension GuardError: CustomStringConvertible {
    /// The guard and what is wrong.
    public var description: String { "\(rule): \(detail)" }
}

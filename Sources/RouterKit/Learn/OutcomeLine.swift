import Wire

/// Reads one line of an outcome file. Pure; remembers only the names of models, so that rows share them.
struct OutcomeLine {
    /// How much of a row is wanted.
    enum Need: Sendable, Hashable {
        /// Everything: rows to learn from and to be measured on.
        case outcomes
        /// `source` and `prompt`, and `id` where it is a string; nothing else is even looked at.
        case prompts
    }

    private let need: Need
    private let limits: Limits
    private var names: [String: String] = [:]

    init(need: Need, limits: Limits) {
        self.need = need
        self.limits = limits
    }

    /// The row in `range` of `bytes`; `number` is its line, for errors.
    mutating func row(_ bytes: [UInt8], in range: Range<Int>, line number: Int) throws(OutcomeFault) -> OutcomeRow {
        let document: JSONDocument
        do {
            document = try JSONDocument(validating: bytes, in: range, limits: limits)
        } catch {
            let place = error.offset.map { " at byte \($0 - range.lowerBound)" } ?? ""
            throw OutcomeFault(number, .brokenJSON, error.detail + place)
        }
        var cursor = JSONCursor(document)
        guard cursor.enterObject() else { throw OutcomeFault(number, .brokenJSON, "the line is not an object") }
        var row = OutcomeRow(id: "", source: "", prompt: [], scores: [:])
        var seen: Set<Member> = []
        while cursor.nextKey() {
            guard let member = Member.allCases.first(where: { cursor.keyEquals($0.rawValue) }) else { continue }
            if need == .prompts && !Member.ofPrompts.contains(member) { continue }
            guard seen.insert(member).inserted else {
                throw OutcomeFault(number, .repeatedMember, "\"\(member.rawValue)\" is there twice")
            }
            try read(member, &cursor, bytes, into: &row, number)
        }
        let required: [Member] = need == .prompts ? [.source, .prompt] : [.id, .source, .prompt, .models]
        if let missing = required.first(where: { !seen.contains($0) }) {
            throw OutcomeFault(number, .missingMember, "\"\(missing.rawValue)\" is missing")
        }
        return row
    }

    private enum Member: String, CaseIterable {
        case id, source, prompt, models, task, sub
        case inputTokens = "in_tok"
        case outputTokens = "out_tok"

        static let ofPrompts: Set<Member> = [.id, .source, .prompt]
    }

    private mutating func read(
        _ member: Member, _ cursor: inout JSONCursor, _ bytes: [UInt8], into row: inout OutcomeRow, _ number: Int
    ) throws(OutcomeFault) {
        switch member {
        case .id:
            if let text = cursor.string() {
                row.id = text
            } else if need == .outcomes {
                throw wrongType(member, "a string", number)
            }
        case .source: row.source = share(try string(member, &cursor, number))
        case .prompt:
            guard let range = cursor.stringRange() else { throw wrongType(member, "a string", number) }
            row.prompt.reserveCapacity(range.count)
            JSONText.decodeString(bytes.span.extracting(range), into: &row.prompt, maxBytes: range.count)
        case .models: row.scores = try scores(&cursor, number)
        case .task: row.task = try optional(member, &cursor, number)
        case .sub: row.subject = try optional(member, &cursor, number)
        case .inputTokens: row.inputTokens = try count(member, &cursor, number)
        case .outputTokens: row.outputTokens = try tokens(&cursor, number)
        }
    }

    private mutating func scores(
        _ cursor: inout JSONCursor, _ number: Int
    ) throws(OutcomeFault) -> [String: Double] {
        guard cursor.enterObject() else { throw wrongType(.models, "an object", number) }
        var scores: [String: Double] = [:]
        while cursor.nextKey() {
            let name = share(cursor.key)
            guard let score = cursor.double() else {
                throw OutcomeFault(number, .wrongType, "the score of \(Self.shown(name)) is not a number")
            }
            guard (0...1).contains(score) else {
                throw OutcomeFault(number, .scoreOutOfRange, "the score of \(Self.shown(name)) is \(score)")
            }
            guard scores.updateValue(score, forKey: name) == nil else {
                throw OutcomeFault(number, .repeatedMember, "\(Self.shown(name)) is scored twice")
            }
            guard scores.count <= limits.outcomeModelCount else {
                throw OutcomeFault(number, .tooManyModels, "more than \(limits.outcomeModelCount) models")
            }
        }
        guard !scores.isEmpty else { throw OutcomeFault(number, .noModels, "\"models\" is empty") }
        return scores
    }

    private mutating func tokens(_ cursor: inout JSONCursor, _ number: Int) throws(OutcomeFault) -> [String: Int] {
        if cursor.kind == .null { return [:] }
        guard cursor.enterObject() else { throw wrongType(.outputTokens, "an object", number) }
        var tokens: [String: Int] = [:]
        while cursor.nextKey() {
            let name = share(cursor.key)
            guard tokens.count < limits.outcomeModelCount else {
                throw OutcomeFault(number, .tooManyModels, "more than \(limits.outcomeModelCount) models")
            }
            tokens[name] = try count(.outputTokens, &cursor, number)
        }
        return tokens
    }

    /// Tokens: whole, and few enough that sums over a file stay exact. `null` is unknown.
    private func count(_ member: Member, _ cursor: inout JSONCursor, _ number: Int) throws(OutcomeFault) -> Int? {
        if cursor.kind == .null { return nil }
        guard let count = cursor.int(), (0...1_000_000_000).contains(count) else {
            throw wrongType(member, "a whole number from 0 to 1,000,000,000", number)
        }
        return count
    }

    private func string(_ member: Member, _ cursor: inout JSONCursor, _ number: Int) throws(OutcomeFault) -> String {
        guard let text = cursor.string() else { throw wrongType(member, "a string", number) }
        return text
    }

    private func optional(
        _ member: Member, _ cursor: inout JSONCursor, _ number: Int
    ) throws(OutcomeFault) -> String? {
        cursor.kind == .null ? nil : try string(member, &cursor, number)
    }

    private func wrongType(_ member: Member, _ wanted: String, _ number: Int) -> OutcomeFault {
        OutcomeFault(number, .wrongType, "\"\(member.rawValue)\" is not \(wanted)")
    }

    /// One copy of a name for all rows: a file of 100,000 rows says each of its models' names 100,000 times.
    private mutating func share(_ name: String) -> String {
        if let known = names[name] { return known }
        // A file in which every name is new gains nothing, and must not fill the memory.
        if names.count < 4096 { names[name] = name }
        return name
    }

    /// A name from the file as an error shows it.
    static func shown(_ name: String) -> String { "\"\(String(name.prefix(80)).printable)\"" }
}

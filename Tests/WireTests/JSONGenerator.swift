import Wire

/// Random JSON texts, with the odd things that real clients send: escapes in keys, duplicate keys, huge numbers, deep
/// nesting, blanks everywhere.
struct JSONGenerator {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func blank() -> String {
        random.chance(4) ? random.pick([" ", "\n", "\t", "\r\n", "  ", "\n    "]) : ""
    }

    mutating func value(depth: Int = 5) -> String {
        switch random.below(depth > 0 ? 8 : 5) {
        case 0: return random.pick(["null", "true", "false"])
        case 1: return number()
        case 2...4: return string()
        case 5, 6: return object(depth: depth - 1)
        default:
            let elements = (0..<random.below(5)).map { _ in blank() + value(depth: depth - 1) + blank() }
            return "[" + (elements.isEmpty ? blank() : elements.joined(separator: ",")) + "]"
        }
    }

    mutating func object(depth: Int, extra: [String] = []) -> String {
        var members = (0..<random.below(5)).map { _ in member(key: string(), depth: depth) }
        for key in extra { members.insert(member(key: key, depth: depth), at: random.below(members.count + 1)) }
        return "{" + (members.isEmpty ? blank() : members.joined(separator: ",")) + "}"
    }

    private mutating func member(key: String, depth: Int) -> String {
        blank() + key + blank() + ":" + blank() + value(depth: depth) + blank()
    }

    mutating func number() -> String {
        random.pick([
            "0", "-0", "1", "-1", "1.0", "0.1", "1e5", "1E-7", "-2.50e+10", "9007199254740993", "18446744073709551616",
            "123456789012345678901234567890.123456789", "1e400", "5e-324",
        ])
    }

    mutating func string() -> String {
        let pieces = (0..<random.below(6)).map { _ in
            random.pick([
                "a", "key", "long text to make words of eight bytes", "é", "日本", "😀", "\\n", "\\\"", "\\\\", "\\/",
                "\\u0041",
                "\\ud83d\\ude00", "\\ud800", "\\u0000", "{", "}", "[", "]", ",", ":", " ", "\u{7F}", "model",
            ])
        }
        return "\"" + pieces.joined() + "\""
    }

    /// The key `text` with some of its letters written as escapes.
    mutating func disguised(_ text: String) -> String {
        let letters = text.unicodeScalars.map { scalar in
            guard random.chance(3) else { return String(scalar) }
            let hex = String(scalar.value, radix: 16, uppercase: random.chance(2))
            return "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        }
        return "\"" + letters.joined() + "\""
    }
}

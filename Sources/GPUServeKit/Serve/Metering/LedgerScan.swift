/// What is in the bytes of a ledger file: good records, damaged lines between them, and a tail that a crash left.
struct LedgerScan {
    /// A good record and where it starts.
    struct Found {
        let record: LedgerRecord
        let sequence: Int
        let offset: Int
    }

    /// The good records in order.
    private(set) var records: [Found] = []
    /// Where damaged lines start that good records follow. Nothing is cut there: what follows counts.
    private(set) var damagedOffsets: [Int] = []
    /// The end of the last good record. What lies beyond was never acknowledged, or was damaged at the very end.
    private(set) var goodEnd = 0
    /// How many bytes lie beyond.
    let tailByteCount: Int

    init(_ bytes: [UInt8]) {
        var offset = 0
        var pending: [Int] = []
        while offset < bytes.count, let end = bytes[offset...].firstIndex(of: UInt8(ascii: "\n")) {
            if let (record, sequence) = LedgerLine.decode(bytes[offset..<end]) {
                damagedOffsets += pending
                pending = []
                records.append(Found(record: record, sequence: sequence, offset: offset))
                goodEnd = end + 1
            } else {
                pending.append(offset)
            }
            offset = end + 1
        }
        tailByteCount = bytes.count - goodEnd
    }
}

/// The names of a ledger's files: numbered, so that a listing is in order.
enum LedgerFileName {
    static func text(_ number: Int) -> String {
        let digits = String(number)
        return "ledger-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits + ".jsonl"
    }

    /// Nil for other files.
    static func number(_ name: String) -> Int? {
        guard name.hasPrefix("ledger-"), name.hasSuffix(".jsonl") else { return nil }
        guard let number = Int(name.dropFirst(7).dropLast(6)), number > 0, text(number) == name else { return nil }
        return number
    }
}

/// Reads the fields of one message of an image of CRIU: numbers and byte strings by field number (protobuf's wire format).
struct ImageFields: Hashable {
    enum Value: Hashable {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    /// In the order of the message; a number may come more than once.
    private(set) var fields: [(number: UInt64, value: Value)] = []

    static func == (left: ImageFields, right: ImageFields) -> Bool {
        left.fields.elementsEqual(right.fields) { $0 == $1 }
    }
    func hash(into hasher: inout Hasher) { for field in fields { hasher.combine(field.number) } }

    /// Nil for what is cut short or no such message.
    init?(_ message: ArraySlice<UInt8>) {
        var rest = message
        while !rest.isEmpty {
            guard let key = Self.number(&rest) else { return nil }
            switch key & 7 {
            case 0:
                guard let value = Self.number(&rest) else { return nil }
                fields.append((key >> 3, .number(value)))
            case 1, 5:
                let count = key & 7 == 1 ? 8 : 4
                guard rest.count >= count else { return nil }
                fields.append((key >> 3, .bytes(rest.prefix(count))))
                rest = rest.dropFirst(count)
            case 2:
                guard let count = Self.number(&rest), count <= UInt64(rest.count) else { return nil }
                fields.append((key >> 3, .bytes(rest.prefix(Int(count)))))
                rest = rest.dropFirst(Int(count))
            default: return nil
            }
        }
    }

    /// The last number of a field, as protobuf has it.
    func number(_ field: UInt64) -> UInt64? {
        for (number, value) in fields.reversed() where number == field {
            guard case .number(let found) = value else { return nil }
            return found
        }
        return nil
    }

    /// All byte strings of a field.
    func all(_ field: UInt64) -> [ArraySlice<UInt8>] {
        fields.compactMap { number, value in
            guard number == field, case .bytes(let bytes) = value else { return nil }
            return bytes
        }
    }

    private static func number(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            if shift == 63, byte > 1 { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    /// A field of a number.
    static func append(_ field: UInt64, _ value: UInt64, to out: inout [UInt8]) {
        append(field << 3, to: &out)
        append(value, to: &out)
    }

    private static func append(_ value: UInt64, to out: inout [UInt8]) {
        var value = value
        while value >= 0x80 {
            out.append(UInt8(value & 0x7F) | 0x80)
            value >>= 7
        }
        out.append(UInt8(value))
    }

    /// The messages of a file of images behind its two magic numbers, each behind its length; nil for anything else.
    static func messages(_ file: [UInt8], magic: UInt32) -> [ArraySlice<UInt8>]? {
        func word(_ offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(file[offset + $1]) << UInt32(8 * $1) }
        }
        guard file.count >= 8, word(0) == commonMagic, word(4) == magic else { return nil }
        var found: [ArraySlice<UInt8>] = []
        var offset = 8
        while offset < file.count {
            guard file.count - offset >= 4 else { return nil }
            let count = Int(word(offset))
            offset += 4
            guard count <= file.count - offset else { return nil }
            found.append(file[offset..<offset + count])
            offset += count
        }
        return found
    }

    /// What `messages` reads.
    static func file(_ messages: [ArraySlice<UInt8>], magic: UInt32) -> [UInt8] {
        var out: [UInt8] = []
        func append(_ word: UInt32) {
            for shift in [0, 8, 16, 24] { out.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        append(commonMagic)
        append(magic)
        for message in messages {
            append(UInt32(message.count))
            out += message
        }
        return out
    }

    /// "Common" images, criu/include/magic.h.
    private static let commonMagic: UInt32 = 0x5456_4319
}

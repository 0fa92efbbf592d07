/// The key-value pairs of a GGUF header, versions 2 and 3 (ggml's docs/gguf.md): what a `GGUFSource` keeps as the host's
/// state. Arrays of strings stay where they are, as ranges of the header, because a vocabulary has 100,000 of them.
public struct GGUFMetadata: Sendable {
    private enum Value {
        case integer(Int)
        case float(Double)
        case bool(Bool)
        case string(String)
        case strings([Range<Int>])
        case integers([Int])
        /// An array of something that no one here reads.
        case other
    }

    /// The bytes that `strings` are ranges of.
    public let header: [UInt8]
    private var values: [String: Value] = [:]
    private var offsets: [String: Int] = [:]

    /// Reads the pairs; what follows them is not looked at.
    ///
    /// - Throws: `malformedSource` with the offset where the header stops making sense.
    public init(header: [UInt8]) throws(SnapshotError) {
        self.header = header
        var reader = Reader(bytes: header)
        guard header.count >= 8, header.starts(with: "GGUF".utf8) else {
            throw reader.malformed("the header does not begin with GGUF and a version")
        }
        reader.position = 8
        _ = try reader.integer(8)
        let pairCount = try reader.integer(8)
        for _ in 0..<pairCount {
            let key = String(decoding: header[try reader.string()], as: UTF8.self)
            offsets[key] = reader.position
            values[key] = try reader.value(type: try reader.integer(4))
        }
    }

    /// Where in `header` the type and the value of `key` begin; nil when it is not there.
    public func offset(_ key: String) -> Int? { offsets[key] }
    /// The value of `key` when it is text.
    public func string(_ key: String) -> String? { if case .string(let text)? = values[key] { text } else { nil } }
    /// The value of `key` when it is a whole number.
    public func integer(_ key: String) -> Int? { if case .integer(let value)? = values[key] { value } else { nil } }
    /// The value of `key` when it is true or false.
    public func bool(_ key: String) -> Bool? { if case .bool(let value)? = values[key] { value } else { nil } }
    /// Where in `header` the texts lie that are the value of `key`.
    public func strings(_ key: String) -> [Range<Int>]? {
        if case .strings(let ranges)? = values[key] { ranges } else { nil }
    }
    /// The value of `key` when it is an array of whole numbers.
    public func integers(_ key: String) -> [Int]? { if case .integers(let list)? = values[key] { list } else { nil } }

    /// The value of `key` when it is a number.
    public func float(_ key: String) -> Double? {
        switch values[key] {
        case .float(let value)?: value
        case .integer(let value)?: Double(value)
        default: nil
        }
    }

    /// Reads front to back; every count is held against the bytes that are left.
    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        func malformed(_ what: String) -> SnapshotError {
            SnapshotError(.malformedSource, "\(what) (byte \(position) of the GGUF header)", offset: position)
        }

        mutating func bits(_ width: Int) throws(SnapshotError) -> UInt64 {
            guard width <= bytes.count - position else { throw malformed("the header ends inside a value") }
            defer { position += width }
            if width == 8 {
                // The usual one: a vocabulary has 100,000 lengths.
                return bytes.withUnsafeBytes {
                    UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                }
            }
            return (0..<width).reduce(0) { $0 | UInt64(bytes[position + $1]) << (8 * $1) }
        }

        mutating func integer(_ width: Int) throws(SnapshotError) -> Int {
            let value = try bits(width)
            guard value <= UInt64(Int.max) else { throw malformed("\(value) is too large") }
            return Int(value)
        }

        mutating func string() throws(SnapshotError) -> Range<Int> {
            let count = try integer(8)
            guard count <= bytes.count - position else { throw malformed("a string of \(count) bytes does not fit") }
            defer { position += count }
            return position..<position + count
        }

        private static let widths = [0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8]

        mutating func value(type: Int) throws(SnapshotError) -> Value {
            switch type {
            case 8: return .string(String(decoding: bytes[try string()], as: UTF8.self))
            case 9: return try array()
            case 6: return .float(Double(Float(bitPattern: UInt32(truncatingIfNeeded: try bits(4)))))
            case 12: return .float(Double(bitPattern: try bits(8)))
            case 7: return .bool(try bits(1) != 0)
            default:
                guard let width = Self.widths[type] else { throw malformed("a value has the unknown type \(type)") }
                let value = try bits(width)
                // 1, 3, 5 and 11 are signed.
                let shift = UInt64(64 - 8 * width)
                let isSigned = type == 1 || type == 3 || type == 5 || type == 11
                return .integer(
                    isSigned
                        ? Int(truncatingIfNeeded: Int64(bitPattern: value << shift) >> Int64(shift))
                        : Int(clamping: value))
            }
        }

        private mutating func array() throws(SnapshotError) -> Value {
            let type = try integer(4)
            let count = try integer(8)
            let least = type == 8 ? 8 : Self.widths[type]
            guard let least else { throw malformed("an array has elements of the type \(type)") }
            guard count <= (bytes.count - position) / least else {
                throw malformed("an array of \(count) does not fit")
            }
            switch type {
            case 8:
                var ranges: [Range<Int>] = []
                ranges.reserveCapacity(count)
                for _ in 0..<count { ranges.append(try string()) }
                return .strings(ranges)
            case 6, 12:
                position += count * least
                return .other
            default:
                var list: [Int] = []
                list.reserveCapacity(count)
                for _ in 0..<count {
                    if case .integer(let value) = try value(type: type) { list.append(value) }
                }
                return .integers(list)
            }
        }
    }
}

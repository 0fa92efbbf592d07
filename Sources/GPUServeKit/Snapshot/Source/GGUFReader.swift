internal import Wire

/// Reads a GGUF header once, front to back. Every length and count is held against what the file can have before anything is
/// made of it.
struct GGUFReader {
    enum Stop: Error {
        /// The file goes on where the given bytes end.
        case needsMore
        case failed(SnapshotError)
    }

    let bytes: [UInt8]
    let fileBytes: Int
    let limits: Limits
    private(set) var position = 0

    /// - Parameter bytes: the first ones of a file of `fileBytes`.
    init(bytes: [UInt8], fileBytes: Int, limits: Limits) {
        self.bytes = bytes
        self.fileBytes = fileBytes
        self.limits = limits
    }

    /// Everything up to the tensor infos, and how many of those follow.
    mutating func metadata() throws(Stop) -> (tensorCount: Int, GGUFMetadata) {
        guard try string(byteCount: 4) == "GGUF" else { throw malformed("a GGUF file begins with 'GGUF'", at: 0) }
        let version = try UInt32(integer(4))
        guard version == 2 || version == 3 else {
            let note = version & 0xFFFF == 0 ? " (a file for big-endian machines?)" : ""
            throw .failed(
                SnapshotError(.unsupportedSource, "GGUF version \(version)\(note); 2 and 3 are read", offset: 4))
        }
        // The least that a tensor info and a pair can take.
        let tensorCount = try count(least: 24, of: "tensors", limit: limits.tensorCount)
        let pairCount = try count(least: 13, of: "key-value pairs", limit: limits.tensorCount)
        var values: [String: GGUFMetadata.Value] = [:]
        var offsets: [String: Int] = [:]
        for _ in 0..<pairCount {
            let key = try string()
            offsets[key] = position
            values[key] = try value(type: try integer(4), at: position - 4, depth: 0)
        }
        return (tensorCount, GGUFMetadata(header: Array(bytes[..<position]), values, offsets))
    }

    // MARK: Values

    /// Bytes of a value of each plain type; 0 for strings and arrays.
    private static let widths: [UInt64: Int] = [
        0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 8: 0, 9: 0, 10: 8, 11: 8, 12: 8,
    ]

    private mutating func value(type: UInt64, at: Int, depth: Int) throws(Stop) -> GGUFMetadata.Value {
        guard let width = GGUFReader.widths[type] else { throw malformed("unknown value type \(type)", at: at) }
        switch type {
        case 8: return .string(try string())
        case 9: return try array(depth: depth)
        case 6: return .float(Double(Float(bitPattern: UInt32(truncatingIfNeeded: try integer(4)))))
        case 12: return .float(Double(bitPattern: try integer(8)))
        case 7: return .bool(try integer(1) != 0)
        default:
            let value = try integer(width)
            // 1, 3, 5 and 11 are signed.
            let shift = UInt64(64 - 8 * width)
            let isSigned = [1, 3, 5, 11].contains(type)
            return .integer(
                isSigned
                    ? Int(truncatingIfNeeded: Int64(bitPattern: value << shift) >> Int64(shift)) : Int(clamping: value))
        }
    }

    private mutating func array(depth: Int) throws(Stop) -> GGUFMetadata.Value {
        guard depth < 4 else { throw malformed("arrays are nested too deep", at: position) }
        let at = position
        let type = try integer(4)
        guard let width = GGUFReader.widths[type] else { throw malformed("unknown element type \(type)", at: at) }
        let count = try count(least: width > 0 ? width : type == 8 ? 8 : 12, of: "array elements", limit: .max)
        switch type {
        case 8:
            var ranges: [Range<Int>] = []
            for _ in 0..<count { ranges.append(try text()) }
            return .strings(ranges)
        case 9:
            for _ in 0..<count { _ = try array(depth: depth + 1) }
            return .other
        case 6, 7, 12:
            _ = try take(count * width, of: "an array")
            return .other
        default:
            // Once for all: nothing is made of a count before its bytes are there.
            let start = position
            _ = try take(count * width, of: "an array")
            let end = position
            position = start
            var list: [Int] = []
            list.reserveCapacity(count)
            while position < end {
                if case .integer(let value) = try value(type: type, at: at, depth: depth) { list.append(value) }
            }
            return .integers(list)
        }
    }

    // MARK: Reading

    private mutating func take(_ count: Int, of what: String) throws(Stop) -> Int {
        guard count <= fileBytes - position else {
            throw .failed(
                SnapshotError(
                    .truncatedSource, "\(what) of \(count) bytes reaches beyond the file's \(fileBytes)",
                    offset: position))
        }
        guard count <= limits.modelHeaderBytes - position else {
            throw malformed("the header is longer than \(limits.modelHeaderBytes) bytes", at: position)
        }
        guard count <= bytes.count - position else { throw .needsMore }
        position += count
        return position - count
    }

    mutating func integer(_ width: Int) throws(Stop) -> UInt64 {
        let start = try take(width, of: "a number")
        return (0..<width).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64($1 * 8) }
    }

    /// Where a text lies, its length before it.
    private mutating func text() throws(Stop) -> Range<Int> {
        let at = position
        let length = try integer(8)
        guard length <= UInt64(fileBytes) else {
            throw malformed("a string says it has \(length) bytes and the file has \(fileBytes)", at: at)
        }
        let start = try take(Int(length), of: "a string")
        return start..<position
    }

    mutating func string() throws(Stop) -> String { String(decoding: bytes[try text()], as: UTF8.self) }

    private mutating func string(byteCount: Int) throws(Stop) -> String {
        let start = try take(byteCount, of: "a string")
        return String(decoding: bytes[start..<start + byteCount], as: UTF8.self)
    }

    /// A number of things that take at least `least` bytes each.
    private mutating func count(least: Int, of what: String, limit: Int) throws(Stop) -> Int {
        let at = position
        let count = try integer(8)
        guard count <= UInt64((fileBytes - position) / least), count <= UInt64(limit) else {
            throw malformed("the file says it has \(count) \(what), which \(fileBytes) bytes cannot hold", at: at)
        }
        return Int(count)
    }

    func malformed(_ detail: String, at offset: Int) -> Stop {
        .failed(SnapshotError(.malformedSource, detail, offset: offset))
    }
}

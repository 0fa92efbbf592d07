internal import Wire

/// The header of a GGUF file, versions 2 and 3 (ggml's docs/gguf.md): counts, key-value pairs, tensor infos, then the
/// tensors at aligned offsets.
struct GGUFHeader: Sendable, Hashable {
    struct Tensor: Sendable, Hashable {
        var name: String
        var dtype: DataType
        /// Slowest dimension first, unlike in the file.
        var shape: [Int]
        /// Where its bytes lie in the file.
        var range: Range<Int>
    }

    /// In the order of their bytes.
    var tensors: [Tensor]
    /// Where the tensors begin.
    var dataStart: Int
    /// The values of `general.architecture` and `general.name`, where they are there.
    var facts: [String: String]

    /// Reads the header from the first bytes of a file of `fileBytes`; nil when it needs more of them.
    ///
    /// Every length and count is held against what the file can have before anything is made of it.
    static func parse(prefix: [UInt8], fileBytes: Int, limits: Limits) throws(SnapshotError) -> GGUFHeader? {
        var reader = GGUFReader(bytes: prefix, fileBytes: fileBytes, limits: limits)
        do throws(GGUFReader.Stop) {
            return try reader.header()
        } catch {
            switch error {
            case .needsMore: return nil
            case .failed(let error): throw error
            }
        }
    }
}

/// Reads a GGUF header once, front to back.
private struct GGUFReader {
    enum Stop: Error {
        /// The file goes on where the given bytes end.
        case needsMore
        case failed(SnapshotError)
    }

    let bytes: [UInt8]
    let fileBytes: Int
    let limits: Limits
    private var position = 0
    private var alignment = 32

    init(bytes: [UInt8], fileBytes: Int, limits: Limits) {
        self.bytes = bytes
        self.fileBytes = fileBytes
        self.limits = limits
    }

    mutating func header() throws(Stop) -> GGUFHeader {
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
        var facts: [String: String] = [:]
        for _ in 0..<pairCount { try pair(&facts) }
        var infos: [(tensor: GGUFHeader.Tensor, offset: UInt64, at: Int)] = []
        var names: Set<String> = []
        for _ in 0..<tensorCount {
            let info = try tensorInfo()
            guard names.insert(info.tensor.name).inserted else {
                throw malformed("tensor \(SafeName.show(info.tensor.name)) comes twice", at: info.at)
            }
            infos.append(info)
        }
        guard position <= Int.max - alignment else { throw malformed("the header does not fit", at: position) }
        let dataStart = position.roundedUp(to: alignment)
        var tensors: [GGUFHeader.Tensor] = []
        for info in infos { tensors.append(try place(info, dataStart)) }
        tensors.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        var end = dataStart
        for tensor in tensors {
            guard tensor.range.lowerBound >= end else {
                throw malformed(
                    "tensor \(SafeName.show(tensor.name)) overlaps the one before it", at: tensor.range.lowerBound)
            }
            end = tensor.range.upperBound
        }
        return GGUFHeader(tensors: tensors, dataStart: min(dataStart, fileBytes), facts: facts)
    }

    // MARK: Pairs

    private mutating func pair(_ facts: inout [String: String]) throws(Stop) {
        let key = try string()
        let (at, type) = (position, try integer(4))
        switch key {
        case "general.alignment" where type == 4:
            let value = try integer(4)
            guard value >= 8, value <= 65_536, value & (value - 1) == 0 else {
                throw malformed("general.alignment is \(value), not a power of two from 8 to 65536", at: at)
            }
            alignment = Int(value)
        case "general.architecture" where type == 8, "general.name" where type == 8:
            let value = try string()
            // A fact is only for people: one that cannot be shown is left out.
            if value.utf8.count <= 256 { facts[key] = value }
        default: try skipValue(type: type, at: at, depth: 0)
        }
    }

    /// Bytes of a value of each plain type; 0 for strings and arrays.
    private static let widths: [UInt64: Int] = [
        0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 8: 0, 9: 0, 10: 8, 11: 8, 12: 8,
    ]

    private mutating func skipValue(type: UInt64, at: Int, depth: Int) throws(Stop) {
        guard let width = GGUFReader.widths[type] else { throw malformed("unknown value type \(type)", at: at) }
        switch type {
        case 8: try skip(try length("a string"), of: "a string")
        case 9:
            guard depth < 4 else { throw malformed("arrays are nested too deep", at: at) }
            let elementAt = position
            let element = try integer(4)
            guard let elementWidth = GGUFReader.widths[element] else {
                throw malformed("unknown element type \(element)", at: elementAt)
            }
            let least = elementWidth > 0 ? elementWidth : element == 8 ? 8 : 12
            let count = try count(least: least, of: "array elements", limit: .max)
            if elementWidth > 0 {
                try skip(count * elementWidth, of: "an array")
            } else {
                for _ in 0..<count { try skipValue(type: element, at: elementAt, depth: depth + 1) }
            }
        default: try skip(width, of: "a value")
        }
    }

    // MARK: Tensors

    private mutating func tensorInfo() throws(Stop) -> (tensor: GGUFHeader.Tensor, offset: UInt64, at: Int) {
        let at = position
        let name = try string()
        do throws(SnapshotError) {
            try SafeName.check(name, what: "a tensor", byteLimit: limits.snapshotNameBytes)
        } catch {
            throw .failed(SnapshotError(error.code, error.detail, offset: at))
        }
        let rank = try integer(4)
        guard rank <= 4 else {
            throw malformed("tensor \(SafeName.show(name)) has \(rank) dimensions; at most 4", at: at)
        }
        var dimensions: [Int] = []
        for _ in 0..<rank {
            guard let dimension = Int(exactly: try integer(8)) else {
                throw malformed("a dimension of tensor \(SafeName.show(name)) does not fit", at: at)
            }
            dimensions.append(dimension)
        }
        let typeAt = position
        let number = try UInt32(integer(4))
        guard let dtype = DataType.gguf(number) else {
            throw .failed(
                SnapshotError(
                    .unsupportedSource, "tensor \(SafeName.show(name)) has the unknown type \(number)", offset: typeAt))
        }
        let tensor = GGUFHeader.Tensor(name: name, dtype: dtype, shape: dimensions.reversed(), range: 0..<0)
        return (tensor, try integer(8), at)
    }

    private func place(
        _ info: (tensor: GGUFHeader.Tensor, offset: UInt64, at: Int), _ dataStart: Int
    ) throws(Stop) -> GGUFHeader.Tensor {
        var tensor = info.tensor
        let shown = SafeName.show(tensor.name)
        // Rows are packed alone: a block never reaches over the end of one.
        guard let byteCount = tensor.dtype.byteCount(shape: tensor.shape),
            (tensor.shape.last ?? 1) % (tensor.dtype.block?.elements ?? 1) == 0
        else {
            throw malformed("tensor \(shown) of \(tensor.dtype) cannot have the shape \(tensor.shape)", at: info.at)
        }
        guard info.offset % UInt64(alignment) == 0 else {
            throw malformed("tensor \(shown) lies at \(info.offset), which is not aligned to \(alignment)", at: info.at)
        }
        let room = fileBytes - dataStart
        guard byteCount <= room, info.offset <= UInt64(room - byteCount) else {
            throw .failed(
                SnapshotError(
                    .truncatedSource,
                    "tensor \(shown) says it has \(byteCount) bytes at \(info.offset) of the data; the file has "
                        + "\(max(room, 0)) of it", offset: info.at))
        }
        tensor.range = dataStart + Int(info.offset)..<dataStart + Int(info.offset) + byteCount
        return tensor
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

    private mutating func skip(_ count: Int, of what: String) throws(Stop) { _ = try take(count, of: what) }

    private mutating func integer(_ width: Int) throws(Stop) -> UInt64 {
        let start = try take(width, of: "a number")
        return (0..<width).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64($1 * 8) }
    }

    private mutating func length(_ what: String) throws(Stop) -> Int {
        let at = position
        let length = try integer(8)
        guard length <= UInt64(fileBytes) else {
            throw malformed("\(what) says it has \(length) bytes and the file has \(fileBytes)", at: at)
        }
        return Int(length)
    }

    private mutating func string() throws(Stop) -> String { try string(byteCount: try length("a string")) }

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

    private func malformed(_ detail: String, at offset: Int) -> Stop {
        .failed(SnapshotError(.malformedSource, detail, offset: offset))
    }
}

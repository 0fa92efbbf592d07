internal import Wire

/// The header of a GGUF file, versions 2 and 3 (ggml's docs/gguf.md): counts, key-value pairs, tensor infos, then the
/// tensors at aligned offsets.
struct GGUFHeader: Sendable {
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
    var metadata: GGUFMetadata

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

extension GGUFReader {
    fileprivate mutating func header() throws(Stop) -> GGUFHeader {
        let (tensorCount, pairs) = try metadata()
        let alignment = try alignment(pairs)
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
        for info in infos { tensors.append(try place(info, dataStart, alignment)) }
        tensors.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        var end = dataStart
        for tensor in tensors {
            guard tensor.range.lowerBound >= end else {
                throw malformed(
                    "tensor \(SafeName.show(tensor.name)) overlaps the one before it", at: tensor.range.lowerBound)
            }
            end = tensor.range.upperBound
        }
        return GGUFHeader(tensors: tensors, dataStart: min(dataStart, fileBytes), metadata: pairs)
    }

    /// What offsets of tensors are multiples of.
    private func alignment(_ pairs: GGUFMetadata) throws(Stop) -> Int {
        let key = "general.alignment"
        guard let at = pairs.offset(key) else { return 32 }
        guard let value = pairs.integer(key), value >= 8, value <= 65_536, value & (value - 1) == 0 else {
            let shown = pairs.integer(key).map { "\($0)" } ?? "no whole number"
            throw malformed("\(key) is \(shown), not a power of two from 8 to 65536", at: at)
        }
        return value
    }

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
        _ info: (tensor: GGUFHeader.Tensor, offset: UInt64, at: Int), _ dataStart: Int, _ alignment: Int
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
}

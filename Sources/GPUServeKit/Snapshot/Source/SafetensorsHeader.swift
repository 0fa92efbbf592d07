internal import Wire

/// The header of a safetensors file: an 8-byte length, then JSON that names each tensor's type, shape and place (the
/// format's README). As in its reference reader, tensors fill the rest of the file without gaps or overlaps.
struct SafetensorsHeader: Sendable, Hashable {
    struct Tensor: Sendable, Hashable {
        var name: String
        var dtype: DataType
        var shape: [Int]
        /// Where its bytes lie in the file.
        var range: Range<Int>
    }

    /// In the order of their bytes.
    var tensors: [Tensor]
    /// Where the tensors begin.
    var dataStart: Int
    /// `__metadata__`.
    var metadata: [String: String]

    /// The length of the whole header, from its first 8 bytes.
    static func byteCount(prefix: [UInt8], fileBytes: Int, limits: Limits) throws(SnapshotError) -> Int {
        guard fileBytes >= 8, prefix.count >= 8 else {
            throw SnapshotError(
                .truncatedSource, "a safetensors file has at least 8 bytes, this one \(fileBytes)", offset: 0)
        }
        let length = (0..<8).reduce(UInt64(0)) { $0 | UInt64(prefix[$1]) << UInt64($1 * 8) }
        guard length <= UInt64(limits.modelHeaderBytes) else {
            throw SnapshotError(
                .malformedSource,
                "the header says it has \(length) bytes, more than the \(limits.modelHeaderBytes) allowed: not safetensors?",
                offset: 0)
        }
        guard length <= UInt64(fileBytes - 8) else {
            throw SnapshotError(
                .truncatedSource, "the header says it has \(length) bytes and the file has \(fileBytes)", offset: 0)
        }
        return 8 + Int(length)
    }

    /// Reads the header, which is all of `bytes`, of a file of `fileBytes`.
    static func parse(_ bytes: [UInt8], fileBytes: Int, limits: Limits) throws(SnapshotError) -> SafetensorsHeader {
        let end = try byteCount(prefix: bytes, fileBytes: fileBytes, limits: limits)
        guard bytes.count >= end else {
            throw SnapshotError(.truncatedSource, "the header ends early", offset: bytes.count)
        }
        let document: JSONDocument
        do throws(WireError) {
            var limits = limits
            limits.jsonMemberCount = limits.tensorCount
            document = try JSONDocument(validating: bytes, in: 8..<end, limits: limits)
        } catch {
            throw SnapshotError(.malformedSource, "the header is not JSON: \(error.detail)", offset: error.offset)
        }
        var reader = Reader(document: document, dataStart: end, fileBytes: fileBytes, limits: limits)
        return try reader.header()
    }

    private struct Reader {
        let document: JSONDocument
        let dataStart: Int
        let fileBytes: Int
        let limits: Limits

        mutating func header() throws(SnapshotError) -> SafetensorsHeader {
            guard document.kind == .object else {
                throw malformed("the header is not an object", document.range.lowerBound)
            }
            var header = SafetensorsHeader(tensors: [], dataStart: dataStart, metadata: [:])
            var names: Set<String> = []
            for member in document.members() {
                guard names.insert(member.key).inserted else {
                    throw malformed("tensor \(SafeName.show(member.key)) comes twice", member.keyRange.lowerBound)
                }
                var cursor = JSONCursor(document, at: member.valueRange.lowerBound)
                if member.key == "__metadata__" {
                    header.metadata = try metadata(&cursor)
                } else {
                    header.tensors.append(try tensor(member, &cursor))
                }
            }
            header.tensors.sort {
                ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
            }
            try checkPlaces(header.tensors)
            return header
        }

        private func metadata(_ cursor: inout JSONCursor) throws(SnapshotError) -> [String: String] {
            var metadata: [String: String] = [:]
            guard cursor.enterObject() else { throw malformed("__metadata__ is not an object", cursor.offset) }
            while cursor.nextKey() {
                let (key, offset) = (cursor.key, cursor.offset)
                guard let value = cursor.string() else {
                    throw malformed("__metadata__ holds more than strings", offset)
                }
                metadata[key] = value
            }
            return metadata
        }

        private func tensor(_ member: JSONMember, _ cursor: inout JSONCursor) throws(SnapshotError) -> Tensor {
            let start = member.valueRange.lowerBound
            let shown = SafeName.show(member.key)
            do throws(SnapshotError) {
                try SafeName.check(member.key, what: "a tensor", byteLimit: limits.snapshotNameBytes)
            } catch {
                throw SnapshotError(error.code, error.detail, offset: member.keyRange.lowerBound)
            }
            var (dtype, shape, offsets) = (String?.none, [Int]?.none, [Int]?.none)
            guard cursor.enterObject() else { throw malformed("tensor \(shown) is not an object", start) }
            while cursor.nextKey() {
                if cursor.keyEquals("dtype") {
                    dtype = cursor.string()
                } else if cursor.keyEquals("shape") {
                    shape = counts(&cursor, limit: limits.tensorRank)
                } else if cursor.keyEquals("data_offsets") {
                    offsets = counts(&cursor, limit: 2)
                }
            }
            guard let dtype, let shape, let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
                throw malformed("tensor \(shown) lacks a dtype, a shape or two rising data_offsets", start)
            }
            guard offsets[1] <= fileBytes - dataStart else {
                throw SnapshotError(
                    .truncatedSource,
                    "tensor \(shown) says it ends at byte \(offsets[1]) of the data; the file has \(fileBytes - dataStart) of it",
                    offset: start)
            }
            let type = DataType(dtype)
            guard type.block != nil else {
                throw SnapshotError(
                    .unsupportedSource, "tensor \(shown) has the unknown type \(SafeName.show(dtype))", offset: start)
            }
            guard type.byteCount(shape: shape) == offsets[1] - offsets[0] else {
                throw malformed(
                    "tensor \(shown) of \(dtype) \(shape) does not have \(offsets[1] - offsets[0]) bytes", start)
            }
            return Tensor(
                name: member.key, dtype: type, shape: shape, range: dataStart + offsets[0]..<dataStart + offsets[1])
        }

        /// An array of at most `limit` whole numbers that are not negative.
        private func counts(_ cursor: inout JSONCursor, limit: Int) -> [Int]? {
            var counts: [Int] = []
            guard cursor.enterArray() else { return nil }
            var isGood = true
            while cursor.nextElement() {
                if let count = cursor.int(), count >= 0, counts.count < limit {
                    counts.append(count)
                } else {
                    isGood = false
                }
            }
            return isGood ? counts : nil
        }

        private func checkPlaces(_ tensors: [Tensor]) throws(SnapshotError) {
            var end = dataStart
            for tensor in tensors {
                guard tensor.range.lowerBound == end else {
                    let what = tensor.range.lowerBound < end ? "overlaps the one before it" : "leaves a gap before it"
                    throw malformed("tensor \(SafeName.show(tensor.name)) \(what)", tensor.range.lowerBound)
                }
                end = tensor.range.upperBound
            }
            guard end == fileBytes else { throw malformed("bytes follow the last tensor", end) }
        }

        private func malformed(_ detail: String, _ offset: Int) -> SnapshotError {
            SnapshotError(.malformedSource, detail, offset: offset)
        }
    }
}

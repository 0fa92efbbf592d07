import CModelKernels
import GPUServeKit
import ModelFiles

/// A LoRA adapter, fitted to the model: what is added to which of its matrices.
struct Adapter: Sendable {
    private struct Change {
        let name: String
        let rows: Int
        let columns: Int
        /// `rank` rows of `columns`; and `rows` of `rank`, in the order of GGUF files.
        let a, b: [Float]
    }

    private let rank: Int
    private let scale: Float
    /// By the name of the model's matrix.
    private let changes: [String: Change]

    /// - Parameters:
    ///   - base: what adapters call the model.
    ///   - shape, matrices: the model's.
    /// - Throws: `badAdapter` naming the tensor that does not fit; what `LoRAAdapter` throws.
    init(directory: String, base: String, _ shape: ModelShape, _ matrices: [RegionDescription]) async throws {
        let file = try await LoRAAdapter(directory: directory)
        guard file.base.split(separator: "/").last?.lowercased() == base.lowercased() else {
            throw ModelError(
                .badAdapter,
                "the adapter is for '\(file.base)', this is \(base); --adapter-base says what else it is called")
        }
        (rank, scale) = (file.rank, file.scale)
        var changes: [String: Change] = [:]
        for pair in file.pairs {
            let name = TensorName.gguf(module: pair.module)
            guard let name, let matrix = matrices.first(where: { $0.name == name }), matrix.shape.count == 2 else {
                throw ModelError(.badAdapter, "tensor \(pair.a.name) is for a matrix that the model does not have")
            }
            let (rows, columns) = (matrix.shape[0], matrix.shape[1])
            for (found, wanted) in [(pair.a, [rank, columns]), (pair.b, [rows, rank])] where found.shape != wanted {
                throw ModelError(.badAdapter, "tensor \(found.name) has the shape \(found.shape), not \(wanted)")
            }
            let b = Self.floats(pair.b)
            changes[name] = Change(
                name: pair.b.name, rows: rows, columns: columns, a: Self.floats(pair.a),
                b: TensorName.isTurned(name) ? Self.pairedRows(b, shape.headSize, rank) : b)
        }
        self.changes = changes
    }

    func isChanging(_ matrix: String) -> Bool { changes[matrix] != nil }

    /// A matrix of the model with its change added, in its own type.
    func merged(into bytes: [UInt8], _ matrix: RegionDescription) throws(ModelError) -> [UInt8] {
        guard let change = changes[matrix.name] else { return bytes }
        var out = [UInt8](repeating: 0, count: bytes.count)
        var sum = [Float](repeating: 0, count: change.columns)
        let rowBytes = bytes.count / change.rows
        let type = Tensor.kernelType(matrix.dtype) ?? -1
        for row in 0..<change.rows {
            let isWritten = bytes.withUnsafeBytes { bytes in
                out.withUnsafeMutableBytes { out in
                    change.b.withUnsafeBufferPointer { b in
                        // None of the three is empty, and each has as many rows.
                        mk_merge(
                            type, bytes.baseAddress! + row * rowBytes, Int32(change.columns),
                            b.baseAddress! + row * rank,
                            change.a, Int32(rank), scale, &sum, out.baseAddress! + row * rowBytes)
                    }
                }
            }
            guard isWritten != 0 else {
                throw ModelError(
                    .unsupportedType,
                    "tensor \(change.name) changes \(matrix.name), whose type \(matrix.dtype) is not written here")
            }
        }
        return out
    }

    private static func floats(_ matrix: LoRAAdapter.Matrix) -> [Float] {
        [Float](unsafeUninitializedCapacity: matrix.shape[0] * matrix.shape[1]) { buffer, count in
            count = buffer.count
            let type = Tensor.kernelType(matrix.dtype) ?? -1
            // A matrix has elements.
            matrix.bytes.withUnsafeBytes { mk_dequantize(type, $0.baseAddress!, Int32(count), buffer.baseAddress!) }
        }
    }

    /// Rows of what PEFT's files have, in the order of the matrices here.
    private static func pairedRows(_ b: [Float], _ headSize: Int, _ rank: Int) -> [Float] {
        (0..<b.count / rank).flatMap { row in
            let source = TensorName.halvesRow(row, headSize: headSize)
            return b[source * rank..<(source + 1) * rank]
        }
    }
}

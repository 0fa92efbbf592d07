import CModelKernels
import Glibc
import Testing

@testable import custom_model_server

/// Every set of instructions against sums in double precision. Serialized: which set is in use is global.
@Suite(.serialized)
struct KernelTests {
    static let types: [Int32] = [
        Int32(MK_F32), Int32(MK_F16), Int32(MK_Q4_0), Int32(MK_Q4_1), Int32(MK_Q8_0), Int32(MK_Q6_K), Int32(MK_BF16),
    ]

    @Test(arguments: ["plain", "avx2", "avx512-vnni"], types)
    func productsAgreeWithDequantizedWeights(_ instructions: String, _ type: Int32) {
        guard mk_use(instructions) != 0 else {
            print("skipped: this processor has no \(instructions)")
            return
        }
        let (rows, columns, tokens) = (7, 512, 6)
        var random = SystemRandomNumberGenerator()
        let rowBytes = mk_row_bytes(type, Int32(columns))
        var weights = [UInt8](repeating: 0, count: rowBytes * rows)
        for index in weights.indices { weights[index] = .random(in: 0...255, using: &random) }
        Self.makeFinite(&weights, type)
        let x = (0..<columns * tokens).map { _ in Float.random(in: -2...2, using: &random) }
        var blocks = [mk_block](repeating: mk_block(), count: columns * tokens / 32)
        mk_quantize(x, Int32(x.count), &blocks)
        var y = [Float](repeating: .nan, count: rows * tokens)
        mk_multiply(type, weights, Int32(columns), 0, Int32(rows), x, blocks, Int32(tokens), &y, rows)
        let isFloat = type == MK_F32 || type == MK_F16 || type == MK_BF16
        var row = [Float](repeating: 0, count: columns)
        for r in 0..<rows {
            weights.withUnsafeBytes { mk_dequantize(type, $0.baseAddress! + r * rowBytes, Int32(columns), &row) }
            for t in 0..<tokens {
                var (sum, size) = (0.0, 0.0)
                for c in 0..<columns {
                    // What quantised weights are multiplied with are quantised activations.
                    let block = blocks[(t * columns + c) / 32]
                    let quant = withUnsafeBytes(of: block.q) { Int8(bitPattern: $0[c % 32]) }
                    let product =
                        Double(row[c]) * (isFloat ? Double(x[t * columns + c]) : Double(block.d) * Double(quant))
                    sum += product
                    size += abs(product)
                }
                // Half a step of a half-precision float is in `s` of a block, the rest is rounding of the sums.
                #expect(
                    abs(Double(y[t * rows + r]) - sum) <= size * 1e-3, "\(instructions) \(type) row \(r) token \(t)")
            }
        }
    }

    @Test(arguments: ["plain", "avx2", "avx512-vnni"])
    func quantizingKeepsWithinHalfAStep(_ instructions: String) {
        guard mk_use(instructions) != 0 else { return print("skipped: this processor has no \(instructions)") }
        let x = (0..<320).map { Float($0 % 37) * 0.31 - 5 } + [Float](repeating: 0, count: 32)
        var blocks = [mk_block](repeating: mk_block(), count: x.count / 32)
        mk_quantize(x, Int32(x.count), &blocks)
        for (index, value) in x.enumerated() {
            let block = blocks[index / 32]
            let quant = withUnsafeBytes(of: block.q) { Int8(bitPattern: $0[index % 32]) }
            #expect(abs(Float(quant) * block.d - value) <= block.d * 0.51 + abs(value) * 1e-3)
        }
        #expect(blocks.last?.d == 0)
    }

    @Test(arguments: ["plain", "avx2", "avx512-vnni"])
    func attentionIsASoftmaxOverPositions(_ instructions: String) {
        guard mk_use(instructions) != 0 else { return print("skipped: this processor has no \(instructions)") }
        let (size, count, stride) = (16, 5, 48)
        let q = (0..<size).map { Float($0) * 0.1 - 0.7 }
        let keys = (0..<stride * count).map { Float(($0 * 7) % 11) * 0.2 - 1 }
        let values = (0..<stride * count).map { Float(($0 * 5) % 13) * 0.3 - 2 }
        var (halfKeys, halfValues) = (
            [UInt16](repeating: 0, count: keys.count), [UInt16](repeating: 0, count: keys.count)
        )
        mk_halve(keys, Int32(keys.count), &halfKeys)
        mk_halve(values, Int32(values.count), &halfValues)
        var out = [Float](repeating: 0, count: size)
        mk_attend(q, Int32(size), halfKeys, halfValues, stride, Int32(count), 0.25, &out)
        let raw = (0..<count).map { p in (0..<size).reduce(0.0) { $0 + Double(q[$1] * keys[p * stride + $1]) } * 0.25 }
        let weights = raw.map { exp2($0 * 1.4426950408889634) }
        for i in 0..<size {
            let wanted =
                (0..<count).reduce(0.0) { $0 + weights[$1] * Double(values[$1 * stride + i]) } / weights.reduce(0, +)
            #expect(abs(Double(out[i]) - wanted) < 5e-3)
        }
    }

    @Test(arguments: ["plain", "avx2", "avx512-vnni"])
    func gatesAndRotationsAreThoseOfTheFormulas(_ instructions: String) {
        guard mk_use(instructions) != 0 else { return print("skipped: this processor has no \(instructions)") }
        let x = (0..<64).map { Float($0) * 3.2 - 100 }
        var gate = x
        mk_gate(&gate, [Float](repeating: 2, count: 64), 64)
        for (found, x) in zip(gate, x) {
            let wanted = 2 * Double(x) / (1 + exp2(-Double(x) * 1.4426950408889634))
            #expect(abs(Double(found) - wanted) <= 1e-6 * max(1, abs(wanted)))
        }
        // A quarter turn, and none.
        var head: [Float] = [1, 2, 3, 4]
        mk_rotate(&head, 4, [0, 1, 1, 0])
        #expect(head == [-2, 1, 3, 4])
    }

    @Test func rowsThatDoNotFillBlocksHaveNoSize() {
        #expect(mk_row_bytes(Int32(MK_Q4_1), 576) == 360)
        #expect(mk_row_bytes(Int32(MK_Q6_K), 576) == 0)
        #expect(mk_row_bytes(Int32(MK_F32), 33) == 0)
        #expect(mk_row_bytes(12, 256) == 0)
    }

    /// Random bytes as scales could be infinite.
    static func makeFinite(_ weights: inout [UInt8], _ type: Int32) {
        let (block, places): (Int, [Int]) =
            switch type {
            case Int32(MK_F32): (4, [3])
            case Int32(MK_F16), Int32(MK_BF16): (2, [1])
            case Int32(MK_Q4_0): (18, [1])
            case Int32(MK_Q4_1): (20, [1, 3])
            case Int32(MK_Q8_0): (34, [1])
            default: (210, [209])
            }
        // A high byte of 0x2F or 0x3C: some hundredths to one, in half and in single precision alike.
        for start in stride(from: 0, to: weights.count, by: block) {
            for place in places { weights[start + place] = type == MK_F32 || type == MK_BF16 ? 0x3E : 0x2F }
        }
    }
}

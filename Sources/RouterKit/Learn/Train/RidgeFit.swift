/// Ridge regression of up to 16 targets at once, by conjugate gradient on the sparse rows.
struct RidgeFit: Sendable {
    /// Coefficients per bucket, then per standardised count.
    var coefficients: [SIMD16<Float>]
    var bias: SIMD16<Float>

    static let size = PromptScan.bucketCount + PromptScan.countCount

    /// Fits `targets` on `selection`; a row's weight of 0 leaves it out for that target.
    init(
        _ rows: TrainingRows, _ selection: [Int], targets: [SIMD16<Float>], weights: [SIMD16<Float>],
        lambda: Float, steps: Int
    ) {
        var sum = SIMD16<Float>(repeating: 0)
        var total = SIMD16<Float>(repeating: 1e-9)
        for index in selection.indices {
            sum += targets[index] * weights[index]
            total += weights[index]
        }
        let mean = sum / total
        var solution = [SIMD16<Float>](repeating: SIMD16(repeating: 0), count: Self.size)
        var residual = solution
        for (index, row) in selection.enumerated() {
            Self.scatter((targets[index] - mean) * weights[index], rows, row, into: &residual)
        }
        var direction = residual
        var squares = Self.dot(residual, residual)
        for _ in 0..<steps {
            var image = direction.map { $0 * lambda }
            for (index, row) in selection.enumerated() {
                Self.scatter(Self.gather(direction, rows, row) * weights[index], rows, row, into: &image)
            }
            let curvature = Self.dot(direction, image)
            let step = Self.ratio(squares, curvature)
            for index in solution.indices {
                solution[index] += step * direction[index]
                residual[index] -= step * image[index]
            }
            let next = Self.dot(residual, residual)
            let turn = Self.ratio(next, squares)
            for index in direction.indices { direction[index] = residual[index] + turn * direction[index] }
            squares = next
        }
        var off = SIMD16<Float>(repeating: 0)
        for (index, row) in selection.enumerated() {
            off += (targets[index] - Self.gather(solution, rows, row)) * weights[index]
        }
        coefficients = solution
        bias = off / total
    }

    /// Predictions for `row`.
    func predict(_ rows: TrainingRows, _ row: Int) -> SIMD16<Float> {
        Self.gather(coefficients, rows, row) + bias
    }

    private static func ratio(_ above: SIMD16<Float>, _ below: SIMD16<Float>) -> SIMD16<Float> {
        (above / below).replacing(with: 0, where: below .< 1e-20)
    }

    private static func dot(_ left: [SIMD16<Float>], _ right: [SIMD16<Float>]) -> SIMD16<Float> {
        var sum = SIMD16<Float>(repeating: 0)
        for index in left.indices { sum += left[index] * right[index] }
        return sum
    }

    private static func gather(_ vector: [SIMD16<Float>], _ rows: TrainingRows, _ row: Int) -> SIMD16<Float> {
        vector.withUnsafeBufferPointer { vector in
            rows.buckets.withUnsafeBufferPointer { buckets in
                rows.dense.withUnsafeBufferPointer { dense in
                    var sum = SIMD16<Float>(repeating: 0)
                    for index in rows.starts[row]..<rows.starts[row + 1] { sum += vector[Int(buckets[index])] }
                    sum *= rows.value[row]
                    for index in 0..<64 { sum += vector[PromptScan.bucketCount + index] * dense[row * 64 + index] }
                    return sum
                }
            }
        }
    }

    private static func scatter(
        _ amount: SIMD16<Float>, _ rows: TrainingRows, _ row: Int, into vector: inout [SIMD16<Float>]
    ) {
        vector.withUnsafeMutableBufferPointer { vector in
            rows.buckets.withUnsafeBufferPointer { buckets in
                rows.dense.withUnsafeBufferPointer { dense in
                    let each = amount * rows.value[row]
                    for index in rows.starts[row]..<rows.starts[row + 1] { vector[Int(buckets[index])] += each }
                    for index in 0..<64 { vector[PromptScan.bucketCount + index] += amount * dense[row * 64 + index] }
                }
            }
        }
    }
}

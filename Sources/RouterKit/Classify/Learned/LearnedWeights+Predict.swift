import CWeights
import Glibc

/// One prompt's shared view: topics, families, bins.
struct LearnedView {
    /// Topics, then family indicators.
    var shared = SIMD32<Float>(repeating: 0)
    /// Standardised, clipped counts.
    var dense = InlineArray<64, Float>(repeating: 0)
    /// Bins of counts and topics.
    var bins = InlineArray<88, UInt8>(repeating: 0)
}

extension LearnedWeights.SharedHeads {
    /// Counts as the linear heads take them.
    func standardised(_ scan: borrowing PromptScan) -> InlineArray<64, Float> {
        var dense = InlineArray<64, Float>(repeating: 0)
        for index in 0..<64 { dense[index] = Self.squashed(scan.counts[index], mean[index], inverse[index]) }
        return dense
    }

    static func squashed(_ count: Float, _ mean: Float, _ inverse: Float) -> Float {
        // Beyond four deviations a count says no more: without the clip, what is constant in one family explodes.
        min(0.5, max(-0.5, (logged(count) - mean) * inverse))
    }

    /// log(1 + |count|) with the count's sign.
    static func logged(_ count: Float) -> Float { count < 0 ? -log1pf(-count) : log1pf(count) }

    /// Runs the shared heads.
    func view(_ scan: borrowing PromptScan) -> LearnedView {
        var view = LearnedView()
        view.dense = standardised(scan)
        var shared = scan.sum(words) * (scale * scan.value) + bias
        view.dense.span.withUnsafeBufferPointer { values in
            withUnsafeMutableBytes(of: &shared) { sums in
                ckernels_add64(dense, 32, values.baseAddress, sums.baseAddress!.assumingMemoryBound(to: Float.self))
            }
        }
        view.shared = shared
        var values = InlineArray<88, Float>(repeating: 0)
        for index in 0..<64 { values[index] = scan.counts[index] }
        for index in 0..<Self.topicCount { values[64 + index] = view.shared[index] }
        values.span.withUnsafeBufferPointer { values in
            var bins = view.bins.mutableSpan
            bins.withUnsafeMutableBufferPointer { bins in
                ckernels_bins(edges, Self.binCount - 1, values.baseAddress, Self.featureCount, bins.baseAddress)
            }
        }
        return view
    }

    /// How many edges of `feature` lie below `value`.
    func bin(_ feature: Int, _ value: Float) -> UInt8 {
        let first = feature * (Self.binCount - 1)
        var low = 0
        var high = Self.binCount - 1
        while low < high {
            let middle = (low + high) / 2
            if edges[first + middle] < value { low = middle + 1 } else { high = middle }
        }
        return UInt8(low)
    }
}

extension LearnedWeights.Expert {
    /// The reference's quality, then gains over the others.
    func heads(
        _ scan: borrowing PromptScan, _ view: borrowing LearnedView, _ trees: [LearnedWeights.CompleteForest]
    ) -> SIMD16<Float> {
        var linear = scan.sum(words) * (scale * scan.value) + bias
        view.dense.span.withUnsafeBufferPointer { values in
            withUnsafeMutableBytes(of: &linear) { sums in
                ckernels_add64(dense, 16, values.baseAddress, sums.baseAddress!.assumingMemoryBound(to: Float.self))
            }
        }
        for column in 0..<models.count where trees[column].count > 0 {
            linear[column] =
                linear[column] * ridgeShare + (1 - ridgeShare) * trees[column].predict(view.bins)
        }
        return linear
    }

    /// How usual the prompt is for this family, 0...1; under one half means unlike all but a few of its prompts.
    func support(_ scan: borrowing PromptScan, _ view: borrowing LearnedView) -> Float {
        guard scan.bucketsCount > 0 else { return 0 }
        var support = Self.place(coverage(scan), support.coverage)
        if familyColumn >= 0 {
            let column = LearnedWeights.SharedHeads.topicCount + familyColumn
            support = min(support, Self.place(view.shared[column], self.support.family))
        }
        return min(support, Self.place(-distance(view), -self.support.distance))
    }

    func coverage(_ scan: borrowing PromptScan) -> Float {
        var known = 0
        for index in 0..<scan.bucketsCount {
            let mark = Int(scan.marks[index])
            known += Int(marks[mark >> 6] >> UInt64(mark & 63) & 1)
        }
        return Float(known) / Float(max(1, scan.bucketsCount))
    }

    func distance(_ view: borrowing LearnedView) -> Float {
        var sum: Float = 0
        for index in 0..<88 {
            let value = index < 64 ? view.dense[index] : view.shared[index - 64]
            let off = (value - support.centre[index]) * support.inverse[index]
            sum += min(25, off * off)
        }
        return sum / 88
    }

    /// 0.5 at `scale.x`, 1 from `scale.y` on.
    private static func place(_ value: Float, _ scale: SIMD2<Float>) -> Float {
        let step = max(1e-4, scale.y - scale.x)
        return min(1, max(0, 0.5 + 0.5 * (value - scale.x) / step))
    }
}

extension LearnedWeights.CompleteForest {
    /// The sum of all trees.
    func predict(_ bins: borrowing InlineArray<88, UInt8>) -> Float {
        let sum = bins.span.withUnsafeBufferPointer { bins in
            ckernels_trees(splits, leaves, depth, count, bins.baseAddress)
        }
        return base + Float(sum) * scale
    }
}

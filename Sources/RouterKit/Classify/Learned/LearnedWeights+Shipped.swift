import CWeights

extension LearnedWeights {
    /// The weights inside this program: trained by `make train-weights` on outcomes that may be used for it.
    public static let shipped: LearnedWeights = {
        let bytes = Array(UnsafeBufferPointer(start: cweights_bytes(), count: cweights_count()))
        do throws(LearnedWeightsError) {
            return try parse(bytes)
        } catch {
            preconditionFailure("the weights inside this program are damaged: \(error.detail)")
        }
    }()
}

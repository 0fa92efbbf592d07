/// Predicted success of models known by name. Stored inline, so that assessing a request does not allocate.
public struct ModelPredictions: Sendable, Hashable {
    /// The most models that one set of predictions holds.
    public static let capacity = 16

    /// Names shared by all predictions of one classifier.
    public final class Names: Sendable {
        /// In the order of the values; at most ``ModelPredictions/capacity``.
        public let all: [String]

        /// Names; must be at most ``ModelPredictions/capacity``.
        public init(_ all: [String]) {
            precondition(all.count <= ModelPredictions.capacity, "too many models for one set of predictions")
            self.all = all
        }
    }

    private let names: Names?
    private var values = InlineArray<16, Float>(repeating: 0)

    /// No model is known.
    public init() { names = nil }

    /// All of `names` at 0, to be set one by one.
    public init(names: Names) { self.names = names }

    /// Models known.
    public var count: Int { names?.all.count ?? 0 }

    /// Sets the prediction for the model at `index`, clamped into 0...1; a NaN counts as 0.
    public mutating func set(_ index: Int, _ quality: Float) {
        precondition(index >= 0 && index < count, "a model's index lies below the count")
        values[index] = quality.isNaN ? 0 : min(1, max(0, quality))
    }

    /// The prediction for `model`, 0...1; `nil` when it is not known.
    public subscript(_ model: String) -> Double? {
        guard let names, let index = names.all.firstIndex(of: model) else { return nil }
        return Double(values[index])
    }

    /// Compares names and values.
    public static func == (left: ModelPredictions, right: ModelPredictions) -> Bool {
        guard left.names?.all == right.names?.all else { return false }
        return (0..<left.count).allSatisfy { left.values[$0] == right.values[$0] }
    }

    /// Feeds what `==` compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(names?.all)
        for index in 0..<count { hasher.combine(values[index]) }
    }
}

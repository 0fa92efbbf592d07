/// A classifier that counts what can be seen in the ask. It knows nothing yet and says so: support 0 for everything.
public struct HeuristicClassifier: ComplexityClassifier {
    /// Names this classifier.
    public var version: String { "heuristic-0" }

    /// Makes the classifier.
    public init() {}

    /// Judges `request`.
    public func assess(_ request: borrowing RequestView) -> Assessment { .unknown("not-learned") }
}

import RouterKit

/// What users get who configure nothing, and what trains it.
enum Shipped {
    static let classifier: any ComplexityClassifier = HeuristicClassifier()
    static let policy: any RoutingPolicy = TradePolicy()
    /// Makes a classifier from rows; `nil` while nothing can be trained, and what needs it is then left out.
    static let train: (@Sendable ([OutcomeRow], [OutcomePool]) throws -> any ComplexityClassifier)? = nil
}

import RouterKit

/// What users get who configure nothing.
enum Shipped {
    static let classifier: any ComplexityClassifier = HeuristicClassifier()
    static let policy: any RoutingPolicy = TradePolicy()
}

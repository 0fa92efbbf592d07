import RouterKit

/// What users get who configure nothing, and what trains it.
enum Shipped {
    static let classifier: any ComplexityClassifier = LearnedClassifier()
    static let policy: any RoutingPolicy = TradePolicy(table: .shipped)

    /// Trains everything from `rows`: heads, trees and topics.
    static func train(_ rows: [OutcomeRow], _ pools: [OutcomePool]) throws -> any ComplexityClassifier {
        LearnedClassifier(try LearnedTrainer.train(rows: rows, pools: pools))
    }

    /// What `router train` does for one's own traffic: the shipped topics stay, for they need no outcomes, and the
    /// pool's heads and trees are trained from `rows` alone.
    static func trainOwn(_ rows: [OutcomeRow], _ pools: [OutcomePool]) throws -> any ComplexityClassifier {
        LearnedClassifier(try LearnedTrainer.train(rows: rows, pools: pools, base: .shipped))
    }
}

/// Whether a model could be leased at the moment a view of its pool was taken.
public enum Availability: Sendable, Hashable {
    /// A deployment is healthy and has room.
    case available
    /// Healthy, but every deployment has its cap of requests in flight.
    case saturated
    /// Every deployment cools down after failures; the earliest is back in so many milliseconds.
    case coolingDown(retryAfter_ms: Int)
}

/// What a policy sees: the cards and their availability at one moment. A value, so that a choice can be replayed.
public struct PoolView: Sendable {
    /// The pool's models, in its order.
    public let cards: [ModelCard]
    /// One per card.
    public let availability: [Availability]
    /// Names of the models that this request may use; `nil` means all.
    public var allowed: Set<String>?

    /// A view; `availability` defaults to everything being available.
    public init(cards: [ModelCard], availability: [Availability]? = nil, allowed: Set<String>? = nil) {
        let states = availability ?? [Availability](repeating: .available, count: cards.count)
        precondition(states.count == cards.count, "one availability per card")
        self.cards = cards
        self.availability = states
        self.allowed = allowed
    }

    /// The card of that name.
    public func card(named name: String) -> ModelCard? { cards.first { $0.name == name } }
}

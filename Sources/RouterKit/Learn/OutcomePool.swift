/// The models among which a router chooses for the rows of one source.
public struct OutcomePool: Sendable, Hashable {
    /// One model of the pool.
    public struct Member: Sendable, Hashable {
        /// The model's name, as in ``OutcomeRow/scores``.
        public var name: String
        /// Its tier.
        public var tier: CapabilityTier
        /// Its price; `nil` when unknown.
        public var price: Price?

        /// A member.
        public init(name: String, tier: CapabilityTier, price: Price?) {
            self.name = name
            self.tier = tier
            self.price = price
        }
    }

    /// ``OutcomeRow/source``.
    public var source: String
    /// At least two, weakest tier first.
    public var members: [Member]

    /// A pool; sorts `members` by tier, keeping the order within a tier.
    public init(source: String, members: [Member]) {
        precondition(members.count >= 2, "there is nothing to choose in a pool of one")
        self.source = source
        self.members = members.enumerated()
            .sorted { ($0.element.tier, $0.offset) < ($1.element.tier, $1.offset) }
            .map(\.element)
    }

    /// The model that "always strong" asks: the last one.
    public var strongest: Member { members[members.count - 1] }

    /// Whether `row` holds a score of every member: only then can a choice be judged.
    public func covers(_ row: OutcomeRow) -> Bool { members.allSatisfy { row.scores[$0.name] != nil } }
}

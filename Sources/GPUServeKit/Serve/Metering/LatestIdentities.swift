/// The latest identities of records, up to a bound: the oldest are forgotten first.
struct LatestIdentities {
    private let limit: Int
    private var known: Set<String>
    /// Oldest first, from `oldest` on; those before are forgotten already.
    private var order: [String]
    private var oldest = 0

    init(_ identities: [String], limit: Int) {
        self.limit = limit
        order = identities
        known = Set(identities)
    }

    func contains(_ identity: String) -> Bool { known.contains(identity) }

    mutating func insert(_ identity: String) {
        guard known.insert(identity).inserted else { return }
        order.append(identity)
        while order.count - oldest > limit {
            known.remove(order[oldest])
            oldest += 1
        }
        if oldest > limit {
            order.removeFirst(oldest)
            oldest = 0
        }
    }
}

/// Who waits for a slot, and who may have one now. All sequences of a pass share one set of weights, so those who want others
/// take turns: whoever has waited longest decides whose turn begins; all who wait for the same weights join at once; later
/// ones join only while nobody before them waits for others. So nobody is overtaken without end. Pure.
struct Turns<Weights: Equatable & Sendable, Ticket: Sendable>: Sendable {
    private(set) var waiting: [(weights: Weights, ticket: Ticket)] = []

    mutating func append(_ ticket: Ticket, for weights: Weights) { waiting.append((weights, ticket)) }

    mutating func removeAll(where isGone: (Ticket) -> Bool) { waiting.removeAll { isGone($0.ticket) } }

    /// At most `count` who may begin; `running` are the weights of those who run, nil when nobody does.
    mutating func admit(upTo count: Int, running: Weights?) -> (weights: Weights, tickets: [Ticket])? {
        guard count > 0, let weights = running ?? waiting.first?.weights else { return nil }
        let mayOvertake = running == nil
        var chosen: [Int] = []
        for (index, waiter) in waiting.enumerated() where chosen.count < count {
            if waiter.weights == weights {
                chosen.append(index)
            } else if !mayOvertake {
                break
            }
        }
        guard !chosen.isEmpty else { return nil }
        let tickets = chosen.map { waiting[$0].ticket }
        for index in chosen.reversed() { waiting.remove(at: index) }
        return (weights, tickets)
    }
}

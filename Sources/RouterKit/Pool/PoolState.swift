/// The pool without its lock: which deployment is next, and what each has come to. Pure; time comes in.
struct PoolState: Sendable {
    /// Per deployment.
    struct Slot: Sendable {
        var model: String
        var deployment: Deployment
        var breaker: CircuitBreaker
        /// One breaker per key, in the order of `deployment.keys`.
        var keyBreakers: [CircuitBreaker]
        var nextKey = 0
        /// The running balance of the smooth weighted round robin.
        var balance = 0
        var inFlightCount = 0
        var isRetired = false
        var successCount = 0
        var cancelledCount = 0
        /// Indexed as `FailureKind.allCases`.
        var failureCounts = [Int](repeating: 0, count: LeaseOutcome.FailureKind.allCases.count)
    }

    /// Whether a slot would give a lease.
    private enum SlotReadiness {
        case ready
        case saturated
        case notBefore(UInt64)
    }

    private(set) var cards: [ModelCard] = []
    private let settings: CircuitBreaker.Settings
    private var modelIndex: [String: Int] = [:]
    /// Per model, indices into `slots` in the order of the card's deployments.
    private var slotIndices: [[Int]] = []
    /// A slab: a lease names its slot by index, so a slot is reused only after its last lease came back.
    private var slots: [Slot] = []

    init(cards: [ModelCard], settings: CircuitBreaker.Settings) {
        self.settings = settings
        replace(cards)
    }

    // MARK: Configuration

    /// Takes new cards. A deployment that is still the same place with the same keys keeps its state; one that is
    /// gone lives on, unseen, until its last lease comes back.
    mutating func replace(_ newCards: [ModelCard]) {
        for index in slots.indices { slots[index].isRetired = true }
        cards = newCards
        modelIndex = [:]
        slotIndices = []
        // Kept places are claimed before any free slot is reused, or a new deployment could take the slot of one
        // that a later card still lists.
        let kept = newCards.map { card in card.deployments.map { keep($0, of: card.name) } }
        for (position, card) in newCards.enumerated() {
            modelIndex[card.name] = position
            slotIndices.append(
                zip(card.deployments, kept[position]).map { $1 ?? insert($0, of: card.name) })
        }
    }

    private mutating func keep(_ deployment: Deployment, of model: String) -> Int? {
        let index = slots.firstIndex { slot in
            slot.isRetired && slot.model == model && slot.deployment.isSamePlace(as: deployment)
        }
        guard let index else { return nil }
        slots[index].isRetired = false
        slots[index].deployment = deployment
        return index
    }

    private mutating func insert(_ deployment: Deployment, of model: String) -> Int {
        let slot = Slot(
            model: model, deployment: deployment, breaker: CircuitBreaker(settings: settings),
            keyBreakers: deployment.keys.map { _ in CircuitBreaker(settings: settings) })
        if let free = slots.firstIndex(where: { $0.isRetired && $0.inFlightCount == 0 }) {
            slots[free] = slot
            return free
        }
        slots.append(slot)
        return slots.count - 1
    }

    // MARK: Leasing

    mutating func lease(model: String, excluding: Set<String>, now_ns: UInt64) -> Result<ModelPool.Grant, PoolError> {
        guard let position = modelIndex[model] else {
            return .failure(PoolError(code: .unknownModel, model: model, retryAfter_ms: nil))
        }
        var total = 0
        var best: Int?
        var isAnySaturated = false
        var earliest_ns: UInt64?
        for index in slotIndices[position] {
            if !excluding.isEmpty, excluding.contains(slots[index].deployment.id) { continue }
            switch readiness(of: slots[index], now_ns: now_ns) {
            case .ready:
                slots[index].balance += slots[index].deployment.weight
                total += slots[index].deployment.weight
                if best.map({ slots[index].balance > slots[$0].balance }) ?? true { best = index }
            case .saturated:
                isAnySaturated = true
            case .notBefore(let time_ns):
                earliest_ns = min(earliest_ns ?? time_ns, time_ns)
            }
        }
        guard let best else {
            let code: PoolError.Code = isAnySaturated ? .saturated : earliest_ns == nil ? .exhausted : .coolingDown
            return .failure(
                PoolError(
                    code: code, model: model, retryAfter_ms: earliest_ns.map { Self.milliseconds(until: $0, now_ns) }))
        }
        slots[best].balance -= total
        return .success(grant(slot: best, now_ns: now_ns))
    }

    private mutating func grant(slot index: Int, now_ns: UInt64) -> ModelPool.Grant {
        guard let ticket = slots[index].breaker.admit(now_ns: now_ns) else {
            preconditionFailure("a slot that was ready did not admit")
        }
        slots[index].inFlightCount += 1
        var grant = ModelPool.Grant(slot: index, ticket: ticket, deployment: slots[index].deployment)
        let count = slots[index].keyBreakers.count
        for step in 0..<count {
            let lane = (slots[index].nextKey + step) % count
            guard let keyTicket = slots[index].keyBreakers[lane].admit(now_ns: now_ns) else { continue }
            slots[index].nextKey = (lane + 1) % count
            grant.lane = lane
            grant.keyTicket = keyTicket
            grant.key = grant.deployment.keys[lane]
            break
        }
        return grant
    }

    mutating func giveBack(_ grant: ModelPool.Grant, _ outcome: LeaseOutcome, now_ns: UInt64) {
        let index = grant.slot
        precondition(slots[index].inFlightCount > 0, "a lease came back twice")
        slots[index].inFlightCount -= 1
        switch outcome {
        case .success: slots[index].successCount += 1
        case .cancelled: slots[index].cancelledCount += 1
        case .failure(let kind, _):
            slots[index].failureCounts[LeaseOutcome.FailureKind.allCases.firstIndex(of: kind)!] += 1
        }
        _ = slots[index].breaker.record(outcome.endpointEvent(settings), ticket: grant.ticket, now_ns: now_ns)
        if let lane = grant.lane, let keyTicket = grant.keyTicket {
            _ = slots[index].keyBreakers[lane].record(outcome.keyEvent(settings), ticket: keyTicket, now_ns: now_ns)
        } else if case .failure(let kind, _) = outcome, kind.blamesKey {
            // Without keys there is one caller identity, so what is said of the key holds for the address.
            _ = slots[index].breaker.record(outcome.keyEvent(settings), ticket: grant.ticket, now_ns: now_ns)
        }
    }

    private func readiness(of slot: borrowing Slot, now_ns: UInt64) -> SlotReadiness {
        if case .notBefore(let time_ns) = slot.breaker.readiness(now_ns: now_ns) { return .notBefore(time_ns) }
        if !slot.keyBreakers.isEmpty {
            var earliest_ns = UInt64.max
            for breaker in slot.keyBreakers {
                switch breaker.readiness(now_ns: now_ns) {
                case .ready: earliest_ns = 0
                case .notBefore(let time_ns): earliest_ns = min(earliest_ns, time_ns)
                }
            }
            if earliest_ns > 0 { return .notBefore(earliest_ns) }
        }
        if let cap = slot.deployment.maxConcurrent, slot.inFlightCount >= cap { return .saturated }
        return .ready
    }

    // MARK: Looking

    /// Per card, whether a lease would be given now.
    func availability(now_ns: UInt64) -> [Availability] {
        slotIndices.map { indices in
            var isAnySaturated = false
            var earliest_ns = UInt64.max
            for index in indices {
                switch readiness(of: slots[index], now_ns: now_ns) {
                case .ready: return .available
                case .saturated: isAnySaturated = true
                case .notBefore(let time_ns): earliest_ns = min(earliest_ns, time_ns)
                }
            }
            let wait = earliest_ns == .max ? nil : Self.milliseconds(until: earliest_ns, now_ns)
            return isAnySaturated ? .saturated : .coolingDown(retryAfter_ms: wait ?? 0)
        }
    }

    func snapshot(now_ns: UInt64) -> PoolSnapshot {
        PoolSnapshot(
            models: zip(cards, slotIndices).map { card, indices in
                PoolSnapshot.Model(
                    name: card.name, deployments: indices.map { snapshot(of: slots[$0], now_ns: now_ns) })
            })
    }

    private func snapshot(of slot: Slot, now_ns: UInt64) -> PoolSnapshot.Deployment {
        var retryAfter_ms: Int?
        var isAvailable = false
        switch readiness(of: slot, now_ns: now_ns) {
        case .ready: isAvailable = true
        case .saturated: break
        case .notBefore(let time_ns): retryAfter_ms = Self.milliseconds(until: time_ns, now_ns)
        }
        var failures: [LeaseOutcome.FailureKind: Int] = [:]
        for (kind, count) in zip(LeaseOutcome.FailureKind.allCases, slot.failureCounts) where count > 0 {
            failures[kind] = count
        }
        return PoolSnapshot.Deployment(
            id: slot.deployment.id, inFlightCount: slot.inFlightCount, maxConcurrent: slot.deployment.maxConcurrent,
            breakerLabel: slot.breaker.state.label,
            openedCount: slot.keyBreakers.reduce(slot.breaker.openedCount) { $0 + $1.openedCount },
            coolingKeysCount: slot.keyBreakers.count { $0.readiness(now_ns: now_ns) != .ready },
            isAvailable: isAvailable, retryAfter_ms: retryAfter_ms, successCount: slot.successCount,
            cancelledCount: slot.cancelledCount, failureCounts: failures)
    }

    /// Rounded up, so that a client that waits this long does not come too early.
    private static func milliseconds(until time_ns: UInt64, _ now_ns: UInt64) -> Int {
        time_ns <= now_ns ? 0 : Int((time_ns - now_ns + 999_999) / 1_000_000)
    }
}

extension Deployment {
    /// Whether `other` is the same place reached in the same way, so that what was learned of one holds for it.
    fileprivate func isSamePlace(as other: Deployment) -> Bool {
        id == other.id && baseURL == other.baseURL && unixSocketPath == other.unixSocketPath
            && upstreamModel == other.upstreamModel && keys == other.keys && authentication == other.authentication
    }
}

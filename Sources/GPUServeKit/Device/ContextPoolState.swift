/// The life of a context pool's contexts, without any context: events go in, what is to be done comes out.
struct ContextPoolState: Sendable {
    typealias Slot = Int
    typealias Waiter = UInt64

    /// What the pool has to do; in this order.
    enum Action: Sendable, Equatable {
        /// Make a context for the slot and report `made` or `failed`.
        case make(Slot)
        /// The slot's context is this waiter's now.
        case hand(Waiter, Slot)
        case refuse(Waiter, DeviceError)
        /// Close the slot's context.
        case end(Slot)
    }

    private enum Condition: Sendable {
        case empty, making, warm, leased
    }

    private var slots: [Condition]
    private var waiters: [Waiter] = []
    private let waiterLimit: Int
    private var isClosed = false

    init(slotCount: Int, waiterLimit: Int) {
        slots = Array(repeating: .empty, count: slotCount)
        self.waiterLimit = waiterLimit
    }

    var warmCount: Int { slots.count { $0 == .warm } }
    var leasedCount: Int { slots.count { $0 == .leased } }
    var makingCount: Int { slots.count { $0 == .making } }
    var waiterCount: Int { waiters.count }

    /// Makes every context that is missing.
    mutating func fill() -> [Action] {
        guard !isClosed else { return [] }
        return slots.indices.compactMap { slots[$0] == .empty ? make($0) : nil }
    }

    /// Somebody wants a context. A slot that is empty (making its context failed) is tried again.
    mutating func take(_ waiter: Waiter) -> [Action] {
        guard !isClosed else { return [.refuse(waiter, Self.closed)] }
        if waiters.isEmpty, let slot = slots.firstIndex(of: .warm) {
            slots[slot] = .leased
            return [.hand(waiter, slot)]
        }
        guard waiters.count < waiterLimit else {
            return [.refuse(waiter, DeviceError(.limitReached, "\(waiters.count) tasks wait for a context already"))]
        }
        waiters.append(waiter)
        return fill()
    }

    /// Forgets a waiter that no longer waits.
    mutating func cancel(_ waiter: Waiter) -> [Action] {
        guard let index = waiters.firstIndex(of: waiter) else { return [] }
        waiters.remove(at: index)
        return [.refuse(waiter, ContextRules.cancelled)]
    }

    mutating func made(_ slot: Slot) -> [Action] {
        precondition(slots[slot] == .making)
        return settle(slot)
    }

    /// Waiters are refused when nothing else could serve them; a context that is leased or being made still could.
    mutating func failed(_ slot: Slot, _ error: DeviceError) -> [Action] {
        precondition(slots[slot] == .making)
        slots[slot] = .empty
        guard slots.allSatisfy({ $0 == .empty }) else { return [] }
        defer { waiters = [] }
        return waiters.map { .refuse($0, error) }
    }

    /// A lease ended. A context that is no longer good is replaced.
    mutating func giveBack(_ slot: Slot, isGood: Bool) -> [Action] {
        precondition(slots[slot] == .leased)
        if isGood { return settle(slot) }
        slots[slot] = .empty
        return isClosed ? [.end(slot)] : [.end(slot), make(slot)]
    }

    /// Refuses who waits and ends what is warm; what is leased or being made ends when it comes back.
    mutating func close() -> [Action] {
        guard !isClosed else { return [] }
        isClosed = true
        var actions: [Action] = waiters.map { .refuse($0, Self.closed) }
        waiters = []
        for slot in slots.indices where slots[slot] == .warm {
            slots[slot] = .empty
            actions.append(.end(slot))
        }
        return actions
    }

    private static let closed = DeviceError(.closed, "the context pool is closed")

    private mutating func make(_ slot: Slot) -> Action {
        slots[slot] = .making
        return .make(slot)
    }

    /// A good context has no user: it goes to the first waiter, or waits itself, or ends.
    private mutating func settle(_ slot: Slot) -> [Action] {
        if isClosed {
            slots[slot] = .empty
            return [.end(slot)]
        }
        guard !waiters.isEmpty else {
            slots[slot] = .warm
            return []
        }
        slots[slot] = .leased
        return [.hand(waiters.removeFirst(), slot)]
    }
}

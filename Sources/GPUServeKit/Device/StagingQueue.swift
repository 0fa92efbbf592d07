/// Who has which staging slot and who waits for one: pure bookkeeping, first come first served.
struct StagingQueue: Sendable {
    typealias WaiterID = UInt64

    private(set) var freeSlots: [Int]
    private(set) var waiters: [WaiterID] = []
    /// Slots that are with a reader or a copy.
    private(set) var outCount = 0

    init(slotCount: Int) { freeSlots = Array((0..<slotCount).reversed()) }

    /// A slot, when one is free and nobody came before.
    mutating func take() -> Int? {
        guard waiters.isEmpty, let slot = freeSlots.popLast() else { return nil }
        outCount += 1
        return slot
    }

    mutating func wait(_ waiter: WaiterID) { waiters.append(waiter) }

    /// Takes a slot back; the waiter that gets it, when somebody waits.
    mutating func giveBack(_ slot: Int) -> WaiterID? {
        guard !waiters.isEmpty else {
            outCount -= 1
            freeSlots.append(slot)
            return nil
        }
        return waiters.removeFirst()
    }

    /// Forgets a waiter; false when it is not waiting (it has its slot, or never came).
    mutating func cancel(_ waiter: WaiterID) -> Bool {
        guard let index = waiters.firstIndex(of: waiter) else { return false }
        waiters.remove(at: index)
        return true
    }
}

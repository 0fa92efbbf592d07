/// Receives a deadline that passed. Called on the loop's thread.
public protocol DeadlineHandler: AnyObject {
    /// The deadline scheduled under `id` has passed; it is already removed from the loop.
    func deadlineReached(_ id: DeadlineID)
}

/// Names a scheduled deadline. The generation makes cancelling one that has already fired harmless.
public struct DeadlineID: Sendable, Hashable {
    let slot: Int32
    let generation: UInt32
}

/// A binary min-heap of deadlines over a slab, so that cancelling and moving one costs O(log n) and allocates nothing.
/// Confined to its loop's thread.
struct DeadlineHeap {
    private struct Entry {
        var deadline_ns: UInt64
        var generation: UInt32
        var position: Int32
        var handler: (any DeadlineHandler)?
    }

    private var slab: [Entry] = []
    private var free: [Int32] = []
    private var heap: [Int32] = []

    var count: Int { heap.count }
    var earliest_ns: UInt64? { heap.first.map { slab[Int($0)].deadline_ns } }

    mutating func insert(_ deadline_ns: UInt64, _ handler: any DeadlineHandler) -> DeadlineID {
        let slot: Int32
        if let reused = free.popLast() {
            slot = reused
            slab[Int(slot)].deadline_ns = deadline_ns
            slab[Int(slot)].handler = handler
        } else {
            slot = Int32(slab.count)
            slab.append(Entry(deadline_ns: deadline_ns, generation: 0, position: 0, handler: handler))
        }
        slab[Int(slot)].position = Int32(heap.count)
        heap.append(slot)
        siftUp(heap.count - 1)
        return DeadlineID(slot: slot, generation: slab[Int(slot)].generation)
    }

    /// Removes the deadline; false when it has already fired or was cancelled.
    @discardableResult
    mutating func cancel(_ id: DeadlineID) -> Bool {
        guard isLive(id) else { return false }
        remove(slot: id.slot)
        return true
    }

    /// Moves a live deadline; false when it has already fired or was cancelled.
    mutating func move(_ id: DeadlineID, to deadline_ns: UInt64) -> Bool {
        guard isLive(id) else { return false }
        let position = Int(slab[Int(id.slot)].position)
        slab[Int(id.slot)].deadline_ns = deadline_ns
        siftUp(position)
        siftDown(Int(slab[Int(id.slot)].position))
        return true
    }

    /// Takes the earliest deadline if it is not after `now_ns`.
    mutating func popExpired(now_ns: UInt64) -> (DeadlineID, any DeadlineHandler)? {
        guard let slot = heap.first, slab[Int(slot)].deadline_ns <= now_ns, let handler = slab[Int(slot)].handler
        else { return nil }
        let id = DeadlineID(slot: slot, generation: slab[Int(slot)].generation)
        remove(slot: slot)
        return (id, handler)
    }

    private func isLive(_ id: DeadlineID) -> Bool {
        id.slot >= 0 && Int(id.slot) < slab.count && slab[Int(id.slot)].generation == id.generation
            && slab[Int(id.slot)].handler != nil
    }

    private mutating func remove(slot: Int32) {
        let position = Int(slab[Int(slot)].position)
        slab[Int(slot)].handler = nil
        slab[Int(slot)].generation &+= 1
        free.append(slot)
        let last = heap.removeLast()
        guard position < heap.count else { return }
        heap[position] = last
        slab[Int(last)].position = Int32(position)
        siftUp(position)
        siftDown(Int(slab[Int(last)].position))
    }

    private func key(_ position: Int) -> UInt64 { slab[Int(heap[position])].deadline_ns }

    private mutating func swap(_ a: Int, _ b: Int) {
        heap.swapAt(a, b)
        slab[Int(heap[a])].position = Int32(a)
        slab[Int(heap[b])].position = Int32(b)
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard key(child) < key(parent) else { return }
            swap(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            let left = 2 * parent + 1
            if left < heap.count, key(left) < key(least) { least = left }
            if left + 1 < heap.count, key(left + 1) < key(least) { least = left + 1 }
            guard least != parent else { return }
            swap(parent, least)
            parent = least
        }
    }
}

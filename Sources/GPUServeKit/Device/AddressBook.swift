import Synchronization
import Transport

/// The live allocations of one context, by address. Any thread.
///
/// It holds them weakly: what keeps memory alive are its buffer, windows and running work, never the book.
final class AddressBook<Owner: AnyObject & Sendable>: Sendable {
    private struct Entry {
        let base: UInt64
        let byteCount: Int
        weak var owner: Owner?
    }

    private let device: DeviceID
    /// Sorted by address; live allocations never overlap.
    private let entries = Lock<[Entry]>([])

    init(device: DeviceID) { self.device = device }

    func insert(_ owner: Owner, base: UInt64, byteCount: Int) {
        entries.withLock { entries in
            let index = Self.position(after: base, in: entries)
            entries.insert(Entry(base: base, byteCount: byteCount, owner: owner), at: index)
        }
    }

    func remove(base: UInt64) {
        entries.withLock { entries in
            let index = Self.position(after: base, in: entries) - 1
            if index >= 0, entries[index].base == base { entries.remove(at: index) }
        }
    }

    /// The allocation that has all of `range` inside.
    func owner(of range: DeviceRange) throws(DeviceError) -> Owner {
        let found = entries.withLock { entries -> Owner? in
            let index = Self.position(after: range.address, in: entries) - 1
            guard index >= 0 else { return nil }
            let offset = range.address - entries[index].base
            guard range.byteCount >= 0, offset <= UInt64(entries[index].byteCount),
                UInt64(range.byteCount) <= UInt64(entries[index].byteCount) - offset
            else { return nil }
            return entries[index].owner
        }
        guard range.device == device, let found else {
            throw DeviceError(
                .outOfBounds, "\(range) is not inside live memory of this context on \(device); is its buffer freed?")
        }
        return found
    }

    /// True when every allocation is removed, those about to go away included.
    var isEmpty: Bool { entries.withLock { $0.isEmpty } }
    /// All that are alive.
    func owners() -> [Owner] { entries.withLock { $0.compactMap(\.owner) } }

    /// How many bytes they have together.
    var heldBytes: Int { entries.withLock { $0.reduce(0) { $0 + $1.byteCount } } }

    /// The index of the first entry whose base is above `address`.
    private static func position(after address: UInt64, in entries: [Entry]) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].base <= address { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

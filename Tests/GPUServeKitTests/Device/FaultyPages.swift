import Glibc
import Synchronization
import Transport

@testable import GPUServeKit

/// The real calls that map host memory, of which one fails; counts what is mapped.
final class FaultyPages: Sendable {
    /// What fails.
    enum Fault: Sendable, CaseIterable {
        /// A mapping, as when the process may have no more of them.
        case map
        /// Making pages present, as when the control group has no more memory.
        case populate
        /// A mapping at a place that somebody else has taken meanwhile.
        case taken
    }

    private struct State {
        var left: Int
        var hasFailed = false
        var wasHuge = false
        var mappedBytes = 0
    }

    private let fault: Fault
    private let state: Lock<State>

    /// Fails the call after `count` of its kind that succeed.
    init(_ fault: Fault, failingAfter count: Int) {
        self.fault = fault
        state = Lock(State(left: count))
    }

    /// Whether the call that fails has been reached.
    var hasFailed: Bool { state.withLock { $0.hasFailed } }
    /// Whether it was for reserved huge pages, which are not needed.
    var wasHuge: Bool { state.withLock { $0.wasHuge } }
    /// Bytes mapped and not given back.
    var mappedBytes: Int { state.withLock { $0.mappedBytes } }

    private func fails(_ kinds: [Fault], isHuge: Bool = false) -> Bool {
        guard kinds.contains(fault) else { return false }
        return state.withLock { state in
            state.left -= 1
            guard state.left == -1 else { return false }
            (state.hasFailed, state.wasHuge) = (true, isHuge)
            return true
        }
    }

    var calls: HostPages.Calls {
        let real = HostPages.Calls.system
        return HostPages.Calls(
            map: { [self] address, byteCount, flags in
                let isHuge = flags & MAP_HUGETLB != 0
                if fails(address == nil ? [.map] : [.map, .taken], isHuge: isHuge) {
                    errno = fault == .taken ? EEXIST : ENOMEM
                    return nil
                }
                let mapped = real.map(address, byteCount, flags)
                if mapped != nil { state.withLock { $0.mappedBytes += byteCount } }
                return mapped
            },
            unmap: { [self] address, byteCount in
                real.unmap(address, byteCount)
                state.withLock { $0.mappedBytes -= byteCount }
            },
            populate: { [self] address, byteCount in
                fails([.populate]) ? ENOMEM : real.populate(address, byteCount)
            })
    }
}

import Glibc
import Synchronization
import Transport

/// Host memory for arenas, kept and reused: mapped once, pre-faulted once, never given back while it is useful.
///
/// Contexts may share one. Any thread.
public final class HostMemoryPool: Sendable {
    /// What a pool may hold.
    public struct Configuration: Sendable, Hashable {
        /// Most bytes in use and idle together.
        public var capacityBytes: Int
        /// Most bytes kept idle for the next arena; what has been idle longest goes first.
        public var idleBytes: Int
        /// Bytes of the host's memory that are left to others: an arena that would eat into them is refused.
        public var reserveBytes: Int
        /// Threads that make fresh pages present.
        public var threadCount: Int
        /// Whether arenas are only reserved, and restores put the page cache's own pages of a directory store in their place
        /// instead of copying them: quick, and shared by all processes that do so; what is written later is a private copy.
        /// Pages are small then, and none are kept idle.
        public var mapsFiles = false

        /// All of the host's memory but 512 MiB, half of it idle at most, as many threads as help.
        public init() {
            capacityBytes = HostMemory.totalBytes
            idleBytes = HostMemory.totalBytes / 2
            reserveBytes = 512 * 1024 * 1024
            threadCount = Threads.usefulCount
        }
    }

    private struct State {
        var held = 0
        /// Oldest first.
        var idle: [HostPages] = []
        var idleBytes = 0
    }

    /// What it was made with.
    public let configuration: Configuration
    private let calls: HostPages.Calls
    private let state = Lock(State())

    /// An empty pool.
    public convenience init(_ configuration: Configuration = Configuration()) {
        self.init(configuration, calls: .system)
    }

    init(_ configuration: Configuration, calls: HostPages.Calls) {
        self.configuration = configuration
        self.calls = calls
    }

    /// The pool of everyone who did not choose one.
    public static let shared = HostMemoryPool()

    /// Bytes of leases alive now, in whole huge pages.
    public var heldBytes: Int { state.withLock { $0.held } }
    /// Bytes ready for the next lease.
    public var idleBytes: Int { state.withLock { $0.idleBytes } }

    /// What `lease` may hand out without new memory.
    var idlePages: [IdlePages] { state.withLock { $0.idle.map(\.idle) } }

    /// Makes `byteCount` bytes ready ahead of need, so that an arena of that size costs microseconds instead of the
    /// page faults (about 0.3 ms a MiB on one thread).
    ///
    /// - Throws: `outOfMemory`, `invalidArgument`.
    public func prepare(byteCount: Int) throws(DeviceError) { _ = try lease(byteCount: byteCount, at: nil) }

    /// Gives all idle memory back to the host.
    public func drain() {
        let dropped = state.withLock { state in
            defer {
                state.idle = []
                state.idleBytes = 0
            }
            return state.idle
        }
        withExtendedLifetime(dropped) {}  // unmapped after the lock is released
    }

    /// Memory of at least `byteCount` bytes, at `address` when one is given.
    func lease(byteCount: Int, at address: UInt64?) throws(DeviceError) -> HostLease {
        let need = try HostPages.rounded(byteCount)
        if let kept = state.withLock({ Self.take(need, at: address, from: &$0) }) {
            return HostLease(pages: kept, pool: self)
        }
        try makeRoom(for: need, at: address)
        let pages: HostPages
        do throws(DeviceError) {
            pages = try HostPages(
                byteCount: need, at: address, threadCount: configuration.threadCount,
                isPresent: !configuration.mapsFiles, calls: calls)
        } catch {
            state.withLock { $0.held -= need }
            throw error
        }
        return HostLease(pages: pages, pool: self)
    }

    /// Takes idle pages that fit: exactly there, or the smallest that wastes at most as much as it gives.
    private static func take(_ need: Int, at address: UInt64?, from state: inout State) -> HostPages? {
        guard let best = IdlePages.best(of: state.idle.map(\.idle), for: need, at: address) else { return nil }
        let pages = state.idle.remove(at: best)
        state.idleBytes -= pages.byteCount
        state.held += pages.byteCount
        return pages
    }

    /// Books `need` bytes, dropping idle pages that are in the way or too many.
    private func makeRoom(for need: Int, at address: UInt64?) throws(DeviceError) {
        var dropped: [HostPages] = []  // unmapped after the lock is released
        let free = HostMemory.freeBytes
        let error = state.withLock { state -> DeviceError? in
            if let address {
                for pages in state.idle
                where pages.address < address + UInt64(need) && address < pages.address + UInt64(pages.byteCount) {
                    dropped.append(pages)
                }
                state.idle.removeAll { pages in dropped.contains { $0 === pages } }
                state.idleBytes -= dropped.reduce(0) { $0 + $1.byteCount }
            }
            let droppedBytes = { dropped.reduce(0) { $0 + $1.byteCount } }
            while state.held + state.idleBytes + need > configuration.capacityBytes
                || need > free - configuration.reserveBytes + droppedBytes()
            {
                guard !state.idle.isEmpty else {
                    return Self.refusal(need, state.held, free, configuration)
                }
                let oldest = state.idle.removeFirst()
                state.idleBytes -= oldest.byteCount
                dropped.append(oldest)
            }
            state.held += need
            return nil
        }
        withExtendedLifetime(dropped) {}
        if let error { throw error }
    }

    private static func refusal(_ need: Int, _ held: Int, _ free: Int, _ limits: Configuration) -> DeviceError {
        DeviceError(
            .outOfMemory,
            "an arena of \(need) bytes: the host has \(free) bytes free, of which \(limits.reserveBytes) are left to"
                + " others, and this pool holds \(held) of at most \(limits.capacityBytes); free an arena, or raise the"
                + " pool's capacity")
    }

    /// Takes pages back from a lease.
    fileprivate func recycle(_ pages: HostPages) {
        var dropped: [HostPages] = []  // unmapped after the lock is released
        state.withLock { state in
            state.held -= pages.byteCount
            state.idle.append(pages)
            state.idleBytes += pages.byteCount
            while state.idleBytes > (configuration.mapsFiles ? 0 : configuration.idleBytes) {
                let oldest = state.idle.removeFirst()
                state.idleBytes -= oldest.byteCount
                dropped.append(oldest)
            }
        }
        withExtendedLifetime(dropped) {}
    }
}

extension HostPages {
    fileprivate var idle: IdlePages { IdlePages(address: address, byteCount: byteCount) }
}

/// Pages of a pool in use; they go back when nothing refers to them any more.
final class HostLease: Sendable {
    let pages: HostPages
    private let pool: HostMemoryPool

    fileprivate init(pages: HostPages, pool: HostMemoryPool) {
        self.pages = pages
        self.pool = pool
    }

    deinit { pool.recycle(pages) }

    /// All of the pages, kept alive by the window.
    func window(byteCount: Int) -> HostWindow { HostWindow(base: pages.base, byteCount: byteCount, owner: self) }
}

extension HostMemoryPool {
    /// Memory to read into and copy from that is no arena of a context.
    ///
    /// - Throws: `outOfMemory`, `invalidArgument`.
    public func window(byteCount: Int) throws(DeviceError) -> HostWindow {
        try lease(byteCount: byteCount, at: nil).window(byteCount: byteCount)
    }
}

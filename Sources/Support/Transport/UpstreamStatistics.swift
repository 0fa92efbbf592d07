import Synchronization

/// Counts of an upstream transport since its start.
public struct UpstreamStatistics: Sendable, Hashable {
    /// Requests handed to the wire.
    public var transfersStarted = 0
    /// Requests in flight now.
    public var transfersActive = 0
    /// Connections made. The difference to `transfersStarted` is what keep-alive saved.
    public var connectionsOpened = 0

    /// All zero.
    public init() {}
}

/// An engine's counters: written on its thread, read on any.
final class UpstreamCounters: Sendable {
    private let started = Atomic<Int>(0)
    private let ended = Atomic<Int>(0)
    private let connections = Atomic<Int>(0)

    func transferStarted() { started.wrappingAdd(1, ordering: .relaxed) }
    func transferEnded() { ended.wrappingAdd(1, ordering: .relaxed) }
    func connectionsOpened(_ count: Int) { connections.wrappingAdd(count, ordering: .relaxed) }

    func add(to sum: inout UpstreamStatistics) {
        let ended = ended.load(ordering: .relaxed)
        let started = started.load(ordering: .relaxed)
        sum.transfersStarted += started
        sum.transfersActive += max(0, started - ended)
        sum.connectionsOpened += connections.load(ordering: .relaxed)
    }
}

import Synchronization

/// What a server has done since it started. Any thread may read it at any time.
public struct ServerCounts: Sendable, Hashable {
    /// Connections open now.
    public var openConnections = 0
    /// Connections accepted, refused ones not included.
    public var acceptedConnections = 0
    /// Connections answered with 503 because `Limits.connectionCount` were open.
    public var refusedOverLimit = 0
    /// Connections closed at once because the process or the system was out of descriptors.
    public var refusedWithoutDescriptor = 0
    /// Requests handed to the handler.
    public var requests = 0
    /// Requests refused because their head or body broke the protocol or a limit.
    public var malformedRequests = 0
    /// Request heads that did not come in time.
    public var headTimeouts = 0
    /// Request bodies that did not come in time.
    public var bodyTimeouts = 0
    /// Connections ended because the client took nothing of its response for too long.
    public var writeStalls = 0
    /// Responses whose client left before they were complete.
    public var clientsGone = 0
    /// Responses that the handler gave up after their head.
    public var abortedResponses = 0
    /// Handlers that threw.
    public var handlerFailures = 0
}

/// The counters behind `ServerCounts`, shared by the loops of one server.
final class ServerCounters: Sendable {
    enum Counter: Int, CaseIterable {
        case open, accepted, refusedOverLimit, refusedWithoutDescriptor, requests, malformedRequests, headTimeouts
        case bodyTimeouts, writeStalls, clientsGone, abortedResponses, handlerFailures
    }

    private let open = Atomic<Int>(0)
    private let accepted = Atomic<Int>(0)
    private let refusedOverLimit = Atomic<Int>(0)
    private let refusedWithoutDescriptor = Atomic<Int>(0)
    private let requests = Atomic<Int>(0)
    private let malformedRequests = Atomic<Int>(0)
    private let headTimeouts = Atomic<Int>(0)
    private let bodyTimeouts = Atomic<Int>(0)
    private let writeStalls = Atomic<Int>(0)
    private let clientsGone = Atomic<Int>(0)
    private let abortedResponses = Atomic<Int>(0)
    private let handlerFailures = Atomic<Int>(0)

    /// Adds one.
    func add(_ counter: Counter) {
        switch counter {
        case .open: open.wrappingAdd(1, ordering: .relaxed)
        case .accepted: accepted.wrappingAdd(1, ordering: .relaxed)
        case .refusedOverLimit: refusedOverLimit.wrappingAdd(1, ordering: .relaxed)
        case .refusedWithoutDescriptor: refusedWithoutDescriptor.wrappingAdd(1, ordering: .relaxed)
        case .requests: requests.wrappingAdd(1, ordering: .relaxed)
        case .malformedRequests: malformedRequests.wrappingAdd(1, ordering: .relaxed)
        case .headTimeouts: headTimeouts.wrappingAdd(1, ordering: .relaxed)
        case .bodyTimeouts: bodyTimeouts.wrappingAdd(1, ordering: .relaxed)
        case .writeStalls: writeStalls.wrappingAdd(1, ordering: .relaxed)
        case .clientsGone: clientsGone.wrappingAdd(1, ordering: .relaxed)
        case .abortedResponses: abortedResponses.wrappingAdd(1, ordering: .relaxed)
        case .handlerFailures: handlerFailures.wrappingAdd(1, ordering: .relaxed)
        }
    }

    /// Takes one of `limit` places for open connections; false when all are taken.
    func takePlace(limit: Int) -> Bool {
        let before = open.wrappingAdd(1, ordering: .relaxed).oldValue
        if before < limit { return true }
        open.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    /// Gives back a place.
    func returnPlace() { open.wrappingSubtract(1, ordering: .relaxed) }

    var snapshot: ServerCounts {
        ServerCounts(
            openConnections: open.load(ordering: .relaxed), acceptedConnections: accepted.load(ordering: .relaxed),
            refusedOverLimit: refusedOverLimit.load(ordering: .relaxed),
            refusedWithoutDescriptor: refusedWithoutDescriptor.load(ordering: .relaxed),
            requests: requests.load(ordering: .relaxed), malformedRequests: malformedRequests.load(ordering: .relaxed),
            headTimeouts: headTimeouts.load(ordering: .relaxed), bodyTimeouts: bodyTimeouts.load(ordering: .relaxed),
            writeStalls: writeStalls.load(ordering: .relaxed), clientsGone: clientsGone.load(ordering: .relaxed),
            abortedResponses: abortedResponses.load(ordering: .relaxed),
            handlerFailures: handlerFailures.load(ordering: .relaxed))
    }
}

internal import Synchronization
internal import Transport

/// The way from a front to its deployment, which owns it.
final class WeakDeployment: Sendable {
    private struct State {
        weak var value: Deployment?
        var unproven: Set<Int> = []
    }

    private let state = Lock(State())

    var value: Deployment? {
        get { state.withLock { $0.value } }
        set { state.withLock { $0.value = newValue } }
    }

    /// Whether a replica has yet to answer its first request.
    func isUnproven(_ replica: Int) -> Bool { state.withLock { $0.unproven.contains(replica) } }
    func insert(_ replica: Int) { state.withLock { _ = $0.unproven.insert(replica) } }
    func remove(_ replica: Int) { state.withLock { _ = $0.unproven.remove(replica) } }
}

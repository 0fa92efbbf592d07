internal import Synchronization
internal import Transport
internal import Wire

/// The memory of the machine, as all deployments of a runtime share it: carries out what its `MemoryPlan` says. Any thread.
final class MemoryKeeper: Sendable {
    private struct State {
        var plan: MemoryPlan
        var members: [String: WeakDeployment] = [:]
    }

    private let state: Lock<State>
    /// Most of those who wait that are told when there is more room; the others ask again by themselves.
    private static let toldCount = 8

    init(capacity: MemorySize, limits: Limits) {
        state = Lock(State(plan: MemoryPlan(capacity: capacity, minimumStay_ms: limits.memoryStay_ms)))
    }

    // MARK: Who shares it

    func join(_ name: String, _ deployment: WeakDeployment) { state.withLock { $0.members[name] = deployment } }

    func leave(_ name: String) {
        let waiting = state.withLock { state in
            state.plan.forget(name)
            state.members[name] = nil
            return told(state)
        }
        wake(waiting)
    }

    // MARK: Asking

    /// See `MemoryPlan.ask`. Those who must make room are told.
    func ask(_ key: MemoryPlan.Key, _ size: MemorySize, isUrgent: Bool) -> MemoryPlan.Answer {
        let (answer, evictions) = state.withLock { state in
            let (answer, evictions) = state.plan.ask(key, size, isUrgent: isUrgent, at: EventLoop.clock_ms())
            return (answer, evictions.map { ($0, state.members[$0.key.deployment]) })
        }
        tell(evictions, key.deployment)
        return answer
    }

    /// No replica of a deployment waits any more but `kept`.
    func withdraw(_ deployment: String, but kept: MemoryPlan.Key?) {
        state.withLock { $0.plan.withdraw(deployment, but: kept) }
    }

    /// Sees to it that no more is held than there is, if whoever holds it can go.
    func relieve() {
        let evictions = state.withLock { state in
            state.plan.relieve(at: EventLoop.clock_ms()).map { ($0, state.members[$0.key.deployment]) }
        }
        tell(evictions, nil)
    }

    private func tell(_ evictions: [(MemoryPlan.Eviction, WeakDeployment?)], _ other: String?) {
        for (eviction, member) in evictions {
            guard let deployment = member?.value else {
                state.withLock { $0.plan.forget(eviction.key.deployment) }
                continue
            }
            Task { await deployment.giveWay(eviction, to: other) }
        }
    }

    // MARK: What is so

    /// See `MemoryPlan.hold`. Those who wait are told when there is more room.
    func hold(_ key: MemoryPlan.Key, _ holding: MemoryPlan.Holding) {
        wake(state.withLock { state in state.plan.hold(key, holding) ? told(state) : [] })
    }

    func stays(_ key: MemoryPlan.Key) { state.withLock { $0.plan.stays(key) } }

    private func told(_ state: State) -> [WeakDeployment] {
        state.plan.waiting.prefix(Self.toldCount).compactMap { state.members[$0.deployment] }
    }

    private func wake(_ waiting: [WeakDeployment]) {
        for member in waiting { Task { await member.value?.evaluate() } }
    }

    /// What all may have, and what they have.
    var use: BudgetUse {
        state.withLock {
            BudgetUse(capacity: $0.plan.capacity, held: $0.plan.held, waiting: $0.plan.waiting.map(\.deployment))
        }
    }
}

/// The memory of a machine and what deployments hold of it.
public struct BudgetUse: Sendable, Hashable {
    /// What all together may hold.
    public var capacity: MemorySize
    /// What they hold, as far as it was measured, else as estimated.
    public var held: MemorySize
    /// Deployments that wait for room, first come first.
    public var waiting: [String]

    var object: JSONObjectText {
        var object = JSONObjectText()
        object.add("host_bytes", capacity.hostBytes)
        object.add("host_held_bytes", held.hostBytes)
        object.add("gpu_bytes", capacity.gpuBytes)
        object.add("gpu_held_bytes", held.gpuBytes)
        object.add("waiting", waiting)
        return object
    }
}

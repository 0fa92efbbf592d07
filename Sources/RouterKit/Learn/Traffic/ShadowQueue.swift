import Synchronization
import Transport
import Wire

/// Runs a bounded number of jobs at once, lets a bounded number wait, and refuses the rest. Any thread.
final class ShadowQueue: Sendable {
    typealias Job = @Sendable () async -> Void

    private struct State {
        /// Workers by number, each used once; `nil` until a worker's task is known.
        var workers: [Int: Task<Void, Never>?] = [:]
        var lastWorker = 0
        var waiting: [Job] = []
        var isStopped = false
    }

    private enum Place {
        case worker(Int)
        case waits
        case refused
    }

    private let state = Lock(State())
    private let limits: Limits

    init(limits: Limits) { self.limits = limits }

    /// Jobs that run or wait.
    var count: Int { state.withLock { $0.workers.count + $0.waiting.count } }

    /// Runs `job` as soon as there is room; `false` when there is none, or the queue was stopped.
    func submit(_ job: @escaping Job) -> Bool {
        let place = state.withLock { state -> Place in
            guard !state.isStopped else { return .refused }
            if state.workers.count < limits.shadowCount {
                state.lastWorker += 1
                state.workers.updateValue(nil, forKey: state.lastWorker)
                return .worker(state.lastWorker)
            }
            guard state.waiting.count < limits.shadowQueueCount else { return .refused }
            state.waiting.append(job)
            return .waits
        }
        switch place {
        case .refused: return false
        case .waits: return true
        case .worker(let number):
            start(number, job)
            return true
        }
    }

    /// Cancels what runs, and refuses everything from now on. What waits runs too, cancelled from its start.
    func stop() {
        state.withLock { $0.isStopped = true }
        for task in tasks { task.cancel() }
    }

    /// Returns when what runs now has ended; soon after `stop`, because cancelled sends always end.
    func ended() async {
        for task in tasks { await task.value }
    }

    private var tasks: [Task<Void, Never>] { state.withLock { $0.workers.values.compactMap(\.self) } }

    private func start(_ number: Int, _ first: @escaping Job) {
        // Detached: off the event loop that submits, whose time belongs to requests.
        let task = Task.detached(priority: .utility) {
            var job: Job? = first
            while let next = job {
                await next()
                job = self.next(number)
            }
        }
        let isStopped = state.withLock { state in
            // A worker that is over already has no place any more.
            if state.workers[number] != nil { state.workers.updateValue(task, forKey: number) }
            return state.isStopped
        }
        if isStopped { task.cancel() }
    }

    private func next(_ number: Int) -> Job? {
        state.withLock { state in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.workers.removeValue(forKey: number)
            return nil
        }
    }
}

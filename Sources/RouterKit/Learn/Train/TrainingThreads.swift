import Glibc
import Synchronization

/// Runs parts of a computation on threads of their own: training must not fill the cooperative pool.
enum TrainingThreads {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private final class Results<Value: Sendable>: Sendable {
        let next = Mutex(0)
        let values: Mutex<[Value?]>
        init(_ count: Int) { values = Mutex([Value?](repeating: nil, count: count)) }
    }

    /// `part(0)`, ... `part(count - 1)`, in that order whatever thread made them.
    static func map<Value: Sendable>(
        _ count: Int, threads: Int, _ part: @escaping @Sendable (Int) -> Value
    ) -> [Value] {
        let results = Results<Value>(count)
        let run: @Sendable () -> Void = {
            while true {
                let index = results.next.withLock { next in
                    next += 1
                    return next - 1
                }
                guard index < count else { return }
                let value = part(index)
                results.values.withLock { $0[index] = value }
            }
        }
        var handles: [pthread_t] = []
        for _ in 1..<max(1, min(threads, count)) {
            var handle = pthread_t()
            let body = Unmanaged.passRetained(Body(run))
            let status = pthread_create(
                &handle, nil,
                { argument in
                    Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                    return nil
                }, body.toOpaque())
            // Without another thread this one does all the parts.
            if status == 0 { handles.append(handle) } else { body.release() }
        }
        run()
        for handle in handles { pthread_join(handle, nil) }
        return results.values.withLock { $0.map { $0! } }
    }
}

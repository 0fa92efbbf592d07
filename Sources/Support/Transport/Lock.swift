#if TSAN
    import Glibc

    /// A pthread lock with the API of `Synchronization.Mutex`, compiled only for ThreadSanitizer runs (`-DTSAN`):
    /// the sanitizer does not see `Mutex`'s futex and reports every contended one as a race.
    public struct Lock<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
        // Heap cells: a pthread lock must never move. `@unchecked Sendable`: every access to `value` holds `handle`.
        private let handle: UnsafeMutablePointer<pthread_mutex_t>
        private let value: UnsafeMutablePointer<Value>

        /// Takes ownership of the value that the lock guards.
        public init(_ initial: consuming sending Value) {
            handle = .allocate(capacity: 1)
            handle.initialize(to: pthread_mutex_t())
            let status = pthread_mutex_init(handle, nil)
            precondition(status == 0, "pthread_mutex_init failed")
            value = .allocate(capacity: 1)
            value.initialize(to: initial)
        }

        deinit {
            pthread_mutex_destroy(handle)
            handle.deallocate()
            value.deinitialize(count: 1)
            value.deallocate()
        }

        /// Runs `body` with the lock held. Not recursive; never await inside.
        public borrowing func withLock<Result: ~Copyable, E: Error>(
            _ body: (inout sending Value) throws(E) -> sending Result
        ) throws(E) -> sending Result {
            pthread_mutex_lock(handle)
            defer { pthread_mutex_unlock(handle) }
            return try body(&value.pointee)
        }
    }
#else
    public import Synchronization

    /// The one lock type of the package: `Synchronization.Mutex`, or a pthread look-alike under ThreadSanitizer.
    public typealias Lock<Value: ~Copyable> = Mutex<Value>
#endif

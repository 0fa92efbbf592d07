/// Told of every request that the router took in, for metrics. Called on the thread that served the request; must not
/// block.
public protocol RouterObserver: Sendable {
    /// A request ended, well or badly; the record is the one that the decision log gets.
    func finished(_ record: LogRecord)
    /// A request was refused before any upstream was asked.
    func refused(_ error: RouterError)
    /// A shadow comparison ended, well or badly; called on a thread of the concurrency runtime, long after the client has
    /// its answer, or on that of a request when it was dropped at once.
    func compared(_ record: ShadowRecord)
}

extension RouterObserver {
    /// Nothing.
    public func compared(_ record: ShadowRecord) {}
}

/// Told of every request that the router took in, for metrics. Called on the thread that served the request; must not
/// block.
public protocol RouterObserver: Sendable {
    /// A request ended, well or badly; the record is the one that the decision log gets.
    func finished(_ record: LogRecord)
    /// A request was refused before any upstream was asked.
    func refused(_ error: RouterError)
}

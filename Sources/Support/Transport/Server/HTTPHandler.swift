/// Answers requests. One value serves all connections of a server, from all its loops at once.
///
/// `handle` runs on the thread of the connection's loop and stays there across its awaits, so it must not block: a
/// handler that computes for 10 ms delays every connection of that loop by 10 ms. Blocking work belongs on a thread
/// of its own.
///
/// The task is cancelled when the client goes away before its response is complete. A client that closes only its
/// sending side (half-close) after a complete request counts as gone too: no client of ours does that to a server it
/// still listens to, and telling the two apart would keep paid upstream work running for nobody.
public protocol HTTPHandler: Sendable {
    /// Answers one request by consuming `response`.
    ///
    /// - Throws: what kept it from answering. Without a head sent, the client gets 500 (or 4xx when the fault was in the
    ///   request's body); after a head, the connection is aborted so that the client sees a failure and no short body.
    nonisolated(nonsending) func handle(
        _ request: ServerRequest, _ response: consuming ResponseStart
    ) async throws(HandlerError)
}

import Wire

extension RequestView {
    /// Whether the router must ask for the usage chunk itself, and keep it from the client: a stream of a dialect that
    /// reports usage only on demand, from a client that did not demand it.
    var needsUsageRequest: Bool {
        guard stream, !includesUsage else { return false }
        return dialect == .chatCompletions || dialect == .completions
    }
}

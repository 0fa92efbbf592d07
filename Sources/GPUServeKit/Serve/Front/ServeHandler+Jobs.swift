internal import Transport
internal import Wire

/// The interface to jobs:
///
/// ```
/// GET    /api/jobs                POST /api/jobs                          (a JobSpec)
/// GET    /api/jobs/ID?from=0      DELETE /api/jobs/ID                     (with what it printed from there on)
/// ```
extension ServeHandler {
    /// Most bytes of what a job printed in one answer.
    private static let longestPieceBytes = 64 * 1024

    /// Nil when it is about something else.
    nonisolated(nonsending) func jobs(
        _ head: RequestHead, _ parts: [String], _ body: [UInt8]
    ) async throws(ServeError) -> ServeAnswer? {
        guard parts.first == "jobs" else { return nil }
        switch (head.method, parts.count) {
        case (.get, 1):
            var object = JSONObjectText()
            object.add("jobs", objects: await runtime.jobs.all.map(\.object))
            return .json(object.bytes)
        case (.post, 1):
            let id = try await runtime.start(try JobSpec(json: body, limits: runtime.limits))
            return .json(try await runtime.job(id).object.bytes, status: 201)
        case (.get, 2):
            let from = Self.value("from", in: head.query ?? "").flatMap { Int($0) } ?? 0
            // The state first: whoever then finds nothing printed after an end has seen all of it.
            var object = try await runtime.job(parts[1]).object
            let printed = try await runtime.jobs.printed(parts[1], from: from, limit: Self.longestPieceBytes)
            object.add("printed", String(decoding: printed.bytes, as: UTF8.self))
            object.add("next", printed.next)
            return .json(object.bytes)
        case (.delete, 2):
            try await runtime.endJob(parts[1])
            return .json(try await runtime.job(parts[1]).object.bytes)
        default: return .failure(405, "\(head.method) is not allowed at \(head.path).", "method_not_allowed")
        }
    }
}

internal import Transport
internal import Wire

/// The interface to keys and bills:
///
/// ```
/// GET    /api/bill?by=deployment|key|day|device&from=2026-11-27&to=2026-11-28&format=json|csv     (days, UTC; `to` exclusive)
/// GET    /api/keys          POST /api/keys {"id": "team-a"}          DELETE /api/keys/ID
/// ```
extension ServeHandler {
    /// Nil when it is about something else.
    nonisolated(nonsending) func accounts(
        _ head: RequestHead, _ parts: [String], _ body: [UInt8]
    ) async throws(ServeError) -> ServeAnswer? {
        switch (parts.first, head.method, parts.count) {
        case ("bill", .get, 1): return try await bill(head.query ?? "")
        case ("keys", .get, 1):
            var object = JSONObjectText()
            object.add("keys", objects: runtime.clientKeys.map(\.shown))
            return .json(object.bytes)
        case ("keys", .post, 1):
            guard let json = try? JSONValue.parse(body, limits: runtime.limits), let id = json["id"]?.string else {
                throw ServeError(.invalidSpec, "the body must be an object with the new key's id")
            }
            var object = JSONObjectText()
            object.add("id", id)
            object.add("key", try runtime.addKey(id))
            return .json(object.bytes, status: 201)
        case ("keys", .delete, 2):
            try runtime.revokeKey(parts[1])
            return .json(Array(#"{"revoked":true}"#.utf8))
        default: return nil
        }
    }

    private nonisolated(nonsending) func bill(_ query: String) async throws(ServeError) -> ServeAnswer {
        guard let grouping = Bill.Grouping(rawValue: Self.value("by", in: query) ?? "deployment") else {
            let known = Bill.Grouping.allCases.map(\.rawValue).joined(separator: ", ")
            throw ServeError(.invalidSpec, "a bill is by one of \(known)")
        }
        let found = try await runtime.bill(
            by: grouping, from: try day("from", in: query) ?? .min, to: try day("to", in: query) ?? .max)
        switch Self.value("format", in: query) ?? "json" {
        case "json": return .json(Array(found.json.utf8))
        case "csv":
            var answer = ServeAnswer(status: 200, body: Array(found.csv.utf8))
            answer.set("Content-Type", "text/csv; charset=utf-8")
            return answer
        default: throw ServeError(.invalidSpec, "the format of a bill is json or csv")
        }
    }

    private func day(_ name: String, in query: String) throws(ServeError) -> Int? {
        guard let text = Self.value(name, in: query) else { return nil }
        guard let start_ms = Bill.dayStart_ms(text) else {
            throw ServeError(.invalidSpec, "'\(name)' must be a day such as 2026-11-27")
        }
        return start_ms
    }

    /// The value of a name in a query, as it is: what is asked for here needs no escapes.
    static func value(_ name: String, in query: String) -> String? {
        for part in query.split(separator: "&") where part.hasPrefix(name + "=") {
            return String(part.dropFirst(name.utf8.count + 1))
        }
        return nil
    }
}

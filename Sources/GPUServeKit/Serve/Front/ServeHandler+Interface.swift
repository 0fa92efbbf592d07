internal import Transport
internal import Wire

/// The interface to the deployments, JSON in and out:
///
/// ```
/// GET    /api/deployments                POST /api/deployments                 (a DeploymentSpec)
/// GET    /api/deployments/NAME           DELETE /api/deployments/NAME
/// POST   /api/deployments/NAME/wake      .../sleep {"tier": "cold"}   .../stop   .../scale {"min": 1, ...}
/// POST   /api/deployments/NAME/snapshot    an ImageReport, when it is made
/// POST   /api/deployments/NAME/price {"prompt": 0.15, ...}
/// GET    /api/deployments/NAME/logs?lines=100
/// POST   /api/plan                      what a deployment would take; nothing is made
/// ```
extension ServeHandler {
    /// Longest body of the interface.
    private static let longestBodyBytes = 256 * 1024

    nonisolated(nonsending) func interface(_ request: ServerRequest) async throws(TransportError) -> ServeAnswer {
        let body: [UInt8]
        do {
            body = try await request.body.collect(limitBytes: Self.longestBodyBytes)
        } catch {
            guard error.code == .bodyTooLarge else { throw error }
            return .failure(413, "The body is longer than \(Self.longestBodyBytes) bytes.", "body_too_large")
        }
        let parts = request.head.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2).map {
            String($0)
        }
        let method = request.head.method
        do throws(ServeError) {
            if let answer = try await accounts(request.head, parts, body) { return answer }
            if let answer = try await jobs(request.head, parts, body) { return answer }
            if parts == ["plan"], method == .post {
                return .json(await runtime.plan(try DeploymentSpec(json: body, limits: runtime.limits)).json)
            }
            guard parts.first == "deployments" else {
                return .failure(404, "Nothing is at \(request.head.path).", "unknown_path")
            }
            switch (method, parts.count) {
            case (.get, 1): return .json(await list())
            case (.post, 1):
                let spec = try DeploymentSpec(json: body, limits: runtime.limits)
                try await runtime.deploy(spec)
                return .json(try await runtime.status(spec.name).json, status: 201)
            case (.get, 2): return .json(try await runtime.status(parts[1]).json)
            case (.delete, 2):
                var object = JSONObjectText()
                object.add("notes", try await runtime.remove(parts[1]))
                object.add("removed", true)
                return .json(object.bytes)
            case (.post, 3) where parts[2] == "snapshot": return .json(try await runtime.snapshot(parts[1]).json)
            case (.post, 3):
                try await act(parts[2], on: parts[1], body)
                return .json(try await runtime.status(parts[1]).json)
            case (.get, 3) where parts[2] == "logs":
                let asked = Self.value("lines", in: request.head.query ?? "").flatMap { Int($0) } ?? 100
                let lines = try await runtime.logTail(parts[1], lineCount: min(max(asked, 1), 10_000))
                var object = JSONObjectText()
                object.add("lines", lines)
                return .json(object.bytes)
            default: return .failure(405, "\(method) is not allowed at \(request.head.path).", "method_not_allowed")
            }
        } catch {
            return ServeAnswer(error)
        }
    }

    private nonisolated(nonsending) func list() async -> [UInt8] {
        var object = JSONObjectText()
        object.add("deployments", objects: await runtime.status().map(\.object))
        object.add("memory", runtime.memoryUse.object)
        return object.bytes
    }

    private nonisolated(nonsending) func act(_ verb: String, on name: String, _ body: [UInt8]) async throws(ServeError)
    {
        var wishes: JSONValue?
        if !body.isEmpty {
            do throws(WireError) {
                wishes = try JSONValue.parse(body, limits: runtime.limits)
            } catch {
                throw ServeError(.invalidSpec, "the body is not JSON: \(error)")
            }
        }
        switch verb {
        case "wake": try await runtime.wake(name)
        case "stop": try await runtime.stop(name)
        case "sleep":
            var tier = SleepTier.inPlace
            if let text = wishes?["tier"]?.string {
                guard let known = SleepTier(rawValue: text) else {
                    let all = SleepTier.allCases.map(\.rawValue).joined(separator: ", ")
                    throw ServeError(.invalidSpec, "there is no tier '\(text)': \(all)")
                }
                tier = known
            }
            try await runtime.sleep(name, atLeast: tier)
        case "scale":
            var settings = try await runtime.status(name).spec.scale
            settings.minCount = wishes?["min"]?.int ?? settings.minCount
            settings.maxCount = wishes?["max"]?.int ?? settings.maxCount
            settings.bufferCount = wishes?["buffer"]?.int ?? settings.bufferCount
            settings.concurrency = wishes?["concurrency"]?.int ?? settings.concurrency
            settings.scaledown_ms = wishes?["scaledown_ms"]?.int ?? settings.scaledown_ms
            settings.patience = wishes?["patience"]?.int ?? settings.patience
            settings.isPrewaking = wishes?["prewake"]?.bool ?? settings.isPrewaking
            try await runtime.scale(name, settings)
        case "price":
            guard let wishes else { throw ServeError(.invalidSpec, "the body must be an object of prices") }
            try await runtime.setPrice(name, try Price(json: wishes))
        default: throw ServeError(.invalidSpec, "there is no '\(verb)': wake, sleep, snapshot, stop, scale or price")
        }
    }
}

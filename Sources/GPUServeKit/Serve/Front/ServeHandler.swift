internal import Glibc
public import Transport
internal import Wire

/// The runtime's HTTP face: one port for the models (`/v1/...` by `model`, `/NAME/v1/...`) and for the deployments
/// (`/api/...`, with the state directory's key), with a page to look at them (`/ui`).
public final class ServeHandler: HTTPHandler {
    let runtime: ServeRuntime
    private let keyDigest: [UInt8]
    private let started_s = Int64(time(nil))

    /// A face of `runtime`.
    ///
    /// - Parameter key: what `Authorization: Bearer` must say for `/api/...`: whoever may deploy may run programs.
    public init(_ runtime: ServeRuntime, key: String) {
        self.runtime = runtime
        keyDigest = SHA256.hash(Array(key.utf8))
    }

    /// Answers one request.
    nonisolated(nonsending) public func handle(
        _ request: ServerRequest, _ response: consuming ResponseStart
    ) async throws(HandlerError) {
        do throws(TransportError) {
            try await answer(request, response)
        } catch {
            throw HandlerError(error)
        }
    }

    private nonisolated(nonsending) func answer(
        _ request: ServerRequest, _ response: consuming ResponseStart
    ) async throws(TransportError) {
        let path = request.head.path
        let query = request.head.query.map { "?" + $0 } ?? ""
        let name = Self.named(path)
        if path.hasPrefix("/v1/") || name != nil {
            let key: String?
            switch runtime.keys.verdict(request.head.fields) {
            case .open: key = nil
            case .known(let id): key = id
            case .missing:
                return try await response.send(Self.unknownKey("Send a key as \"Authorization: Bearer KEY\"."))
            case .wrong: return try await response.send(Self.unknownKey("The key is not known here, or was revoked."))
            }
            if path == "/v1/models", request.head.method != .post { return try await response.send(.json(modelList)) }
            try await relay(request, (name?.rest ?? path) + query, named: name?.name, key, response)
        } else if path.hasPrefix("/api/") {
            guard isAllowed(request.head.fields) else {
                let message = "The interface needs the key of the state directory as \"Authorization: Bearer KEY\"."
                return try await response.send(.failure(401, message, "invalid_api_key"))
            }
            try await response.send(await interface(request))
        } else if let file = PageFile(path: path), [.get, .head].contains(request.head.method) {
            try await response.send(file.answer)
        } else if path == "/health" {
            try await response.send(.json(Array(#"{"status":"ok"}"#.utf8)))
        } else {
            let message = "Nothing is at \(path). Known: /v1/..., /NAME/v1/..., /api/deployments, /ui, /health."
            try await response.send(.failure(404, message, "unknown_path"))
        }
    }

    /// `/NAME/v1/...` in its parts.
    private static func named(_ path: String) -> (name: String, rest: String)? {
        let parts = path.dropFirst().split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].hasPrefix("v1/") else { return nil }
        return (String(parts[0]), "/" + parts[1])
    }

    private static func unknownKey(_ message: String) -> ServeAnswer {
        var answer = ServeAnswer.failure(401, message, "invalid_api_key")
        answer.set("WWW-Authenticate", "Bearer")
        return answer
    }

    private func isAllowed(_ fields: HTTPFields) -> Bool {
        guard let value = fields["authorization"], value.lowercased().hasPrefix("bearer ") else { return false }
        return ConstantTime.equal(SHA256.hash(Array(value.utf8.dropFirst(7))), keyDigest)
    }

    /// OpenAI's list of models: one for each deployment.
    private var modelList: [UInt8] {
        var list: [JSONObjectText] = []
        for name in runtime.names {
            var object = JSONObjectText()
            object.add("id", name)
            object.add("object", "model")
            object.add("created", Int(started_s))
            object.add("owned_by", "gpuserve")
            list.append(object)
        }
        var object = JSONObjectText()
        object.add("object", "list")
        object.add("data", objects: list)
        return object.bytes
    }
}

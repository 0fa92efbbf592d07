import DemoSupport
import GPUServeKit
import Glibc
import Transport
import Wire

/// Talks to a running daemon: the one that `--state DIR` says serves there, or that of `--url` with the key of GPUSERVE_KEY.
struct DaemonClient {
    static let options = ["state", "url"]
    private let base: String
    private let key: String
    private let transport: LoopTransport
    private static let longestAnswerBytes = 16 * 1024 * 1024

    struct Failure: Error, CustomStringConvertible { let description: String }

    /// Runs `body` with a client, and closes its connections.
    static func with<Result>(
        _ arguments: Arguments, _ body: (DaemonClient) async throws -> Result
    ) async throws -> Result {
        let client = try DaemonClient(arguments)
        do {
            let result = try await body(client)
            await client.transport.shutDown()
            return result
        } catch {
            await client.transport.shutDown()
            throw error
        }
    }

    private init(_ arguments: Arguments) throws {
        (base, key) = try Self.found(arguments)
        transport = try LoopTransport()
    }

    /// Where the daemon is that was meant, without a slash at the end, and its key.
    static func found(_ arguments: Arguments) throws -> (base: String, key: String) {
        if let url = arguments[option: "url"] {
            guard let key = getenv("GPUSERVE_KEY").map({ String(cString: $0) }), !key.isEmpty else {
                throw UsageError(message: "--url needs the daemon's key in GPUSERVE_KEY (the file key of its --state)")
            }
            return (url.hasSuffix("/") ? String(url.dropLast()) : url, key)
        }
        guard let path = statePath(arguments) else {
            throw UsageError(message: "say which daemon: --state DIR (or GPUSERVE_STATE), or --url URL")
        }
        guard let (address, key) = StateDirectory.announced(path: path) else {
            throw Failure(description: "no daemon has served \(path); start one: gpuserve serve --state \(path)")
        }
        return ("http://\(address)", key)
    }

    /// Whether a daemon was named at all.
    static func isNamed(_ arguments: Arguments) -> Bool {
        arguments[option: "url"] != nil || statePath(arguments) != nil
    }

    /// The state directory that was named, if one was.
    static func statePath(_ arguments: Arguments) -> String? {
        arguments[option: "state"] ?? getenv("GPUSERVE_STATE").map { String(cString: $0) }
    }

    /// The body of a good answer, read.
    ///
    /// - Throws: what the daemon says was wrong.
    func call(_ method: HTTPMethod, _ path: String, _ body: [UInt8] = []) async throws -> JSONValue {
        try JSONValue.parse(try await text(method, path, body))
    }

    /// The body of a good answer, as it is.
    func text(_ method: HTTPMethod, _ path: String, _ body: [UInt8] = []) async throws -> [UInt8] {
        var fields = HTTPFields()
        try fields.append("Authorization", "Bearer \(key)")
        if !body.isEmpty { try fields.append("Content-Type", "application/json") }
        let request = UpstreamRequest(method: method, url: base + path, fields: fields, body: body)
        let answer: [UInt8]
        let status: Int
        do {
            let response = try await transport.send(request)
            status = response.status
            answer = try await response.body.collect(limitBytes: Self.longestAnswerBytes)
        } catch {
            throw Failure(description: "the daemon at \(base) does not answer (\(error)); is it running?")
        }
        guard status < 300 else {
            let said = (try? JSONValue.parse(answer))?["error"]?["message"]?.string
            throw Failure(description: said ?? "status \(status)")
        }
        return answer
    }
}

import DemoSupport
import GPUServeKit
import Glibc
import Transport
import Wire

/// Stores as the command line names them.
enum Places {
    /// The directory of `--store`. Only a verb that adds something may make one.
    static func local(_ arguments: Arguments, makes: Bool = false) throws -> DirectorySnapshotStore {
        try directory(try arguments.required("store"), makes: makes)
    }

    private static func directory(_ path: String, makes: Bool) throws -> DirectorySnapshotStore {
        guard makes || access(path + "/gpuservekit-store.json", F_OK) == 0 else {
            throw SnapshotError(
                .notAStore, "there is no snapshot store here: check the path, or make one with snapshot create",
                file: path)
        }
        return try DirectorySnapshotStore(path: path)
    }

    /// Runs `body` with the store at `text`: `s3://bucket/prefix`, `http(s)://host/path` or a directory. The connections
    /// are closed before it returns.
    static func withStore<Result>(
        at text: String, writes: Bool, _ body: (any SnapshotStore) async throws -> Result
    ) async throws -> Result {
        let scheme = ["s3", "http", "https"].first { text.hasPrefix($0 + "://") }
        guard let scheme else {
            guard !text.utf8.contains(UInt8(ascii: ":")) else {
                throw UsageError(
                    message: "a place is s3://BUCKET/PREFIX, http(s)://HOST/PATH or a directory, not \(text)")
            }
            return try await body(try directory(text, makes: writes))
        }
        let rest = text.dropFirst(scheme.utf8.count + 3)
        let cut = rest.firstIndex(of: "/") ?? rest.endIndex
        let (head, path) = (String(rest[..<cut]), String(rest[cut...].drop { $0 == "/" }))
        let transport = try LoopTransport(limits: .bulk)
        let outcome: Swift.Result<Result, any Error>
        do {
            let store =
                scheme == "s3"
                ? try bucket(head, path, transport)
                : try HTTPSnapshotStore(readOnly: "\(scheme)://\(head)", path: "/" + path, transport: transport)
            outcome = .success(try await body(store))
        } catch {
            outcome = .failure(error)
        }
        await transport.shutDown()
        return try outcome.get()
    }

    private static func bucket(
        _ bucket: String, _ prefix: String, _ transport: LoopTransport
    ) throws -> HTTPSnapshotStore {
        guard !bucket.isEmpty else { throw UsageError(message: "s3:// needs a bucket: s3://BUCKET/PREFIX") }
        guard let credentials = S3Credentials.fromEnvironment() else {
            throw UsageError(
                message: "s3://\(bucket) needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
        }
        let region = variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") ?? "us-east-1"
        var endpoint =
            variable("AWS_ENDPOINT_URL_S3") ?? variable("AWS_ENDPOINT_URL") ?? "https://s3.\(region).amazonaws.com"
        while endpoint.hasSuffix("/") { endpoint.removeLast() }
        return try HTTPSnapshotStore(
            S3Location(endpoint: endpoint, bucket: bucket, prefix: prefix, region: region), credentials: credentials,
            transport: transport)
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}

extension SnapshotStore {
    /// The snapshot that a person means by `text`: an identifier, the beginning of one, or a name.
    func find(_ text: String) async throws -> SnapshotID {
        if text.utf8.count == 64, text.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }) {
            return try SnapshotID(text)
        }
        let summaries = try await list()
        let isPrefix = text.utf8.count >= 6 && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
        let named = summaries.filter { $0.name == text }
        let found = named.isEmpty && isPrefix ? summaries.filter { "\($0.id)".hasPrefix(text) } : named
        guard let first = found.first else {
            let hint = Suggestion.nearest(to: text, in: summaries.map(\.name)).map { "; did you mean \($0)?" } ?? ""
            throw SnapshotError(
                .snapshotMissing, "none of the \(summaries.count) snapshots is called '\(text)'\(hint)", file: name)
        }
        guard found.count == 1 else {
            let ids = found.prefix(5).map { "\($0.id)".prefix(12) }.joined(separator: ", ")
            throw SnapshotError(
                .invalidArgument, "\(found.count) snapshots are called '\(text)', choose by identifier: \(ids)",
                file: name)
        }
        return first.id
    }
}

import Synchronization
import Transport
import Wire

@testable import GPUServeKit

/// An object store in memory behind the network's edge, which fails as it is told. The real one beside it is moto, in
/// `MotoTests`.
final class FakeObjectStore: UpstreamTransport {
    enum Fault: Sendable {
        case reset
        case status(Int, code: String)
        /// The body ends after so many bytes.
        case truncated(Int)
        /// As if the object had been replaced since.
        case otherTag
        /// The bytes differ from those that were stored.
        case corrupt
    }

    struct Object {
        var bytes: [UInt8]
        var modified: Int64
    }

    private struct State {
        var objects: [String: Object] = [:]
        var parts: [String: [Int: [UInt8]]] = [:]
        var requests: [String] = []
        /// The ranges of those requests that named one.
        var ranges: [String] = []
        var now: Int64 = 1_790_000_000
    }

    private let state = Lock(State())
    /// Asked for each request: its number from 0, method and path.
    private let fault: @Sendable (Int, String) -> Fault?
    private let pageCount: Int

    init(pageCount: Int = 1000, _ fault: @escaping @Sendable (Int, String) -> Fault? = { _, _ in nil }) {
        self.fault = fault
        self.pageCount = pageCount
    }

    var requests: [String] { state.withLock { $0.requests } }
    var ranges: [String] { state.withLock { $0.ranges } }
    var keys: [String] { state.withLock { $0.objects.keys.sorted() } }
    var now: Int64 { state.withLock { $0.now } }
    func pass(seconds: Int64) { state.withLock { $0.now += seconds } }

    /// A store on this fake that does not wait between tries.
    func store(grace_s: Int = 86_400, limits: Limits = .standard, isReadOnly: Bool = false) -> HTTPSnapshotStore {
        var client = S3Client(
            endpoint: "http://fake", basePath: "/bucket/models/",
            signer: isReadOnly ? nil : SigV4(credentials: S3Credentials(accessKey: "a", secretKey: "s"), region: "r"),
            transport: self, limits: limits)
        client.now = { [self] in now }
        client.pause = { _ in }
        return HTTPSnapshotStore(client, grace_s: grace_s, isReadOnly: isReadOnly)
    }

    nonisolated(nonsending)
        func send(_ request: UpstreamRequest) async throws(TransportError) -> UpstreamResponse
    {
        let parts = request.url.dropFirst("http://fake".utf8.count).split(separator: "?", maxSplits: 1)
        let (path, query) = (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
        let line = "\(request.method) \(path)\(query.isEmpty ? "" : "?" + query)"
        let number = state.withLock { state in
            state.requests.append(line)
            if let range = request.fields["range"] { state.ranges.append(range) }
            return state.requests.count - 1
        }
        let fault = fault(number, line)
        switch fault {
        case .reset: throw TransportError(.reset, "planted")
        case .status(let status, let code): return answer(status, Array("<Error><Code>\(code)</Code></Error>".utf8))
        default: break
        }
        if query.contains("list-type=2") { return list(query) }
        if query.contains("uploadId=") || query == "uploads=" { return multipart(request, path, query) }
        switch request.method {
        case .put:
            state.withLock { $0.objects[path] = Object(bytes: request.body, modified: $0.now) }
            return answer(200)
        case .delete:
            state.withLock { _ = $0.objects.removeValue(forKey: path) }
            return answer(204)
        default: return get(request, path, fault)
        }
    }

    private func get(_ request: UpstreamRequest, _ path: String, _ fault: Fault?) -> UpstreamResponse {
        guard let object = state.withLock({ $0.objects[path] }) else {
            return answer(404, Array("<Error><Code>NoSuchKey</Code></Error>".utf8))
        }
        var bytes = object.bytes
        if case .corrupt = fault, !bytes.isEmpty { bytes[0] ^= 1 }
        var tag = "\"\(SHA256.hexHash(object.bytes).prefix(32))\""
        if case .otherTag = fault { tag = "\"other\"" }
        var fields: [(String, String)] = [
            ("etag", tag),
            ("last-modified", String(decoding: HTTPDate.format(unixSeconds: object.modified), as: UTF8.self)),
        ]
        if request.method == .head { return answer(200, [], fields) }
        var status = 200
        if let range = request.fields["range"]?.dropFirst("bytes=".utf8.count).split(separator: "-").compactMap({
            Int($0)
        }) {
            fields.append(("content-range", "bytes \(range[0])-\(range[1])/\(bytes.count)"))
            bytes = Array(bytes[range[0]...min(range[1], bytes.count - 1)])
            status = 206
        }
        guard case .truncated(let count) = fault, count < bytes.count else { return answer(status, bytes, fields) }
        let stream = ByteStream(highWaterBytes: bytes.count)
        let part = Array(bytes[..<count])
        _ = stream.append(part.span)
        stream.finish(.failure(TransportError(.truncated, "planted")))
        return UpstreamResponse(status: status, fields: Self.fields(fields), body: UpstreamBody(stream))
    }

    private func list(_ query: String) -> UpstreamResponse {
        func value(_ name: String) -> String? {
            query.split(separator: "&").first { $0.hasPrefix(name + "=") }.map {
                $0.dropFirst(name.utf8.count + 1).split(separator: "%2F", omittingEmptySubsequences: false).joined(
                    separator: "/")
            }
        }
        let prefix = "/bucket/" + (value("prefix") ?? "")
        let token = value("continuation-token")
        var all = state.withLock { state in state.objects.filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }
        }
        if let token { all = all.filter { $0.key > "/bucket/" + token } }
        let page = all.prefix(pageCount)
        let entries = page.map {
            "<Contents><Key>\($0.key.dropFirst("/bucket/".utf8.count))</Key><LastModified>"
                + "\(SigV4.isoTime($0.value.modified)).000Z</LastModified><Size>\($0.value.bytes.count)</Size></Contents>"
        }
        let isCut = page.count < all.count
        let next =
            isCut
            ? "<NextContinuationToken>\(page.last!.key.dropFirst("/bucket/".utf8.count))</NextContinuationToken>" : ""
        return answer(200, Array("<R><IsTruncated>\(isCut)</IsTruncated>\(next)\(entries.joined())</R>".utf8))
    }

    private func multipart(_ request: UpstreamRequest, _ path: String, _ query: String) -> UpstreamResponse {
        if query == "uploads=" {
            state.withLock { $0.parts[path] = [:] }
            return answer(200, Array("<R><UploadId>up-1</UploadId></R>".utf8))
        }
        if request.method == .put {
            let number =
                Int(query.split(separator: "&").first { $0.hasPrefix("partNumber=") }?.dropFirst(11) ?? "") ?? 0
            state.withLock { $0.parts[path]?[number] = request.body }
            return answer(200, [], [("etag", "\"part\(number)\"")])
        }
        state.withLock { state in
            guard let parts = state.parts.removeValue(forKey: path), request.method == .post else { return }
            let bytes = parts.sorted { $0.key < $1.key }.flatMap(\.value)
            state.objects[path] = Object(bytes: bytes, modified: state.now)
        }
        return answer(200, Array("<R/>".utf8))
    }

    private func answer(_ status: Int, _ body: [UInt8] = [], _ fields: [(String, String)] = []) -> UpstreamResponse {
        UpstreamResponse(status: status, fields: Self.fields(fields), body: UpstreamBody(bytes: body))
    }

    private static func fields(_ pairs: [(String, String)]) -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in pairs { try? fields.append(name, value) }
        return fields
    }
}

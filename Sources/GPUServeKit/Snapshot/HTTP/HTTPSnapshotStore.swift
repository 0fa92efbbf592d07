internal import Synchronization
public import Transport
public import Wire

/// Where a bucket is.
public struct S3Location: Sendable, Hashable {
    /// `https://host:port`, without a path.
    public var endpoint: String
    /// The bucket, addressed by path.
    public var bucket: String
    /// What keys begin with: letters, digits and `.-_/`; may be empty.
    public var prefix: String
    /// The region that signatures name.
    public var region: String

    /// A place in a bucket.
    public init(endpoint: String, bucket: String, prefix: String = "", region: String = "us-east-1") {
        self.endpoint = endpoint
        self.bucket = bucket
        self.prefix = prefix
        self.region = region
    }
}

/// Snapshots in an object store that speaks S3, or, to be read only, on any web server that has the same files.
///
/// `PREFIX/chunks/ab/HASH` holds one chunk, `PREFIX/snapshots/ID.json` a manifest. Chunks of more than
/// `Limits.objectPartBytes` are sent and fetched in parallel parts. Requests that fail in passing are sent again with growing
/// pauses, up to `Limits.objectAttemptCount` times; a broken download goes on where it broke.
///
/// An object store has no locks, so collecting relies on time: a chunk is removed only when nothing refers to it, no snapshot
/// that did was deleted in the last `grace_s`, and it is older than that itself. An upload stores again what is older than
/// half of it. So no upload and no read may last longer than half of `grace_s`.
public final class HTTPSnapshotStore: SnapshotStore {
    /// The URL of the store.
    public let name: String
    let client: S3Client
    let limits: Limits
    let grace_s: Int
    private let isReadOnly: Bool

    /// A bucket. `grace_s` is a day when not given.
    ///
    /// Throws `invalidArgument` when the location cannot be one.
    public convenience init(
        _ location: S3Location, credentials: S3Credentials, transport: any UpstreamTransport,
        grace_s: Int = 86_400, limits: Limits = .standard
    ) throws(SnapshotError) {
        try HTTPSnapshotStore.check(location.endpoint, [location.bucket, location.prefix])
        let base =
            "/" + [location.bucket, location.prefix].flatMap { $0.split(separator: "/") }.joined(separator: "/") + "/"
        self.init(
            S3Client(
                endpoint: location.endpoint, basePath: base,
                signer: SigV4(credentials: credentials, region: location.region), transport: transport, limits: limits),
            grace_s: grace_s, isReadOnly: false)
    }

    /// A web server that has a store's files under `path`, to be read only.
    public convenience init(
        readOnly endpoint: String, path: String = "/", transport: any UpstreamTransport, limits: Limits = .standard
    ) throws(SnapshotError) {
        try HTTPSnapshotStore.check(endpoint, [path])
        let base = path.split(separator: "/").reduce("/") { $0 + $1 + "/" }
        self.init(
            S3Client(endpoint: endpoint, basePath: base, signer: nil, transport: transport, limits: limits), grace_s: 0,
            isReadOnly: true)
    }

    init(_ client: S3Client, grace_s: Int, isReadOnly: Bool) {
        self.client = client
        self.grace_s = grace_s
        self.isReadOnly = isReadOnly
        limits = client.limits
        name = client.endpoint + client.basePath
    }

    private static func check(_ endpoint: String, _ parts: [String]) throws(SnapshotError) {
        let host = ["http://", "https://"].first { endpoint.hasPrefix($0) }.map { endpoint.dropFirst($0.utf8.count) }
        guard let host, !host.isEmpty, !host.utf8.contains(where: { "/?#@ ".utf8.contains($0) }) else {
            throw SnapshotError(
                .invalidArgument, "\(SafeName.show(endpoint)) is not http://host:port or https://host:port")
        }
        for part in parts {
            let isPlain = part.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || "._-/".utf8.contains(byte)
            }
            guard isPlain, !part.split(separator: "/").contains("..") else {
                throw SnapshotError(
                    .invalidArgument, "\(SafeName.show(part)) is not made of letters, digits and '.-_/'")
            }
        }
    }

    static func key(_ id: SnapshotID) -> String { "snapshots/\(id).json" }
    static func key(_ chunk: ChunkRef) -> String { "chunks/\(chunk.hash.hex.prefix(2))/\(chunk.hash.hex)" }

    // MARK: Snapshots

    /// See `SnapshotStore.list`. A plain web server cannot list; that is `invalidArgument`.
    public func list() async throws(SnapshotError) -> [SnapshotSummary] {
        var summaries: [SnapshotSummary] = []
        for object in try await objects("snapshots/") {
            let file = object.key.dropFirst("snapshots/".utf8.count)
            guard file.hasSuffix(".json"), let hash = ContentHash(hex: file.dropLast(5)) else { continue }
            let id = SnapshotID(hash)
            do throws(SnapshotError) {
                summaries.append(SnapshotSummary(id: id, manifest: try await manifest(id)))
            } catch {
                guard error.code != .snapshotMissing else { continue }
                summaries.append(SnapshotSummary(id: id, problem: error))
            }
        }
        return summaries.sorted { $0.id < $1.id }
    }

    /// See `SnapshotStore.manifest`.
    public func manifest(_ id: SnapshotID) async throws(SnapshotError) -> SnapshotManifest {
        let answer = try await client.perform(.init(method: .get, key: Self.key(id)), limitBytes: limits.manifestBytes)
        guard answer.status == 200 else { throw missing(id) }
        return try SnapshotManifest.decode(answer.body, file: name + Self.key(id), id: id, limits: limits).manifest
    }

    /// See `SnapshotStore.lease`. Holds for half of `grace_s`.
    public func lease(_ id: SnapshotID) async throws(SnapshotError) -> any SnapshotLease {
        HTTPLease(id: id, manifest: try await manifest(id))
    }

    private func missing(_ id: SnapshotID) -> SnapshotError {
        SnapshotError(.snapshotMissing, "there is no snapshot \(id) in this store", file: name)
    }

    /// See `SnapshotStore.delete`.
    public func delete(_ id: SnapshotID) async throws(SnapshotError) {
        try checkWritable()
        let answer = try await client.perform(.init(method: .get, key: Self.key(id)), limitBytes: limits.manifestBytes)
        guard answer.status == 200 else { throw missing(id) }
        // Remembered, for those who are reading it.
        _ = try await client.perform(.init(method: .put, key: "deleted/\(id).json", body: answer.body))
        _ = try await client.perform(.init(method: .delete, key: Self.key(id)))
    }

    // MARK: Chunks

    /// See `SnapshotStore.holds`. For many chunks a listing, as long as it pays, says most at once; those that are not in it
    /// are asked for one by one, a few at a time.
    public func holds(_ chunks: [ChunkRef]) async throws(SnapshotError) -> [Bool] {
        var held = [Bool](repeating: false, count: chunks.count)
        if !isReadOnly, chunks.count > Self.fewCount {
            // A page is worth a thousand chunks and costs about as much as ten questions.
            let objects = try await objects("chunks/", pageLimit: 1 + chunks.count / 50)
            let listed = Set(objects.compactMap { ContentHash(hex: $0.key.split(separator: "/").last ?? "") })
            held = chunks.map { listed.contains($0.hash) }
        }
        let open = chunks.indices.filter { !held[$0] }
        let answers = await withTaskGroup(of: (Int, Result<Bool, SnapshotError>).self) { group in
            var answers: [(Int, Result<Bool, SnapshotError>)] = []
            for (number, index) in open.enumerated() {
                if number >= Self.fewCount, let answer = await group.next() { answers.append(answer) }
                group.addTask {
                    do throws(SnapshotError) {
                        return (index, .success(try await self.age_s(chunks[index]) != nil))
                    } catch {
                        return (index, .failure(error))
                    }
                }
            }
            for await answer in group { answers.append(answer) }
            return answers
        }
        for (index, answer) in answers { held[index] = try answer.get() }
        return held
    }

    /// Questions that are asked at once, and up to which a listing does not pay.
    private static let fewCount = 8

    /// How many seconds ago a chunk was stored; nil when it is not there.
    func age_s(_ chunk: ChunkRef) async throws(SnapshotError) -> Int? {
        let answer = try await client.perform(.init(method: .head, key: Self.key(chunk)))
        guard answer.status == 200 else { return nil }
        guard let stored = answer.fields["last-modified"].flatMap({ HTTPDate.parse($0) }) else { return 0 }
        return max(0, Int(client.now() - stored))
    }

    /// See `SnapshotStore.read`.
    public func read(_ chunk: ChunkRef, into memory: MutableMemory) async throws(SnapshotError) {
        let target = memory[0..<chunk.byteCount]
        try await read(chunk, range: 0..<chunk.byteCount, into: target)
        try chunk.verify(Memory(target), in: name + Self.key(chunk))
    }

    /// See `SnapshotStore.read`.
    public func read(_ chunk: ChunkRef, range: Range<Int>, into memory: MutableMemory) async throws(SnapshotError) {
        let key = Self.key(chunk)
        let parts = stride(from: range.lowerBound, to: range.upperBound, by: limits.objectPartBytes).map {
            $0..<min($0 + limits.objectPartBytes, range.upperBound)
        }
        let client = client
        let outcomes = await withTaskGroup(of: Result<Bool, SnapshotError>.self) { group in
            for part in parts {
                let target = memory[part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound]
                group.addTask {
                    do throws(SnapshotError) {
                        return .success(
                            try await client.download(
                                key, range: part, isWhole: part == 0..<chunk.byteCount, into: target))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            var outcomes: [Result<Bool, SnapshotError>] = []
            for await outcome in group { outcomes.append(outcome) }
            return outcomes
        }
        for outcome in outcomes {
            guard try outcome.get() else {
                throw SnapshotError(.chunkMissing, "the store does not hold chunk \(chunk.hash)", file: name)
            }
        }
    }

    // MARK: Adding and removing

    func checkWritable() throws(SnapshotError) {
        guard isReadOnly else { return }
        throw SnapshotError(.readOnly, "a plain web server can only be read: name a bucket to write to", file: name)
    }

    /// See `SnapshotStore.begin`.
    public func begin() async throws(SnapshotError) -> any SnapshotUpload {
        try checkWritable()
        return HTTPUpload(self)
    }

    /// See `SnapshotStore.collectGarbage`, and this type for what it relies on.
    @discardableResult
    public func collectGarbage() async throws(SnapshotError) -> GarbageReport {
        try checkWritable()
        var report = GarbageReport()
        let limit = SigV4.isoTime(client.now() - Int64(grace_s))
        let deleted = try await objects("deleted/")
        let objects = try await objects("snapshots/")
        var live: Set<ContentHash> = []
        for object in objects + deleted.filter({ $0.modified >= limit }) {
            let file = object.key.split(separator: "/").last ?? ""
            guard file.hasSuffix(".json"), let hash = ContentHash(hex: file.dropLast(5)) else { continue }
            let answer = try await client.perform(
                .init(method: .get, key: object.key), limitBytes: limits.manifestBytes)
            guard answer.status == 200 else { continue }
            let manifest = try SnapshotManifest.decode(
                answer.body, file: name + object.key, id: SnapshotID(hash), limits: limits
            ).manifest
            for content in manifest.contents { for chunk in content.chunks { live.insert(chunk.hash) } }
        }
        for object in deleted where object.modified < limit {
            _ = try await client.perform(.init(method: .delete, key: object.key))
        }
        for object in try await self.objects("chunks/") {
            guard let hash = ContentHash(hex: object.key.split(separator: "/").last ?? "") else { continue }
            if live.contains(hash) || object.modified >= limit {
                report.keptChunkCount += 1
                continue
            }
            _ = try await client.perform(.init(method: .delete, key: object.key))
            report.removedChunkCount += 1
            report.freedBytes += object.byteCount
        }
        return report
    }

    private struct Object {
        var key: String
        /// ISO 8601, so that it can be compared as text.
        var modified: String
        var byteCount: Int
    }

    /// All objects whose key, after the store's own prefix, begins with `prefix` (ListObjectsV2), or those of the first
    /// `pageLimit` pages.
    private func objects(_ prefix: String, pageLimit: Int = .max) async throws(SnapshotError) -> [Object] {
        guard !isReadOnly else {
            throw SnapshotError(.invalidArgument, "a plain web server cannot list: name the snapshot", file: name)
        }
        let parts = client.basePath.split(separator: "/", maxSplits: 1)
        let own = parts.count > 1 ? String(parts[1]) : ""
        let bucket = S3Client(
            endpoint: client.endpoint, basePath: "/" + parts[0], signer: client.signer, transport: client.transport,
            limits: limits, now: client.now, pause: client.pause)
        var objects: [Object] = []
        var token: String?
        var pageCount = 0
        repeat {
            pageCount += 1
            var call = S3Client.Call(method: .get, key: "")
            call.query =
                [("list-type", "2"), ("prefix", own + prefix)] + (token.map { [("continuation-token", $0)] } ?? [])
            let answer = try await bucket.perform(call, limitBytes: 16 * 1024 * 1024)
            guard answer.status == 200 else {
                throw SnapshotError(.invalidArgument, "there is no bucket '\(parts[0])': make it first", file: name)
            }
            let text = String(decoding: answer.body, as: UTF8.self)
            for entry in S3Text.elements("Contents", in: text) {
                guard let key = S3Text.elements("Key", in: entry).first, key.hasPrefix(own) else { continue }
                objects.append(
                    Object(
                        key: String(key.dropFirst(own.count)),
                        modified: S3Text.elements("LastModified", in: entry).first ?? "9999",
                        byteCount: S3Text.elements("Size", in: entry).first.flatMap { Int($0) } ?? 0))
            }
            let next = S3Text.elements("NextContinuationToken", in: text).first
            guard next == nil || next != token else {
                throw SnapshotError(.network, "the object store lists the same page twice", file: name)
            }
            token = S3Text.elements("IsTruncated", in: text).first == "true" ? next : nil
        } while token != nil && pageCount < pageLimit
        return objects
    }
}

private final class HTTPLease: SnapshotLease {
    let id: SnapshotID
    let manifest: SnapshotManifest

    init(id: SnapshotID, manifest: SnapshotManifest) {
        self.id = id
        self.manifest = manifest
    }
}

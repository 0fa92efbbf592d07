internal import Synchronization
internal import Transport
public import Wire

/// How a snapshot is to be made.
public struct SnapshotOptions: Sendable {
    /// What people will call it.
    public var name: String
    /// Length of a chunk: a multiple of 4,096.
    public var chunkBytes: Int
    /// Facts for the manifest besides the source's own, which they overrule.
    public var facts: [String: String]
    /// The dimension along which a region may be cut for several devices; asked for regions whose source does not say.
    public var shardAxis: @Sendable (RegionDescription) -> Int?
    /// Chunks read, hashed and stored at once; each takes one chunk's length of memory.
    public var parallelCount: Int
    /// Called after each chunk, from any task: bytes done, of how many.
    public var progress: (@Sendable (_ doneBytes: Int, _ totalBytes: Int) -> Void)?

    /// The usual way.
    public init(
        name: String, chunkBytes: Int = SnapshotManifest.standardChunkBytes, facts: [String: String] = [:],
        shardAxis: @escaping @Sendable (RegionDescription) -> Int? = { _ in nil }, parallelCount: Int = 4,
        progress: (@Sendable (_ doneBytes: Int, _ totalBytes: Int) -> Void)? = nil
    ) {
        self.name = name
        self.chunkBytes = chunkBytes
        self.facts = facts
        self.shardAxis = shardAxis
        self.parallelCount = parallelCount
        self.progress = progress
    }
}

/// What making or copying a snapshot did.
public struct SnapshotTransfer: Sendable, Hashable {
    /// The snapshot.
    public var id: SnapshotID
    /// Its manifest.
    public var manifest: SnapshotManifest
    /// Bytes that the store did not have.
    public var storedBytes: Int
    /// Chunks that the store did not have.
    public var storedChunkCount: Int
    /// Distinct chunks of the snapshot.
    public var chunkCount: Int
}

extension SnapshotStore {
    /// Makes a snapshot of `source`: regions are cut into chunks in order of need, hashed on several cores, and stored when
    /// the store does not have them.
    ///
    /// Throws what the source and the store throw; nothing is visible then.
    @discardableResult
    public func create(
        from source: any SnapshotSource, _ options: SnapshotOptions, limits: Limits = .standard
    ) async throws(SnapshotError) -> SnapshotTransfer {
        var manifest = SnapshotManifest(
            name: options.name, chunkBytes: options.chunkBytes, producer: source.facts.merging(options.facts) { $1 },
            device: source.deviceFacts)
        // Refused before anything is read.
        try ManifestRules.check(manifest, limits: limits)
        let upload = try await begin()
        do throws(SnapshotError) {
            let contents = ContentReader(source: source, chunkBytes: options.chunkBytes)
            let results = try await ChunkPump(upload: upload, parallelCount: options.parallelCount).run(
                contents.jobs, byteCount: options.chunkBytes, progress: options.progress
            ) { (job, memory) throws(SnapshotError) in
                try await contents.read(job, into: memory)
                return ChunkRef(of: Memory(memory))
            }
            contents.fill(&manifest, results.chunks, options)
            let id = try await upload.commit(manifest)
            return SnapshotTransfer(
                id: id, manifest: manifest, storedBytes: results.storedBytes, storedChunkCount: results.storedCount,
                chunkCount: manifest.distinctChunks.count)
        } catch {
            await upload.abandon()
            throw error
        }
    }

    /// Makes a snapshot that differs from `base` in the bytes of a few regions. Only those are hashed and stored, every other
    /// chunk is shared; types, shapes and lengths stay, so `Resident.switch` goes from one to the other by what differs.
    ///
    /// Hold a lease on `base` meanwhile. Throws `invalidArgument` for a region that `base` does not have, or bytes that are
    /// not as many as its own, and what the store throws; nothing is visible then.
    @discardableResult
    public func derive(
        from base: SnapshotManifest, replacing bytes: [String: [UInt8]], _ options: SnapshotOptions,
        limits: Limits = .standard
    ) async throws(SnapshotError) -> SnapshotTransfer {
        let places = base.regions.indices.filter { bytes[base.regions[$0].name] != nil }
        guard places.count == bytes.count,
            places.allSatisfy({ bytes[base.regions[$0].name]?.count == base.regions[$0].content.byteCount })
        else {
            let fit = Set(base.regions.filter { bytes[$0.name]?.count == $0.content.byteCount }.map(\.name))
            let name = bytes.keys.filter { !fit.contains($0) }.min() ?? ""
            throw SnapshotError(
                .invalidArgument,
                "\(base.name) has no region \(SafeName.show(name)) of \(bytes[name]?.count ?? 0) bytes to be replaced")
        }
        var options = options
        options.chunkBytes = base.chunkBytes
        let source = MemorySource(places.map { (base.regions[$0].description, bytes[base.regions[$0].name] ?? []) })
        let contents = ContentReader(source: source, chunkBytes: options.chunkBytes)
        var (changed, manifest) = (base, base)
        manifest.name = options.name
        manifest.producer.merge(options.facts) { $1 }
        try ManifestRules.check(manifest, limits: limits)
        let upload = try await begin()
        do throws(SnapshotError) {
            let results = try await ChunkPump(upload: upload, parallelCount: options.parallelCount).run(
                contents.jobs, byteCount: options.chunkBytes, progress: options.progress
            ) { (job, memory) throws(SnapshotError) in
                try await contents.read(job, into: memory)
                return ChunkRef(of: Memory(memory))
            }
            contents.fill(&changed, results.chunks, options)
            for (place, region) in zip(places, changed.regions) { manifest.regions[place].content = region.content }
            return SnapshotTransfer(
                id: try await upload.commit(manifest), manifest: manifest, storedBytes: results.storedBytes,
                storedChunkCount: results.storedCount, chunkCount: manifest.distinctChunks.count)
        } catch {
            await upload.abandon()
            throw error
        }
    }

    /// Copies a snapshot to another store: a push or a pull. Chunks that the other store has are not moved, so a copy that was
    /// interrupted goes on where it stopped. Every moved chunk is checked by its strong hash.
    @discardableResult
    public func copy(
        _ id: SnapshotID, to other: any SnapshotStore, parallelCount: Int = 4,
        progress: (@Sendable (_ doneBytes: Int, _ totalBytes: Int) -> Void)? = nil
    ) async throws(SnapshotError) -> SnapshotTransfer {
        let lease = try await lease(id)
        defer { withExtendedLifetime(lease) {} }
        let upload = try await other.begin()
        do throws(SnapshotError) {
            let chunks = lease.manifest.distinctChunks
            let jobs = chunks.indices.map { ChunkJob(index: $0, byteCount: chunks[$0].byteCount) }
            let name = name
            let results = try await ChunkPump(upload: upload, parallelCount: parallelCount).run(
                jobs, byteCount: lease.manifest.chunkBytes, progress: progress, known: chunks
            ) { (job, memory) throws(SnapshotError) in
                let chunk = chunks[job.index]
                try await read(chunk, into: memory)
                guard ContentHash(of: Memory(memory)) == chunk.hash else {
                    throw SnapshotError(.chunkCorrupt, "chunk \(chunk.hash) does not have its hash", file: name)
                }
                return chunk
            }
            let copied = try await upload.commit(lease.manifest)
            guard copied == id else {
                throw SnapshotError(.manifestMalformed, "the manifest of \(id) is not in canonical form", file: name)
            }
            return SnapshotTransfer(
                id: id, manifest: lease.manifest, storedBytes: results.storedBytes,
                storedChunkCount: results.storedCount, chunkCount: chunks.count)
        } catch {
            await upload.abandon()
            throw error
        }
    }

    /// Reads every chunk of a snapshot and checks it: by its fast checksum, and if `strongly` also by its hash. Returns what
    /// is wrong; nothing when all is well. Throws when the manifest cannot be had.
    public func verify(
        _ id: SnapshotID, strongly: Bool = true,
        progress: (@Sendable (_ doneBytes: Int, _ totalBytes: Int) -> Void)? = nil
    ) async throws(SnapshotError) -> [SnapshotError] {
        let lease = try await lease(id)
        let buffer = PageBuffer(byteCount: lease.manifest.chunkBytes)
        defer { withExtendedLifetime((lease, buffer)) {} }
        let chunks = lease.manifest.distinctChunks
        let total = chunks.reduce(0) { $0 + $1.byteCount }
        var problems: [SnapshotError] = []
        var done = 0
        for chunk in chunks {
            let memory = buffer.memory[0..<chunk.byteCount]
            do throws(SnapshotError) {
                try await read(chunk, into: memory)
                if strongly, ContentHash(of: Memory(memory)) != chunk.hash {
                    throw SnapshotError(.chunkCorrupt, "chunk \(chunk.hash) does not have its hash", file: name)
                }
            } catch {
                problems.append(error)
            }
            done += chunk.byteCount
            progress?(done, total)
        }
        return problems
    }
}

/// Everything of a source as a list of chunks to read.
private struct ContentReader: Sendable {
    private enum Place {
        case region(Int, offset: Int)
        case bytes([UInt8], offset: Int)
    }

    private let source: any SnapshotSource
    private let places: [Place]
    /// For each content (regions, modules, host state) which chunks are its.
    private let ranges: [Range<Int>]
    let jobs: [ChunkJob]

    init(source: any SnapshotSource, chunkBytes: Int) {
        self.source = source
        var places: [Place] = []
        var jobs: [ChunkJob] = []
        func cut(_ byteCount: Int, _ place: (Int) -> Place) -> Range<Int> {
            let first = places.count
            for offset in stride(from: 0, to: byteCount, by: chunkBytes) {
                jobs.append(ChunkJob(index: places.count, byteCount: min(chunkBytes, byteCount - offset)))
                places.append(place(offset))
            }
            return first..<places.count
        }
        let regions = source.regions
        var ranges = [Range<Int>](repeating: 0..<0, count: regions.count)
        // In order of need, so that the store lays them down in the order in which they will be read.
        for index in regions.indices.sorted(by: { (regions[$0].order, $0) < (regions[$1].order, $1) }) {
            ranges[index] = cut(regions[index].byteCount) { .region(index, offset: $0) }
        }
        for bytes in source.modules.map(\.bytes) + (source.hostState.map { [$0] } ?? []) {
            ranges.append(cut(bytes.count) { .bytes(bytes, offset: $0) })
        }
        self.places = places
        self.ranges = ranges
        self.jobs = jobs
    }

    func read(_ job: ChunkJob, into memory: MutableMemory) async throws(SnapshotError) {
        switch places[job.index] {
        case .region(let index, let offset): try await source.read(region: index, at: offset, into: memory)
        case .bytes(let bytes, let offset):
            bytes.withUnsafeBytes {
                memory.buffer.copyMemory(from: .init(rebasing: $0[offset..<offset + memory.count]))
            }
        }
    }

    func fill(_ manifest: inout SnapshotManifest, _ chunks: [ChunkRef], _ options: SnapshotOptions) {
        let contents = ranges.map { SnapshotManifest.Content(chunks: Array(chunks[$0])) }
        manifest.regions = zip(source.regions, contents).map { region, content in
            var region = region
            if region.shardAxis == nil { region.shardAxis = options.shardAxis(region) }
            return SnapshotManifest.Region(region, content: content)
        }
        let rest = contents.dropFirst(source.regions.count)
        manifest.modules = zip(source.modules, rest).map { .init(name: $0.name, kind: $0.kind, content: $1) }
        if source.hostState != nil { manifest.hostState = rest.last }
    }
}

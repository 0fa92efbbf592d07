internal import Synchronization
internal import Transport
internal import Wire

/// A snapshot on its way into an object store. The manifest goes last, so that nothing partial is ever seen; chunks of an
/// upload that never ends are removed by a collection after the store's time of grace.
final class HTTPUpload: SnapshotUpload {
    private struct State {
        /// Chunks that are there, and young enough to stay until this upload has ended.
        var safe: Set<ContentHash> = []
        var failure: SnapshotError?
        var hasEnded = false
    }

    private let store: HTTPSnapshotStore
    private let state = Lock(State())

    init(_ store: HTTPSnapshotStore) { self.store = store }

    private func check() throws(SnapshotError) {
        try state.withLock { (state) throws(SnapshotError) in
            if let failure = state.failure { throw failure }
            guard !state.hasEnded else { throw SnapshotError(.invalidArgument, "the upload has ended") }
        }
    }

    func keep(_ chunk: ChunkRef) async throws(SnapshotError) -> Bool {
        try check()
        if state.withLock({ $0.safe.contains(chunk.hash) }) { return true }
        // One that is old is stored again, which makes it young.
        guard let age_s = try await store.age_s(chunk), age_s <= store.grace_s / 2 else { return false }
        state.withLock { _ = $0.safe.insert(chunk.hash) }
        return true
    }

    func put(_ chunk: ChunkRef, _ memory: Memory) async throws(SnapshotError) -> Bool {
        try chunk.verify(memory, in: "memory")
        guard !(try await keep(chunk)) else { return false }
        do throws(SnapshotError) {
            if chunk.byteCount > store.limits.objectPartBytes {
                try await putParts(chunk, memory)
            } else {
                _ = try await store.client.perform(
                    .init(
                        method: .put, key: HTTPSnapshotStore.key(chunk), body: [UInt8](memory.buffer),
                        // The chunk's name is the hash that the signature covers: the store refuses other bytes.
                        bodyHash: chunk.hash))
            }
        } catch {
            state.withLock { $0.failure = $0.failure ?? error }
            throw error
        }
        state.withLock { _ = $0.safe.insert(chunk.hash) }
        return true
    }

    /// Multipart upload: begun, its parts sent a few at a time, completed; given up as a whole when a part fails.
    private func putParts(_ chunk: ChunkRef, _ memory: Memory) async throws(SnapshotError) {
        let (client, key) = (store.client, HTTPSnapshotStore.key(chunk))
        let begun = try await client.perform(.init(method: .post, key: key, query: [("uploads", "")]))
        guard let upload = S3Text.elements("UploadId", in: String(decoding: begun.body, as: UTF8.self)).first else {
            throw SnapshotError(.network, "the object store began an upload without naming it", file: store.name + key)
        }
        do throws(SnapshotError) {
            let tags = try await sendParts(key, upload, memory)
            let list = tags.enumerated().map {
                "<Part><PartNumber>\($0 + 1)</PartNumber><ETag>\(S3Text.escaped($1))</ETag></Part>"
            }
            let body = Array("<CompleteMultipartUpload>\(list.joined())</CompleteMultipartUpload>".utf8)
            let answer = try await client.perform(
                .init(method: .post, key: key, query: [("uploadId", upload)], body: body))
            // This call may fail with a 200, whose body says so.
            let text = String(decoding: answer.body, as: UTF8.self)
            if answer.status != 200 || text.contains("<Error>") {
                let code = S3Text.elements("Code", in: text).first ?? "no code"
                throw SnapshotError(
                    .network, "the object store did not put the parts together (\(SafeName.show(code)))",
                    file: store.name + key)
            }
        } catch {
            // Best effort: that it fails too is no news.
            do throws(SnapshotError) {
                _ = try await client.perform(.init(method: .delete, key: key, query: [("uploadId", upload)]))
            } catch {}
            throw error
        }
    }

    private func sendParts(_ key: String, _ upload: String, _ memory: Memory) async throws(SnapshotError) -> [String] {
        let (client, partBytes, name) = (store.client, store.limits.objectPartBytes, store.name)
        let starts = Array(stride(from: 0, to: memory.count, by: partBytes))
        let outcomes = await withTaskGroup(of: (Int, Result<String, SnapshotError>).self) { group in
            for (index, start) in starts.enumerated() {
                let part = memory[start..<min(start + partBytes, memory.count)]
                group.addTask {
                    do throws(SnapshotError) {
                        let answer = try await client.perform(
                            .init(
                                method: .put, key: key, query: [("partNumber", "\(index + 1)"), ("uploadId", upload)],
                                body: [UInt8](part.buffer)))
                        guard answer.status == 200, let tag = answer.fields["etag"] else {
                            throw SnapshotError(.network, "a part was stored without an ETag", file: name + key)
                        }
                        return (index, .success(tag))
                    } catch {
                        return (index, .failure(error))
                    }
                }
            }
            var outcomes: [(Int, Result<String, SnapshotError>)] = []
            for await outcome in group { outcomes.append(outcome) }
            return outcomes
        }
        var tags = [String](repeating: "", count: starts.count)
        for (index, outcome) in outcomes { tags[index] = try outcome.get() }
        return tags
    }

    func commit(_ manifest: SnapshotManifest) async throws(SnapshotError) -> SnapshotID {
        try check()
        let (bytes, id) = try manifest.encoded(limits: store.limits)
        for chunk in manifest.distinctChunks where !(try await keep(chunk)) {
            throw SnapshotError(
                .chunkMissing, "chunk \(chunk.hash) was neither put nor is it in the store", file: store.name)
        }
        _ = try await store.client.perform(.init(method: .put, key: HTTPSnapshotStore.key(id), body: bytes))
        state.withLock { $0.hasEnded = true }
        return id
    }

    func abandon() async { state.withLock { $0.hasEnded = true } }
}

import Synchronization
import Testing
import Wire

@testable import Transport

/// Bodies that go from a source to the client without the handler's task.
@Suite(.timeLimit(.minutes(1))) struct ServerRelayTests {
    /// A source that a test fills from any thread.
    private final class Source: BodySource, Sendable {
        let stream: ByteStream
        /// Pieces that were taken.
        let taken = Atomic<Int>(0)

        init(highWaterBytes: Int = 1 << 20) { stream = ByteStream(highWaterBytes: highWaterBytes) }

        func give(_ text: String) { _ = stream.append(Array(text.utf8).span) }
        func give(bytes count: Int) -> ByteStream.Appended {
            stream.append([UInt8](repeating: 0x61, count: count).span)
        }

        func take() throws(TransportError) -> BodyPiece {
            switch stream.take() {
            case .nothing: return .nothing
            case .ended: return .ended
            case .failed(let error): throw error
            case .bytes(let bytes, _):
                taken.wrappingAdd(1, ordering: .relaxed)
                return .bytes(bytes)
            }
        }

        func listen(_ heard: (@Sendable () -> Void)?) { stream.listen(heard) }
    }

    /// Runs `body` against a server that relays from `source`; gives what the handler failed with.
    private func relaying(
        _ source: Source, limits: Limits = .standard, _ body: (RawClient, EventLoop) async throws -> Void
    ) async throws -> TransportError.Code? {
        let loop = try EventLoop()
        loop.start()
        defer { loop.stop() }
        let code = Lock<TransportError.Code?>(nil)
        let over = Gate()
        try await withServer(limits: limits, loops: .shared([loop])) { _, response in
            defer { over.open() }
            do {
                var out = try await response.stream(status: 200, fields: HTTPFields())
                try await out.relay(from: source)
                try await out.finish()
            } catch {
                code.withLock { $0 = (error as? TransportError)?.code }
                throw error
            }
        } _: { address, _ in
            let client = try RawClient(address, receiveBufferBytes: 4096)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await body(client, loop)
            await over.wait()
        }
        return code.withLock { $0 }
    }

    @Test func piecesArriveOneByOneAndTheEndIsTheEnd() async throws {
        let source = Source()
        source.give("there before")
        let failure = try await relaying(source) { client, _ in
            _ = try client.readHead()
            #expect(try client.readChunk() == Array("there before".utf8))
            for index in 0..<100 {
                source.give("piece \(index)")
                #expect(try client.readChunk() == Array("piece \(index)".utf8))
            }
            source.stream.finish(.success(()))
            #expect(try client.readChunk() == nil)
        }
        #expect(failure == nil)
    }

    @Test func aSourceThatBreaksOffAbortsTheResponse() async throws {
        let source = Source()
        let failure = try await relaying(source) { client, _ in
            _ = try client.readHead()
            source.give("half")
            #expect(try client.readChunk() == Array("half".utf8))
            source.stream.finish(.failure(TransportError(.reset, "gone")))
            #expect(throws: (any Error).self) { try client.readChunk() }
        }
        #expect(failure == .reset)
    }

    @Test func aClientThatLeavesEndsTheRelay() async throws {
        let source = Source()
        let failure = try await relaying(source) { client, _ in
            _ = try client.readHead()
            source.give("first")
            #expect(try client.readChunk() == Array("first".utf8))
            client.close()
        }
        #expect(failure == .clientGone)
        // Nobody listens any more.
        let taken = source.taken.load(ordering: .relaxed)
        source.give("for nobody")
        #expect(source.taken.load(ordering: .relaxed) == taken)
    }

    @Test func nothingIsTakenForAClientThatDoesNotRead() async throws {
        let limits = Limits.with { $0.outboundHighWaterBytes = 64 * 1024 }
        let source = Source(highWaterBytes: 1)
        let pieceBytes = 32 * 1024
        var given = 0
        let failure = try await relaying(source, limits: limits) { client, loop in
            _ = try client.readHead()
            // Until the kernel's buffers and the queue have had enough, every piece has been taken after a turn of the loop.
            while case .taken = source.give(bytes: pieceBytes) {
                given += 1
                await loop.run {}
            }
            var received = 0
            while received < given * pieceBytes { received += try client.readChunk()?.count ?? 0 }
            #expect(received == given * pieceBytes)
            source.give("and on")
            #expect(try client.readChunk() == Array("and on".utf8))
            source.stream.finish(.success(()))
            #expect(try client.readChunk() == nil)
        }
        #expect(failure == nil)
    }
}

import Synchronization
import Testing
import Transport

@Suite(.timeLimit(.minutes(1))) struct ByteStreamTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func append(_ text: String, to stream: ByteStream) -> String {
        switch stream.append(bytes(text).span) {
        case .taken: "taken"
        case .full: "full"
        case .closed: "closed"
        }
    }

    private func take(_ stream: ByteStream) -> String {
        switch stream.take() {
        case .bytes(let bytes, let resumes): String(decoding: bytes, as: UTF8.self) + (resumes ? "+resume" : "")
        case .ended: "ended"
        case .failed(let error): error.code.label
        case .nothing: "nothing"
        }
    }

    @Test func takesEverythingAtOnceThenTheEnd() {
        let stream = ByteStream(highWaterBytes: 100)
        #expect(take(stream) == "nothing")
        #expect(append("ab", to: stream) == "taken")
        #expect(append("", to: stream) == "taken")
        #expect(append("cd", to: stream) == "taken")
        stream.finish(.success(()))
        #expect(append("e", to: stream) == "closed")
        #expect(take(stream) == "abcd")
        #expect(take(stream) == "ended")
        #expect(take(stream) == "ended")
        #expect(stream.peakBytes == 4)
    }

    @Test func aFullStreamRefusesAndTheDrainSaysResume() {
        let stream = ByteStream(highWaterBytes: 3)
        #expect(append("ab", to: stream) == "taken")
        #expect(append("cd", to: stream) == "taken")
        #expect(append("e", to: stream) == "full")
        #expect(take(stream) == "abcd+resume")
        #expect(append("e", to: stream) == "taken")
        #expect(take(stream) == "e")
    }

    @Test func anErrorComesAfterTheBytesBeforeIt() {
        let stream = ByteStream(highWaterBytes: 100)
        #expect(append("ab", to: stream) == "taken")
        stream.finish(.failure(TransportError(.reset, "gone")))
        stream.finish(.success(()))
        #expect(take(stream) == "ab")
        #expect(take(stream) == "reset")
    }

    @Test func cancellingDropsBytesAndNeverLooksLikeACleanEnd() {
        let stream = ByteStream(highWaterBytes: 100)
        #expect(append("ab", to: stream) == "taken")
        stream.finish(.success(()))
        #expect(!stream.cancel())
        #expect(take(stream) == "cancelled")

        let live = ByteStream(highWaterBytes: 100)
        #expect(live.cancel())
        #expect(!live.cancel())
        #expect(append("x", to: live) == "closed")

        let finished = ByteStream(highWaterBytes: 100)
        finished.finish(.success(()))
        #expect(!finished.cancel())
        #expect(take(finished) == "ended")
    }

    @Test func aWaitingConsumerIsWokenByBytesByTheEndAndByCancellation() async {
        let stream = ByteStream(highWaterBytes: 100)
        async let woken: Void = stream.wait()
        #expect(append("ab", to: stream) == "taken")
        await woken
        #expect(take(stream) == "ab")

        let waiting = Task { await stream.wait() }
        waiting.cancel()
        await waiting.value
        #expect(take(stream) == "nothing")
    }

    @Test func aListenerHearsOfBytesOfTheEndAndOfCancellation() {
        let stream = ByteStream(highWaterBytes: 3)
        let heard = Lock(0)
        stream.listen { heard.withLock { $0 += 1 } }
        #expect(append("", to: stream) == "taken")
        #expect(heard.withLock { $0 } == 0)
        #expect(append("abc", to: stream) == "taken")
        #expect(append("d", to: stream) == "full")
        #expect(heard.withLock { $0 } == 1)
        stream.finish(.success(()))
        #expect(heard.withLock { $0 } == 2)
        stream.cancel()
        #expect(heard.withLock { $0 } == 3)
        stream.listen(nil)
        stream.cancel()
        #expect(heard.withLock { $0 } == 3)
    }

    @Test func aListenerMayTakeFromInside() {
        let stream = ByteStream(highWaterBytes: 100)
        let seen = Lock<[String]>([])
        stream.listen { [take] in seen.withLock { $0.append(take(stream)) } }
        #expect(append("ab", to: stream) == "taken")
        #expect(append("cd", to: stream) == "taken")
        stream.finish(.success(()))
        stream.listen(nil)
        #expect(seen.withLock { $0 } == ["ab", "cd", "ended"])
    }

    @Test func aBodyOfBytesReadsLikeAnyOther() async throws {
        let body = UpstreamBody(bytes: bytes("whole"))
        #expect(try await body.next() == bytes("whole"))
        #expect(try await body.next() == nil)
        #expect(try await UpstreamBody(bytes: []).next() == nil)
        #expect(try await UpstreamBody(bytes: bytes("whole")).collect(limitBytes: 5) == bytes("whole"))
    }

    private final class Source: UpstreamBodySource {
        let calls = Lock<[String]>([])
        func resume() { calls.withLock { $0.append("resume") } }
        func abandon() { calls.withLock { $0.append("abandon") } }
    }

    @Test func aBodyTellsItsSourceToResumeAndToStop() async throws {
        let source = Source()
        let stream = ByteStream(highWaterBytes: 1)
        var body: UpstreamBody? = UpstreamBody(stream, source: source)
        #expect(append("a", to: stream) == "taken")
        #expect(append("b", to: stream) == "full")
        #expect(try await body?.next() == bytes("a"))
        #expect(source.calls.withLock { $0 } == ["resume"])
        body = nil
        #expect(source.calls.withLock { $0 } == ["resume", "abandon"])
    }

    @Test func aBodyReadToItsEndIsNotAbandoned() async throws {
        let source = Source()
        let stream = ByteStream(highWaterBytes: 1)
        var body: UpstreamBody? = UpstreamBody(stream, source: source)
        stream.finish(.success(()))
        #expect(try await body?.next() == nil)
        body?.cancel()
        body = nil
        #expect(source.calls.withLock { $0 } == [])
    }
}

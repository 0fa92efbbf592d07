import Testing
import Wire

@testable import Transport

@Suite struct ResponseStateTests {
    private func state(head: Bool = false, minor: Int = 1, keepAlive: Bool = true) -> ResponseState {
        ResponseState(isHead: head, minorVersion: minor, keepAlive: keepAlive)
    }

    @Test func framingFollowsVersionMethodAndStatus() {
        var chunked = state()
        #expect(chunked.begin(status: 200, length: nil) == .chunked)
        #expect(chunked.encoding == .chunked && chunked.keepAlive)
        var known = state()
        #expect(known.begin(status: 200, length: 3) == .length(3))
        #expect(known.encoding == .plain && known.keepAlive)
        var old = state(minor: 0)
        #expect(old.begin(status: 200, length: nil) == .close)
        #expect(old.encoding == .plain && !old.keepAlive && old.endsByClosing)
        var head = state(head: true)
        #expect(head.begin(status: 200, length: nil) == .chunked)
        #expect(head.encoding == .suppressed && head.keepAlive)
        var oldHead = state(head: true, minor: 0)
        #expect(oldHead.begin(status: 200, length: nil) == .close)
        #expect(oldHead.encoding == .suppressed && !oldHead.keepAlive && !oldHead.endsByClosing)
        var empty = state()
        _ = empty.begin(status: 304, length: 10)
        #expect(empty.encoding == .suppressed)
    }

    @Test func announcedBytesAreCounted() throws {
        var state = state()
        _ = state.begin(status: 200, length: 5)
        try state.write(3)
        #expect(throws: TransportError.self) { try state.write(3) }
        #expect(throws: TransportError.self) { try state.finish() }
        #expect(state.phase == .streaming)
        try state.write(2)
        try state.finish()
        #expect(state.phase == .finished && state.keepAlive)
    }

    @Test func aSuppressedBodyNeedNotBeWritten() throws {
        var state = state(head: true)
        _ = state.begin(status: 200, length: 5)
        try state.finish()
        #expect(state.phase == .finished)
    }

    @Test func anAbortEndsTheConnectionUnlessTheResponseWasComplete() throws {
        var streaming = state()
        _ = streaming.begin(status: 200, length: nil)
        streaming.abort()
        #expect(streaming.phase == .aborted && !streaming.keepAlive)
        var finished = state()
        _ = finished.begin(status: 200, length: 0)
        try finished.finish()
        finished.abort()
        #expect(finished.phase == .finished && !finished.keepAlive)
    }
}

@Suite struct OutboundQueueTests {
    /// What the queue hands out when `step` bytes are taken at a time.
    private func drain(_ queue: inout OutboundQueue, step: Int) -> [UInt8] {
        var out: [UInt8] = []
        while !queue.isEmpty {
            _ = queue.sendFirst { bytes in
                out += bytes.prefix(step)
                return min(step, bytes.count)
            }
        }
        return out
    }

    @Test(arguments: [1, 7, 1000, 100_000])
    func bytesComeOutInOrderHoweverTheyWereCut(step: Int) {
        var queue = OutboundQueue()
        var expected: [UInt8] = []
        for round in 0..<3 {
            for count in [1, 5, 20_000, 300, 0, 17_000, 2] {
                let bytes = pattern(count + 3)
                queue.append(bytes, from: 3)
                expected += bytes[3...]
            }
            #expect(queue.byteCount == expected.count)
            if round == 1 {
                #expect(drain(&queue, step: step) == expected)
                expected = []
            }
        }
        #expect(drain(&queue, step: step) == expected)
        #expect(queue.isEmpty)
    }

    @Test func aPartlySentPieceIsNotSentAgain() {
        var queue = OutboundQueue()
        queue.append([1, 2, 3, 4])
        let taken = queue.sendFirst { _ in 2 }
        #expect(taken == 2)
        queue.append([5])
        #expect(queue.byteCount == 3)
        #expect(drain(&queue, step: 10) == [3, 4, 5])
    }

    @Test func anErrorTakesNothing() {
        var queue = OutboundQueue()
        queue.append([1, 2])
        let taken = queue.sendFirst { _ in -11 }
        #expect(taken == -11)
        #expect(queue.byteCount == 2)
    }
}

@Suite struct InboundBodyTests {
    @Test func memoryFollowsWhatArrivedAndIsMovedFewTimes() {
        let announced = 32 * 1024 * 1024
        let piece = 64 * 1024
        var (count, capacity, growths) = (0, 0, 0)
        while count < announced {
            let next = InboundBody.capacity(
                having: count, of: capacity, expecting: announced - count, inPiecesOf: piece)
            if next > capacity { growths += 1 }
            capacity = max(capacity, next)
            #expect(capacity - count >= min(piece, announced - count))
            #expect(capacity <= count + max(count, 2 * piece))
            count += min(1460, announced - count)
        }
        #expect(capacity == announced)
        #expect(growths <= 12)
    }

    @Test func whatBelongsToTheNextRequestIsLeft() throws {
        var body = InboundBody(.length(3), limits: .standard)
        var out: [UInt8] = []
        let input: [UInt8] = [1, 2, 3, 4, 5]
        let taken = try body.take(input.span, into: &out)
        #expect(taken == 3)
        #expect(out == [1, 2, 3])
        #expect(body.isComplete)
        let more = try body.take(input.span, into: &out)
        #expect(more == 0)
    }
}

@Suite struct BodyWindowTests {
    private let limits = Limits.with {
        $0.bodyProgress_ms = 10
        $0.bodyProgressBytes = 100
    }

    @Test func timeOfTheHandlerIsNotCounted() {
        var window = BodyWindow()
        let end_ns = window.resume(now_ns: 0, limits: limits)
        #expect(end_ns == 10_000_000)
        window.pause(now_ns: 4_000_000)
        // The handler took a second; six milliseconds of waiting are left.
        let resumed_ns = window.resume(now_ns: 1_004_000_000, limits: limits)
        #expect(resumed_ns == 1_010_000_000)
    }

    @Test func readingAgainDoesNotBeginTheWindowAnew() {
        var window = BodyWindow()
        _ = window.resume(now_ns: 0, limits: limits)
        for time in stride(from: UInt64(1_000_000), to: 9_000_000, by: 1_000_000) {
            window.add(1)
            window.pause(now_ns: time)
            let end_ns = window.resume(now_ns: time, limits: limits)
            #expect(end_ns == 10_000_000)
        }
        let isFast = window.renew(limits: limits)
        #expect(!isFast)
        window.add(92)
        let isFastNow = window.renew(limits: limits)
        #expect(isFastNow)
        #expect(window.bytes == 0)
    }
}

@Suite struct ConnectionTimerTests {
    private final class Nobody: DeadlineHandler { func deadlineReached(_ id: DeadlineID) {} }

    @Test func aLaterDeadlineIsFoundWhenTheEarlyEntryFires() async throws {
        let loop = try EventLoop(name: "test")
        loop.start()
        defer { loop.stop() }
        await loop.run { () -> Void in
            let nobody = Nobody()
            let far = EventLoop.clock_ns() + 3_600_000_000_000
            var timer = ConnectionTimer()
            timer.setRead(far, loop, nobody)
            timer.setRead(far + 10, loop, nobody)
            timer.setWrite(far + 20, loop, nobody)
            // The entry stands at `far`; firing then, it finds the read deadline ten nanoseconds off.
            guard case .later(let next) = timer.fired(now_ns: far) else {
                Issue.record("something was due")
                return
            }
            #expect(next == far + 10)
            timer.arm(loop, nobody)
            guard case .readDue = timer.fired(now_ns: far + 10) else {
                Issue.record("the read was not due")
                return
            }
            guard case .writeDue = timer.fired(now_ns: far + 20) else {
                Issue.record("the write was not due")
                return
            }
            guard case .later(nil) = timer.fired(now_ns: far + 30) else {
                Issue.record("something was left")
                return
            }
            timer.setRead(far + 40, loop, nobody)
            timer.clearRead()
            guard case .later(nil) = timer.fired(now_ns: far + 50) else {
                Issue.record("it was cleared")
                return
            }
            timer.cancel(loop)
        }
    }
}

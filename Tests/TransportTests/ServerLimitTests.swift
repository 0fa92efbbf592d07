import Glibc
import Synchronization
import Testing
import Wire

@testable import Transport

@Suite(.timeLimit(.minutes(1))) struct ServerTimeoutTests {
    @Test func aHeadThatTricklesIsAnswered408() async throws {
        try await withServer(limits: .with { $0.headTimeout_ms = 40 }, handler: echoPath) { address, server in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n")
            // One more field line a millisecond: the connection is never silent, and the head never complete.
            var sent = 0
            while server.counts.headTimeouts == 0, sent < 5_000 {
                client.sendIgnoringFailure(Array("X: \(sent)\r\n".utf8))
                sent += 1
                client.pause_ms(1)
            }
            #expect(try client.readResponse().status == 408)
            #expect(client.seesEnd())
        }
    }

    @Test func aConnectionThatSaysNothingIsClosed() async throws {
        try await withServer(limits: .with { $0.headTimeout_ms = 20 }, handler: echoPath) { address, server in
            let client = try RawClient(address)
            #expect(client.seesEnd())
            #expect(server.counts.headTimeouts == 0)
        }
    }

    @Test func anIdleKeptConnectionIsClosed() async throws {
        try await withServer(limits: .with { $0.keepAliveIdle_ms = 20 }, handler: echoPath) { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().status == 200)
            #expect(client.seesEnd())
        }
    }

    @Test func aHandlerMayTakeLongerThanEveryTimeout() async throws {
        let limits = Limits.with {
            $0.keepAliveIdle_ms = 1
            $0.bodyProgress_ms = 1
            $0.writeStall_ms = 1
        }
        try await withServer(limits: limits) { request, response in
            // Longer than all of them, measured by the same clock and heap.
            await request.loop.pass(ms: 20)
            try await response.send(status: 200, fields: HTTPFields(), body: Array("late".utf8))
        } _: { address, _ in
            let client = try RawClient(address)
            client.sendIgnoringFailure(Array("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8))
            #expect(try client.readResponse().text == "late")
        }
    }

    @Test func aClientThatReadsNothingIsGivenUp() async throws {
        let code = Lock<TransportError.Code?>(nil)
        let ended = Gate()
        try await withServer(limits: .with { $0.writeStall_ms = 30 }) { _, response in
            do {
                var body = try await response.stream(status: 200, fields: HTTPFields())
                while true { try await body.write([UInt8](repeating: 1, count: 100_000)) }
            } catch {
                code.withLock { $0 = (error as? TransportError)?.code }
                ended.open()
                throw error
            }
        } _: { address, server in
            let client = try RawClient(address, receiveBufferBytes: 4096)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await ended.wait()
            #expect(code.withLock { $0 } == .idleTimeout)
            #expect(server.counts.writeStalls == 1)
            _ = client
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct ServerLimitTests {
    @Test func aConnectionOverTheCapGets503AndAPlaceComesBack() async throws {
        try await withServer(limits: .with { $0.connectionCount = 2 }, handler: echoPath) { address, server in
            let first = try RawClient(address)
            let second = try RawClient(address)
            for client in [first, second] {
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.readResponse().status == 200)
            }
            let third = try RawClient(address)
            let refusal = try third.readResponse()
            #expect(refusal.status == 503)
            #expect(refusal["retry-after"] == "1")
            #expect(refusal.text.contains(#""code":"overloaded""#))
            #expect(third.seesEnd())
            #expect(server.counts.refusedOverLimit == 1)
            #expect(server.counts.acceptedConnections == 2)

            first.finishSending()
            #expect(first.seesEnd())
            let fourth = try RawClient(address)
            try fourth.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try fourth.readResponse().status == 200)
        }
    }

    @Test func withoutDescriptorsAConnectionIsRefusedAndTheServerGoesOn() async throws {
        let failures = Atomic<Int>(0)
        var calls = SocketCalls.system
        calls.accept = { listener, peer in
            // The first accept of each connection finds the table full; the one after the spare was given up does not.
            failures.wrappingAdd(1, ordering: .relaxed).oldValue == 0
                ? -EMFILE : SocketCalls.system.accept(listener, &peer)
        }
        try await withServer(calls: calls, handler: echoPath) { address, server in
            let refused = try RawClient(address)
            #expect(try refused.readResponse().status == 503)
            #expect(refused.seesEnd())
            let served = try RawClient(address)
            try served.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try served.readResponse().status == 200)
            #expect(server.counts.refusedWithoutDescriptor == 1)
        }
    }

    @Test func whenTheKernelHasNoMemoryAcceptingRestsAndThenGoesOn() async throws {
        let attempts = Atomic<Int>(0)
        var calls = SocketCalls.system
        calls.accept = { listener, peer in
            attempts.wrappingAdd(1, ordering: .relaxed).oldValue < 2
                ? -ENOBUFS : SocketCalls.system.accept(listener, &peer)
        }
        try await withServer(calls: calls, handler: echoPath) { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().status == 200)
        }
        // It rested: a level-triggered listener that spins would have tried thousands of times.
        #expect(attempts.load(ordering: .relaxed) < 10)
    }

    @Test func aFailedReceiveEndsOnlyItsConnection() async throws {
        let count = Atomic<Int>(0)
        var calls = SocketCalls.system
        calls.receive = { descriptor, buffer in
            count.wrappingAdd(1, ordering: .relaxed).oldValue == 1
                ? -Int(ECONNRESET) : SocketCalls.system.receive(descriptor, buffer)
        }
        try await withServer(calls: calls, handler: echoPath) { address, _ in
            let failed = try RawClient(address)
            failed.sendIgnoringFailure(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
            let served = try RawClient(address)
            try served.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let answers = [try? failed.readResponse().status, try? served.readResponse().status]
            #expect(answers.contains(200))
        }
    }

    @Test func connectionsInheritTheirOptionsFromTheListener() async throws {
        let options = Lock<[Int32]>([])
        var calls = SocketCalls.system
        calls.accept = { listener, peer in
            let accepted = SocketCalls.system.accept(listener, &peer)
            guard accepted >= 0 else { return accepted }
            let tcp = Int32(IPPROTO_TCP)
            let wanted = [(tcp, TCP_NODELAY), (SOL_SOCKET, SO_KEEPALIVE), (tcp, TCP_KEEPIDLE), (tcp, TCP_KEEPINTVL)]
            for (level, option) in wanted {
                var value: Int32 = -1
                var size = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(accepted, level, option, &value, &size)
                options.withLock { $0.append(value) }
            }
            return accepted
        }
        try await withServer(limits: .with { $0.peerProbe_ms = 20_000 }, calls: calls, handler: echoPath) {
            address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().status == 200)
        }
        #expect(options.withLock { $0 } == [1, 1, 20, 5])
    }

    @Test func aFailedSendIsAClientGone() async throws {
        var calls = SocketCalls.system
        calls.send = { _, _ in -Int(EPIPE) }
        let code = Lock<TransportError.Code?>(nil)
        try await withServer(calls: calls) { _, response in
            do {
                try await response.send(status: 200, fields: HTTPFields(), body: [])
            } catch {
                code.withLock { $0 = (error as? TransportError)?.code }
                throw error
            }
        } _: { address, server in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(client.seesEnd())
            #expect(server.counts.clientsGone == 1)
        }
        #expect(code.withLock { $0 } == .clientGone)
    }

    @Test func sendsOfOneByteMakeTheSameResponse() async throws {
        var calls = SocketCalls.system
        calls.send = { descriptor, bytes in
            // Every other send finds the kernel full, every one takes a single byte.
            SocketCalls.system.send(descriptor, UnsafeRawBufferPointer(rebasing: bytes.prefix(1)))
        }
        try await withServer(calls: calls) { _, response in
            var body = try await response.stream(status: 200, fields: HTTPFields())
            for word in ["one", "two", "three"] { try await body.write(Array(word.utf8)) }
            try await body.finish()
        } _: { address, _ in
            let client = try RawClient(address)
            for _ in 0..<2 {
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.readResponse().text == "onetwothree")
            }
        }
    }

    @Test func aSlowReaderBoundsWhatIsQueued() async throws {
        let written = Atomic<Int>(0)
        let started = Gate()
        let loop = Lock<EventLoop?>(nil)
        let total = 40_000_000
        try await withServer(limits: .with { $0.outboundHighWaterBytes = 64 * 1024 }) { request, response in
            loop.withLock { $0 = request.loop }
            var body = try await response.stream(status: 200, fields: HTTPFields(), length: total)
            started.open()
            for _ in 0..<total / 20_000 {
                try await body.write([UInt8](repeating: 1, count: 20_000))
                written.wrappingAdd(20_000, ordering: .relaxed)
            }
            try await body.finish()
        } _: { address, _ in
            let client = try RawClient(address, receiveBufferBytes: 4096)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await started.wait()
            let served = try #require(loop.withLock { $0 })
            // A writer that does not wait writes in every turn of its loop; when a turn brings nothing, it waits.
            var before = -1
            var now = 0
            while now != before, now < total {
                before = now
                for _ in 0..<3 { await served.run {} }
                now = written.load(ordering: .relaxed)
            }
            // The kernel took a few MB for its buffers (tcp_wmem), the queue its high-water mark; the rest is not written.
            #expect(now < total / 2)
            _ = try client.readHead()
            #expect(try client.readExactly(total).count == total)
        }
    }
}

extension EventLoop {
    /// Waits on the loop's own clock.
    nonisolated(nonsending) func pass(ms: Int) async {
        final class Waiter: DeadlineHandler {
            let continuation: CheckedContinuation<Void, Never>
            init(_ continuation: CheckedContinuation<Void, Never>) { self.continuation = continuation }
            func deadlineReached(_ id: DeadlineID) { continuation.resume() }
        }
        await withCheckedContinuation { _ = schedule(after_ms: ms, Waiter($0)) }
    }
}

import Glibc
import Synchronization
import Testing
import Wire

@testable import Transport

@Suite(.timeLimit(.minutes(1))) struct ServerDrainTests {
    @Test func anIdleConnectionIsClosedAndNewOnesAreRefused() async throws {
        let server = HTTPServer(
            configuration: .init(address: .tcp(host: "127.0.0.1", port: 0)), handler: ClosureHandler(body: echoPath))
        let address = try await server.start()
        let client = try RawClient(address)
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.readResponse().status == 200)
        let report = await server.drain(deadline_ms: 60_000)
        #expect(report == DrainReport(idleClosed: 1))
        #expect(client.seesEnd())
        #expect(throws: ClientFault.self) { try RawClient(address) }
        #expect(server.counts.openConnections == 0)
        // Asking again gives the same report.
        #expect(await server.drain(deadline_ms: 0) == report)
    }

    @Test func aRequestInFlightIsFinishedAndItsConnectionClosed() async throws {
        let entered = Gate()
        let gate = Gate()
        let server = HTTPServer(
            configuration: .init(address: .tcp(host: "127.0.0.1", port: 0)),
            handler: ClosureHandler { request, response in
                entered.open()
                await gate.wait()
                try await response.send(status: 200, fields: HTTPFields(), body: Array("whole".utf8))
            })
        let address = try await server.start()
        let client = try RawClient(address)
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await entered.wait()
        let draining = try await server.beginDrainInBackground(deadline_ms: 60_000, untilRefused: address)
        gate.open()
        let response = try await onThread { try client.readResponse() }
        #expect(response.text == "whole")
        #expect(response["connection"] == "close")
        #expect(try await onThread { client.seesEnd() })
        // The probes that look for the refusal may still be accepted, and are then closed as idle.
        var report = await draining.value
        report.idleClosed = 0
        #expect(report == DrainReport(finished: 1))
    }

    @Test func aStreamThatOutlastsTheLimitIsAbortedAndItsHandlerCancelled() async throws {
        let entered = Gate()
        let code = Lock<TransportError.Code?>(nil)
        let server = HTTPServer(
            configuration: .init(address: .tcp(host: "127.0.0.1", port: 0)),
            handler: ClosureHandler { request, response in
                var body = try await response.stream(status: 200, fields: HTTPFields())
                entered.open()
                _ = await Gate().waitOrCancelled()
                do {
                    try await body.write([1])
                } catch {
                    code.withLock { $0 = (error as? TransportError)?.code }
                    throw error
                }
                try await body.finish()
            })
        let address = try await server.start()
        let client = try RawClient(address)
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await entered.wait()
        let report = await server.drain(deadline_ms: 20)
        #expect(report == DrainReport(aborted: 1))
        #expect(code.withLock { $0 } == .shuttingDown)
        _ = try client.readHead()
        #expect(client.seesEnd())
    }

    @Test func aHandlerThatIgnoresItsCancellationIsReportedAndHoldsNothingUp() async throws {
        let loop = try EventLoop(name: "test")
        loop.start()
        defer { loop.stop() }
        let entered = Gate()
        let never = Gate()
        let server = HTTPServer(
            configuration: .init(
                address: .tcp(host: "127.0.0.1", port: 0), limits: .with { $0.abortGrace_ms = 10 },
                loops: .shared([loop])),
            handler: ClosureHandler { _, _ in
                entered.open()
                await never.wait()
            })
        let address = try await server.start()
        let client = try RawClient(address)
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await entered.wait()
        #expect(await server.drain(deadline_ms: 0) == DrainReport(aborted: 1, stuck: 1))
        #expect(client.seesEnd())
        never.open()
    }

    @Test func aRequestAlreadySentOnAnIdleConnectionIsAnswered() async throws {
        let loop = try EventLoop(name: "test")
        loop.start()
        defer { loop.stop() }
        let server = HTTPServer(
            configuration: .init(address: .tcp(host: "127.0.0.1", port: 0), loops: .shared([loop])),
            handler: ClosureHandler(body: echoPath))
        let address = try await server.start()
        let client = try RawClient(address)
        try client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.readResponse().status == 200)
        // The loop is kept busy while the request is sent and the drain begins, so that the drain comes first in its queue.
        let entered = Gate()
        let release = Atomic<Bool>(false)
        loop.execute {
            entered.open()
            while !release.load(ordering: .acquiring) { sched_yield() }
        }
        await entered.wait()
        let before = loop.foreignEnqueueCount
        let drain = Task { await server.drain(deadline_ms: 60_000) }
        while loop.foreignEnqueueCount == before { await Task.yield() }
        try client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        release.store(true, ordering: .releasing)
        let answer = try await onThread { try client.readResponse().text }
        #expect(answer == "/2")
        #expect(try await onThread { client.seesEnd() })
        #expect(await drain.value.aborted == 0)
    }
}

extension HTTPServer {
    /// Starts a drain and returns once the server has stopped accepting.
    fileprivate func beginDrainInBackground(
        deadline_ms: Int, untilRefused address: BoundAddress
    ) async throws -> Task<DrainReport, Never> {
        let task = Task { await self.drain(deadline_ms: deadline_ms) }
        while true {
            guard let probe = try? RawClient(address) else { return task }
            probe.close()
            await Task.yield()
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct ServerAddressTests {
    private static func path(_ name: String) -> String { temporarySocketPath(name) }

    @Test func aUnixSocketServesItsOwnerOnlyAndIsRemovedAtTheEnd() async throws {
        let path = Self.path("serve")
        try await withServer(address: .unix(path: path)) { request, response in
            try await response.send(status: 200, fields: HTTPFields(), body: Array(request.peer.utf8))
        } _: { address, _ in
            #expect(address.description == "unix:\(path)")
            var status = stat()
            #expect(lstat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().text == "unix")
        }
        #expect(access(path, F_OK) != 0)
    }

    @Test func aUnixSocketServesFromAllLoops() async throws {
        let loops = Lock<Set<ObjectIdentifier>>([])
        try await withServer(loops: .own(count: 2), address: .unix(path: Self.path("loops"))) { request, response in
            _ = loops.withLock { $0.insert(ObjectIdentifier(request.loop)) }
            try await response.send(status: 200, fields: HTTPFields(), body: [])
        } _: { address, _ in
            for _ in 0..<2 {
                let client = try RawClient(address)
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.readResponse().status == 200)
            }
            #expect(loops.withLock { $0.count } == 2)
        }
    }

    @Test func aStaleSocketFileIsReplacedAndALiveOneIsNot() async throws {
        let path = Self.path("stale")
        let stale = try ListeningSocket.unix(path: path, backlog: 1)
        close(stale)
        try await withServer(address: .unix(path: path), handler: echoPath) { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().status == 200)
            let second = HTTPServer(
                configuration: .init(address: .unix(path: path)), handler: ClosureHandler(body: echoPath))
            let error = await #expect(throws: TransportError.self) { try await second.start() }
            #expect(error?.code == .bindFailed)
            #expect(error?.detail.contains("another process listens") == true)
            // The refusal left the first server's socket alone.
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().status == 200)
            #expect(access(path, F_OK) == 0)
        }
    }

    @Test func aFileThatIsNoSocketIsLeftAlone() async throws {
        let path = Self.path("file")
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        defer { unlink(path) }
        let server = HTTPServer(
            configuration: .init(address: .unix(path: path)), handler: ClosureHandler(body: echoPath))
        let error = await #expect(throws: TransportError.self) { try await server.start() }
        #expect(error?.detail.contains("no socket") == true)
        #expect(access(path, F_OK) == 0)
    }

    @Test(arguments: [1, 2])
    func aPortInUseIsRefusedWhateverTheNumberOfLoops(count: Int) async throws {
        try await withServer(loops: .own(count: 2), handler: echoPath) { address, _ in
            let port = try #require(address.port)
            let second = HTTPServer(
                configuration: .init(address: .tcp(host: "127.0.0.1", port: port), loops: .own(count: count)),
                handler: ClosureHandler(body: echoPath))
            let error = await #expect(throws: TransportError.self) { try await second.start() }
            #expect(error?.code == .bindFailed)
            #expect(error?.detail.contains("127.0.0.1:\(port)") == true)
        }
    }

    @Test func aHostThatIsNoAddressIsRefused() async throws {
        let server = HTTPServer(
            configuration: .init(address: .tcp(host: "no such host", port: 0)), handler: ClosureHandler(body: echoPath))
        let error = await #expect(throws: TransportError.self) { try await server.start() }
        #expect(error?.code == .bindFailed)
    }

    @Test func anIPv6AddressServes() async throws {
        let server = HTTPServer(
            configuration: .init(address: .tcp(host: "::1", port: 0)), handler: ClosureHandler(body: echoPath))
        do {
            let address = try await server.start()
            #expect(address.description.hasPrefix("[::1]:"))
        } catch {
            // A machine without IPv6 says so; that is the only excuse.
            #expect(error.detail.contains("assign requested address") || error.detail.contains("not supported"))
        }
        _ = await server.drain(deadline_ms: 0)
    }
}

@Suite(.timeLimit(.minutes(1))) struct ServerThreadTests {
    @Test func aRequestOnAKeptConnectionEnqueuesNothingFromAnotherThread() async throws {
        let loop = try EventLoop(name: "test")
        loop.start()
        defer { loop.stop() }
        try await withServer(loops: .shared([loop])) { request, response in
            let body = try await request.body.collect(limitBytes: 1000)
            await Task.yield()
            var stream = try await response.stream(status: 200, fields: HTTPFields())
            try await stream.write(body)
            try await stream.finish()
        } _: { address, _ in
            let client = try RawClient(address)
            func exchange() throws {
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
                try client.send("body")
                #expect(try client.readResponse().text == "body")
            }
            try exchange()
            let before = loop.foreignEnqueueCount
            for _ in 0..<200 { try exchange() }
            #expect(loop.foreignEnqueueCount == before)
        }
    }

    @Test func everyPartOfAHandlerRunsOnTheLoopsThread() async throws {
        try await withServer(loops: .own(count: 2)) { request, response in
            request.loop.assertCurrent()
            _ = try await request.body.collect(limitBytes: 100_000)
            request.loop.assertCurrent()
            await withCheckedContinuation { continuation in
                // Resumed from another thread, the handler still comes back to its own.
                detachThread { continuation.resume() }
            }
            request.loop.assertCurrent()
            try await response.send(status: 200, fields: HTTPFields(), body: [])
            request.loop.assertCurrent()
        } _: { address, server in
            for _ in 0..<8 {
                let client = try RawClient(address)
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n")
                try client.send(pattern(50_000))
                #expect(try client.readResponse().status == 200)
            }
            #expect(server.counts.handlerFailures == 0)
        }
    }

    @Test func aFloodOnOneConnectionLeavesTurnsForOthers() async throws {
        let loop = try EventLoop(name: "test")
        loop.start()
        defer { loop.stop() }
        let order = Lock<(flood: Int, beforeQuiet: Int?)>((0, nil))
        try await withServer(loops: .shared([loop])) { request, response in
            order.withLock { order in
                if request.head.path == "/flood" { order.flood += 1 } else { order.beforeQuiet = order.flood }
            }
            try await response.send(status: 200, fields: HTTPFields(), body: [])
        } _: { address, _ in
            let flood = try RawClient(address)
            let quiet = try RawClient(address)
            for client in [flood, quiet] {
                try client.send("GET /warm HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.readResponse().status == 200)
            }
            // While the loop is held, both connections become ready: the flood first, with all of its requests.
            let held = Gate()
            let release = Atomic<Bool>(false)
            loop.execute {
                held.open()
                while !release.load(ordering: .acquiring) { sched_yield() }
            }
            await held.wait()
            let count = 3_000
            try flood.send(String(repeating: "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n", count: count))
            try quiet.send("GET /quiet HTTP/1.1\r\nHost: a\r\n\r\n")
            release.store(true, ordering: .releasing)
            #expect(try quiet.readResponse().status == 200)
            for _ in 0..<count { _ = try flood.readResponse() }
            #expect(try #require(order.withLock { $0.beforeQuiet }) < count / 2)
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct ServerManyStreamsTests {
    /// Descriptors this process may have, raised to what the system allows.
    private static func descriptorLimit() -> Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    @Test func twoThousandIdleStreamsAllGetTheNextEvent() async throws {
        let count = 2_000
        // Both ends are in this process, beside what other tests have open.
        guard Self.descriptorLimit() > 2 * count + 500 else {
            print("not checked: fewer than \(2 * count + 500) descriptors are allowed")
            return
        }
        let gate = Gate()
        try await withServer { _, response in
            var body = try await response.stream(status: 200, fields: HTTPFields())
            try await body.write(Array("data: first\n\n".utf8))
            await gate.wait()
            try await body.write(Array("data: second\n\n".utf8))
            try await body.finish()
        } _: { address, server in
            var clients: [RawClient] = []
            for _ in 0..<count {
                let client = try RawClient(address)
                try client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
                clients.append(client)
            }
            for client in clients {
                _ = try client.readHead()
                #expect(try client.readChunk() == Array("data: first\n\n".utf8))
            }
            #expect(server.counts.openConnections == count)
            gate.open()
            for client in clients {
                #expect(try client.readChunk() == Array("data: second\n\n".utf8))
                #expect(try client.readChunk() == nil)
            }
            #expect(server.counts.clientsGone == 0)
        }
    }
}

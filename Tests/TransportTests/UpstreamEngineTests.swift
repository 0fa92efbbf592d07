import Synchronization
import Testing
import Transport
import Wire

/// Many transfers, threads and the end of an engine.
@Suite(.timeLimit(.minutes(1))) struct UpstreamEngineTests {
    private static func echo() -> FakeUpstream {
        FakeUpstream { connection in
            while let request = connection.readRequest() {
                let parts = request.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
                connection.answer(String(parts[1]))
            }
        }
    }

    /// An upstream that echoes, and a transport on one loop.
    private struct OnLoop {
        let upstream = UpstreamEngineTests.echo()
        let loop: EventLoop
        let transport: any TestedTransport

        init(_ client: UpstreamClient) throws {
            loop = try EventLoop(name: "test")
            loop.start()
            transport = try client.transport(loops: [loop])
        }

        func end() async {
            await transport.shutDown()
            loop.stop()
            upstream.stop()
        }
    }

    @Test(arguments: UpstreamClient.allCases)
    func aHundredConcurrentRequestsEachGetTheirOwnAnswer(_ client: UpstreamClient) async throws {
        let upstream = UpstreamEngineTests.echo()
        defer { upstream.stop() }
        let transport = try client.transport()
        let url = upstream.origin + "/"
        let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<100 {
                group.addTask {
                    for round in 0..<5 {
                        let text = "\(number)-\(round)"
                        let response = try await transport.send(
                            UpstreamRequest(method: .post, url: url, body: Array(text.utf8)))
                        let body = try await response.body.collect(limitBytes: 100)
                        if body != Array(text.utf8) { return true }
                    }
                    return false
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(wrong == 0)
        #expect(transport.statistics.transfersStarted == 500)
        #expect(transport.statistics.transfersActive == 0)
        #expect(transport.statistics.connectionsOpened <= 100)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func connectionsPerHostAreBoundedAndRequestsWait(_ client: UpstreamClient) async throws {
        let upstream = UpstreamEngineTests.echo()
        defer { upstream.stop() }
        var limits = Limits.standard
        limits.upstreamConnectionPerHostCount = 3
        let transport = try client.transport(limits: limits)
        let url = upstream.origin + "/"
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<30 {
                group.addTask {
                    let response = try await transport.send(
                        UpstreamRequest(
                            method: .post, url: url, body: [0x61], timeouts: UpstreamTimeouts(connect_ms: 60_000)))
                    #expect(try await response.body.collect(limitBytes: 100) == [0x61])
                }
            }
            try await group.waitForAll()
        }
        #expect(upstream.acceptedCount <= 3)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aRequestSentOnTheLoopNeverLeavesIt(_ client: UpstreamClient) async throws {
        let on = try OnLoop(client)
        let (loop, transport) = (on.loop, on.transport)
        let url = on.upstream.origin + "/"
        let (bodies, stayed, foreign) = await withCheckedContinuation { continuation in
            LoopActor(loop).spawn {
                var bodies: [String] = []
                var stayed = true
                let before = loop.foreignEnqueueCount
                for number in 0..<20 {
                    do throws(TransportError) {
                        let response = try await transport.send(
                            UpstreamRequest(method: .post, url: url, body: Array("\(number)".utf8)))
                        stayed = stayed && loop.isCurrent
                        bodies.append(String(decoding: try await response.body.collect(limitBytes: 10), as: UTF8.self))
                        stayed = stayed && loop.isCurrent
                    } catch { bodies.append("\(error)") }
                }
                continuation.resume(returning: (bodies, stayed, loop.foreignEnqueueCount - before))
            }
        }
        #expect(bodies == (0..<20).map(String.init))
        #expect(stayed)
        #expect(foreign == 0)
        await on.end()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aRequestFromElsewhereComesToTheLoopOnce(_ client: UpstreamClient) async throws {
        let on = try OnLoop(client)
        let (loop, transport) = (on.loop, on.transport)
        let request = UpstreamRequest(method: .post, url: on.upstream.origin, body: [0x61])
        let before = loop.foreignEnqueueCount
        for _ in 0..<20 { _ = try await transport.send(request) }
        // The send, and the word that nobody wants the body; waiting and being woken add nothing.
        #expect(loop.foreignEnqueueCount - before <= 40)
        await on.end()
    }

    /// Wherever the caller is at home: on the main thread, or on the loop without a preference for its executor.
    @Test(arguments: UpstreamClient.allCases)
    func actorsOfAnyExecutorMaySend(_ client: UpstreamClient) async throws {
        let on = try OnLoop(client)
        let (loop, transport) = (on.loop, on.transport)
        let request = UpstreamRequest(method: .post, url: on.upstream.origin, body: [0x61])
        func exchange(on actor: isolated any Actor) async throws -> [UInt8] {
            try await transport.send(request).body.collect(limitBytes: 10)
        }
        for _ in 0..<50 {
            #expect(try await exchange(on: MainActor.shared) == [0x61])
            #expect(try await exchange(on: LoopActor(loop)) == [0x61])
        }
        await on.end()
    }

    @Test(arguments: UpstreamClient.allCases)
    func requestsFromElsewhereAreSpreadOverTheLoops(_ client: UpstreamClient) async throws {
        let upstream = UpstreamEngineTests.echo()
        defer { upstream.stop() }
        let loops = [try EventLoop(name: "one"), try EventLoop(name: "two")]
        for loop in loops { loop.start() }
        let transport = try client.transport(loops: loops)
        for _ in 0..<4 {
            let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin))
            _ = try await response.body.collect(limitBytes: 100)
        }
        // Each loop has its own connection and kept it.
        #expect(upstream.acceptedCount == 2)
        await transport.shutDown()
        for loop in loops { loop.stop() }
    }

    @Test(arguments: UpstreamClient.allCases)
    func transfersAreBounded(_ client: UpstreamClient) async throws {
        let arrived = FakeGate()
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            arrived.open()
            _ = connection.waitForClose()
        }
        defer { upstream.stop() }
        var limits = Limits.standard
        limits.upstreamTransferCount = 2
        let transport = try client.transport(limits: limits)
        let url = upstream.origin
        let waiting = (0..<2).map { _ in
            Task { _ = try? await transport.send(UpstreamRequest(method: .get, url: url)) }
        }
        await arrived.opened()
        await arrived.opened()
        let error = await #expect(throws: TransportError.self) {
            try await transport.send(UpstreamRequest(method: .get, url: url))
        }
        #expect(error?.code == .tooManyTransfers)
        #expect(error?.code.requestNeverSent == true)
        for task in waiting { task.cancel() }
        for task in waiting { await task.value }
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func shutDownFailsWhatIsInFlightAndWhatComesLater(_ client: UpstreamClient) async throws {
        let arrived = FakeGate()
        let closed = FakeGate()
        let upstream = FakeUpstream { connection in
            let isStream = connection.readRequest()?.hasPrefix("GET /stream") == true
            if isStream { connection.write("HTTP/1.1 200 OK\r\n\r\ndata") }
            arrived.open()
            if connection.waitForClose() { closed.open() }
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        let origin = upstream.origin
        let beforeHead = Task { () -> TransportError.Code? in
            do throws(TransportError) {
                _ = try await transport.send(UpstreamRequest(method: .get, url: origin + "/hang"))
                return nil
            } catch { return error.code }
        }
        await arrived.opened()
        let response = try await transport.send(UpstreamRequest(method: .get, url: origin + "/stream"))
        #expect(try await response.body.next() == Array("data".utf8))
        await transport.shutDown()
        #expect(await beforeHead.value == .shuttingDown)
        let inBody = await #expect(throws: TransportError.self) { try await response.body.next() }
        #expect(inBody?.code == .shuttingDown)
        #expect(await closed.opened())
        #expect(await closed.opened())
        let later = await #expect(throws: TransportError.self) {
            try await transport.send(UpstreamRequest(method: .get, url: origin))
        }
        #expect(later?.code == .shuttingDown)
        #expect(transport.statistics.transfersActive == 0)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aDroppedTransportEndsItsConnectionsAndItsThread(_ client: UpstreamClient) async throws {
        let closed = FakeGate()
        let upstream = FakeUpstream { connection in
            while connection.readRequest() != nil { connection.answer("ok") }
            closed.open()
        }
        defer { upstream.stop() }
        do {
            let transport = try client.transport()
            let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin))
            _ = try await response.body.collect(limitBytes: 10)
        }
        #expect(await closed.opened())
    }

    @Test(arguments: UpstreamClient.allCases)
    func cancellingAtAnyMomentLeavesNothingBehind(_ client: UpstreamClient) async throws {
        let upstream = UpstreamEngineTests.echo()
        defer { upstream.stop() }
        let transport = try client.transport()
        let url = upstream.origin
        var outcomes: [String: Int] = [:]
        for turns in 0..<200 {
            let task = Task { () -> String in
                do throws(TransportError) {
                    let response = try await transport.send(
                        UpstreamRequest(method: .post, url: url, body: Array("body".utf8)))
                    let body = try await response.body.collect(limitBytes: 10)
                    return body == Array("body".utf8) ? "whole" : "torn"
                } catch { return error.code.label }
            }
            for _ in 0..<turns { await Task.yield() }
            task.cancel()
            outcomes[await task.value, default: 0] += 1
        }
        #expect(Set(outcomes.keys).isSubset(of: ["whole", "cancelled"]), "\(outcomes)")
        await transport.shutDown()
        #expect(transport.statistics.transfersActive == 0)
    }
}

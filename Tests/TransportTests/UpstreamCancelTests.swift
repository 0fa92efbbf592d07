import Testing
import Transport
import Wire

/// Requests and bodies that are given up at any moment, from any thread: every one ends, and nothing stays behind.
@Suite(.timeLimit(.minutes(2))) struct UpstreamCancelTests {
    /// Answers at once, in two pieces and an end, so that there is something to wait for in every phase.
    private static func upstream() -> FakeUpstream {
        FakeUpstream { connection in
            while connection.readRequest() != nil {
                connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
                connection.write("3\r\ntwo\r\n")
                connection.write("0\r\n\r\n")
            }
        }
    }

    /// One exchange: "whole", "torn", or how it failed.
    private static func exchange(_ transport: any UpstreamTransport, _ url: String) async -> String {
        do throws(TransportError) {
            let response = try await transport.send(UpstreamRequest(method: .get, url: url))
            let body = try await response.body.collect(limitBytes: 10)
            return body == Array("onetwo".utf8) ? "whole" : "torn"
        } catch { return error.code.label }
    }

    private static func isFair(_ outcomes: [String: Int]) -> Bool {
        Set(outcomes.keys).isSubset(of: ["whole", "cancelled"])
    }

    /// The moment is drawn: a number of turns of the pool, which falls before, into and after every phase.
    @Test(arguments: UpstreamClient.allCases)
    func manyTasksCancelledAtRandomMomentsAllEnd(_ client: UpstreamClient) async throws {
        let upstream = UpstreamCancelTests.upstream()
        defer { upstream.stop() }
        let transport = try client.transport()
        let url = upstream.origin
        var outcomes: [String: Int] = [:]
        for _ in 0..<40 {
            let tasks = (0..<20).map { _ in Task { await UpstreamCancelTests.exchange(transport, url) } }
            await withTaskGroup(of: Void.self) { group in
                for task in tasks {
                    let turns = Int.random(in: 0..<400)
                    group.addTask {
                        for _ in 0..<turns { await Task.yield() }
                        task.cancel()
                    }
                }
            }
            for task in tasks { outcomes[await task.value, default: 0] += 1 }
        }
        #expect(UpstreamCancelTests.isFair(outcomes), "\(outcomes)")
        #expect(outcomes["cancelled", default: 0] > 0, "\(outcomes)")
        await transport.shutDown()
        #expect(transport.statistics.transfersActive == 0)
    }

    /// Cancelled on the loop itself, as a server does when its client leaves.
    @Test(arguments: UpstreamClient.allCases)
    func tasksOnTheLoopCancelledFromTheLoopAndFromElsewhereAllEnd(_ client: UpstreamClient) async throws {
        let upstream = UpstreamCancelTests.upstream()
        defer { upstream.stop() }
        let loop = try EventLoop(name: "test")
        loop.start()
        let transport = try client.transport(loops: [loop])
        let url = upstream.origin
        var outcomes: [String: Int] = [:]
        for round in 0..<300 {
            let task = Task(executorPreference: loop) { await UpstreamCancelTests.exchange(transport, url) }
            let turns = Int.random(in: 0..<40)
            let canceller = Task(executorPreference: round.isMultiple(of: 2) ? loop : nil) {
                for _ in 0..<turns { await Task.yield() }
                task.cancel()
            }
            outcomes[await task.value, default: 0] += 1
            await canceller.value
        }
        #expect(UpstreamCancelTests.isFair(outcomes), "\(outcomes)")
        #expect(outcomes.values.reduce(0, +) == 300)
        await transport.shutDown()
        #expect(transport.statistics.transfersActive == 0)
        loop.stop()
    }

    /// A consumer that waits for more, and someone else who cancels the body, its task, or the whole transport.
    @Test(arguments: UpstreamClient.allCases)
    func aWaitingConsumerIsAlwaysWoken(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
            _ = connection.waitForClose()
        }
        defer { upstream.stop() }
        let url = upstream.origin
        for round in 0..<90 {
            let transport = try client.transport()
            let body = try await transport.send(UpstreamRequest(method: .get, url: url)).body
            #expect(try await body.next() == Array("part".utf8))
            let reader = Task { () -> TransportError.Code? in
                do throws(TransportError) {
                    _ = try await body.next()
                    return nil
                } catch { return error.code }
            }
            for _ in 0..<Int.random(in: 0..<30) { await Task.yield() }
            switch round % 3 {
            case 0: body.cancel()
            case 1: reader.cancel()
            default: await transport.shutDown()
            }
            #expect(await reader.value == (round % 3 == 2 ? .shuttingDown : .cancelled))
            await transport.shutDown()
        }
    }

    /// The transport's own loop ends with it; whoever still holds a body gets an error, also when it comes too late.
    @Test(arguments: UpstreamClient.allCases)
    func aBodyMayOutliveItsTransport(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
            _ = connection.waitForClose()
        }
        defer { upstream.stop() }
        for _ in 0..<30 {
            var transport: (any TestedTransport)? = try client.transport()
            let body = try await transport?.send(UpstreamRequest(method: .get, url: upstream.origin)).body
            let reader = Task { () -> TransportError.Code? in
                do throws(TransportError) {
                    while try await body?.next() != nil {}
                    return nil
                } catch { return error.code }
            }
            for _ in 0..<Int.random(in: 0..<10) { await Task.yield() }
            transport = nil
            #expect(await reader.value == .shuttingDown)
        }
    }
}

import Testing
import Transport
import Wire

@Suite(.timeLimit(.minutes(1))) struct UpstreamTransportTests {
    @Test(arguments: UpstreamClient.allCases)
    func getsAWholeAnswer(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in
            while connection.readRequest() != nil { connection.answer("hello", fields: "X-One: 1\r\nx-two:  2 \r\n") }
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        for _ in 0..<3 {
            let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin + "/v1"))
            #expect(response.status == 200)
            #expect(response.httpVersion == .http1_1)
            #expect(response.fields.map(\.name) == ["Content-Length", "X-One", "x-two"])
            #expect(response.fields["X-Two"] == "2")
            let body = try await response.body.collect(limitBytes: 100)
            #expect(body == Array("hello".utf8))
        }
        #expect(transport.statistics.transfersStarted == 3)
        #expect(transport.statistics.connectionsOpened == 1)
        #expect(transport.statistics.transfersActive == 0)
        await transport.shutDown()
    }
}

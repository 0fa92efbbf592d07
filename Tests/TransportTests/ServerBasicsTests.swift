import Testing
import Wire

@testable import Transport

private let get = "GET /hello?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"

@Suite struct ServerBasicsTests {
    @Test func answersARequestAndKeepsTheConnection() async throws {
        try await withServer { request, response in
            try await response.send(
                status: 200, fields: HTTPFields(), body: Array("\(request.head.path) \(request.head.query ?? "")".utf8))
        } _: { address, server in
            let client = try RawClient(address)
            for _ in 0..<3 {
                try client.send(get)
                let response = try client.readResponse()
                #expect(response.status == 200)
                #expect(response.text == "/hello x=1")
                #expect(response["connection"] == "keep-alive")
                #expect(response["date"]?.hasSuffix(" GMT") == true)
            }
            #expect(server.counts.acceptedConnections == 1)
            #expect(server.counts.requests == 3)
        }
    }
}

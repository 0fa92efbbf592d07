import Testing
import Transport
import Wire

/// What the caller sees when the upstream misbehaves. Each fault has one code, and nothing hangs.
@Suite(.timeLimit(.minutes(1))) struct UpstreamFaultTests {
    private func failure(
        _ client: UpstreamClient, of request: UpstreamRequest, limits: Limits = .standard
    ) async throws -> TransportError? {
        let transport = try client.transport(limits: limits)
        var caught: TransportError?
        do throws(TransportError) {
            let response = try await transport.send(request)
            _ = try await response.body.collect(limitBytes: 1 << 20)
        } catch {
            caught = error
        }
        #expect(transport.statistics.transfersActive == 0)
        await transport.shutDown()
        return caught
    }

    /// Runs a GET against `script` and returns how it failed.
    private func failure(
        _ client: UpstreamClient, limits: Limits = .standard, timeouts: UpstreamTimeouts = UpstreamTimeouts(),
        _ script: @escaping FakeUpstream.Script
    ) async throws -> TransportError? {
        let upstream = FakeUpstream(script)
        defer { upstream.stop() }
        return try await failure(
            client, of: UpstreamRequest(method: .get, url: upstream.origin + "/", timeouts: timeouts), limits: limits)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aRefusedConnectionWasNeverSent(_ client: UpstreamClient) async throws {
        let error = try await FakeUpstream.withRefusingPort { port in
            try await failure(client, of: UpstreamRequest(method: .post, url: "http://127.0.0.1:\(port)/", body: [1]))
        }
        #expect(error?.code == .connectRefused)
        #expect(error?.code.requestNeverSent == true)
        #expect(error?.detail.contains("Connection refused") == true)
    }

    @Test(arguments: UpstreamClient.allCases)
    func anAbsentUnixSocketIsRefused(_ client: UpstreamClient) async throws {
        let error = try await failure(
            client, of: UpstreamRequest(method: .get, url: "http://model/", unixSocketPath: "/nonexistent/model.sock"))
        #expect(error?.code == .connectRefused)
    }

    @Test(arguments: UpstreamClient.allCases)
    func anUnknownHostIsADNSFailure(_ client: UpstreamClient) async throws {
        let error = try await failure(client, of: UpstreamRequest(method: .get, url: "http://no-such-host.invalid/"))
        #expect(error?.code == .dnsFailure)
        #expect(error?.code.requestNeverSent == true)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aListenerThatNeverAcceptsTLSIsATLSFailure(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in
            connection.write("HTTP/1.1 200 OK\r\n\r\n")
            _ = connection.waitForClose()
        }
        defer { upstream.stop() }
        let error = try await failure(
            client, of: UpstreamRequest(method: .get, url: "https://127.0.0.1:\(upstream.port)/"))
        #expect(error?.code == .tlsFailure)
        #expect(error?.code.requestNeverSent == true)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aTLSHandshakeThatHangsIsAConnectTimeout(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in _ = connection.waitForClose() }
        defer { upstream.stop() }
        let error = try await failure(
            client,
            of: UpstreamRequest(
                method: .get, url: "https://127.0.0.1:\(upstream.port)/", timeouts: UpstreamTimeouts(connect_ms: 50)))
        #expect(error?.code == .connectTimeout)
        #expect(error?.code.requestNeverSent == true)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aCloseBeforeTheHeadIsAResetAndMayHaveBeenReceived(_ client: UpstreamClient) async throws {
        let error = try await failure(client) { connection in _ = connection.readRequest() }
        #expect(error?.code == .reset)
        #expect(error?.code.requestNeverSent == false)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aResetBeforeTheHeadIsAReset(_ client: UpstreamClient) async throws {
        let error = try await failure(client) { connection in
            _ = connection.readRequest()
            connection.reset()
        }
        #expect(error?.code == .reset)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aResetInTheHeadIsAReset(_ client: UpstreamClient) async throws {
        let error = try await failure(client) { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nContent-Le")
            connection.reset()
        }
        #expect(error?.code == .reset)
    }

    @Test(arguments: UpstreamClient.allCases)
    func anEndInTheHeadIsAReset(_ client: UpstreamClient) async throws {
        let error = try await failure(client) { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")
        }
        #expect(error?.code == .reset)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aResetInTheBodyComesAfterTheBytesBeforeIt(_ client: UpstreamClient) async throws {
        let gate = FakeGate()
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst")
            gate.wait()
            connection.reset()
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin))
        #expect(try await response.body.next() == Array("first".utf8))
        gate.open()
        let error = await #expect(throws: TransportError.self) { try await response.body.next() }
        #expect(error?.code == .reset)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aBodyShorterThanItsLengthIsTruncated(_ client: UpstreamClient) async throws {
        let error = try await failure(client) { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        }
        #expect(error?.code == .truncated)
    }

    @Test(arguments: UpstreamClient.allCases, ["5\r\nhello\r\n", "5\r\nhel", "5\r\nhello\r\n0\r\n", ""])
    func aChunkedBodyWithoutItsEndIsTruncated(_ client: UpstreamClient, body: String) async throws {
        let error = try await failure(client) { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        }
        #expect(error?.code == .truncated)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aBrokenChunkSizeIsAProtocolError(_ client: UpstreamClient) async throws {
        let error = try await failure(client) { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n")
        }
        #expect(error?.code == .protocolError)
    }

    @Test(
        arguments: UpstreamClient.allCases,
        [
            "SSH-2.0-OpenSSH_9.2\r\n", "\u{0}\u{1}\u{2}\u{3}\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 999 No\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", "HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\u{1}b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        ])
    func garbageInsteadOfAHeadIsAProtocolError(_ client: UpstreamClient, answer: String) async throws {
        let error = try await failure(client) { connection in
            _ = connection.readRequest()
            connection.write(answer)
        }
        #expect(error?.code == .protocolError, "\(error.map(String.init(describing:)) ?? "no error")")
    }

    @Test(arguments: UpstreamClient.allCases)
    func aFoldedFieldIsNeverHandedOn(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\nContent-Length: 0\r\n\r\n")
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        do throws(TransportError) {
            // Newer versions of libcurl unfold it themselves, as RFC 9112 section 5.2 lets them.
            let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin))
            #expect(client == .curl)
            #expect(response.fields["x"] == "1 folded")
        } catch {
            #expect(error.code == .protocolError)
        }
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aHeadOverTheLimitIsRefused(_ client: UpstreamClient) async throws {
        var limits = Limits.standard
        limits.responseHeadBytes = 1000
        let error = try await failure(client, limits: limits) { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\n")
            while connection.write("X-Filler: filler\r\n") {}
        }
        #expect(error?.code == .responseHeadTooLarge)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aHeadLineWithoutEndIsRefused(_ client: UpstreamClient) async throws {
        let error = try await failure(client) { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nX-Filler: ")
            while connection.write([UInt8](repeating: 0x61, count: 1000)) {}
        }
        #expect(error?.code == .responseHeadTooLarge)
    }

    @Test(arguments: UpstreamClient.allCases)
    func interimHeadsWithoutEndAreRefused(_ client: UpstreamClient) async throws {
        let error = try await failure(client) { connection in
            _ = connection.readRequest()
            while connection.write("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") {}
        }
        #expect(error?.code == .responseHeadTooLarge)
    }

    @Test(arguments: UpstreamClient.allCases)
    func silenceBeforeTheHeadIsAFirstByteTimeout(_ client: UpstreamClient) async throws {
        let error = try await failure(client, timeouts: UpstreamTimeouts(firstByte_ms: 50)) { connection in
            _ = connection.readRequest()
            _ = connection.waitForClose()
        }
        #expect(error?.code == .firstByteTimeout)
        #expect(error?.code.requestNeverSent == false)
    }

    @Test(arguments: UpstreamClient.allCases)
    func silenceInTheBodyIsAnIdleTimeout(_ client: UpstreamClient) async throws {
        let error = try await failure(client, timeouts: UpstreamTimeouts(idle_ms: 50)) { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst")
            _ = connection.waitForClose()
        }
        #expect(error?.code == .idleTimeout)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aStreamThatNeverStopsMeetsTheTotalTimeout(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\n\r\n")
            while connection.write("x") {}
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        var code: TransportError.Code?
        do throws(TransportError) {
            let response = try await transport.send(
                UpstreamRequest(method: .get, url: upstream.origin, timeouts: UpstreamTimeouts(total_ms: 100)))
            while try await response.body.next() != nil {}
        } catch {
            code = error.code
        }
        #expect(code == .totalTimeout)
        await transport.shutDown()
    }

    @Test(
        arguments: UpstreamClient.allCases,
        [
            "", "127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/hostname", "http:/x", "http://", "http://a b/",
        ])
    func aURLThatIsNoHTTPURLIsInvalid(_ client: UpstreamClient, url: String) async throws {
        let error = try await failure(client, of: UpstreamRequest(method: .get, url: url))
        #expect(error?.code == .invalidRequest)
        #expect(error?.code.requestNeverSent == true)
    }

    @Test(arguments: UpstreamClient.allCases)
    func credentialsInAURLAreRefusedAndNotShown(_ client: UpstreamClient) async throws {
        let error = try await failure(
            client, of: UpstreamRequest(method: .get, url: "http://user:hunter2@127.0.0.1:1/secret?key=hunter2"))
        #expect(error?.code == .invalidRequest)
        #expect(error?.description.contains("hunter2") == false)
        #expect(error?.description.contains("127.0.0.1:1") == true)
    }
}

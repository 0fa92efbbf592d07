import Foundation
import Testing
import Transport
import Wire

/// TLS and HTTP/2 against a real nginx with a certificate made for the run.
@Suite(
    .timeLimit(.minutes(2)), .serialized,
    .enabled(if: RealNginx.isInstalled, "needs nginx and openssl (apt-get install nginx-light openssl)"))
struct CurlTLSTests {
    private func request(
        _ nginx: RealNginx, host: String = "127.0.0.1", trusted: Bool = true, http2: Bool = false
    ) -> UpstreamRequest {
        UpstreamRequest(
            method: .post, url: "https://\(host):\(nginx.port)/", body: Array("body".utf8),
            trustFile: trusted ? nginx.certificate : nil, http2: http2)
    }

    private func error(_ transport: CurlTransport, _ request: UpstreamRequest) async -> TransportError? {
        do throws(TransportError) {
            _ = try await transport.send(request)
            return nil
        } catch { return error }
    }

    @Test func aCertificateIsCheckedForEveryRequest() async throws {
        let nginx = try RealNginx()
        defer { nginx.stop() }
        let transport = try CurlTransport()
        let response = try await transport.send(request(nginx))
        #expect(response.status == 200)
        #expect(response.httpVersion == .http1_1)
        #expect(try await response.body.collect(limitBytes: 100) == Array("hello".utf8))
        // The trusted connection is still open: it must not serve a request that does not trust the certificate.
        let untrusted = await error(transport, request(nginx, trusted: false))
        #expect(untrusted?.code == .tlsFailure)
        #expect(untrusted?.code.requestNeverSent == true)
        #expect(untrusted?.detail.contains("certificate") == true)
        #expect(await error(transport, request(nginx, host: "localhost"))?.code == .tlsFailure)
        #expect(await error(transport, request(nginx)) == nil)
        await transport.shutDown()
    }

    @Test func requestsShareOneHTTP2Connection() async throws {
        let nginx = try RealNginx()
        defer { nginx.stop() }
        let transport = try CurlTransport()
        let versions = try await withThrowingTaskGroup(of: UpstreamHTTPVersion.self) { group in
            for _ in 0..<20 {
                group.addTask { [request = request(nginx, http2: true)] in
                    let response = try await transport.send(request)
                    #expect(try await response.body.collect(limitBytes: 100) == Array("hello".utf8))
                    return response.httpVersion
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(versions == [.http2])
        #expect(transport.statistics.connectionsOpened == 1)
        // Abandoning one stream must not end its neighbours' connection.
        let abandoned = try await transport.send(request(nginx, http2: true))
        abandoned.body.cancel()
        #expect(await error(transport, request(nginx, http2: true)) == nil)
        #expect(transport.statistics.connectionsOpened == 1)
        await transport.shutDown()
    }
}

/// A real nginx in a folder of its own, on a free port with TLS and HTTP/2.
private struct RealNginx {
    private static let nginxPath = find("nginx")
    private static let opensslPath = find("openssl")
    static var isInstalled: Bool { nginxPath != nil && opensslPath != nil }

    let port: UInt16
    let certificate: String
    private let folder: URL
    private let configuration: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("routerkit-nginx-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        certificate = folder.appendingPathComponent("certificate.pem").path
        configuration = folder.appendingPathComponent("nginx.conf")
        let key = folder.appendingPathComponent("key.pem").path
        try RealNginx.run(
            RealNginx.opensslPath!,
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)
        port = FakeUpstream.freePort()
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map { "\($0)_temp_path \(folder.path)/\($0);" }.joined(separator: " ")
        let text = """
            pid \(folder.path)/pid; error_log \(folder.path)/error.log; worker_processes 1;
            events { worker_connections 256; }
            http { access_log off; \(temporary)
              server { listen 127.0.0.1:\(port) ssl http2; ssl_certificate \(certificate); ssl_certificate_key \(key);
                location / { return 200 hello; } } }
            """
        try text.write(to: configuration, atomically: true, encoding: .utf8)
        // It returns when it listens, and goes on in the background.
        try RealNginx.run(RealNginx.nginxPath!, "-p", folder.path, "-c", configuration.path)
    }

    func stop() {
        try? RealNginx.run(RealNginx.nginxPath!, "-p", folder.path, "-c", configuration.path, "-s", "stop")
        try? FileManager.default.removeItem(at: folder)
    }

    private static func find(_ name: String) -> String? {
        ["/usr/sbin/", "/usr/bin/", "/usr/local/bin/", "/usr/local/sbin/"].map { $0 + name }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs a program to its end. Not Foundation's `Process`: that also waits for what the program left running.
    private static func run(_ program: String, _ arguments: String...) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in 0..<Int32(3) {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
        }
        var vector = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for argument in vector { free(argument) } }
        var child = pid_t()
        try #require(posix_spawn(&child, program, &actions, nil, &vector, environ) == 0, "\(program) did not start")
        var status: Int32 = -1
        try #require(waitpid(child, &status, 0) == child && status == 0, "\(program) failed")
    }
}

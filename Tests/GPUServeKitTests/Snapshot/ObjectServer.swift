import GPUServeKit
import Glibc
import Transport
import Wire

/// A real object server with one bucket, which checks signatures; ended when the value goes.
struct ObjectServer {
    /// Which program it is.
    enum Kind: String, CaseIterable, Sendable {
        case moto
        /// OpenStack Swift.
        case swift

        /// The folder of its Python environment, its script, and what installs it.
        var parts: (environment: String, script: String, installer: String) {
            switch self {
            case .moto: (".venv", "moto_server.py", "Scripts/setup.sh test")
            case .swift: (".venv-swift", "openstack_swift.py", "Scripts/venv.sh swift, as make test-all does")
            }
        }
    }

    struct DidNotStart: Error {
        let said: String
    }

    let endpoint: String
    let bucket: String
    let accessKey: String
    let secretKey: String
    private let running: Running

    /// The program, and where it keeps what is temporary: killed before it can tidy up, it leaves nothing behind.
    private final class Running {
        let process: ChildProcess
        let scratch: ScratchDirectory

        init(_ words: [String]) throws {
            scratch = try ScratchDirectory()
            process = try ChildProcess(words, environment: ["TMPDIR": scratch.path])
        }

        deinit { process.kill() }
    }

    /// Starts one; nil, having said so, where it is not installed.
    init?(_ kind: Kind) throws {
        let root = #filePath.firstRange(of: "/Tests/").map { String(#filePath[..<$0.lowerBound]) } ?? ""
        let (environment, script, installer) = kind.parts
        let python = "\(root)/\(environment)/bin/python"
        guard access(python, X_OK) == 0 else {
            print("not tested against \(kind): it is not installed (\(installer))")
            return nil
        }
        running = try Running([python, "\(root)/Scripts/\(script)"])
        let line = running.process.readLine()
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 4 else { throw DidNotStart(said: line) }
        (endpoint, bucket, accessKey, secretKey) = (words[0], words[1], words[2], words[3])
    }

    /// A store in its bucket.
    func store(
        _ prefix: String, over transport: LoopTransport, secret: String? = nil, grace_s: Int = 86_400,
        limits: Limits = .standard
    ) throws -> HTTPSnapshotStore {
        try HTTPSnapshotStore(
            S3Location(endpoint: endpoint, bucket: bucket, prefix: prefix),
            credentials: S3Credentials(accessKey: accessKey, secretKey: secret ?? secretKey), transport: transport,
            grace_s: grace_s, limits: limits)
    }
}

import BenchSupport
import Foundation
import GPUServeKit
import Transport
import Wire

/// Pulls from moto on loopback, in turns with `curl` in parallel fetching the same objects; and once `curl` with ranges of one
/// object, at which moto is slow: it reads the whole of it for each.
enum ObjectStoreBench {
    /// Figures of the rounds, in order.
    struct Figures {
        /// Before the rounds: into memory that has to be made present, on connections that have to be made.
        var first_gbps = 0.0
        var restore: [Pull] = []
        var curlChunks: [Pull] = []
        var curlRanges_gbps = 0.0
    }

    /// One way of getting all of the bytes, measured.
    struct Pull {
        var gbps: Double
        /// Processor time of the client and of the server, a GB: what the two cores are wanted for.
        var client_s: Double
        var server_s: Double
    }

    static func run(
        _ id: SnapshotID, of store: any SnapshotStore, file: String, device: any GPUContext, python: String,
        rounds: Int
    ) async throws -> Figures {
        let server = Process()
        server.executableURL = URL(fileURLWithPath: python)
        server.arguments = ["Scripts/moto_server.py"]
        let (input, output) = (Pipe(), Pipe())
        server.standardInput = input
        server.standardOutput = output
        try server.run()
        defer {
            try? input.fileHandleForWriting.close()
            server.waitUntilExit()
        }
        var line = Data()
        while !line.contains(10) {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { break }
            line += more
        }
        let words = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
        guard words.count == 4 else { throw BenchError("moto did not start") }
        let transport = try LoopTransport(limits: .bulk)
        let far = try HTTPSnapshotStore(
            S3Location(endpoint: words[0], bucket: words[1], prefix: "bench"),
            credentials: S3Credentials(accessKey: words[2], secretKey: words[3]), transport: transport)
        try await store.copy(id, to: far, parallelCount: 2)
        let user = "\(words[2]):\(words[3])"
        let object = "\(words[0])/\(words[1])/whole"
        try curl(
            [
                "--aws-sigv4", "aws:amz:us-east-1:s3", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-T", file,
                object,
            ], user)
        let byteCount = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0
        let manifest = try await store.manifest(id)
        var figures = Figures()
        let restorer = Restorer(store: far, devices: [device])
        let options = RestoreOptions(mayAttach: false, mayClone: false)
        let first = try await restorer.restore(id, options)
        figures.first_gbps = first.report.gigabytesPerSecond
        try await first.close()
        for round in 0..<rounds {
            // Each goes first in every other round.
            for isOurs in round.isMultiple(of: 2) ? [true, false] : [false, true] {
                let before = (client: client_s(isOurs), server: server_s(server.processIdentifier))
                let (bytes, time_s): (Int, Double)
                if isOurs {
                    let resident = try await restorer.restore(id, options)
                    (bytes, time_s) = (resident.report.bytesByTier.total, resident.report.ready_ms / 1e3)
                    try await resident.close()
                } else {
                    (bytes, time_s) = try curlChunks("\(words[0])/\(words[1])", manifest, user)
                }
                let gigabytes = Double(bytes) / 1e9
                let pull = Pull(
                    gbps: gigabytes / time_s, client_s: (client_s(isOurs) - before.client) / gigabytes,
                    server_s: (server_s(server.processIdentifier) - before.server) / gigabytes)
                if isOurs { figures.restore.append(pull) } else { figures.curlChunks.append(pull) }
            }
        }
        figures.curlRanges_gbps = Double(byteCount) / 1e9 / (try curlRanges(object, byteCount, user))
        await transport.shutDown()
        return figures
    }

    /// Processor time so far of this process, or of the children that it waited for.
    private static func client_s(_ isOurs: Bool) -> Double {
        var usage = rusage()
        getrusage(isOurs ? RUSAGE_SELF.rawValue : RUSAGE_CHILDREN.rawValue, &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }

    /// Processor time so far of a process that runs.
    private static func server_s(_ process: Int32) -> Double {
        let text = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
        // After the name, which may have spaces, and the state: fields 4 on, of which 14 and 15 are user and system time.
        let fields = text.split(separator: ")").last?.split(separator: " ").dropFirst() ?? []
        return fields.dropFirst(10).prefix(2).reduce(0) { $0 + (Double($1) ?? 0) } / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Eight transfers at a time, of as many bytes each as a chunk of ours has.
    /// Seconds.
    private static func curlRanges(_ object: String, _ byteCount: Int, _ user: String) throws -> Double {
        let part = 4 << 20
        let parts = stride(from: 0, to: byteCount, by: part).map { start in
            "url = \"\(object)\"\nrange = \"\(start)-\(min(start + part, byteCount) - 1)\"\n"
        }
        return try curlAll(parts, user)
    }

    /// The very objects that the restore reads, whole: what a server that is slow at ranges gives.
    private static func curlChunks(_ bucket: String, _ manifest: SnapshotManifest, _ user: String) throws -> (
        bytes: Int, time_s: Double
    ) {
        let chunks = manifest.distinctChunks
        let parts = chunks.map { "url = \"\(bucket)/bench/chunks/\($0.hash.hex.prefix(2))/\($0.hash.hex)\"\n" }
        return (chunks.reduce(0) { $0 + $1.byteCount }, try curlAll(parts, user))
    }

    /// Seconds for all transfers.
    private static func curlAll(_ parts: [String], _ user: String) throws -> Double {
        let common =
            "output = \"/dev/null\"\naws-sigv4 = \"aws:amz:us-east-1:s3\"\nfail\n"
            + "header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"\nuser = \"\(user)\"\n"
        let config =
            "parallel\nparallel-max = 8\nno-progress-meter\n"
            + parts.map { $0 + common }.joined(separator: "next\n")
        let start = monotonicNanoseconds()
        try curl(["-K", "-"], nil, input: config)
        return Double(monotonicNanoseconds() - start) / 1e9
    }

    /// The secret goes by standard input, never by the arguments that everyone may read.
    private static func curl(_ arguments: [String], _ user: String?, input: String = "") throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
        process.arguments = ["-s", "--fail"] + (user == nil ? [] : ["-K", "-"]) + arguments
        let given = Pipe()
        process.standardInput = given
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let text = user.map { "user = \"\($0)\"\n" } ?? input
        try given.fileHandleForWriting.write(contentsOf: Data(text.utf8))
        try given.fileHandleForWriting.close()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw BenchError("curl ended with \(process.terminationStatus)") }
    }
}

struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

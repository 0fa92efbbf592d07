import BenchSupport
import Foundation
import GPUServeKit
import Transport
import Wire

/// A pull from moto on loopback, beside `curl` in parallel: ranges of one object of the same length, and the same objects.
enum ObjectStoreBench {
    struct Figures {
        var restore_gbps: [Double]
        var curlRanges_gbps: [Double]
        var curlChunks_gbps: [Double]
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
        var figures = Figures(restore_gbps: [], curlRanges_gbps: [], curlChunks_gbps: [])
        let restorer = Restorer(store: far, devices: [device])
        for _ in 0..<rounds {
            let resident = try await restorer.restore(id, RestoreOptions(mayAttach: false, mayClone: false))
            figures.restore_gbps.append(resident.report.gigabytesPerSecond)
            try await resident.close()
            figures.curlRanges_gbps.append(try curlRanges(object, byteCount, user))
            figures.curlChunks_gbps.append(
                try curlChunks("\(words[0])/\(words[1])", await store.manifest(id), user))
        }
        await transport.shutDown()
        return figures
    }

    /// Eight transfers at a time, of as many bytes each as a chunk of ours has.
    private static func curlRanges(_ object: String, _ byteCount: Int, _ user: String) throws -> Double {
        let part = 4 << 20
        let parts = stride(from: 0, to: byteCount, by: part).map { start in
            "url = \"\(object)\"\nrange = \"\(start)-\(min(start + part, byteCount) - 1)\"\n"
        }
        return Double(byteCount) / (try curlAll(parts, user))
    }

    /// The very objects that the restore reads, whole: what a server that is slow at ranges gives.
    private static func curlChunks(_ bucket: String, _ manifest: SnapshotManifest, _ user: String) throws -> Double {
        let chunks = manifest.distinctChunks
        let parts = chunks.map { "url = \"\(bucket)/bench/chunks/\($0.hash.hex.prefix(2))/\($0.hash.hex)\"\n" }
        return Double(chunks.reduce(0) { $0 + $1.byteCount }) / (try curlAll(parts, user))
    }

    /// Nanoseconds for all transfers.
    private static func curlAll(_ parts: [String], _ user: String) throws -> Double {
        let common =
            "output = \"/dev/null\"\naws-sigv4 = \"aws:amz:us-east-1:s3\"\nfail\n"
            + "header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"\nuser = \"\(user)\"\n"
        let config =
            "parallel\nparallel-max = 8\nno-progress-meter\n"
            + parts.map { $0 + common }.joined(separator: "next\n")
        let start = monotonicNanoseconds()
        try curl(["-K", "-"], nil, input: config)
        return Double(monotonicNanoseconds() - start)
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

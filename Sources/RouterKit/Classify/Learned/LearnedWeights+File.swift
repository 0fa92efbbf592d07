public import Wire

/// A weights file that cannot be used.
public struct LearnedWeightsError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong.
    public enum Code: String, Sendable, Hashable {
        /// Not a weights file at all.
        case notWeights
        /// Written by a newer program (or an older one that is no longer read).
        case otherFormat
        /// Ends early or goes on too long.
        case wrongLength
        /// The SHA-256 does not match.
        case wrongChecksum
        /// Sizes or values that no trainer writes.
        case invalid
        /// The file cannot be opened, read or written.
        case file
    }

    /// What is wrong.
    public let code: Code
    /// In a sentence, with what to do.
    public let detail: String
    /// The detail.
    public var description: String { detail }
}

extension LearnedWeights {
    private static let magic: [UInt8] = Array("RKWEIGHT".utf8)
    private static let headBytes = 16

    /// Reads `path`, at most `Limits.weightsBytes`.
    ///
    /// - Throws: ``LearnedWeightsError``, which names the versions where they differ.
    public static func read(path: String, limits: Limits = .standard) throws(LearnedWeightsError) -> LearnedWeights {
        let bytes: [UInt8]
        do throws(LearnFileError) {
            bytes = try WholeFile.read(path, mostBytes: limits.weightsBytes)
        } catch {
            throw LearnedWeightsError(code: .file, detail: "The weights file \(error).")
        }
        return try parse(bytes)
    }

    /// Reads the bytes of a file.
    public static func parse(_ bytes: [UInt8]) throws(LearnedWeightsError) -> LearnedWeights {
        guard bytes.count >= headBytes + 32, bytes.starts(with: magic) else {
            throw LearnedWeightsError(
                code: bytes.starts(with: magic) ? .wrongLength : .notWeights,
                detail: "This is no whole weights file (\(bytes.count) bytes). Train again, or use another file.")
        }
        var head = WeightsReader(bytes: bytes, at: magic.count)
        let format = try head.word()
        guard format == Self.format else {
            throw LearnedWeightsError(
                code: .otherFormat,
                detail: "The weights file has format \(format), this program reads format \(Self.format): "
                    + "use a matching program, or train again with this one.")
        }
        let length = Int(try head.word())
        guard bytes.count == headBytes + length + 32 else {
            throw LearnedWeightsError(
                code: .wrongLength,
                detail: "The weights file (format \(format)) has \(bytes.count) bytes and should have "
                    + "\(headBytes + length + 32): it was cut or damaged.")
        }
        let digest = SHA256.hash(Array(bytes[..<(headBytes + length)]))
        guard Array(bytes[(headBytes + length)...]) == digest else {
            throw LearnedWeightsError(
                code: .wrongChecksum,
                detail: "The SHA-256 of the weights file (format \(format)) does not match: it was damaged. "
                    + "Train again, or put an older file back.")
        }
        return try contents(bytes, from: headBytes, to: headBytes + length, version: SHA256.hex(digest))
    }

    /// Reads what the checksum covers: even contents that somebody signed anew must be whole.
    static func contents(
        _ bytes: [UInt8], from start: Int, to end: Int, version: String
    ) throws(LearnedWeightsError) -> LearnedWeights {
        var reader = WeightsReader(bytes: bytes, at: start, end: end)
        let shared = try reader.shared()
        let count = try reader.count(1...256)
        var experts: [Expert] = []
        for _ in 0..<count { experts.append(try reader.expert()) }
        guard reader.isAtEnd else { throw WeightsReader.invalid("something follows the last expert") }
        return LearnedWeights(shared: shared, experts: experts, version: String(version.prefix(12)))
    }

    /// The whole file.
    public func fileBytes() -> [UInt8] {
        var writer = WeightsWriter()
        writer.shared(shared)
        writer.word(UInt32(experts.count))
        for expert in experts { writer.expert(expert) }
        var file = WeightsWriter(bytes: Self.magic)
        file.word(Self.format)
        file.word(UInt32(writer.bytes.count))
        file.bytes += writer.bytes
        return file.bytes + SHA256.hash(file.bytes)
    }

    /// Puts the file in the place of `path`, so that a reader never sees half of it.
    ///
    /// - Parameter keepsPrevious: what was there stays as `path.previous`, unless it is the same.
    public func write(path: String, keepsPrevious: Bool = false) throws(LearnedWeightsError) {
        do throws(LearnFileError) {
            try WholeFile.write(fileBytes(), to: path, mode: 0o644, keepsPrevious: keepsPrevious)
        } catch {
            throw LearnedWeightsError(code: .file, detail: "The weights file \(error).")
        }
    }
}

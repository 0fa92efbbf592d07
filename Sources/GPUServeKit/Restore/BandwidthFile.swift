internal import Glibc

extension Bandwidths {
    /// The bandwidths kept in the file at `path`; probed and written there (mode 0600) when there is no such file, when it
    /// is damaged, or when it is from another machine. A file that cannot be written costs a probe next time, nothing else.
    ///
    /// - Throws: what `probe` throws.
    public static func kept(
        at path: String, orProbing store: any SnapshotStore, _ snapshot: SnapshotID
    ) async throws(RestoreError) -> Bandwidths {
        if let kept = kept(at: path) { return kept }
        let probed = try await probe(store, snapshot)
        probed.keep(at: path)
        return probed
    }

    /// The bandwidths kept in the file at `path`; nil when there are none of this machine.
    public static func kept(at path: String) -> Bandwidths? {
        BandwidthFile.read(path).flatMap { BandwidthFile.decode($0) }
    }

    /// Writes the bandwidths to a file that nobody else may read. False when that did not work.
    @discardableResult
    public func keep(at path: String) -> Bool { BandwidthFile.write(BandwidthFile.encode(self), path) }
}

/// A few lines of text: name and version, the machine, a figure a line, and the CRC-64/NVME of all before.
enum BandwidthFile {
    private static let title = "gpuservekit-bandwidths 4"
    /// Longer files are not ours.
    static let byteLimit = 256 * 1024

    /// Figures hold for a machine: its cores and its memory.
    static let machine = "machine \(sysconf(Int32(_SC_NPROCESSORS_CONF))) \(HostMemory.totalBytes)"

    static func encode(_ bandwidths: Bandwidths, machine: String = machine) -> [UInt8] {
        var lines = [title, machine]
        for tier in RestoreTier.allCases {
            if let rate = bandwidths.bytesPerSecond[tier] { lines.append("\(tier.rawValue)_bytes_per_s \(rate)") }
        }
        lines.append("upload_bytes_per_s \(bandwidths.upload_bytesPerSecond)")
        lines.append("present_bytes_per_s \(bandwidths.present_bytesPerSecond)")
        for choice in RestoreChoice.allCases {
            if let fixed = bandwidths.fixed_ms[choice] { lines.append("\(choice.rawValue)_fixed_ms \(fixed)") }
        }
        lines.append("step_us \(bandwidths.step_us)")
        for (kind, found) in bandwidths.seen.sorted(by: { text($0.key) < text($1.key) }) {
            for one in found { lines.append("seen \(text(kind)) \(one.byteCount) \(one.time_ms)") }
        }
        let body = Array((lines.joined(separator: "\n") + "\n").utf8)
        return body + Array("crc64 \(Hex.text(crc(body)))\n".utf8)
    }

    /// Nil unless every byte is as it was written, by this version on this machine, and every figure makes sense.
    static func decode(_ bytes: [UInt8], machine: String = machine) -> Bandwidths? {
        let tailCount = 6 + 16 + 1
        guard bytes.count > tailCount, bytes.count <= byteLimit else { return nil }
        let body = Array(bytes.dropLast(tailCount))
        guard Array(bytes.suffix(tailCount)) == Array("crc64 \(Hex.text(crc(body)))\n".utf8) else { return nil }
        let lines = String(decoding: body, as: UTF8.self).split(separator: "\n").map { String($0) }
        guard lines.count > 2, lines[0] == title, lines[1] == machine else { return nil }
        var figures: [String: Double] = [:]
        var found = Bandwidths.standard
        for line in lines.dropFirst(2) {
            let words = line.split(separator: " ")
            if words.first == "seen" {
                guard words.count == 7, let kind = Self.kind(words[1...4]), let bytes = Double(words[5]), bytes >= 0,
                    bytes < 1e18, let time = Double(words[6]), time > 0, time < 1e12,
                    found.seen[kind, default: []].count < RestoreKind.mostSeen
                else { return nil }
                found.seen[kind, default: []].append(SeenRestore(byteCount: bytes, time_ms: time))
                continue
            }
            guard words.count == 2, let figure = Double(words[1]), figure > 0, figure < 1e15 else { return nil }
            figures[String(words[0])] = figure
        }
        for tier in RestoreTier.allCases {
            if let rate = figures["\(tier.rawValue)_bytes_per_s"] { found.bytesPerSecond[tier] = rate }
        }
        for choice in RestoreChoice.allCases {
            if let fixed = figures["\(choice.rawValue)_fixed_ms"] { found.fixed_ms[choice] = fixed }
        }
        found.upload_bytesPerSecond = figures["upload_bytes_per_s"] ?? found.upload_bytesPerSecond
        found.present_bytesPerSecond = figures["present_bytes_per_s"] ?? found.present_bytesPerSecond
        found.step_us = figures["step_us"] ?? found.step_us
        return found
    }

    private static func text(_ kind: RestoreKind) -> String {
        "\(kind.choice.rawValue) \(kind.tier.rawValue) \(kind.size) \(kind.isOnHost ? "host" : "device")"
    }

    private static func kind(_ words: ArraySlice<Substring>) -> RestoreKind? {
        let words = words.map { String($0) }
        guard let choice = RestoreChoice(rawValue: words[0]), let tier = RestoreTier(rawValue: words[1]),
            let size = Int(words[2]), (0...RestoreKind.largestSize).contains(size),
            ["host", "device"].contains(words[3])
        else { return nil }
        return RestoreKind(choice, tier, size: size, isOnHost: words[3] == "host")
    }

    private static func crc(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { Checksum.crc64(Memory($0)) } }

    static func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else { return nil }
        defer { close(file) }
        return withUnsafeTemporaryAllocation(byteCount: byteLimit + 1, alignment: 1) { buffer in
            let count = Glibc.read(file, buffer.baseAddress, buffer.count)
            return count > 0 ? Array(buffer[..<count]) : nil
        }
    }

    /// A new file under its name at once: readers see the old one or the new one.
    static func write(_ bytes: [UInt8], _ path: String) -> Bool {
        let part = path + "." + RandomName.make()
        let file = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return false }
        let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        close(file)
        guard count == bytes.count, rename(part, path) == 0 else {
            unlink(part)
            return false
        }
        return true
    }
}

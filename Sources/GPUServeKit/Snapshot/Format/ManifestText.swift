internal import CHash
internal import Wire

/// The canonical text of a manifest: members in one order, keys of facts sorted, one line for each region and chunk.
///
/// Every version ends with the same 80 bytes, `,\n"sha256": "..."\n}\n` with the hash of all bytes before them, so that
/// damage is told from a newer version.
enum ManifestText {
    static let format = "gpuservekit-snapshot"
    private static let before = Array(",\n\"sha256\": \"".utf8)
    private static let after = Array("\"\n}\n".utf8)
    private static let tailCount = before.count + 64 + after.count

    /// The hash that the text ends with, when it is right.
    static func checkSum(_ bytes: [UInt8], limits: Limits) throws(SnapshotError) -> SnapshotID {
        guard bytes.count <= limits.manifestBytes else {
            throw SnapshotError(.tooLarge, "the manifest is longer than \(limits.manifestBytes) bytes")
        }
        let end = bytes.count - tailCount
        guard end > 0, bytes[end...].starts(with: before), bytes.suffix(after.count).elementsEqual(after),
            let wanted = ContentHash(hex: bytes[end + before.count..<bytes.count - after.count])
        else {
            throw SnapshotError(
                .manifestCorrupt, "the manifest does not end with its checksum: it is damaged, cut, or no manifest",
                offset: max(end, 0))
        }
        let found = bytes.withUnsafeBytes { ContentHash(of: Memory($0)[0..<end]) }
        guard found == wanted else {
            throw SnapshotError(.manifestCorrupt, "the manifest does not have its checksum: it is damaged")
        }
        return SnapshotID(found)
    }

    /// Writes a manifest that keeps the rules.
    static func encode(_ manifest: SnapshotManifest) -> (bytes: [UInt8], id: SnapshotID) {
        var text = Writer()
        text.line("{\n\"format\": \"\(format)\",\n\"version\": \(SnapshotManifest.version),\n\"name\": ")
        text.quoted(manifest.name)
        text.facts("producer", manifest.producer)
        text.facts("device", manifest.device)
        text.line(",\n\"chunk_bytes\": \(manifest.chunkBytes),\n\"regions\": [")
        for (index, region) in manifest.regions.enumerated() {
            text.line(index == 0 ? "\n" : ",\n")
            text.region(region)
        }
        text.line("],\n\"modules\": [")
        for (index, module) in manifest.modules.enumerated() {
            text.line(index == 0 ? "\n{\"name\": " : ",\n{\"name\": ")
            text.quoted(module.name)
            text.line(", \"kind\": ")
            text.quoted(module.kind)
            text.content(module.content)
        }
        text.line("]")
        if let hostState = manifest.hostState {
            text.line(",\n\"host_state\": {\"kind\": \"bytes\"")
            text.content(hostState)
        }
        let hash = ContentHash(of: text.bytes)
        text.bytes += before
        text.line(hash.hex)
        text.bytes += after
        return (text.bytes, SnapshotID(hash))
    }

    private struct Writer {
        var bytes: [UInt8] = []

        mutating func line(_ text: String) { bytes.append(contentsOf: text.utf8) }

        mutating func quoted(_ text: String) { JSONText.appendQuoted(text, to: &bytes) }

        mutating func facts(_ key: String, _ facts: [String: String]) {
            line(",\n\"\(key)\": {")
            for (index, fact) in facts.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { line(", ") }
                quoted(fact.key)
                line(": ")
                quoted(fact.value)
            }
            line("}")
        }

        mutating func region(_ region: SnapshotManifest.Region) {
            let description = region.description
            line("{\"name\": ")
            quoted(description.name)
            line(", \"dtype\": ")
            quoted(description.dtype.label)
            line(", \"shape\": [\(description.shape.map(String.init).joined(separator: ", "))]")
            line(", \"order\": \(description.order)")
            if let address = description.address { line(", \"address\": \"0x\(String(address, radix: 16))\"") }
            if let axis = description.shardAxis { line(", \"shard_axis\": \(axis)") }
            content(region.content)
        }

        /// The rest of an object that has a content.
        mutating func content(_ content: SnapshotManifest.Content) {
            line(", \"bytes\": \(content.byteCount), \"chunks\": [")
            for (index, chunk) in content.chunks.enumerated() {
                line((index == 0 ? "\n\"" : ",\n\"") + chunk.text + "\"")
            }
            line("]}")
        }
    }
}

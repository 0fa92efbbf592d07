/// Memory of a machine's two kinds.
public struct MemorySize: Sendable, Hashable {
    /// Bytes of the host's memory.
    public var hostBytes: Int
    /// Bytes of the devices' memory, all of them together.
    public var gpuBytes: Int

    /// So much of each.
    public init(hostBytes: Int = 0, gpuBytes: Int = 0) {
        self.hostBytes = hostBytes
        self.gpuBytes = gpuBytes
    }

    /// Which memory is meant.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The host's.
        case host
        /// The devices'.
        case gpu

        /// For sentences.
        public var words: String { self == .host ? "host memory" : "GPU memory" }
    }

    /// The bytes of one kind.
    public subscript(_ kind: Kind) -> Int {
        get { kind == .host ? hostBytes : gpuBytes }
        set { if kind == .host { hostBytes = newValue } else { gpuBytes = newValue } }
    }

    /// Nothing of either kind.
    public var isEmpty: Bool { hostBytes == 0 && gpuBytes == 0 }

    /// `1.2 GB`, `430 MB`: as people read it, in powers of ten.
    public static func text(_ byteCount: Int) -> String {
        guard byteCount >= 1_000_000 else { return "\(byteCount) bytes" }
        let megabytes = (byteCount + 50_000) / 100_000
        guard byteCount >= 1_000_000_000 else { return "\(megabytes / 10).\(megabytes % 10) MB" }
        let tenths = (byteCount + 50_000_000) / 100_000_000
        return "\(tenths / 10).\(tenths % 10) GB"
    }

    /// Reads `512MB`, `1.5 GiB`, `80G` or plain bytes; nil for anything else.
    ///
    /// - Parameter text: digits with at most one point, and a unit: `K`, `M`, `G`, `T` and `KB`... are powers of 1000, `KiB`...
    ///   of 1024.
    public static func byteCount(_ text: String) -> Int? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard let value = Double(digits), let first = "kmgt".firstIndex(where: { unit.hasPrefix(String($0)) }) else {
            return ["", "b"].contains(unit) ? Int(digits) : nil
        }
        let power = "kmgt".distance(from: "kmgt".startIndex, to: first) + 1
        let base: Double
        switch unit.dropFirst() {
        case "", "b": base = 1000
        case "ib": base = 1024
        default: return nil
        }
        let bytes = (0..<power).reduce(value) { product, _ in product * base }
        return bytes < 1e18 ? Int(bytes) : nil
    }
}

internal import Wire

/// The key-value pairs of a GGUF header, versions 2 and 3 (ggml's docs/gguf.md): what a `GGUFSource` keeps as the host's
/// state. Arrays of strings stay where they are, as ranges of the header, because a vocabulary has 100,000 of them.
public struct GGUFMetadata: Sendable {
    enum Value {
        case integer(Int)
        case float(Double)
        case bool(Bool)
        case string(String)
        case strings([Range<Int>])
        case integers([Int])
        /// An array of something that no one here reads.
        case other
    }

    /// The file's first bytes, which `strings` are ranges of.
    public let header: [UInt8]
    private let values: [String: Value]
    private let offsets: [String: Int]

    /// Reads the pairs; what follows them is not looked at.
    ///
    /// - Throws: `malformedSource`, `truncatedSource` or `unsupportedSource` with the offset where the header stops making
    ///   sense.
    public init(header: [UInt8]) throws(SnapshotError) {
        var reader = GGUFReader(bytes: header, fileBytes: header.count, limits: .standard)
        do throws(GGUFReader.Stop) {
            self = try reader.metadata().1
        } catch {
            guard case .failed(let error) = error else { preconditionFailure("the whole header was not enough") }
            throw error
        }
    }

    init(header: [UInt8], _ values: [String: Value], _ offsets: [String: Int]) {
        (self.header, self.values, self.offsets) = (header, values, offsets)
    }

    /// Where in `header` the type and the value of `key` begin; nil when it is not there.
    public func offset(_ key: String) -> Int? { offsets[key] }
    /// The value of `key` when it is text.
    public func string(_ key: String) -> String? { if case .string(let text)? = values[key] { text } else { nil } }
    /// The value of `key` when it is a whole number.
    public func integer(_ key: String) -> Int? { if case .integer(let value)? = values[key] { value } else { nil } }
    /// The value of `key` when it is true or false.
    public func bool(_ key: String) -> Bool? { if case .bool(let value)? = values[key] { value } else { nil } }
    /// Where in `header` the texts lie that are the value of `key`.
    public func strings(_ key: String) -> [Range<Int>]? {
        if case .strings(let ranges)? = values[key] { ranges } else { nil }
    }
    /// The value of `key` when it is an array of whole numbers.
    public func integers(_ key: String) -> [Int]? { if case .integers(let list)? = values[key] { list } else { nil } }

    /// The value of `key` when it is a number.
    public func float(_ key: String) -> Double? {
        switch values[key] {
        case .float(let value)?: value
        case .integer(let value)?: Double(value)
        default: nil
        }
    }
}

/// What is known of a model before it runs: how large it is and how it is built.
public struct ModelFacts: Sendable, Hashable {
    /// Where it is known from, the best first.
    public enum Evidence: String, Sendable, Hashable, CaseIterable {
        /// The headers of its files.
        case files
        /// Its `config.json` alone: the files are not here.
        case configuration
        /// The number in its name, such as `70B`.
        case name
        /// Nothing.
        case none
    }

    /// Where the size is known from.
    public var evidence: Evidence
    /// Bytes of all weights; 0 when nobody knows.
    public var weightBytes: Int
    /// Layers; nil when nobody knows, as for all that follow.
    public var layerCount: Int?
    /// Heads that ask.
    public var headCount: Int?
    /// Heads that are remembered: what the cache is made of.
    public var keyValueHeadCount: Int?
    /// Numbers of one head.
    public var headSize: Int?
    /// Tokens that it was trained to see at once.
    public var contextTokens: Int?
    /// What was wrong with a file that was there, in a sentence; nil when nothing was.
    public var problem: String?

    /// Facts; what is not given is not known.
    public init(
        evidence: Evidence, weightBytes: Int, layerCount: Int? = nil, headCount: Int? = nil,
        keyValueHeadCount: Int? = nil, headSize: Int? = nil, contextTokens: Int? = nil, problem: String? = nil
    ) {
        self.evidence = evidence
        self.weightBytes = weightBytes
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.contextTokens = contextTokens
        self.problem = problem
    }

    /// Bytes of the cache for each token, in 16-bit numbers; nil when the model's shape is not known.
    public var cacheBytesPerToken: Int? {
        guard let layerCount, let keyValueHeadCount, let headSize else { return nil }
        // A key and a value of two bytes a number.
        let bytes = 4 * Double(layerCount) * Double(keyValueHeadCount) * Double(headSize)
        return bytes < 1e12 ? Int(bytes) : nil
    }

    /// What a model's name says: the largest number before a `B` or `M` counts parameters (`8x7B` eight times), of two bytes
    /// each unless the name tells of 8 or 4 bits.
    ///
    /// - Returns: facts of `evidence` `.name`, or `.none` when there is no such number.
    public static func read(name: String) -> ModelFacts {
        let text = (name.split(separator: "/").last.map { String($0) } ?? name).lowercased()
        var best = 0.0
        for word in text.split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "." }) {
            guard let unit = word.last, unit == "b" || unit == "m" else { continue }
            let factors = word.dropLast().split(separator: "x", omittingEmptySubsequences: false).map { Double($0) }
            guard !factors.isEmpty, factors.count <= 2, factors.allSatisfy({ ($0 ?? -1) > 0 }) else { continue }
            let count = factors.reduce(unit == "b" ? 1e9 : 1e6) { $0 * ($1 ?? 0) }
            if count < 1e14 { best = max(best, count) }
        }
        guard best > 0 else { return ModelFacts(evidence: .none, weightBytes: 0) }
        return ModelFacts(evidence: .name, weightBytes: Int(best * bytesPerParameter(text)))
    }

    /// Scales of blocks come on top of 4 and 8 bits.
    private static func bytesPerParameter(_ name: String) -> Double {
        let four = ["int4", "4bit", "4-bit", "awq", "gptq", "q4", "nf4", "fp4", "w4a16"]
        if four.contains(where: { name.contains($0) }) { return 0.56 }
        let eight = ["int8", "fp8", "8bit", "8-bit", "q8", "w8a8"]
        return eight.contains { name.contains($0) } ? 1.06 : 2
    }
}

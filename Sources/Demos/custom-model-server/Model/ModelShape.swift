/// The numbers that fix a Llama model's form.
struct ModelShape: Sendable, Hashable {
    var layerCount: Int
    var width: Int
    var innerWidth: Int
    var headCount: Int
    var keyHeadCount: Int
    var headSize: Int
    var vocabularyCount: Int
    /// The most tokens a sequence may have.
    var contextCount: Int
    var ropeBase: Double
    var epsilon: Double

    /// Width of a token's keys, and of its values.
    var keyWidth: Int { keyHeadCount * headSize }
    /// Width of a token's queries.
    var queryWidth: Int { headCount * headSize }
}

/// What a file says of a model: numbers under names, and where they lie in it.
protocol ModelFacts {
    func integer(_ name: String) -> Int?
    func float(_ name: String) -> Double?
    /// The byte at which the fact lies; nil when it is not there.
    func offset(_ name: String) -> Int?
}

extension ModelShape {
    /// What the numbers are called in a kind of file.
    struct Names: Sendable {
        var layers, width, inner, heads, keyHeads, headSize, vocabulary, context, ropeBase, epsilon: String
    }

    /// - Parameters:
    ///   - vocabularyCount: where the file does not say it.
    ///   - epsilon: the same.
    /// - Throws: `malformedMetadata` for a number that is missing or cannot be, `unsupportedArchitecture` for heads that are not
    ///   served here; each with its name and offset.
    init(
        _ names: Names, in facts: some ModelFacts, vocabularyCount: Int? = nil, epsilon: Double
    ) throws(ModelError) {
        func number(_ name: String, _ fallback: Int? = nil, limit: Int = 1 << 20) throws(ModelError) -> Int {
            guard let value = facts.integer(name) ?? fallback else {
                throw ModelError(.malformedMetadata, "\(name) is missing, or no whole number", at: facts.offset(name))
            }
            guard value > 0, value <= limit else {
                throw ModelError(
                    .malformedMetadata, "\(name) is \(value), not from 1 to \(limit)", at: facts.offset(name))
            }
            return value
        }
        layerCount = try number(names.layers, limit: 1024)
        width = try number(names.width)
        innerWidth = try number(names.inner)
        headCount = try number(names.heads, limit: 4096)
        keyHeadCount = try number(names.keyHeads, headCount, limit: 4096)
        headSize = try number(names.headSize, width / headCount, limit: 1024)
        contextCount = try number(names.context, limit: 1 << 24)
        self.vocabularyCount = try number(names.vocabulary, vocabularyCount, limit: 1 << 22)
        ropeBase = facts.float(names.ropeBase) ?? 10_000
        self.epsilon = facts.float(names.epsilon) ?? epsilon
        guard headCount % keyHeadCount == 0, headSize % 8 == 0 else {
            throw ModelError(
                .unsupportedArchitecture,
                "\(headCount) heads over \(keyHeadCount) key heads of \(headSize): heads must be a multiple of key heads, and "
                    + "their size of 8", at: facts.offset(names.keyHeads) ?? facts.offset(names.heads))
        }
    }
}

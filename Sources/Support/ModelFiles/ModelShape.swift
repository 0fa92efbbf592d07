/// The numbers that fix a Llama model's form.
package struct ModelShape: Sendable, Hashable {
    package var layerCount: Int
    package var width: Int
    package var innerWidth: Int
    package var headCount: Int
    package var keyHeadCount: Int
    package var headSize: Int
    package var vocabularyCount: Int
    /// The most tokens a sequence may have.
    package var contextCount: Int
    package var ropeBase: Double
    package var epsilon: Double

    package init(
        layerCount: Int, width: Int, innerWidth: Int, headCount: Int, keyHeadCount: Int, headSize: Int,
        vocabularyCount: Int,
        contextCount: Int, ropeBase: Double, epsilon: Double
    ) {
        (self.layerCount, self.width, self.innerWidth) = (layerCount, width, innerWidth)
        (self.headCount, self.keyHeadCount, self.headSize) = (headCount, keyHeadCount, headSize)
        (self.vocabularyCount, self.contextCount) = (vocabularyCount, contextCount)
        (self.ropeBase, self.epsilon) = (ropeBase, epsilon)
    }

    /// Width of a token's keys, and of its values.
    package var keyWidth: Int { keyHeadCount * headSize }
    /// Width of a token's queries.
    package var queryWidth: Int { headCount * headSize }
}

/// What a file says of a model: numbers under names, and where they lie in it.
protocol ModelNumbers {
    func integer(_ name: String) -> Int?
    func float(_ name: String) -> Double?
    /// The byte at which the fact lies; nil when it is not there.
    func offset(_ name: String) -> Int?
}

extension ModelShape {
    /// What the numbers are called in a kind of file.
    struct Names: Sendable {
        var layers, width, inner, heads, keyHeads, headSize, vocabulary, context, ropeBase, epsilon: String

        var all: [String] {
            [layers, width, inner, heads, keyHeads, headSize, vocabulary, context, ropeBase, epsilon]
        }
    }

    /// - Parameters:
    ///   - vocabularyCount, epsilon: where the file does not say it.
    ///   - ropeBase: where it is said elsewhere.
    /// - Throws: `malformedMetadata` for a number that is missing or cannot be, `unsupportedArchitecture` for heads that are not
    ///   served here; each with its name and offset.
    init(
        _ names: Names, in facts: some ModelNumbers, vocabularyCount: Int? = nil, ropeBase: Double? = nil,
        epsilon: Double
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
        self.ropeBase = ropeBase ?? facts.float(names.ropeBase) ?? 10_000
        self.epsilon = facts.float(names.epsilon) ?? epsilon
        guard self.ropeBase > 1, self.ropeBase.isFinite, self.epsilon >= 0, self.epsilon < 1 else {
            throw ModelError(
                .malformedMetadata,
                "\(names.ropeBase) is \(self.ropeBase) and \(names.epsilon) \(self.epsilon): neither can be so",
                at: facts.offset(names.ropeBase) ?? facts.offset(names.epsilon))
        }
        guard headCount % keyHeadCount == 0, headSize % 8 == 0 else {
            throw ModelError(
                .unsupportedArchitecture,
                "\(headCount) heads over \(keyHeadCount) key heads of \(headSize): heads must be a multiple of key heads, and "
                    + "their size of 8", at: facts.offset(names.keyHeads) ?? facts.offset(names.heads))
        }
    }
}

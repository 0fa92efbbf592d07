public import Wire

/// The pool of each source: which model is its cheap, its mid and its strong one, and what they cost.
///
/// On disk one JSON object:
/// `{"tiers": {SOURCE: [CHEAP, MID or null, STRONG]}, "prices": {MODEL: [INPUT, OUTPUT, ORIGIN]}}`,
/// prices in USD per 1,000,000 tokens, `ORIGIN` an optional note. A model without a price has an unknown one.
public struct TierTable: Sendable, Hashable {
    /// Pools in the order of the file; each source once.
    public let pools: [OutcomePool]
    /// All prices of the file, those of models in no pool included.
    public let prices: [String: Price]
    private let positions: [String: Int]

    /// A table; of pools of the same source the first is taken.
    public init(_ pools: [OutcomePool], prices: [String: Price] = [:]) {
        self.prices = prices
        positions = [String: Int](pools.enumerated().map { ($1.source, $0) }, uniquingKeysWith: { first, _ in first })
        self.pools = pools.enumerated().filter { [positions] in positions[$1.source] == $0 }.map(\.element)
    }

    /// The pool of `source`; `nil` when there is none.
    public subscript(_ source: String) -> OutcomePool? { positions[source].map { pools[$0] } }

    /// Reads `path`.
    ///
    /// - Throws: with the place and the key of the first mistake.
    public static func read(path: String, limits: Limits = .standard) throws(LearnFileError) -> TierTable {
        try parse(try WholeFile.read(path, mostBytes: limits.tierTableBytes), path: path, limits: limits)
    }

    /// Reads the bytes of a table; `path` is for errors.
    public static func parse(
        _ bytes: [UInt8], path: String, limits: Limits = .standard
    ) throws(LearnFileError) -> TierTable {
        let tree: JSONValue
        do {
            tree = try JSONValue.parse(bytes, limits: limits)
        } catch {
            let place = JSONText.lineAndColumn(of: error.offset ?? 0, in: bytes)
            throw LearnFileError(path: path, detail: error.detail, place: place)
        }
        do {
            return try table(tree)
        } catch {
            let place = JSONText.lineAndColumn(of: error.offset, in: bytes)
            throw LearnFileError(path: path, detail: "\(error.key) \(error.detail)", place: place)
        }
    }

    /// What is wrong with a value of the table.
    private struct Mistake: Error {
        let key: String
        let offset: Int
        let detail: String

        init(_ key: String, _ value: JSONValue, _ detail: String) {
            self.key = key
            offset = value.offset
            self.detail = detail
        }
    }

    private static func table(_ tree: JSONValue) throws(Mistake) -> TierTable {
        guard tree.members != nil else { throw Mistake("the table", tree, "must be an object") }
        let tiers = try object("tiers", of: tree)
        let prices = try self.prices(try object("prices", of: tree))
        var pools: [OutcomePool] = []
        var sources: Set<String> = []
        for tier in tiers {
            let key = "tiers.\(OutcomeLine.shown(tier.key))"
            guard sources.insert(tier.key).inserted else { throw Mistake(key, tier.value, "is there twice") }
            pools.append(OutcomePool(source: tier.key, members: try members(tier.value, key: key, prices)))
        }
        return TierTable(pools, prices: prices)
    }

    private static func object(_ name: String, of tree: JSONValue) throws(Mistake) -> [JSONValue.Member] {
        let found = tree.members?.filter { $0.key == name } ?? []
        guard let value = found.first?.value else { throw Mistake("\"\(name)\"", tree, "is missing") }
        guard found.count == 1 else { throw Mistake("\"\(name)\"", found[1].value, "is there twice") }
        guard let members = value.members else {
            throw Mistake("\"\(name)\"", value, "must be an object, not \(value.kindName)")
        }
        return members
    }

    private static func prices(_ members: [JSONValue.Member]) throws(Mistake) -> [String: Price] {
        var prices: [String: Price] = [:]
        for member in members {
            let key = "prices.\(OutcomeLine.shown(member.key))"
            guard let parts = member.value.elements, (2...3).contains(parts.count) else {
                throw Mistake(key, member.value, "must be [USD per 1M input tokens, per 1M output tokens, origin]")
            }
            if parts.count == 3, parts[2].string == nil { throw Mistake(key + "[2]", parts[2], "must be a string") }
            let price = Price(
                inputPerMTok: try amount(parts[0], key: key + "[0]"),
                outputPerMTok: try amount(parts[1], key: key + "[1]"))
            guard prices.updateValue(price, forKey: member.key) == nil else {
                throw Mistake(key, member.value, "is there twice")
            }
        }
        return prices
    }

    private static func amount(_ value: JSONValue, key: String) throws(Mistake) -> Double {
        guard let amount = value.double, (0...1e6).contains(amount) else {
            throw Mistake(key, value, "must be a price from 0 to 1,000,000 USD")
        }
        return amount
    }

    private static func members(
        _ value: JSONValue, key: String, _ prices: [String: Price]
    ) throws(Mistake) -> [OutcomePool.Member] {
        guard let names = value.elements, names.count == CapabilityTier.allCases.count else {
            throw Mistake(key, value, "must be [cheap, mid or null, strong]")
        }
        var members: [OutcomePool.Member] = []
        for (tier, name) in zip(CapabilityTier.allCases, names) {
            let place = "\(key)[\(tier.rawValue)]"
            if tier == .mid, name.isNull { continue }
            guard let text = name.string, !text.isEmpty else {
                throw Mistake(place, name, "must be a model's name, not \(name.kindName)")
            }
            guard !members.contains(where: { $0.name == text }) else {
                throw Mistake(place, name, "is there twice: a pool's models differ")
            }
            members.append(OutcomePool.Member(name: text, tier: tier, price: prices[text]))
        }
        return members
    }
}

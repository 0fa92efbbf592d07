internal import Wire

/// Prices as people write them: dollars per million tokens (`prompt`, `cached`, `answer`) and per second in a state (`awake`,
/// `in-place`, `suspended`, `snapshot`).
extension Price {
    /// The words for what has a price, in the order of bills.
    public static let kinds = ["prompt", "cached", "answer"] + ResidencyState.allCases.map(\.priceKind)

    /// Prices from dollars by kind.
    ///
    /// - Throws: `invalidSpec` for a kind that there is not, and for what is no amount of 0 to 1,000,000 dollars.
    public init(dollars: [String: Double]) throws(ServeError) {
        for kind in dollars.keys.sorted() where !Self.kinds.contains(kind) {
            throw ServeError(.invalidSpec, "there is no price of '\(kind)': \(Self.kinds.joined(separator: ", "))")
        }
        var perSecond: [ResidencyState: Double] = [:]
        for state in ResidencyState.allCases { perSecond[state] = dollars[state.priceKind] }
        let price = Price(
            promptPerMillion: dollars["prompt"], cachedPerMillion: dollars["cached"],
            answerPerMillion: dollars["answer"], perSecond: perSecond)
        guard let price else { throw ServeError(.invalidSpec, "a price is 0 to 1000000 dollars") }
        self = price
    }

    init(json: JSONValue) throws(ServeError) {
        guard let members = json.members else {
            throw ServeError(.invalidSpec, "price must be an object, not \(json.kindName)")
        }
        var dollars: [String: Double] = [:]
        for member in members {
            guard let value = member.value.double else {
                throw ServeError(.invalidSpec, "the price of '\(member.key)' must be a number of dollars")
            }
            dollars[member.key] = value
        }
        try self.init(dollars: dollars)
    }

    /// What `init(json:)` reads.
    var object: JSONObjectText {
        var object = JSONObjectText()
        let tokens = [promptTokenPicodollars, cachedTokenPicodollars, answerTokenPicodollars]
        for (kind, amount) in zip(Self.kinds, tokens) { if let amount { object.add(kind, Double(amount) / 1e6) } }
        for state in ResidencyState.allCases {
            if let amount = residency[state] { object.add(state.priceKind, Double(amount) / 1e9) }
        }
        return object
    }

    /// Prices of nothing: what deployments have that were given none.
    static let unknown = Price(prompt: nil, cached: nil, answer: nil, residency: [:])
}

extension ResidencyState {
    fileprivate var priceKind: String { self == .inPlace ? "in-place" : rawValue }
}

import RouterKit
import Wire

/// The bodies of `/v1/models`: OpenAI's list, with the window and the price of each model added.
enum ModelList {
    static func json(_ router: Router, _ created_s: Int64) -> [UInt8] {
        let cards = router.configuration.pool.cards
        var out = Array(#"{"object":"list","data":["#.utf8)
        for (index, name) in (["auto"] + RoutingMode.allCases.map { "auto:\($0.rawValue)" }).enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            appendAlias(name, cards, created_s, to: &out)
        }
        for card in cards {
            out.append(UInt8(ascii: ","))
            append(card, created_s, to: &out)
        }
        out.append(contentsOf: "]}".utf8)
        return out
    }

    static func json(of name: String, _ router: Router, _ created_s: Int64) -> [UInt8]? {
        let cards = router.configuration.pool.cards
        var out: [UInt8] = []
        if let card = cards.first(where: { $0.name == name }) {
            append(card, created_s, to: &out)
        } else if case .auto = ModelChoice(model: name) {
            appendAlias(name, cards, created_s, to: &out)
        } else {
            return nil
        }
        return out
    }

    /// An alias can take what the largest model takes: the router picks one whose window fits.
    private static func appendAlias(_ name: String, _ cards: [ModelCard], _ created_s: Int64, to out: inout [UInt8]) {
        begin(name, "routerkit", created_s, to: &out)
        out.append(contentsOf: #","context_window":\#(cards.map(\.contextWindowTokens).max() ?? 0)}"#.utf8)
    }

    private static func append(_ card: ModelCard, _ created_s: Int64, to out: inout [UInt8]) {
        begin(card.name, "pool", created_s, to: &out)
        out.append(contentsOf: #","context_window":\#(card.contextWindowTokens),"tier":"\#(card.tier.name)""#.utf8)
        if let price = card.price {
            out.append(contentsOf: #","price":{"input":\#(price.inputPerMTok),"output":\#(price.outputPerMTok)}"#.utf8)
        } else {
            out.append(contentsOf: #","price":null"#.utf8)
        }
        out.append(UInt8(ascii: "}"))
    }

    private static func begin(_ id: String, _ owner: String, _ created_s: Int64, to out: inout [UInt8]) {
        out.append(contentsOf: #"{"id":"#.utf8)
        JSONText.appendQuoted(id, to: &out)
        out.append(contentsOf: #","object":"model","created":\#(created_s),"owned_by":"\#(owner)""#.utf8)
    }
}

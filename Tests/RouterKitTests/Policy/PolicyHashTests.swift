import RouterKit
import Testing

@Suite struct PolicyHashTests {
    private let card = Fixture.card("m", deployments: [Fixture.deployment(keys: ["one"])])

    private func hash(_ change: (inout ModelCard) -> Void = { _ in }, policy: TradePolicy = TradePolicy()) -> String {
        var card = card
        change(&card)
        return PolicyHash.hex(policy: policy, cards: [card])
    }

    @Test func itIsTheSHA256OfTheText() {
        #expect(hash().count == 64)
        #expect(hash() == hash())
    }

    @Test func whatDecidesChangesTheHash() {
        #expect(hash { $0.tier = .strong } != hash())
        #expect(hash { $0.price = nil } != hash())
        #expect(hash { $0.price = Price(inputPerMTok: 1, outputPerMTok: 2, cachedInputPerMTok: 1) } != hash())
        #expect(hash { $0.contextWindowTokens += 1 } != hash())
        #expect(hash { $0.deployments[0].weight = 2 } != hash())
        #expect(hash { $0.overrides = [ParameterOverride(key: "a", json: Array("1".utf8))] } != hash())
        #expect(hash(policy: TradePolicy(supportThreshold: 0.6)) != hash())
        #expect(hash(policy: TradePolicy(bands: QualityBands(cost: 0.05))) != hash())
    }

    @Test func secretsNeitherChangeTheHashNorAppearInTheText() {
        #expect(hash { $0.deployments[0].keys = [APIKey(label: "k", value: "other")] } == hash())
        #expect(hash { $0.deployments[0].extraHeaders = [.init("x-secret", "s3cret")] } == hash())
        var secret = card
        secret.deployments[0].extraHeaders = [.init("x-secret", "s3cret")]
        let text = PolicyHash.canonicalText(policy: TradePolicy(), cards: [secret])
        #expect(!text.contains("sk-one") && !text.contains("s3cret"))
    }

    @Test func namesCannotImitateOtherLines() {
        let forged = Fixture.card("m\"\nmodel \"n")
        let text = PolicyHash.canonicalText(policy: TradePolicy(), cards: [forged])
        #expect(text.split(separator: "\n").count == 3)
    }
}

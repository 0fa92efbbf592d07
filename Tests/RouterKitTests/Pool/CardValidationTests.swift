import RouterKit
import Testing
import Transport
import Wire

@Suite struct CardValidationTests {
    private func fault(_ change: (inout ModelCard) -> Void) -> CardError? {
        var card = Fixture.card("m", deployments: [Fixture.deployment(keys: ["k"])])
        change(&card)
        do {
            try ModelCard.validate([card])
            return nil
        } catch {
            return error
        }
    }

    @Test func aGoodCardPasses() {
        #expect(fault { _ in } == nil)
    }

    @Test func everyFaultHasItsNameAndItsPlace() {
        #expect(fault { $0.name = "" }?.code == .badName)
        #expect(fault { $0.name = "a\nb" }?.key == "name")
        #expect(fault { $0.contextWindowTokens = 0 }?.code == .badBound)
        #expect(fault { $0.maxOutputTokens = 0 }?.key == "maxOutputTokens")
        #expect(fault { $0.price = Price(inputPerMTok: -1, outputPerMTok: 1) }?.code == .badPrice)
        #expect(fault { $0.price = Price(inputPerMTok: 1, outputPerMTok: .nan) }?.key == "price.outputPerMTok")
        #expect(
            fault { $0.price = Price(inputPerMTok: 1, outputPerMTok: 1, cachedInputPerMTok: -0.1) }?.key
                == "price.cachedInputPerMTok")
        #expect(fault { $0.dialects = [] }?.code == .noDialects)
        #expect(fault { $0.deployments = [] }?.code == .noDeployments)
        #expect(fault { $0.deployments.append($0.deployments[0]) }?.key == "deployments[1].id")
        #expect(fault { $0.deployments[0].weight = 0 }?.code == .badWeight)
        #expect(fault { $0.deployments[0].weight = 1_000_001 }?.code == .badWeight)
        #expect(fault { $0.deployments[0].maxConcurrent = 0 }?.key == "deployments[0].maxConcurrent")
        #expect(fault { $0.deployments[0].upstreamModel = "" }?.key == "deployments[0].upstreamModel")
        #expect(fault { $0.deployments[0].unixSocketPath = "relative" }?.code == .badURL)
        #expect(fault { $0.deployments[0].timeouts.idle_ms = 0 }?.key == "deployments[0].timeouts.idle_ms")
        #expect(fault { $0.deployments[0].keys = [] }?.code == .badKey)
        #expect(fault { $0.deployments[0].keys = [APIKey(label: "k", value: "a\r\nx: y")] }?.code == .badKey)
        #expect(fault { $0.deployments[0].extraHeaders = [.init("a b", "c")] }?.code == .badHeader)
        #expect(fault { $0.deployments[0].extraHeaders = [.init("a", "c\r\nd: e")] }?.code == .badHeader)
    }

    @Test func poolFaultsAreNamed() {
        #expect(throws: CardError.self) { try ModelCard.validate([]) }
        let twice = [Fixture.card("m"), Fixture.card("m")]
        do {
            try ModelCard.validate(twice)
            Issue.record("a name taken twice passed")
        } catch {
            #expect(error.code == .duplicateName)
            #expect(error.model == "m")
        }
        var limits = Limits.standard
        limits.poolModelsCount = 1
        let two = [Fixture.card("m"), Fixture.card("n")]
        do {
            try ModelCard.validate(two, limits: limits)
            Issue.record("two models passed a bound of one")
        } catch {
            #expect(error.code == .tooMany)
        }
    }

    @Test(arguments: [
        "http://a", "https://api.example.com/v1", "http://[::1]:8080", "HTTP://A:1/x", "http://127.0.0.1:65535/",
    ])
    func addressesThatPass(_ address: String) {
        #expect(fault { $0.deployments[0].baseURL = address } == nil)
    }

    @Test(arguments: [
        "", "ftp://a", "a.example", "http://", "http:///x", "http://a b", "http://a:0", "http://a:65536", "http://a:",
        "http://a:x", "http://u:p@a", "http://a?b", "http://a/#c", "http://[::1", "http://[]", "http://[::1]x",
        "http://a\n", "http://ä",
    ])
    func addressesThatFail(_ address: String) {
        #expect(fault { $0.deployments[0].baseURL = address }?.code == .badURL)
    }

    @Test func anErrorNeverShowsTheKey() {
        let error = fault { $0.deployments[0].keys = [APIKey(label: "ENV", value: "sk secret")] }
        #expect(error?.description.contains("secret") == false)
        #expect(error?.description.contains("ENV") == true)
    }
}

@Suite struct APIKeyTests {
    @Test func noWayOfPrintingShowsTheValue() {
        let key = APIKey(label: "ENV", value: "sk-secret")
        var dumped = ""
        dump(Fixture.deployment(keys: ["secret"]), to: &dumped)
        for text in [
            "\(key)", String(describing: key), String(reflecting: key), "\([key])", "\(Optional(key) as Any)", dumped,
            "\(Fixture.deployment(keys: ["secret"]))",
        ] {
            #expect(!text.contains("sk-"))
        }
        #expect(key.exposedValue == "sk-secret")
    }
}

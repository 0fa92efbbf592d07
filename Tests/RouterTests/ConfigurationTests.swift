import DemoSupport
import RouterKit
import Testing
import Transport
import Wire

@testable import router

@Suite struct ConfigurationTests {
    private func load(_ text: String, _ environment: [String: String] = [:]) throws(ConfigurationError)
        -> GatewayConfiguration
    {
        try GatewayConfiguration.load(file: "router.json", bytes: Array(text.utf8)) { environment[$0] }
    }

    private func failure(_ text: String, _ environment: [String: String] = [:]) -> String {
        do {
            _ = try load(text, environment)
            return "accepted"
        } catch { return error.description }
    }

    static let model = """
        {"name": "small", "tier": "cheap", "context_window": 8192, "deployments": [{"base_url": "http://127.0.0.1:1/v1"}]}
        """

    @Test func everythingInAConfigurationIsRead() throws {
        let text = """
            {"listen": "0.0.0.0:80", "mode": "cost", "loops": 2, "drain_ms": 5,
             "limits": {"body_bytes": 4096},
             "log": {"path": "d.jsonl", "prompts": true, "max_bytes": 8192, "keep_files": 2},
             "client_keys": [{"name": "app", "sha256": "\(String(repeating: "aB", count: 32))"}],
             "models": [{"name": "big", "tier": "strong", "context_window": 1000, "max_output_tokens": 10,
                "price": {"input": 1, "output": 2.5, "cached_input": 0.1}, "modalities": ["text", "image"],
                "tools": false, "json_mode": false, "json_schema": true, "reasoning": true,
                "dialects": ["messages", "responses"], "overrides": {"reasoning_effort": "low", "k": [1, 2e1]},
                "deployments": [{"id": "d", "base_url": "https://h/v1/", "model": "up", "key_env": ["A", "B"],
                    "auth": "x-api-key", "weight": 3, "max_concurrent": 4, "headers": {"X": "y"},
                    "timeouts_ms": {"connect": 1, "first_byte": 2, "idle": 3, "total": 4}}]}]}
            """
        let read = try load(text, ["A": "ka", "B": "kb"])
        #expect(read.listen == .tcp(host: "0.0.0.0", port: 80))
        #expect(read.mode == .cost && read.loopCount == 2 && read.drain_ms == 5 && read.limits.bodyBytes == 4096)
        #expect(read.log == .init(path: "d.jsonl", includesPrompts: true, maxBytes: 8192, keptFiles: 2))
        #expect(read.clients.map(\.name) == ["app"] && read.clients[0].digest == Array(repeating: 0xAB, count: 32))
        let card = try #require(read.cards.first)
        #expect(card.price == Price(inputPerMTok: 1, outputPerMTok: 2.5, cachedInputPerMTok: 0.1))
        #expect(
            card.modalities == [.text, .image] && !card.supportsTools && card.supportsJSONSchema && card.isReasoning)
        #expect(card.dialects == [.messages, .responses])
        #expect(card.overrides.map { String(decoding: $0.json, as: UTF8.self) } == ["\"low\"", "[1, 2e1]"])
        let deployment = card.deployments[0]
        #expect(deployment.baseURL == "https://h/v1" && deployment.upstreamModel == "up" && deployment.weight == 3)
        #expect(deployment.keys.map(\.exposedValue) == ["ka", "kb"] && deployment.authentication == .xAPIKey)
        #expect(deployment.timeouts == UpstreamTimeouts(connect_ms: 1, firstByte_ms: 2, idle_ms: 3, total_ms: 4))
    }

    @Test func whatIsLearnedFromTrafficIsRead() throws {
        let outcomes = #""outcomes": {"file": "o.jsonl", "prompts": true}"#
        let models = "\"models\": [\(Self.model)]"
        let plain = try load("{\(models)}")
        #expect(plain.outcomesPath == nil && plain.shadow == nil)
        let all = try load(
            "{\(outcomes), \"shadow\": {\"share\": 0.05, \"judge\": \"similar\", \"traffic\": \"all\"}, \(models)}")
        #expect(all.outcomesPath == "o.jsonl")
        #expect(all.shadow == Shadow(share: 0.05, judge: .rule(.similar), includesStrong: true))
        let judged = try load("{\(outcomes), \"shadow\": {\"share\": 1, \"judge\": {\"model\": \"small\"}}, \(models)}")
        #expect(judged.shadow == Shadow(share: 1, judge: .model("small")))
        for (text, said) in [
            (#""outcomes": {"prompts": true}"#, "outcomes.file is missing"),
            (#""outcomes": {"file": "o"}"#, "outcomes.prompts must be true"),
            (#""shadow": {"share": 1}"#, "shadow needs"),
            (outcomes + #", "shadow": {}"#, "shadow.share is missing"),
            (outcomes + #", "shadow": {"share": 1.5}"#, "above 1"),
            (outcomes + #", "shadow": {"share": 1, "judge": {"modle": "small"}}"#, "shadow.judge.model is missing"),
            (outcomes + #", "shadow": {"share": 1, "judge": {"model": "smal"}}"#, "did you mean \"small\""),
        ] { #expect(failure("{\(text), \(models)}").contains(said), "\(text)") }
        let deaf = Self.model.replacing(#""tier""#, with: #""dialects": ["messages"], "tier""#)
        let refused =
            "{\(outcomes), \"shadow\": {\"share\": 1, \"judge\": {\"model\": \"small\"}}, \"models\": [\(deaf)]}"
        #expect(failure(refused).contains("does not speak chat_completions"))
    }

    @Test func aPoolEntryWithoutPriceIsAllowed() throws {
        #expect(try load("{\"models\": [\(Self.model)]}").cards[0].price == nil)
    }

    @Test func atypoIsRefusedWithItsPlaceAndTheNearestKey() {
        let text = "{\"models\": [\(Self.model)],\n  \"lissten\": \"127.0.0.1:1\"}"
        #expect(failure(text) == "router.json:2:14: lissten is not known; did you mean \"listen\"?")
        let nested = "{\"models\": [\(Self.model.replacing("\"tier\"", with: "\"teir\""))]}"
        #expect(failure(nested).contains("models[0].tier is missing"))
        let price = "{\"models\": [\(Self.model.replacing("\"tier\"", with: "\"price\": {\"inptu\": 1}, \"tier\""))]}"
        #expect(failure(price).contains("models[0].price.inptu is not known; did you mean \"input\"?"))
        let choice = "{\"mode\": \"ballanced\", \"models\": [\(Self.model)]}"
        #expect(failure(choice).contains("mode must be one of quality, balanced, cost; did you mean \"balanced\"?"))
    }

    @Test(arguments: [
        ("{\"models\": []}", "models is missing or empty"),
        ("{\"models\": [MODEL], \"models\": [MODEL]}", "models is given twice"),
        ("{\"models\": [MODEL, MODEL]}", "small"),
        ("[1]", "the file must be an object"),
        ("{\"models\": [MODEL],}", "router.json:1:"),
        ("{\"models\": [MODEL], \"listen\": \"localhost\"}", "listen must be"),
        ("{\"models\": [MODEL], \"loops\": 0}", "loops must be a whole number from 1 to 64"),
        ("{\"models\": [MODEL], \"loops\": 1.5}", "loops must be a whole number"),
        ("{\"models\": [MODEL], \"client_keys\": [{\"name\": \"a\", \"sha256\": \"xx\"}]}", "64 hexadecimal digits"),
        ("{\"models\": [MODEL], \"log\": {}}", "log.path is missing"),
    ])
    func mistakesAreNamed(text: String, message: String) {
        let failure = failure(text.replacing("MODEL", with: Self.model))
        #expect(failure.contains(message), "\(failure)")
    }

    static let pool = #"""
        {"name": "small", "tier": "cheap", "context_window": 8192, "deployments": [{"base_url": "http://127.0.0.1:1/v1"}]},
        {"name": "middle", "tier": "mid", "context_window": 8192, "deployments": [{"base_url": "http://127.0.0.1:1/v1"}]},
        {"name": "large", "tier": "strong", "context_window": 8192, "deployments": [{"base_url": "http://127.0.0.1:1/v1"}]}
        """#

    @Test func howToChooseIsRead() throws {
        let read = try load(
            #"{"models": [\#(Self.pool)], "policy": "p.json", "guarantee": {"loss_points": 0.5, "confidence": 0.9},"#
                + #""guards": {"presets": ["legal"], "patterns": {"pay": ["payroll*"]}, "floor": "mid"},"#
                + #""cascade": {"ask": ["small", "middle"], "compare": "similar", "gate": 0.1, "modes": ["cost"]}}"#)
        #expect(read.policyPath == "p.json" && read.promise == Promise(loss: 0.005, confidence: 0.9))
        #expect(read.guards?.rules.map(\.name) == ["legal", "pay"] && read.guards?.floor == .mid)
        #expect(
            read.cascade
                == Cascade(
                    ask: ["small", "middle"], acceptance: .agreement(.similar, minimumSimilarity: 0.9), gate: 0.1,
                    modes: [.cost]))
        let sure = try load(
            #"{"models": [\#(Self.pool)], "cascade": {"ask": ["small"], "accept": "confidence", "most_surprise": 0.2}}"#
        )
        #expect(sure.cascade?.acceptance == .confidence(minimumMeanLogProbability: -0.2))
        #expect(throws: LearnFileError.self) { _ = try read.policy() }
        #expect(try sure.policy().table == .shipped)
        let router = try Assembly(transport: RefusingTransport(), metrics: nil).router(sure, withLog: false)
        #expect(router.configuration.cascade == sure.cascade)
    }

    @Test(arguments: [
        (#""guarantee": {"loss_points": 101}"#, "guarantee.loss_points is missing or above 100"),
        (#""guarantee": {"loss_points": 1, "confidence": 1}"#, "guarantee.confidence must lie between 0 and 1"),
        (#""guarantee": {"los_points": 1}"#, "guarantee.los_points is not known; did you mean \"loss_points\"?"),
        (#""guards": {"presets": ["medcal"]}"#, "did you mean \"medical\"?"),
        (#""guards": {}"#, "guards guards nothing"),
        (#""guards": {"patterns": {"Pay": ["x"]}}"#, "guards: Pay: a guard's name has"),
        (#""guards": {"patterns": {"pay": ["a*b"]}}"#, "a * may only end the last one"),
        (#""guards": {"preset": ["medical"]}"#, "guards.preset is not known; did you mean \"presets\"?"),
        (#""cascade": {"ask": ["small"]}"#, "cascade.ask must name two different models"),
        (#""cascade": {"ask": ["small", "small"]}"#, "cascade.ask must name two different models"),
        (#""cascade": {"ask": ["small", "middel"]}"#, "did you mean \"middle\"?"),
        (#""cascade": {"ask": ["small"], "accept": "agrement"}"#, "did you mean \"agreement\"?"),
        (#""cascade": {"ask": ["small", "middle"], "gate": 2}"#, "lie within 0 and 1"),
        (#""cascade": {"ask": ["small", "middle"], "modes": ["cots"]}"#, "did you mean \"cost\"?"),
    ])
    func mistakesInHowToChooseAreNamed(members: String, message: String) {
        let failure = failure(#"{"models": [\#(Self.pool)], \#(members)}"#)
        #expect(failure.contains(message), "\(failure)")
    }

    @Test func checkSaysWhatAGuaranteeLacks() throws {
        let read = try load(#"{"models": [\#(Self.pool)], "guarantee": {"loss_points": 1}}"#)
        let router = try Assembly(transport: RefusingTransport(), metrics: nil).router(read, withLog: false)
        #expect(Check.advice(router, read).contains { $0.hasPrefix("guarantee: ") && $0.contains("strongest tier") })
    }

    @Test func aMissingKeyIsFoundAtTheStartAndNeverPrinted() {
        let text =
            "{\"models\": [\(Self.model.replacing("\"base_url\"", with: "\"key_env\": \"NO_SUCH\", \"base_url\""))]}"
        #expect(failure(text).contains("the environment variable NO_SUCH is not set"))
        let card = try? load(text, ["NO_SUCH": "sk-secret"]).cards[0]
        #expect(card != nil)
        var printed = ""
        dump(card, to: &printed)
        #expect(!printed.contains("sk-secret") && !"\(String(describing: card))".contains("sk-secret"))
    }

    @Test func listenAddressesAreRead() {
        #expect(ListenAddress(text: "127.0.0.1:80") == .tcp(host: "127.0.0.1", port: 80))
        #expect(ListenAddress(text: "[::1]:0") == .tcp(host: "::1", port: 0))
        #expect(ListenAddress(text: "unix:/run/r.sock") == .unix(path: "/run/r.sock"))
        for wrong in ["", ":80", "host", "host:", "host:65536", "host:-1", "unix:"] {
            #expect(ListenAddress(text: wrong) == nil)
        }
        #expect(ListenAddress(text: "127.1.2.3:1")?.isLocal == true)
        #expect(ListenAddress(text: "0.0.0.0:1")?.isLocal == false)
    }

    @Test func adviceNamesWhatSurprises() throws {
        let advice = Check.advice(try load("{\"listen\": \"0.0.0.0:80\", \"models\": [\(Self.model)]}"))
        #expect(advice.contains { $0.contains("small has no price") })
        #expect(advice.contains { $0.contains("reachable from other machines") })
        #expect(advice.contains { $0.contains("no model speaks messages") })
    }
}

/// No test here sends anything.
struct RefusingTransport: UpstreamTransport {
    nonisolated(nonsending) func send(_ request: UpstreamRequest) async throws(TransportError) -> UpstreamResponse {
        throw TransportError(.shuttingDown, "this test only decides")
    }
}

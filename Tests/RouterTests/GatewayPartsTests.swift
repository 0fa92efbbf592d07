import DemoSupport
import RouterKit
import Testing
import Wire

@testable import router

@Suite struct GatewayPartsTests {
    private func endpoint(_ method: String, _ target: String) throws -> Endpoint {
        Endpoint(RequestHead(method: try #require(HTTPMethod(method)), target: target))
    }

    @Test func requestLinesFindTheirEndpoint() throws {
        #expect(try endpoint("POST", "/v1/chat/completions") == .model(.chatCompletions, path: "/chat/completions"))
        #expect(try endpoint("POST", "/chat/completions") == .model(.chatCompletions, path: "/chat/completions"))
        #expect(try endpoint("POST", "/v1/messages?beta=true") == .model(.messages, path: "/messages?beta=true"))
        #expect(try endpoint("POST", "/v1/messages/count_tokens") == .countTokens(path: "/messages/count_tokens"))
        #expect(try endpoint("GET", "/v1/routes/req_1") == .receipt("req_1"))
        #expect(try endpoint("GET", "/v1/models/small") == .modelCard("small"))
        #expect(try endpoint("POST", "/v1/feedback") == .feedback)
        #expect(try endpoint("HEAD", "/api/hello") == .hello)
        #expect(try endpoint("GET", "/v1/responses") == .wrongMethod(allowed: "POST"))
        #expect(try endpoint("POST", "/metrics") == .wrongMethod(allowed: "GET, HEAD"))
        #expect(try endpoint("GET", "/v2/models") == .unknown)
    }

    @Test func clientsAreKnownByTheDigestOfTheirKey() throws {
        let keys = ClientKeys([
            .init(name: "a", digest: SHA256.hash(Array("key-a".utf8))),
            .init(name: "b", digest: SHA256.hash(Array("key-b".utf8))),
        ])
        func verdict(_ name: String?, _ value: String = "") throws -> ClientKeys.Verdict {
            var fields = HTTPFields()
            if let name { try fields.append(name, value) }
            return keys.verdict(fields)
        }
        #expect(try verdict("Authorization", "Bearer key-b") == .client("b"))
        #expect(try verdict("authorization", "bearer key-a") == .client("a"))
        #expect(try verdict("X-Api-Key", "key-a") == .client("a"))
        #expect(try verdict("Authorization", "Bearer key-c") == .wrong)
        #expect(try verdict("Authorization", "Basic key-a") == .missing)
        #expect(try verdict(nil) == .missing)
        #expect(ClientKeys([]).verdict(HTTPFields()) == .open)
    }

    @Test func slipsAreSuggestedAndStrangersAreNot() {
        #expect(Suggestion.nearest(to: "modles", in: ["models", "mode", "log"]) == "models")
        #expect(Suggestion.nearest(to: "zzzzzz", in: ["models", "mode", "log"]) == nil)
        #expect(Suggestion.distance("kitten", "sitting") == 3)
        #expect(Suggestion.distance("", "abc") == 3)
    }

    @Test func argumentsAreSplitAndMistakesNamed() throws {
        let parsed = try Arguments(
            ["--config", "f", "--json", "a b", "--", "--x"], options: ["config"], flags: ["json"])
        #expect(parsed[option: "config"] == "f" && parsed.has("json") && parsed.words == ["a b", "--x"])
        #expect(try Arguments(["--config=g"], options: ["config"])[option: "config"] == "g")
        let typo = #expect(throws: UsageError.self) { try Arguments(["--confg", "f"], options: ["config"]) }
        #expect(typo?.message == "unknown option --confg; did you mean --config?")
        #expect(throws: UsageError.self) { try Arguments(["--config"], options: ["config"]) }
    }

    @Test func histogramsCountCumulatively() {
        var histogram = Histogram(bounds: [1, 2])
        for value in [0.5, 1.5, 1.7, 9] { histogram.observe(value) }
        var text = ""
        histogram.write("h", labels: "", to: &text)
        #expect(
            text == """
                h_bucket{le="1.0"} 1
                h_bucket{le="2.0"} 3
                h_bucket{le="+Inf"} 4
                h_sum 12.7
                h_count 4

                """)
    }

    @Test func metricLabelsAreEscaped() {
        var family = CounterFamily("c", labels: ["model"], help: "h")
        family.add("a\"b\\c\nd")
        family.add("a\"b\\c\nd", amount: 2)
        var text = ""
        family.write(to: &text)
        #expect(text.hasSuffix("c{model=\"a\\\"b\\\\c\\nd\"} 3\n"))
    }
}

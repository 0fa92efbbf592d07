import RouterKit
import Testing
import Wire

/// From the bytes of a request to a plan: the join between reading a request and choosing for it.
@Suite struct RequestPlanTests {
    private let cards = [
        Fixture.card("text", tier: .cheap, price: (0.1, 0.1), tools: false, schema: false),
        Fixture.card(
            "eyes", tier: .strong, price: (5, 5), window: 128_000, maxOutput: 1_000, modalities: [.text, .image]),
        Fixture.card("claude", tier: .strong, price: (9, 9), dialects: [.messages]),
    ]
    private let easy = Assessment(
        difficulty: 0, quality: QualityCurve(cheap: 0.9, mid: 0.9, strong: 0.9), support: 1, signals: [])

    private func plan(_ body: String, _ dialect: Dialect = .chatCompletions) throws -> Plan {
        let request = try RequestView(Array(body.utf8), dialect: dialect)
        return try TradePolicy().choose(PoolView(cards: cards), for: request, given: easy, mode: .cost)
    }

    private func reasons(_ plan: Plan) -> [String: Reason] {
        Dictionary(uniqueKeysWithValues: plan.rejected.map { ($0.model, $0.reason) })
    }

    @Test func aPlainAskGoesToTheCheapest() throws {
        let plan = try plan(#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#)
        #expect(plan.chosen.model == "text")
        #expect(reasons(plan) == ["claude": .dialectNotSpoken(.chatCompletions)])
    }

    @Test func whatTheBodyHoldsDecidesWhoCanTakeIt() throws {
        let image = #"{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}"#
        let withImage = try plan(#"{"model":"auto","messages":[{"role":"user","content":[\#(image)]}]}"#)
        #expect(reasons(withImage)["text"] == .modalityNotTaken(.image))
        let tools = #""tools":[{"type":"function","function":{"name":"f","parameters":{}}}]"#
        let withTools = try plan(#"{"model":"auto","messages":[{"role":"user","content":"hi"}],\#(tools)}"#)
        #expect(reasons(withTools)["text"] == .toolsNotSupported)
        let format = #""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}"#
        let withSchema = try plan(#"{"model":"auto","messages":[{"role":"user","content":"hi"}],\#(format)}"#)
        #expect(reasons(withSchema)["text"] == .jsonSchemaNotSupported)
        let long = try plan(
            #"{"model":"auto","max_tokens":5000,"messages":[{"role":"user","content":"hi"}]}"#)
        #expect(reasons(long)["eyes"] == .outputTooLong(askedTokens: 5_000, boundTokens: 1_000))
        let messages = try plan(
            #"{"model":"auto","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#, .messages)
        #expect(messages.candidates.map(\.model) == ["claude"])
    }

    @Test func aPromptTooLongForOneModelGoesToAnother() throws {
        let text = String(repeating: "word ", count: 20_000)
        let plan = try plan(#"{"model":"auto","messages":[{"role":"user","content":"\#(text)"}]}"#)
        #expect(plan.chosen.model == "eyes")
        guard case .contextTooSmall(let needed, 8_192)? = reasons(plan)["text"] else {
            Issue.record("the small window was not the reason")
            return
        }
        #expect(needed > 8_192)
    }
}

import RouterKit
import Testing
import Wire

@Suite("Bodies sent upstream")
struct RequestSpliceTests {
    private func routed(
        _ json: String, _ dialect: Dialect = .chatCompletions, to model: String = "big", overrides: [String] = [],
        usage: Bool = false
    ) throws -> String {
        let overrides = overrides.map { entry in
            let parts = entry.split(separator: "=", maxSplits: 1)
            return ParameterOverride(key: String(parts[0]), json: Array(parts[1].utf8))
        }
        let body = try view(json, dialect).body(routedTo: model, overrides: overrides, requestUsage: usage)
        _ = try JSONDocument(validating: body)
        return String(decoding: body, as: UTF8.self)
    }

    @Test func changesOnlyTheModel() throws {
        #expect(
            try routed("\n{ \"x\":1e400,\"mod\\u0065l\" : \"auto\" , \"é\\/\":[ 1.0 ,-0]}\t")
                == "\n{ \"x\":1e400,\"mod\\u0065l\" : \"big\" , \"é\\/\":[ 1.0 ,-0]}\t")
    }

    @Test func quotesTheUpstreamModel() throws {
        #expect(try routed(#"{"model":"a"}"#, to: "a\"b\\c") == #"{"model":"a\"b\\c"}"#)
    }

    @Test func replacesOrInsertsOverrides() throws {
        #expect(
            try routed(#" {"model":"a","top_k":1,"x":2}"#, overrides: ["top_k=[5]", "effort=\"low\""])
                == #" {"effort":"low","model":"big","top_k":[5],"x":2}"#)
    }

    @Test func anOverrideReachesEveryDuplicateAndTheLaterOneWins() throws {
        #expect(
            try routed(#"{"x":1,"model":"a","\u0078":2}"#, overrides: ["x=7", "x=8"])
                == #"{"x":8,"model":"big","\u0078":8}"#)
    }

    @Test(
        arguments: [
            (
                #"{"model":"a","stream":true}"#,
                #"{"stream_options":{"include_usage":true},"model":"big","stream":true}"#
            ),
            (
                #"{"stream_options":{ },"model":"a","stream":true}"#,
                #"{"stream_options":{"include_usage":true },"model":"big","stream":true}"#
            ),
            (
                #"{"stream_options": {"x":1},"model":"a","stream":true}"#,
                #"{"stream_options": {"include_usage":true,"x":1},"model":"big","stream":true}"#
            ),
            (
                #"{"stream_options":{"include_usage": false},"model":"a","stream":true}"#,
                #"{"stream_options":{"include_usage": true},"model":"big","stream":true}"#
            ),
            (
                #"{"stream_options":null,"model":"a","stream":true}"#,
                #"{"stream_options":{"include_usage":true},"model":"big","stream":true}"#
            ),
            (
                #"{"stream_options":{"include_usage":true},"model":"a","stream":true}"#,
                #"{"stream_options":{"include_usage":true},"model":"big","stream":true}"#
            ),
            (#"{"stream_options":7,"model":"a","stream":true}"#, #"{"stream_options":7,"model":"big","stream":true}"#),
            (#"{"model":"a","stream":false}"#, #"{"model":"big","stream":false}"#),
            (#"{"model":"a"}"#, #"{"model":"big"}"#),
        ])
    func asksForTheUsageChunk(_ sent: String, _ wanted: String) throws {
        #expect(try routed(sent, usage: true) == wanted)
        #expect(try routed(sent, .completions, usage: true) == wanted)
    }

    @Test func leavesUsageAloneWhereItIsAlwaysSent() throws {
        let body = #"{"model":"a","stream":true}"#
        #expect(try routed(body, .responses, usage: true) == #"{"model":"big","stream":true}"#)
        #expect(try routed(body, .messages, usage: true) == #"{"model":"big","stream":true}"#)
        #expect(try routed(body, usage: false) == #"{"model":"big","stream":true}"#)
    }

    @Test func insertionAndOverridesCombine() throws {
        #expect(
            try routed(#"{"model":"a","stream":true}"#, overrides: ["k=1"], usage: true)
                == #"{"k":1,"stream_options":{"include_usage":true},"model":"big","stream":true}"#)
        #expect(
            try routed(
                #"{"model":"a","stream":true,"stream_options":{}}"#, overrides: ["stream_options=null"], usage: true)
                == #"{"model":"big","stream":true,"stream_options":null}"#)
    }
}

import Testing
import Wire

@testable import GPUServeKit

/// What a deployment's text may say, and what is said of one that makes no sense.
@Suite struct DeploymentSpecTests {
    private func refusal(_ text: String) -> ServeError? {
        do throws(ServeError) {
            _ = try DeploymentSpec(json: Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }

    @Test func `what is written is read back the same`() throws {
        let price = try Price(dollars: ["prompt": 0.15, "awake": 0.01])
        var spec = DeploymentSpec(
            name: "chat-2.b_c", engine: .custom, model: "/models/a \"b\".gguf", program: "/bin/x", gpuCount: 2,
            scale: ScaleSettings(
                minCount: 1, maxCount: 3, bufferCount: 1, concurrency: 9, scaledown_ms: 250, isPrewaking: false,
                patience: 40),
            leastTier: .processSnapshot, extraArguments: ["--port", "{port}", "ü\n"], environmentNames: ["HOME"],
            memoryBytes: 1_000_000, price: price)
        #expect(try DeploymentSpec(json: spec.json) == spec)
        spec = DeploymentSpec(name: "x", engine: .llamaCpp, model: "m")
        #expect(try DeploymentSpec(json: spec.json) == spec)
    }

    @Test func `what is left out has its standard value`() throws {
        let spec = try DeploymentSpec(json: Array(#"{"name":"x","engine":"vllm","model":"m","min":3}"#.utf8))
        #expect(spec.scale.maxCount == 3, "there is room for the least")
        #expect(spec.gpuCount == 0 && spec.leastTier == .inPlace && spec.memoryBytes == nil && spec.price == nil)
    }

    @Test(arguments: [
        ("", "not JSON"), ("{", "not JSON"), ("[]", "an array, not an object"), ("{}", "a name, an engine and a model"),
        (#"{"name":"x","engine":"vllm"}"#, "a name, an engine and a model"),
        (#"{"name":1,"engine":"vllm","model":"m"}"#, "name must be a string, not a number"),
        (#"{"name":"x","engine":"vlm","model":"m"}"#, "there is no engine 'vlm': llama.cpp, vllm"),
        (#"{"name":"x","engine":"vllm","model":""}"#, "needs a model"),
        (#"{"name":"x","engine":"vllm","model":"m","gpus":"4"}"#, "gpus must be a whole number, not a string"),
        (#"{"name":"x","engine":"vllm","model":"m","gpus":1.5}"#, "gpus must be a whole number"),
        (#"{"name":"x","engine":"vllm","model":"m","gpus":65}"#, "gpus is 65; it must be 0 to 64"),
        (#"{"name":"x","engine":"vllm","model":"m","gpus":-1}"#, "gpus is -1"),
        (#"{"name":"x","engine":"vllm","model":"m","min":2,"max":1}"#, "min is 2 and max only 1"),
        (#"{"name":"x","engine":"vllm","model":"m","max":0}"#, "max is 0"),
        (#"{"name":"x","engine":"vllm","model":"m","patience":-1}"#, "patience is -1"),
        (#"{"name":"x","engine":"vllm","model":"m","scaledown":5}"#, "no setting called 'scaledown'"),
        (#"{"name":"x","engine":"vllm","model":"m","arguments":"-c"}"#, "arguments must be a list of strings"),
        (#"{"name":"x","engine":"vllm","model":"m","arguments":[1]}"#, "arguments must be a list of strings"),
        (#"{"name":"x","engine":"vllm","model":"m","prewake":1}"#, "prewake must be true or false"),
        (#"{"name":"x","engine":"vllm","model":"m","least_tier":"deep"}"#, "there is no tier 'deep': in-place"),
        (#"{"name":"x","engine":"vllm","model":"m","memory_bytes":0}"#, "memory is 0 bytes"),
        (#"{"name":"x","engine":"vllm","model":"m\u0000"}"#, "zero byte"),
        (#"{"name":"x","engine":"vllm","model":"m","price":{"gold":1}}"#, "there is no price of 'gold'"),
    ]) func `what makes no sense is named`(text: String, words: String) {
        let error = refusal(text)
        #expect(error?.code == .invalidSpec && error?.httpStatus == 400)
        #expect(error?.detail.contains(words) == true, "\(error?.detail ?? "taken")")
    }

    @Test(arguments: [
        "", ".", "..", "a/b", "/a", "a/", "../a", "a..b", "a b", "-a", "_a", ".a", "ä", "a\u{0}", "a\n", "a%2fb",
        "a\\b",
        "api", "v1", "ui", "metrics", "health", String(repeating: "a", count: 64),
    ]) func `bad names are refused wherever they come from`(name: String) {
        #expect(DeploymentSpec.problem(withName: name) != nil)
        var quoted: [UInt8] = []
        JSONText.appendQuoted(name, to: &quoted)
        let text = #"{"engine":"vllm","model":"m","name":"# + String(decoding: quoted, as: UTF8.self) + "}"
        #expect(refusal(text)?.code == .invalidSpec)
    }

    @Test(arguments: ["a", "A", "0", "a.b", "a-b_c.d", "v2", "apis", String(repeating: "a", count: 63)])
    func `good names are taken`(name: String) { #expect(DeploymentSpec.problem(withName: name) == nil) }

    @Test func `lists have an end`() {
        let words = (0..<257).map { "\"\($0)\"" }.joined(separator: ",")
        let text = #"{"name":"x","engine":"vllm","model":"m","arguments":["# + words + "]}"
        #expect(refusal(text)?.detail == "257 extra arguments; 256 are allowed")
    }
}

/// What a request for a model says, and what the engine gets of it.
@Suite struct ServedCallTests {
    private func call(
        _ body: String, path: String = "/v1/chat/completions", named: String? = nil
    ) throws(ServedCall.Refusal) -> ServedCall {
        try ServedCall(Array(body.utf8), path: path, named: named, limits: .standard)
    }

    private func text(_ call: ServedCall, servedAs model: String) -> String {
        String(decoding: call.body(servedAs: model), as: UTF8.self)
    }

    @Test func `bytes that the engine can read pass untouched`() throws {
        let body = #"{ "model" : "chat", "x":1.50, "messages":[{"role":"user","content":"\u00e9"}] }"#
        let call = try call(body)
        #expect(call.name == "chat" && call.variant == nil && !call.isStream && !call.asksForUsage)
        #expect(text(call, servedAs: "chat") == body)
        #expect(text(call, servedAs: "/m \"1\"") == body.replacing(#""chat""#, with: #""/m \"1\"""#))
    }

    @Test func `a variant stays behind the engine's name`() throws {
        let call = try call(#"{"model":"chat:fr:ca","stream":false}"#)
        #expect(call.name == "chat" && call.variant == "fr:ca")
        #expect(text(call, servedAs: "engine") == #"{"model":"engine:fr:ca","stream":false}"#)
    }

    @Test func `the path's name counts, whatever the body says`() throws {
        let other = try call(#"{"model":"gpt-4o"}"#, named: "chat")
        #expect(other.name == "chat" && other.variant == nil)
        #expect(text(other, servedAs: "chat") == #"{"model":"chat"}"#)
        #expect(try call(#"{"model":"chat:fr"}"#, named: "chat").variant == "fr")
        #expect(try call(#"{"model":"other:fr"}"#, named: "chat").variant == nil)
        let none = try call("{}", path: "/v1/models", named: "chat")
        #expect(none.dialect == nil && text(none, servedAs: "engine") == "{}")
    }

    @Test(arguments: [
        (#"{"model":"a","stream":true}"#, #"{"stream_options":{"include_usage":true},"model":"a","stream":true}"#),
        (
            #"{"model":"a","stream":true,"stream_options":{}}"#,
            #"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#
        ),
        (
            #"{"model":"a","stream":true,"stream_options":{"include_usage":false}}"#,
            #"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#
        ),
        (
            #"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#,
            #"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#
        ),
    ]) func `usage is asked for in a stream that does not ask`(body: String, sent: String) throws {
        #expect(text(try call(body), servedAs: "a") == sent)
    }

    @Test(
        arguments: [
            ("", "invalid_json", nil), ("[]", "not_an_object", nil), ("{}", "missing_model", "model"),
            (#"{"model":1}"#, "wrong_type", "model"), (#"{"model":null}"#, "wrong_type", "model"),
            (#"{"model":"a","model":"b"}"#, "duplicate_key", nil),
            (#"{"model":"a","stream":true,"stream":false}"#, "duplicate_key", nil),
            (#"{"model":"a","mod\u0065l":"b"}"#, "duplicate_key", nil),
            (#"{"model":"a","stream_options":{"include_usage":true,"include_usage":false}}"#, "duplicate_key", nil),
        ] as [(String, String, String?)]) func `what cannot be understood is named`(
            body: String, code: String, param: String?
        )
    {
        do throws(ServedCall.Refusal) {
            _ = try call(body)
            Issue.record("taken: \(body)")
        } catch {
            #expect(error.code == code && !error.message.isEmpty)
            if let param { #expect(error.param == param) }
        }
    }

    @Test(
        arguments: [
            ("/v1/chat/completions", Dialect.chatCompletions), ("/v1/completions?x=1", .completions),
            ("/v1/responses", .responses), ("/v1/messages", .messages), ("/v1/embeddings", .embeddings),
            ("/v1/chat/completions/", nil), ("/v1/audio", nil),
        ] as [(String, Dialect?)]) func `the path tells the format`(path: String, dialect: Dialect?) throws
    {
        #expect(try call(#"{"model":"a"}"#, path: path).dialect == dialect)
    }
}

/// Requests that wait: bounds of number and bytes, order, and no one forgotten.
@Suite struct HeldRequestsTests {
    private func line(_ count: Int = 4096, bytes: Int = 1 << 28) -> HeldRequests {
        var limits = Limits()
        limits.heldRequestCount = count
        limits.heldRequestBytes = bytes
        return HeldRequests(limits)
    }

    private func add(_ held: inout HeldRequests, bytes: Int = 10, deadline_ns: UInt64 = .max) -> UInt64? {
        held.add(bytes: bytes, deadline_ns: deadline_ns, wantsProgress: false)
    }

    @Test func `of ten thousand as many wait as may, and all others are told`() {
        var held = line()
        let numbers = (0..<10_000).compactMap { _ in add(&held) }
        #expect(numbers.count == 4096 && held.count == 4096)
        #expect(numbers == numbers.sorted(), "in order of arrival")
        // Everybody who leaves makes room for one.
        held.settle(numbers.prefix(100).map { ($0, .cancelled) }).carryOut()
        #expect(held.count == 3996)
        #expect((0..<10_000).compactMap { _ in add(&held) }.count == 100)
    }

    @Test func `long ones count by their bytes`() {
        var held = line(bytes: 100)
        #expect(add(&held, bytes: 60) != nil)
        #expect(add(&held, bytes: 41) == nil)
        let second = add(&held, bytes: 40)
        #expect(second != nil && add(&held, bytes: 1) == nil)
        held.settle([(second!, .cancelled)]).carryOut()
        #expect(add(&held, bytes: 40) != nil)
    }

    @Test func `deadlines are told with what was waited for`() throws {
        var held = line()
        _ = add(&held, deadline_ns: 10)
        _ = add(&held, deadline_ns: 20)
        var outlook = DeploymentFront.Outlook()
        outlook.obstacle = "room"
        let due = held.due(at: 15, outlook, tellsProgress: false)
        #expect(due.count == 1)
        guard case .refused(.deadline(waitingFor: "room")) = due[0].1 else {
            Issue.record("\(due)")
            return
        }
    }
}

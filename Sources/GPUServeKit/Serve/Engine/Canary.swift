import Wire

/// A small request whose answer is recorded when an engine has started from nothing, and compared after every wake: an engine
/// that came back with wrong bytes anywhere in its weights nearly always says something else.
public struct Canary: Sendable, Hashable {
    /// What is asked: short, because it is on the path of every wake, and with one likely continuation.
    public static let prompt = "One two three"
    /// Tokens of the answer. The first comes out of a pass over all weights; a second would go over the same ones again.
    public static let tokenCount = 1
    /// The longest answer that is read.
    static let answerBytes = 64 * 1024

    /// Path of the request.
    public let path: String
    /// Body of the request.
    public let body: [UInt8]

    /// A canary for an engine.
    ///
    /// - Parameter model: the name that the engine answers to.
    public init(_ recipe: EngineRecipe, model: String) {
        var text = Array(#"{"model":"#.utf8)
        JSONText.appendQuoted(model, to: &text)
        let what =
            recipe.hasCompletions
            ? #""prompt":"\#(Self.prompt)""# : #""messages":[{"role":"user","content":"\#(Self.prompt)"}]"#
        text += Array(#",\#(what),"max_tokens":\#(Self.tokenCount),"temperature":0,"seed":1,"stream":false}"#.utf8)
        path = recipe.hasCompletions ? "/v1/completions" : "/v1/chat/completions"
        body = text
    }

    /// The model's words in an answer; nil when there are none.
    public static func words(ofAnswer bytes: [UInt8]) -> String? {
        guard let json = try? JSONValue.parse(bytes), let choice = json["choices"]?.elements?.first else { return nil }
        let text = choice["text"]?.string ?? choice["message"]?["content"]?.string
        return text.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Compares an answer with the record.
    public static func difference(_ words: String, from record: String) -> ReplicaFailure? {
        guard words != record else { return nil }
        return ReplicaFailure(
            .canaryDiffers, "the canary was answered \(quoted(words)) and had been answered \(quoted(record))")
    }

    private static func quoted(_ text: String) -> String {
        var out: [UInt8] = []
        JSONText.appendQuoted(String(text.prefix(40)), to: &out)
        return String(decoding: out, as: UTF8.self)
    }
}

// with: Sources/RouterKit/Route/Cascade/ModelAnswer.swift Sources/RouterKit/Route/Cascade/ModelAnswer+Events.swift
// with: Sources/RouterKit/Learn/Traffic/ShadowJudge.swift
import Wire

/// Reads answers of models that are to be compared, whole and streamed. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzAnswers(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    for dialect in [Dialect.chatCompletions, .completions, .messages, .responses, .embeddings] {
        let whole = ModelAnswer(input, dialect: dialect, limits: .standard)
        let streamed = ModelAnswer(events: input, dialect: dialect, limits: .standard)
        for answer in [whole, streamed].compactMap(\.self) {
            require(String(validating: answer.text, as: UTF8.self) != nil, "an answer is text")
            require(answer.text.count <= input.count, "no longer than what it was read from")
            if let range = answer.logProbabilities { require(range.upperBound <= input.count, "it lies in the body") }
            if let score = ShadowJudge.score(answer.text) { require((0...1).contains(score), "a verdict is a score") }
        }
    }
    return 0
}

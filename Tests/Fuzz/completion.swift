import Wire

/// Reads a request for text, as chat and as plain, and writes its parts back as an answer. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCompletion(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    for isChat in [true, false] {
        do throws(CompletionCall.Refusal) {
            let call = try CompletionCall(input, isChat: isChat, limits: .standard)
            require((0...2).contains(call.temperature) && (0...1).contains(call.topP), "numbers are in their ranges")
            require(call.stops.count <= 4 && (call.tokenLimit ?? 1) >= 1, "limits are limits")
            let text = CompletionText(id: isChat ? "chatcmpl-1" : "cmpl-1", model: call.model ?? "m", created_s: 1)
            let usage = TokenUsage(promptTokens: 1, completionTokens: 2)
            let whole = text.whole(call.stops.first ?? "", "stop", usage)
            require((try? JSONDocument(validating: whole)) != nil, "an answer is JSON")
        } catch {
            require(error.status == 400 && !error.message.isEmpty, "a refusal says what was wrong")
        }
    }
    return 0
}

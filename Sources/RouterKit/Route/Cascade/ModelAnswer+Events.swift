import Wire

extension ModelAnswer {
    /// Reads a whole event stream in UTF-8; `nil` unless it is one finished answer in text, as for a whole body.
    init?(events bytes: [UInt8], dialect: Dialect, limits: Limits) {
        var splitter = ServerSentEventSplitter(limits: limits)
        guard (try? splitter.append(bytes.span)) != nil else { return nil }
        var gathered = StreamedText()
        while let event = splitter.next() {
            let parsed = ServerSentEvent(parsing: event)
            guard parsed.dataLineCount > 0, !parsed.isDone else { continue }
            guard let tree = try? JSONValue.parse(parsed.data, limits: limits) else { return nil }
            if dialect == .responses {
                // The last event holds the whole answer.
                guard tree["type"]?.string == "response.completed", let response = tree["response"] else { continue }
                self.init(response: response)
                return
            }
            dialect == .messages ? gathered.add(message: tree) : gathered.add(chunk: tree)
        }
        guard gathered.isWhole, !gathered.isOther else { return nil }
        self.init(text: gathered.text)
    }
}

/// The text of a streamed answer as it grows.
private struct StreamedText {
    var text: [UInt8] = []
    /// The model said all that it wanted to say.
    var isWhole = false
    /// Something came that is not text of a single answer.
    var isOther = false

    /// A chunk of Chat Completions or Completions.
    mutating func add(chunk: JSONValue) {
        guard let choices = chunk["choices"]?.elements, let choice = choices.first else { return }
        let delta = choice["delta"]
        if choices.count > 1 || choice["index"]?.int ?? 0 != 0 || delta?["refusal"]?.string != nil { isOther = true }
        if let calls = delta?["tool_calls"], !calls.isNull { isOther = true }
        if let piece = (delta?["content"] ?? choice["text"])?.string { text += Array(piece.utf8) }
        if let reason = choice["finish_reason"]?.string { isWhole = reason == "stop" }
    }

    /// An event of Messages.
    mutating func add(message event: JSONValue) {
        switch event["type"]?.string {
        case "content_block_start": if event["content_block"]?["type"]?.string != "text" { isOther = true }
        case "content_block_delta": text += Array((event["delta"]?["text"]?.string ?? "").utf8)
        case "message_delta":
            if let reason = event["delta"]?["stop_reason"]?.string {
                isWhole = ["end_turn", "stop_sequence"].contains(reason)
            }
        default: break
        }
    }
}

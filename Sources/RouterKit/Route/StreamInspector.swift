import CPosix
import Wire

/// Relays a server-sent event stream event by event while it reads what accounting needs.
///
/// Events pass through untouched, comments and pings included, except that a usage chunk which the router itself asked
/// for is taken out again. Pure: bytes in, bytes out.
struct StreamInspector {
    private let dialect: Dialect
    private let stripsUsage: Bool
    private let needles: [StaticString]
    private var splitter: ServerSentEventSplitter

    /// The last token counts seen.
    private(set) var usage: TokenUsage?
    /// The id of a Responses answer, which `previous_response_id` may name later.
    private(set) var responseID: String?
    /// Whether the dialect's last event was seen (`[DONE]`, `response.completed`, `message_stop`).
    private(set) var isComplete = false
    /// Whether the upstream reported an error inside the stream.
    private(set) var hasError = false
    /// Events seen that carry data.
    private(set) var eventCount = 0

    /// - Parameter stripsUsage: whether the usage chunk was the router's wish and not the client's.
    init(dialect: Dialect, stripsUsage: Bool, limits: Limits) {
        self.dialect = dialect
        self.stripsUsage = stripsUsage
        needles = StreamInspector.needles(dialect)
        splitter = ServerSentEventSplitter(limits: limits)
    }

    /// Takes upstream bytes and appends what the client should get.
    ///
    /// - Throws: `eventTooLarge` when one event is over `Limits.sseEventBytes`.
    mutating func consume(_ bytes: [UInt8], into out: inout [UInt8]) throws(WireError) {
        try splitter.append(bytes.span)
        while let event = splitter.next() { relay(event, into: &out) }
    }

    /// Appends what is left when the upstream ended in the middle of an event.
    mutating func finish(into out: inout [UInt8]) {
        out.append(contentsOf: splitter.takeRemainder())
    }

    private mutating func relay(_ event: [UInt8], into out: inout [UInt8]) {
        guard event.contains(anyOf: needles) else {
            out.append(contentsOf: event)
            if event.first != UInt8(ascii: ":") { eventCount += 1 }
            return
        }
        let parsed = ServerSentEvent(parsing: event)
        if parsed.isComment {
            out.append(contentsOf: event)
            return
        }
        eventCount += 1
        if parsed.isDone {
            isComplete = true
            out.append(contentsOf: event)
            return
        }
        guard let range = parsed.dataRange else {
            out.append(contentsOf: event)
            return
        }
        guard let document = try? JSONDocument(validating: event, in: range), document.kind == .object else {
            out.append(contentsOf: event)
            return
        }
        let members = document.members()
        inspect(event, members)
        guard stripsUsage, let index = members.firstIndex(where: { $0.key == "usage" }) else {
            out.append(contentsOf: event)
            return
        }
        if members.contains(where: { $0.key == "choices" && StreamInspector.isEmptyArray(event[$0.valueRange]) }),
            members[index].kind == .object
        {
            return
        }
        let removed = StreamInspector.range(removing: index, from: members)
        out.append(contentsOf: event[..<removed.lowerBound])
        out.append(contentsOf: event[removed.upperBound...])
    }

    /// Strings that make an event worth parsing. Everything else is relayed after one scan.
    private static func needles(_ dialect: Dialect) -> [StaticString] {
        switch dialect {
        case .chatCompletions, .completions, .embeddings: ["\"usage\"", "\"error\"", "[DONE]"]
        case .responses:
            [
                "\"response.created", "\"response.completed", "\"response.incomplete", "\"response.failed", "\"error\"",
            ]
        case .messages: ["\"usage\"", "\"error\"", "message_stop"]
        }
    }

    private mutating func inspect(_ event: [UInt8], _ members: [JSONMember]) {
        var type = ""
        for member in members {
            switch member.key {
            case "type" where member.kind == .string: type = UsageReader.string(event, member)
            case "usage" where member.kind == .object: merge(UsageReader.read(usage: member.valueRange, of: event))
            case "error" where member.kind != .null: hasError = true
            case "response", "message":
                guard member.kind == .object else { break }
                let inner = UsageReader.summary(ofAnswer: event, in: member.valueRange)
                merge(inner.usage)
                if dialect == .responses, let id = inner.id { responseID = id }
            default: break
            }
        }
        switch type {
        case "response.completed", "response.incomplete", "message_stop": isComplete = true
        case "response.failed", "error": hasError = true
        default: break
        }
    }

    /// Anthropic reports the prompt in `message_start` and the answer in `message_delta`: the larger of each counts.
    private mutating func merge(_ newer: TokenUsage?) {
        guard let newer else { return }
        guard var merged = usage else {
            usage = newer
            return
        }
        merged.promptTokens = max(merged.promptTokens, newer.promptTokens)
        merged.completionTokens = max(merged.completionTokens, newer.completionTokens)
        merged.cachedTokens = max(merged.cachedTokens, newer.cachedTokens)
        merged.reasoningTokens = max(merged.reasoningTokens, newer.reasoningTokens)
        usage = merged
    }

    private static func isEmptyArray(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.allSatisfy { [UInt8(ascii: "["), UInt8(ascii: "]"), 0x20, 0x09, 0x0A, 0x0D].contains($0) }
    }

    /// The bytes to cut so that a member and one comma go, and the rest stays as it is.
    private static func range(removing index: Int, from members: [JSONMember]) -> Range<Int> {
        if index > 0 { return members[index - 1].valueRange.upperBound..<members[index].valueRange.upperBound }
        if members.count > 1 { return members[0].keyRange.lowerBound..<members[1].keyRange.lowerBound }
        return members[0].keyRange.lowerBound..<members[0].valueRange.upperBound
    }
}

extension [UInt8] {
    /// Whether any of the strings occurs. `memmem` is vectorised in glibc, so a short event costs tens of nanoseconds.
    fileprivate func contains(anyOf needles: [StaticString]) -> Bool {
        withUnsafeBytes { haystack in
            needles.contains {
                cposix_find(haystack.baseAddress!, haystack.count, $0.utf8Start, $0.utf8CodeUnitCount) >= 0
            }
        }
    }
}

/// Relays a server-sent event stream event by event while it reads what accounting needs.
///
/// Events pass through untouched, comments and pings included, except that a usage chunk which the relay itself asked
/// for is taken out again. Pure: bytes in, bytes out.
package struct StreamInspector: Sendable {
    private let dialect: Dialect
    private let stripsUsage: Bool
    private let needles: [Needle]
    private var splitter: ServerSentEventSplitter
    /// Longest event whose shape is kept.
    private let shapeBytes: Int
    /// An event out of which a usage member was cut. The next one mostly differs from it only in the model's words.
    private var shape: JSONShape?

    /// The last token counts seen.
    package private(set) var usage: TokenUsage?
    /// The id of a Responses answer, which `previous_response_id` may name later.
    package private(set) var responseID: String?
    /// Whether the dialect's last event was seen (`[DONE]`, `response.completed`, `message_stop`).
    package private(set) var isComplete = false
    /// Whether the upstream reported an error inside the stream.
    package private(set) var hasError = false
    /// Events seen that carry data.
    package private(set) var eventCount = 0

    /// - Parameter stripsUsage: whether the usage chunk was the relay's wish and not the client's.
    package init(dialect: Dialect, stripsUsage: Bool, limits: Limits) {
        self.dialect = dialect
        self.stripsUsage = stripsUsage
        needles = StreamInspector.needles(dialect)
        splitter = ServerSentEventSplitter(limits: limits)
        shapeBytes = limits.sseShapeBytes
    }

    /// Takes upstream bytes and appends what the client should get.
    ///
    /// - Throws: `eventTooLarge` when one event is over `Limits.sseEventBytes`.
    package mutating func consume(_ bytes: [UInt8], into out: inout [UInt8]) throws(WireError) {
        try splitter.append(bytes)
        let arrived = splitter.buffer
        var kept = splitter.taken
        while let event = splitter.nextRange() {
            guard let cut = read(arrived, event) else { continue }
            out.append(arrived, kept..<cut.lowerBound)
            kept = cut.upperBound
        }
        if out.isEmpty, kept == 0, splitter.taken == arrived.count {
            out = arrived
        } else {
            out.append(arrived, kept..<splitter.taken)
        }
        // An idle stream should hold nothing.
        if splitter.bufferedBytes == 0 { _ = splitter.takeRemainder() }
    }

    /// Appends what is left when the upstream ended in the middle of an event.
    package mutating func finish(into out: inout [UInt8]) {
        out.append(contentsOf: splitter.takeRemainder())
    }

    /// Reads an event; returns what the client should not get of it.
    private mutating func read(_ bytes: [UInt8], _ event: Range<Int>) -> Range<Int>? {
        let span = bytes.span.extracting(event)
        if let cut = shape?.mark(in: span) {
            // All that is read of an event lies outside of the strings that may differ.
            eventCount += 1
            return cut.moved(by: event.lowerBound)
        }
        guard needles.contains(where: { span.contains($0.text, rare: $0.rare) }) else {
            if span[0] != UInt8(ascii: ":") { eventCount += 1 }
            return nil
        }
        let parsed = ServerSentEvent(parsing: event.count == bytes.count ? bytes : [UInt8](bytes[event]))
        if parsed.isComment { return nil }
        eventCount += 1
        if parsed.isDone {
            isComplete = true
            return nil
        }
        guard let range = parsed.dataRange,
            let document = try? JSONDocument(validating: parsed.raw, in: range), document.kind == .object
        else { return nil }
        return read(document)?.moved(by: event.lowerBound)
    }

    /// Notes what accounting needs of an event's data; returns what to cut out of the event.
    private mutating func read(_ document: JSONDocument) -> Range<Int>? {
        let members = document.memberRanges
        var usage: Int?
        var type = ""
        var hasNoChoices = false
        var unread: [Range<Int>] = []
        for (index, member) in members.enumerated() {
            let kind = document.kind(of: member)
            if document.key(of: member, equals: "usage") {
                if kind == .object { merge(UsageReader.read(usage: member.value, of: document.bytes)) }
                usage = usage ?? index
            } else if document.key(of: member, equals: "type") {
                if kind == .string { type = UsageReader.text(of: member, in: document) }
            } else if document.key(of: member, equals: "error") {
                if kind != .null { hasError = true }
            } else if document.key(of: member, equals: "response") || document.key(of: member, equals: "message") {
                guard kind == .object else { continue }
                let inner = UsageReader.summary(ofAnswer: document.bytes, in: member.value)
                merge(inner.usage)
                if dialect == .responses, let id = inner.id { responseID = id }
            } else {
                if document.key(of: member, equals: "choices"), Self.isEmptyArray(document.bytes[member.value]) {
                    hasNoChoices = true
                }
                unread.append(member.value)
            }
        }
        switch type {
        case "response.completed", "response.incomplete", "message_stop": isComplete = true
        case "response.failed", "error": hasError = true
        default: break
        }
        guard stripsUsage, let usage else { return nil }
        if hasNoChoices, document.kind(of: members[usage]) == .object { return document.bytes.indices }
        let cut = Self.range(removing: usage, from: members)
        if document.bytes.count <= shapeBytes { shape = JSONShape(document, looseIn: unread, mark: cut) }
        return cut
    }

    /// A text that makes an event worth parsing, and where in it two bytes stand that seldom follow each other.
    private struct Needle: Sendable {
        let text: StaticString
        let rare: Int
    }

    /// Everything else is relayed after one scan.
    private static func needles(_ dialect: Dialect) -> [Needle] {
        let error = Needle(text: "\"error\"", rare: 0)
        switch dialect {
        case .chatCompletions, .completions, .embeddings:
            return [Needle(text: "\"usage\"", rare: 0), error, Needle(text: "[DONE]", rare: 0)]
        case .responses:
            let types: [StaticString] = [
                "\"response.created", "\"response.completed", "\"response.incomplete", "\"response.failed",
            ]
            // The dot and the letter behind it.
            return types.map { Needle(text: $0, rare: 9) } + [error]
        case .messages:
            return [Needle(text: "\"usage\"", rare: 0), error, Needle(text: "message_stop", rare: 7)]
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
    private static func range(removing index: Int, from members: [JSONMemberRanges]) -> Range<Int> {
        if index > 0 { return members[index - 1].value.upperBound..<members[index].value.upperBound }
        if members.count > 1 { return members[0].key.lowerBound..<members[1].key.lowerBound }
        return members[0].key.lowerBound..<members[0].value.upperBound
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ other: [UInt8], _ range: Range<Int>) {
        other.withUnsafeBufferPointer { append(contentsOf: $0[range]) }
    }
}

extension Range<Int> {
    fileprivate func moved(by distance: Int) -> Range<Int> { lowerBound + distance..<upperBound + distance }
}

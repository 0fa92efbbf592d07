import Wire

/// Reads the members of a body's outermost object that decide the route.
struct MemberReader {
    private(set) var model = ""
    private(set) var modelRange = 0..<0
    private(set) var stream = false
    private(set) var usageOption = StreamUsageOption()
    private(set) var toolCount = 0
    private(set) var toolBytes = 0
    private(set) var toolChoice: ToolChoice?
    private(set) var needsJSONMode = false
    private(set) var needsJSONSchema = false
    private(set) var maxOutputTokens: Int?
    private(set) var setsReasoning = false
    private(set) var previousResponseID: String?
    /// Whether a Responses `conversation` is named, whose items lie at its provider.
    private(set) var continuesStoredConversation = false
    private(set) var conversation = Conversation()

    /// The members that are read. Each may be given once: with two, this router and the upstream might each believe
    /// a different one.
    private enum Name: UInt32, CaseIterable {
        case model, stream, messages, input, prompt, system, instructions, tools, functions, reasoning, thinking, text
        case conversationID, streamOptions, toolChoice, responseFormat, outputFormat, outputConfig
        case maxTokens, maxCompletionTokens, maxOutputTokens, reasoningEffort, previousResponseID

        var text: StaticString {
            switch self {
            case .model: "model"
            case .stream: "stream"
            case .messages: "messages"
            case .input: "input"
            case .prompt: "prompt"
            case .system: "system"
            case .instructions: "instructions"
            case .tools: "tools"
            case .functions: "functions"
            case .reasoning: "reasoning"
            case .thinking: "thinking"
            case .text: "text"
            case .conversationID: "conversation"
            case .streamOptions: "stream_options"
            case .toolChoice: "tool_choice"
            case .responseFormat: "response_format"
            case .outputFormat: "output_format"
            case .outputConfig: "output_config"
            case .maxTokens: "max_tokens"
            case .maxCompletionTokens: "max_completion_tokens"
            case .maxOutputTokens: "max_output_tokens"
            case .reasoningEffort: "reasoning_effort"
            case .previousResponseID: "previous_response_id"
            }
        }

        /// In the order of the raw values. Kept, because `allCases` makes a new array each time.
        private static let texts = allCases.map(\.text)

        init?(_ member: JSONMemberRanges, of document: JSONDocument) {
            guard let place = document.key(of: member, isOneOf: Self.texts) else { return nil }
            self.init(rawValue: UInt32(place))
        }
    }

    /// Reads the members of `document`, which is an object.
    init(_ document: JSONDocument, _ dialect: Dialect) throws(RequestError) {
        var seen: UInt32 = 0
        var foundModel = false
        for member in document.memberRanges {
            guard let name = Name(member, of: document) else { continue }
            let bit = UInt32(1) << name.rawValue
            guard seen & bit == 0 else { throw Self.duplicate(name.text.description, member.key) }
            seen |= bit
            switch name {
            case .model:
                try readModel(member, document)
                foundModel = true
            case .stream: try readStream(member, document)
            case .streamOptions: try readStreamOptions(member, document)
            default: readFact(name, member, dialect, document)
            }
        }
        guard foundModel else {
            throw RequestError(
                .missingModel, #"The body has no "model". Name a model of the pool, or "auto"."#, param: "model")
        }
    }

    private mutating func readModel(_ member: JSONMemberRanges, _ document: JSONDocument) throws(RequestError) {
        guard document.kind(of: member) == .string else {
            throw RequestError(
                .wrongType, #""model" must be a string."#, param: "model", offset: member.value.lowerBound)
        }
        model = JSONText.decodeString(document.bytes.span.extracting(member.value))
        modelRange = member.value
    }

    private mutating func readStream(_ member: JSONMemberRanges, _ document: JSONDocument) throws(RequestError) {
        switch document.kind(of: member) {
        case .true: stream = true
        case .false, .null: stream = false
        default:
            throw RequestError(
                .wrongType, #""stream" must be true or false."#, param: "stream", offset: member.value.lowerBound)
        }
    }

    private mutating func readStreamOptions(_ member: JSONMemberRanges, _ document: JSONDocument) throws(RequestError) {
        if let second = usageOption.read(member.value, of: document) {
            throw Self.duplicate("stream_options.include_usage", second)
        }
    }

    private static func duplicate(_ path: String, _ place: Range<Int>) -> RequestError {
        RequestError(
            .duplicateKey, #""\#(path)" is given more than once. Send it once."#, param: path,
            offset: place.lowerBound)
    }

    private mutating func readFact(
        _ name: Name, _ member: JSONMemberRanges, _ dialect: Dialect, _ document: JSONDocument
    ) {
        let value = member.value
        var cursor = JSONCursor(document, at: value.lowerBound)
        switch name {
        case .model, .stream, .streamOptions: break
        case .messages where dialect == .chatCompletions || dialect == .messages,
            .input where dialect == .responses:
            conversation.readMessages(&cursor, in: document)
        case .input where dialect == .embeddings, .prompt where dialect == .completions:
            conversation.readContent(&cursor, by: .human)
        case .system where dialect == .messages, .instructions where dialect == .responses:
            conversation.readContent(&cursor, by: .system)
        case .messages, .input, .prompt, .system, .instructions: break
        case .tools, .functions: readTools(&cursor)
        case .toolChoice: readToolChoice(&cursor)
        case .responseFormat, .outputFormat: readFormat(&cursor)
        case .text, .outputConfig: if Self.move(&cursor, to: "format") { readFormat(&cursor) }
        case .maxTokens, .maxCompletionTokens, .maxOutputTokens:
            if let tokens = cursor.int(), tokens >= 0 { maxOutputTokens = max(maxOutputTokens ?? 0, tokens) }
        case .reasoning, .reasoningEffort, .thinking:
            setsReasoning = setsReasoning || document.kind(of: member) != .null
        case .previousResponseID: previousResponseID = cursor.string()
        case .conversationID: continuesStoredConversation = dialect == .responses && document.kind(of: member) != .null
        }
    }

    private mutating func readTools(_ cursor: inout JSONCursor) {
        let start = cursor.offset
        let before = toolCount
        guard cursor.enterArray() else { return }
        while cursor.nextElement() { toolCount += 1 }
        if toolCount > before { toolBytes += cursor.offset - start }
    }

    /// Reads `"auto"`, `"none"`, `"required"`, an object that names a tool, or the way of Messages:
    /// `{"type": "auto" | "any" | "tool" | "none"}`.
    private mutating func readToolChoice(_ cursor: inout JSONCursor) {
        guard cursor.kind == .string || Self.move(&cursor, to: "type"), let choice = cursor.string() else { return }
        switch choice {
        case "auto": toolChoice = .auto
        case "none": toolChoice = ToolChoice.none
        default: toolChoice = .required
        }
    }

    /// Reads `{"type": "json_object" | "json_schema" | "text", ...}`.
    private mutating func readFormat(_ cursor: inout JSONCursor) {
        guard Self.move(&cursor, to: "type"), let type = cursor.string() else { return }
        if type == "json_object" { needsJSONMode = true }
        if type == "json_schema" { needsJSONSchema = true }
    }

    /// Moves from an object to the value of its first member `key`; false when there is none, or no object.
    private static func move(_ cursor: inout JSONCursor, to key: StaticString) -> Bool {
        guard cursor.enterObject() else { return false }
        while cursor.nextKey() {
            if cursor.keyEquals(key) { return true }
        }
        return false
    }
}

public import Wire

/// A request body as the router sees it: the facts that decide the route, and the bytes, untouched.
///
/// Made by one validation of the body and one walk over it; no tree is built and nothing is re-encoded, so unknown
/// members, key order, number text and white space reach the upstream as the client wrote them.
///
/// Only what routing needs is checked. A `messages` of the wrong type, say, gives an empty `ask` and is left for the
/// upstream to refuse in its own words.
public struct RequestView: Sendable {
    /// The body as it came.
    public var body: [UInt8] { document.bytes }
    /// The format it was read as.
    public let dialect: Dialect

    // MARK: What the client asked for

    /// The decoded `model`.
    public let model: String
    /// Where the value of `model` lies in `body`, quotes included.
    public let modelRange: Range<Int>
    /// Whether the answer is to be streamed.
    public let stream: Bool
    /// Whether the client itself asked for the usage chunk (`stream_options.include_usage`).
    public let includesUsage: Bool
    /// Functions and other tools offered to the model.
    public let toolCount: Int
    /// Bytes of the tools' definitions, as written in the body.
    public let toolBytes: Int
    /// What `tool_choice` demands; nil when absent.
    public let toolChoice: ToolChoice?
    /// Whether the answer must be some JSON object (`json_object`).
    public let needsJSONMode: Bool
    /// Whether the answer must follow a JSON schema (`json_schema`, in Chat Completions, Responses or Messages).
    public let needsJSONSchema: Bool
    /// The most tokens that the answer may have; nil when not given or not a whole number.
    public let maxOutputTokens: Int?
    /// Whether the client sets reasoning itself (`reasoning_effort`, `reasoning` or `thinking`).
    public let setsReasoning: Bool
    /// The stored response that this one continues (Responses); it lives at the provider that made it.
    public let previousResponseID: String?

    // MARK: What the conversation holds

    /// Messages, or items of a Responses `input`.
    public let messageCount: Int
    /// Messages in which a human wrote text.
    public let turns: Int
    /// Bytes of instructions to the model, as written in the body.
    public let systemBytes: Int
    /// Bytes of all other text: asks, answers, tool calls and results, as written in the body.
    public let textBytes: Int
    /// Images in the conversation.
    public let imageCount: Int
    /// Audio clips in the conversation.
    public let audioCount: Int
    /// Documents in the conversation.
    public let fileCount: Int
    /// Whether the last message brings the result of a tool: the model is in the middle of its own work.
    public let endsWithToolResult: Bool
    /// Whether some content is valid only at the provider that made it: signed thinking, encrypted reasoning, items
    /// stored there. Another provider answers such a request with an error.
    public let hasProviderBoundState: Bool
    /// What the human last asked.
    public let ask: HumanAsk

    let usageOption: StreamUsageOption
    let document: JSONDocument

    /// Reads `body`.
    ///
    /// - Parameters:
    ///   - body: the whole request body.
    ///   - dialect: its format, known from the path it was sent to.
    ///   - limits: `jsonDepth`, `jsonMemberCount`, `classifiedTextBytes` and `askScanBytes` apply.
    /// - Throws: `RequestError` when the body is not a JSON object, has no string `model`, gives a member that decides
    ///   the route twice, or gives `stream` another type than true, false or null.
    public init(_ body: [UInt8], dialect: Dialect, limits: Limits = .standard) throws(RequestError) {
        let document = try Self.validate(body, limits)
        let reader = try MemberReader(document, dialect)
        var asks = AskReader(limits: limits)
        self.document = document
        self.dialect = dialect
        model = reader.model
        modelRange = reader.modelRange
        stream = reader.stream
        usageOption = reader.usageOption
        includesUsage = reader.usageOption.isAsked
        toolCount = reader.toolCount
        toolBytes = reader.toolBytes
        toolChoice = reader.toolChoice
        needsJSONMode = reader.needsJSONMode
        needsJSONSchema = reader.needsJSONSchema
        maxOutputTokens = reader.maxOutputTokens
        setsReasoning = reader.setsReasoning
        previousResponseID = reader.previousResponseID
        messageCount = reader.conversation.messageCount
        turns = reader.conversation.turns
        systemBytes = reader.conversation.systemBytes
        textBytes = reader.conversation.textBytes
        imageCount = reader.conversation.imageCount
        audioCount = reader.conversation.audioCount
        fileCount = reader.conversation.fileCount
        endsWithToolResult = reader.conversation.endsWithToolResult
        hasProviderBoundState = reader.conversation.hasProviderBoundState || reader.continuesStoredConversation
        ask = asks.read(reader.conversation.recent, in: document)
    }

    private static func validate(_ body: [UInt8], _ limits: Limits) throws(RequestError) -> JSONDocument {
        let document: JSONDocument
        do throws(WireError) {
            document = try JSONDocument(validating: body, limits: limits)
        } catch {
            throw RequestError(
                .invalidJSON, "The body is not valid JSON: \(error.detail).", offset: error.offset)
        }
        guard document.kind == .object else {
            throw RequestError(.notAnObject, "The body must be a JSON object.", offset: 0)
        }
        return document
    }
}

/// What `tool_choice` demands of the model.
public enum ToolChoice: Sendable, Hashable {
    /// The model decides.
    case auto
    /// No tool may be called.
    case none
    /// Some tool, or a certain one, must be called.
    case required
}

extension RequestView {
    /// Input tokens counted for an image whose size is not looked at: a 1024 x 1024 picture costs 765 at OpenAI and
    /// about 1,400 at Anthropic.
    public static let tokensPerImage = 1_000
    /// Input tokens counted for an audio clip: about 100 seconds at OpenAI's rate.
    public static let tokensPerAudioClip = 1_000
    /// Input tokens counted for a document: about two pages.
    public static let tokensPerFile = 3_000

    /// About how many input tokens the request has.
    ///
    /// An estimate, not a count: bytes of text, instructions and tool definitions divided by 4, as common for English,
    /// plus the constants above for each attachment. Text in other scripts may need two or three times as many tokens
    /// a byte as code or English; leave room when a window is nearly full.
    public var estimatedInputTokens: Int {
        (textBytes + systemBytes + toolBytes + 3) / 4 + imageCount * Self.tokensPerImage
            + audioCount * Self.tokensPerAudioClip + fileCount * Self.tokensPerFile
    }

    /// Builds a request that asks `prompt` and nothing else, for use without a client.
    ///
    /// - Parameter model: the alias or pool name to route by.
    public init(asking prompt: String, model: String = "auto", limits: Limits = .standard) throws(RequestError) {
        var body = Array(#"{"model":"#.utf8)
        JSONText.appendQuoted(model, to: &body)
        body.append(contentsOf: #","messages":[{"role":"user","content":"#.utf8)
        JSONText.appendQuoted(prompt, to: &body)
        body.append(contentsOf: "}]}".utf8)
        try self.init(body, dialect: .chatCompletions, limits: limits)
    }
}

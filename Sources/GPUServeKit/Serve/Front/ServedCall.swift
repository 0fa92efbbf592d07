internal import Wire

/// A request for a model as the runtime sees it: who is meant, and the bytes, untouched.
struct ServedCall: Sendable {
    /// Why a request cannot be understood; for the client.
    struct Refusal: Error {
        var message: String
        var param: String?
        var code: String
    }

    let document: JSONDocument
    /// The path and query behind the deployment's own part of the target.
    let path: String
    /// The format of the answer; nil for paths that nobody here knows, which are relayed unread.
    let dialect: Dialect?
    /// The deployment.
    let name: String
    /// What stands behind `NAME:`.
    let variant: String?
    let isStream: Bool
    private let modelRange: Range<Int>?
    private let usageOption: StreamUsageOption

    /// Reads a body.
    ///
    /// - Parameters:
    ///   - path: path and query, beginning with `/v1/`.
    ///   - named: the deployment when the path named it; else the body's `model` does.
    init(_ body: [UInt8], path: String, named: String?, limits: Limits) throws(Refusal) {
        let document: JSONDocument
        do throws(WireError) {
            document = try JSONDocument(validating: body, limits: limits)
        } catch {
            throw Refusal(message: "The body is not valid JSON: \(error.detail).", code: "invalid_json")
        }
        guard document.kind == .object else {
            throw Refusal(message: "The body must be a JSON object.", code: "not_an_object")
        }
        self.document = document
        self.path = path
        dialect = Self.dialect(path)
        var model: JSONMemberRanges?
        var stream: JSONMemberRanges?
        var hasOptions = false
        var option = StreamUsageOption()
        for member in document.memberRanges {
            switch document.key(of: member, isOneOf: ["model", "stream", "stream_options"]) {
            case 0?:
                guard model == nil else { throw Self.twice("model") }
                model = member
            case 1?:
                guard stream == nil else { throw Self.twice("stream") }
                stream = member
            case 2?:
                guard !hasOptions, option.read(member.value, of: document) == nil else {
                    throw Self.twice("stream_options")
                }
                hasOptions = true
            default: break
            }
        }
        isStream = stream.map { document.kind(of: $0) == .true } ?? false
        usageOption = option
        var text: String?
        if let model {
            guard document.kind(of: model) == .string else {
                throw Refusal(message: "\"model\" must be a string.", param: "model", code: "wrong_type")
            }
            text = UsageReader.text(of: model, in: document)
        }
        modelRange = model?.value
        guard let full = text ?? named else {
            throw Refusal(
                message: "The body has no \"model\". Name a deployment.", param: "model", code: "missing_model")
        }
        let cut = full.firstIndex(of: ":")
        let base = cut.map { String(full[..<$0]) } ?? full
        name = named ?? base
        variant = base == name ? cut.map { String(full[full.index(after: $0)...]) } : nil
    }

    private static func twice(_ param: String) -> Refusal {
        Refusal(message: "\"\(param)\" is given more than once. Send it once.", param: param, code: "duplicate_key")
    }

    private static func dialect(_ path: String) -> Dialect? {
        switch path.prefix(while: { $0 != "?" }) {
        case "/v1/chat/completions": .chatCompletions
        case "/v1/completions": .completions
        case "/v1/responses": .responses
        case "/v1/messages": .messages
        case "/v1/embeddings": .embeddings
        default: nil
        }
    }

    /// Whether the runtime asks for the usage chunk itself, and keeps it from the client.
    var asksForUsage: Bool {
        isStream && !usageOption.isAsked && (dialect == .chatCompletions || dialect == .completions)
    }

    /// The client's bytes, with `model` rewritten only when the engine knows another name.
    func body(servedAs model: String) -> [UInt8] {
        var splice = JSONSplice()
        let wanted = variant.map { "\(model):\($0)" } ?? model
        if let modelRange,
            !JSONText.equals(document.bytes.span.extracting(modelRange), wanted)
        {
            var quoted: [UInt8] = []
            JSONText.appendQuoted(wanted, to: &quoted)
            splice.replace(modelRange, with: quoted)
        }
        if asksForUsage {
            var inserted: [UInt8] = []
            usageOption.ask(in: document.bytes, &splice, &inserted)
            if !inserted.isEmpty { splice.insert(inserted, at: document.range.lowerBound + 1) }
        }
        return splice.isEmpty ? document.bytes : splice.apply(to: document.bytes)
    }
}

/// One prompt, and how well each of some models answered it: what routers learn from and are measured on.
///
/// On disk a line of JSON: `{"id", "source", "prompt", "models": {MODEL: SCORE}, ...}`.
public struct OutcomeRow: Sendable, Hashable {
    /// Unique in its file.
    public var id: String
    /// Names the pool of models that answered; rows of one's own traffic all have the same one.
    public var source: String
    /// What a router sees, UTF-8.
    public var prompt: [UInt8]
    /// Score per model, 0...1: share of points, or 0 and 1 for wrong and right.
    public var scores: [String: Double]
    /// Prompt tokens; `nil` means bytes / 4.
    public var inputTokens: Int?
    /// Tokens of each model's answer, where known.
    public var outputTokens: [String: Int]
    /// What kind of task it was, for reports only: a router never sees it.
    public var task: String?
    /// The task's subject, for reports and for training; a router never sees it.
    public var subject: String?

    /// A row; see the properties.
    public init(
        id: String, source: String, prompt: [UInt8], scores: [String: Double], inputTokens: Int? = nil,
        outputTokens: [String: Int] = [:], task: String? = nil, subject: String? = nil
    ) {
        self.id = id
        self.source = source
        self.prompt = prompt
        self.scores = scores
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.task = task
        self.subject = subject
    }

    /// Tokens counted for an answer of unknown length.
    public static let usualOutputTokens = 150

    /// What `member`'s answer to this prompt cost, in USD; `nil` when its price is unknown.
    public func cost_usd(of member: OutcomePool.Member) -> Double? {
        member.price?.cost_usd(
            inputTokens: inputTokens ?? (prompt.count + 3) / 4,
            outputTokens: outputTokens[member.name] ?? Self.usualOutputTokens)
    }
}

/// What the human last asked, as text to classify.
///
/// Not simply the last message: tool results and what clients slip in as `<system-reminder>` blocks are left out,
/// because an agent's plumbing says nothing about how hard the task is.
public struct HumanAsk: Sendable, Hashable {
    /// The ask in UTF-8, at most `Limits.classifiedTextBytes`; of a longer one head and tail are kept, joined by a
    /// newline. Empty when no human text was found.
    public internal(set) var bytes: [UInt8] = []
    /// Whether something was cut out of the middle.
    public internal(set) var isCut = false
    /// Whether the ask says little without what went before: "yes", "go on", "now in Swift".
    public internal(set) var isBare = false
    /// For a bare ask in a conversation: the nearest earlier ask that is not bare, capped alike; else empty.
    public internal(set) var inherited: [UInt8] = []
    /// For a bare ask in a conversation: the last answer it responds to, capped alike; else empty.
    public internal(set) var lastAnswer: [UInt8] = []

    /// No ask.
    public init() {}

    /// The ask as a string.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The text whose difficulty counts: the inherited ask when there is one, else the ask itself.
    public var decisiveBytes: [UInt8] { inherited.isEmpty ? bytes : inherited }

    /// An ask of under this many bytes is bare.
    static let bareBytes = 16
    /// An ask of at most this many words is bare.
    static let bareWords = 2

    /// Whether `text` says little by itself.
    static func isBare(_ text: Span<UInt8>) -> Bool {
        if text.count < bareBytes { return true }
        guard text.count < 64 else { return false }
        var words = 0
        var inWord = false
        for index in 0..<text.count {
            // Scripts without spaces put more than one word between two of them: never bare for want of spaces.
            if text[index] >= 0x80 { return false }
            let isBlank = text[index] <= 0x20
            if !isBlank, !inWord { words += 1 }
            inWord = !isBlank
        }
        return words <= bareWords
    }
}

/// What speaks for one model against another on a request, in parts that add up to the difference of their predictions.
///
/// `gap = baseline + the parts' weights + clamped`.
public struct Evidence: Sendable, Hashable {
    /// One thing that was seen, and what it did to the difference.
    public struct Part: Sendable, Hashable {
        /// What sort of thing was seen.
        public enum Kind: String, Sendable, Hashable, CaseIterable {
            /// A word of the prompt.
            case word
            /// Two words of the prompt that follow each other; the first word of all has nothing before it.
            case pair
            /// Something counted: lengths, numbers, marks, answers to choose from.
            case count
            /// A direction of topic, by its number and the words of the prompt that say most of it: it has no name.
            case topic
            /// Everything of one sort together, as the counting rules report it.
            case group
        }

        /// What sort of thing was seen.
        public let kind: Kind
        /// Words as the prompt has them, or the count's, topic's or group's name. May hold any characters.
        public let name: String
        /// What it adds to the difference in predicted success, -2...2: above 0 speaks for the stronger model.
        public let weight: Double
        /// What was observed: 1 for a word that is there, else a count, share or score.
        public let value: Double
    }

    /// The model whose prediction the other's is taken from.
    public let stronger: String
    /// The other.
    public let weaker: String
    /// Predicted success of `stronger` less that of `weaker`, as the policy sees it, -1...1.
    public let gap: Double
    /// What the difference would be if nothing had been seen but an average prompt.
    public let baseline: Double
    /// Strongest first; none has weight 0.
    public let parts: [Part]

    /// What was added because predictions lie within 0...1, and where nobody measured the models because a stronger tier
    /// is never taken for worse; the rounding of sums included.
    public var clamped: Double { gap - baseline - parts.reduce(0) { $0 + $1.weight } }

    /// Sorts `parts` and leaves out what weighs nothing.
    init(stronger: String, weaker: String, gap: Double, baseline: Double, parts: [Part]) {
        self.stronger = stronger
        self.weaker = weaker
        self.gap = gap
        self.baseline = baseline
        self.parts = parts.filter { $0.weight != 0 }
            .sorted { (-abs($0.weight), $0.name) < (-abs($1.weight), $1.name) }
    }
}

/// Makes prompts of mixed kinds from a seed: the same ones in every run, on every machine.
///
/// They are made up. They exercise the classifier's cost (words known and unknown, digits, symbols, code, other
/// scripts), and say nothing about its quality.
struct PromptMaker {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// `count` prompts whose lengths vary from a fifth to nearly twice `meanBytes`, which is their mean.
    mutating func prompts(_ count: Int, meanBytes: Int) -> [String] {
        (0..<count).map { _ in prompt(bytes: meanBytes / 5 + below(meanBytes * 8 / 5)) }
    }

    /// One prompt of about `bytes` bytes: an opening of some kind, then sentences of that kind.
    mutating func prompt(bytes: Int) -> String {
        let kind = Self.kinds[below(Self.kinds.count)]
        var text = pick(kind.openings)
        while text.utf8.count < bytes {
            text += below(4) == 0 ? "\n" : " "
            text += fill(pick(kind.sentences))
        }
        while text.utf8.count > max(bytes, 8) { text.removeLast() }
        return text
    }

    private struct Kind {
        let openings: [String]
        let sentences: [String]
    }

    private static let kinds: [Kind] = [
        Kind(
            openings: ["Hello there!", "What is the capital of Norway?", "Could you help me with something?"],
            sentences: [
                "I was at the @ with my @ last week.", "Why do people like @ so much?", "It is about the @, I think.",
                "Thanks, that was # times better than before.",
            ]),
        Kind(
            openings: ["Which of the following is correct?\nA. the @\nB. a @\nC. #\nD. none of these"],
            sentences: [
                "E. a @ of the @", "The patient is # years old and has @.", "The defendant sold the @ to the buyer.",
                "F. the marginal cost of @", "An enzyme binds the @ at pH #.",
            ]),
        Kind(
            openings: ["Maria buys # boxes of @ for $# each.", "A train leaves at # and travels # miles per hour."],
            sentences: [
                "She gives # of them to her brother.", "Each @ costs $#.# and she sells twice as many.",
                "How many @ are left after # days?", "He spends half of the remaining # dollars on @.",
            ]),
        Kind(
            openings: [#"Let $f(x) = \frac{x^#}{#+x}$."#, "Prove that there are infinitely many primes of this form."],
            sentences: [
                #"Show that $\sum_{k=1}^{#} a_k \le \int_0^# f(t)\,dt$ for every integer $n \ge #$."#,
                "Suppose that the polynomial has # distinct real roots.",
                "Find all positive integers n such that n^# + # = 0.",
                "Consider the group of order # and a normal subgroup.",
            ]),
        Kind(
            openings: ["```python\ndef f(@, n):\n    return n", "Fix the bug in this function:\n```swift"],
            sentences: [
                "    for i in range(#):\n        @ = @[i] + #", "    if @ == None: raise ValueError('@')",
                "let @: [Int] = @.map { $0 * # }", "print(f(\"@\", #))", "return self.@(#) // @",
            ]),
        Kind(
            openings: ["Summarize the following text in # sentences.", "Translate this into German:"],
            sentences: [
                "The @ of the @ has been described in # studies since 19#.",
                "Nevertheless, the committee postponed the @ without explanation.",
                "Its author, who lived near the @, never returned.",
                "Readers will find # examples of @ in the appendix.",
            ]),
        Kind(
            openings: ["Erkläre mir bitte den Unterschied.", "请解释一下这个问题。", "Объясни, пожалуйста, подробно."],
            sentences: ["Warum ist das @ so groß?", "这里有 # 个 @。", "Сколько стоит @ в # году?", "¿Dónde está el @?"]),
    ]

    private static let nouns = [
        "market", "river", "photosynthesis", "contract", "momentum", "algorithm", "garden", "monarchy", "ligand",
        "tensor", "breakfast", "jurisprudence", "satellite", "violin", "inflation", "neuron", "bridge", "homomorphism",
        "customer", "sediment", "index", "queue", "refund", "glacier",
    ]

    /// Puts a noun for `@` and a number for `#`.
    private mutating func fill(_ sentence: String) -> String {
        var filled = ""
        for character in sentence {
            switch character {
            case "@": filled += pick(Self.nouns)
            case "#": filled += String(below(1_000))
            default: filled.append(character)
            }
        }
        return filled
    }

    private mutating func pick(_ choices: [String]) -> String {
        choices[below(choices.count)]
    }

    /// A number in 0..<bound (SplitMix64, Steele and others 2014).
    private mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}

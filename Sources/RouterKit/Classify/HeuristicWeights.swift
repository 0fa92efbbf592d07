/// Coefficients of the logistic heads, one per capability tier.
///
/// **How they were made.** Fitted once on 21,424 public rows of prompts with the graded answers of several models:
/// MMLU and GSM8K outcomes of RouteLLM (Apache-2.0), MMLU-Pro (Apache-2.0), LLMRouter (MIT) and ZeroEval's GSM, CRUX
/// and MATH level 5 (Apache-2.0). Features as in `PromptFeatures`; target per tier the score of one model of that tier
/// on that source; logistic loss with an L2 penalty of 0.003 on standardised features, L-BFGS, then folded back to raw
/// features and rounded to three decimals.
///
/// **How good they are.** Average performance gap recovered (RouteLLM, arXiv 2406.18665; 0.5 is random) between the
/// cheap and the strong model of each source, ordering by predicted strong minus predicted cheap, on development rows
/// that were not fitted (prompt length alone in brackets): MMLU 0.629 (0.597), GSM8K 0.633 (0.621), MMLU-Pro 0.525
/// (0.530), LLMRouter 0.693 (0.591), ZeroEval GSM 0.695 (0.717), CRUX 0.504 (0.533), MATH 0.443 (0.455). On sources
/// that were not fitted at all: ARC 0.531 (0.554), Winogrande 0.502 (0.475), AlpacaEval 0.463 (0.453). So: useful
/// where prompts look like those it was fitted on, no better than chance elsewhere, which is what `support` is for.
enum HeuristicWeights {
    /// One feature's mean over the fitted rows, and its weight in each head.
    struct Row {
        let feature: Feature
        let mean: Double
        let cheap: Double
        let mid: Double
        let strong: Double

        init(_ feature: Feature, mean: Double, _ cheap: Double, _ mid: Double, _ strong: Double) {
            self.feature = feature
            self.mean = mean
            self.cheap = cheap
            self.mid = mid
            self.strong = strong
        }
    }

    /// The constant terms: cheap, mid, strong.
    static let bias = (cheap: 0.414, mid: 1.434, strong: 1.352)

    /// In the order of `Feature`.
    static let rows: [Row] = [
        Row(.length, mean: 2.046, -0.095, -0.08, 0.163),
        Row(.lengthSquared, mean: 1.195, -0.053, 0.037, 0.095),
        Row(.wordLength, mean: 1.457, -0.11, -0.401, -0.073),
        Row(.longWords, mean: 0.398, 0.259, 0.128, 0.088),
        Row(.rareWords, mean: 1.897, -0.087, -0.154, -0.093),
        Row(.capitals, mean: 0.783, -0.075, -0.155, -0.049),
        Row(.digits, mean: 0.631, -0.146, -0.043, -0.22),
        Row(.numbers, mean: 1.059, -0.218, -0.23, -0.274),
        Row(.longNumbers, mean: 0.274, 0.038, -0.159, 0.077),
        Row(.sentences, mean: 2.028, 0.105, 0.109, 0.22),
        Row(.questionMarks, mean: 0.673, 0.183, 0.439, 0.244),
        Row(.mathsSymbols, mean: 0.408, -0.05, -0.091, 0.004),
        Row(.latex, mean: 0.118, -0.137, -0.107, -0.15),
        Row(.parentheses, mean: 0.383, -0.101, -0.079, -0.092),
        Row(.codeSymbols, mean: 0.381, 0.049, 0.037, 0.094),
        Row(.indentation, mean: 0.047, -0.045, 0.676, 0.235),
        Row(.options, mean: 1.169, -0.025, -0.085, 0.057),
        Row(.manyOptions, mean: 0.312, -0.744, 0.12, -0.163),
        Row(.listLines, mean: 0.017, -0.56, -1.052, -0.51),
        Row(.lines, mean: 1.782, 0.118, -0.052, -0.187),
        Row(.knownShare, mean: 2.097, -0.168, 0.313, 0.046),
        Row(.functionShare, mean: 1.624, 0.126, -0.101, 0.022),
        Row(.opensWithQuestion, mean: 0.21, 0.106, -0.192, -0.003),
        Row(.opensWithReason, mean: 0.046, -0.535, 0.135, -0.136),
        Row(.functionWords, mean: 3.088, -0.035, -0.205, -0.101),
        Row(.questionWords, mean: 0.659, -0.015, -0.046, -0.048),
        Row(.greetings, mean: 0.077, 0.058, -0.003, 0),
        Row(.lookups, mean: 0.014, 0.373, 0.182, 0.118),
        Row(.transforms, mean: 0.04, 0.023, -0.068, 0.108),
        Row(.creates, mean: 0.07, -0.139, -0.167, 0.062),
        Row(.reasons, mean: 0.169, 0.017, -0.145, -0.043),
        Row(.constraints, mean: 0.388, -0.052, -0.083, -0.02),
        Row(.negations, mean: 0.377, -0.157, -0.249, -0.206),
        Row(.arithmetic, mean: 0.688, 0.023, 0.072, 0.091),
        Row(.maths, mean: 0.313, -0.143, -0.133, -0.258),
        Row(.physics, mean: 0.225, 0.023, -0.065, 0.096),
        Row(.chemistry, mean: 0.134, 0.044, 0.064, -0.096),
        Row(.medicine, mean: 0.202, 0.158, 0.074, 0.096),
        Row(.law, mean: 0.218, -0.179, -0.279, -0.314),
        Row(.finance, mean: 0.229, -0.009, 0.017, 0.02),
        Row(.computing, mean: 0.071, -0.009, -0.018, -0.129),
        Row(.humanities, mean: 0.225, 0.131, -0.199, -0.06),
        Row(.mind, mean: 0.148, 0.181, 0.069, 0.167),
        Row(.everyday, mean: 0.275, -0.036, -0.135, -0.086),
        Row(.exam, mean: 0.61, -0.123, -0.095, -0.08),
        Row(.statements, mean: 0.078, -0.271, 0.019, 0.046),
        Row(.codeWords, mean: 0.184, 0.075, 0.038, 0.09),
        Row(.isChoice, mean: 0.717, 0.826, 0.118, 0.379),
        Row(.isWordProblem, mean: 0.084, 1.456, 1.321, 0.952),
        Row(.isMathematics, mean: 0.028, -1.12, -0.634, -0.257),
        Row(.isCode, mean: 0.031, -1.28, 0.494, 0.291),
        Row(.isShortQuestion, mean: 0.074, -0.063, -0.546, -0.871),
        Row(.isPassage, mean: 0.021, 0.04, -0.968, -0.425),
        Row(.choiceLength, mean: 1.59, 0.083, 0.41, -0.02),
        Row(.choiceNumbers, mean: 0.774, 0.044, 0.087, -0.005),
        Row(.wordProblemLength, mean: 0.145, -0.486, 0.218, -0.094),
        Row(.wordProblemNumbers, mean: 0.126, 0.126, -0.205, -0.114),
        Row(.mathematicsLength, mean: 0.045, -0.038, 0.17, -0.225),
        Row(.codeLength, mean: 0.066, 0.561, -0.146, 0.116),
    ]

    // Small talk, common facts and the rewriting of given text do not occur in the fitted rows, or a handful of times.
    // What follows is judgement, not data: every current model can do the first two; the third is easy, but not lost
    // on a better model.

    /// Predicted success on greetings and thanks.
    static let smallTalk = QualityCurve(cheap: 0.96, mid: 0.97, strong: 0.97)
    /// Predicted success on capitals, synonyms and spellings.
    static let lookup = QualityCurve(cheap: 0.93, mid: 0.95, strong: 0.95)
    /// Predicted success on translating, shortening, correcting and reformatting.
    static let transformation = QualityCurve(cheap: 0.86, mid: 0.91, strong: 0.93)
}

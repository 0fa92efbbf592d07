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
/// that were not fitted (prompt length alone in brackets): MMLU 0.626 (0.597), GSM8K 0.633 (0.621), MMLU-Pro 0.531
/// (0.530), LLMRouter 0.694 (0.591), ZeroEval GSM 0.697 (0.717), CRUX 0.505 (0.533), MATH 0.437 (0.455). On sources
/// that were not fitted at all: ARC 0.518 (0.554), Winogrande 0.502 (0.475), AlpacaEval 0.459 (0.453). So: useful
/// where prompts look like those it was fitted on, no better than chance elsewhere, which is what `support` is for.
///
/// **What it saves.** The same rows, public prices, the cheapest tier predicted within 0.02 of the strong one where
/// support is at least one half, else the strong one: 4 % of the cost of always taking the strong model for 0.3 points
/// of quality over all rows; MMLU-Pro alone 30 % for 0.4 points. Within 0.06: 12 % for 0.9 points; 38 % for 1.1.
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
    static let bias = (cheap: 0.443, mid: 1.464, strong: 1.364)

    /// In the order of `Feature`.
    static let rows: [Row] = [
        Row(.length, mean: 2.046, -0.108, -0.095, 0.16),
        Row(.lengthSquared, mean: 1.195, -0.084, 0.018, 0.089),
        Row(.wordLength, mean: 1.457, -0.11, -0.402, -0.074),
        Row(.longWords, mean: 0.398, 0.262, 0.126, 0.088),
        Row(.rareWords, mean: 1.896, -0.088, -0.153, -0.092),
        Row(.capitals, mean: 0.783, -0.077, -0.156, -0.049),
        Row(.digits, mean: 0.631, -0.153, -0.05, -0.221),
        Row(.numbers, mean: 1.059, -0.21, -0.223, -0.271),
        Row(.longNumbers, mean: 0.274, 0.042, -0.154, 0.078),
        Row(.sentences, mean: 2.028, 0.105, 0.111, 0.221),
        Row(.questionMarks, mean: 0.673, 0.171, 0.432, 0.242),
        Row(.mathsSymbols, mean: 0.408, -0.048, -0.089, 0.005),
        Row(.latex, mean: 0.118, -0.136, -0.108, -0.15),
        Row(.parentheses, mean: 0.383, -0.098, -0.077, -0.092),
        Row(.codeSymbols, mean: 0.381, 0.049, 0.039, 0.095),
        Row(.indentation, mean: 0.047, -0.056, 0.661, 0.23),
        Row(.options, mean: 1.169, -0.032, -0.09, 0.056),
        Row(.manyOptions, mean: 0.312, -0.743, 0.127, -0.163),
        Row(.listLines, mean: 0.017, -0.548, -1.048, -0.507),
        Row(.lines, mean: 1.782, 0.128, -0.046, -0.187),
        Row(.knownShare, mean: 2.099, -0.173, 0.31, 0.043),
        Row(.functionShare, mean: 1.624, 0.12, -0.105, 0.023),
        Row(.opensWithQuestion, mean: 0.21, 0.101, -0.194, -0.003),
        Row(.opensWithReason, mean: 0.046, -0.547, 0.129, -0.134),
        Row(.functionWords, mean: 3.088, -0.028, -0.202, -0.1),
        Row(.questionWords, mean: 0.659, -0.018, -0.047, -0.048),
        Row(.greetings, mean: 0.077, 0.071, 0.005, 0.002),
        Row(.lookups, mean: 0.014, 0.366, 0.169, 0.117),
        Row(.transforms, mean: 0.04, 0.021, -0.074, 0.109),
        Row(.creates, mean: 0.07, -0.155, -0.179, 0.058),
        Row(.reasons, mean: 0.169, 0.007, -0.152, -0.045),
        Row(.constraints, mean: 0.388, -0.051, -0.082, -0.02),
        Row(.negations, mean: 0.377, -0.155, -0.248, -0.205),
        Row(.arithmetic, mean: 0.688, 0.028, 0.074, 0.092),
        Row(.maths, mean: 0.313, -0.141, -0.131, -0.257),
        Row(.physics, mean: 0.225, 0.024, -0.064, 0.097),
        Row(.chemistry, mean: 0.134, 0.045, 0.065, -0.096),
        Row(.medicine, mean: 0.202, 0.155, 0.068, 0.096),
        Row(.law, mean: 0.218, -0.163, -0.266, -0.311),
        Row(.finance, mean: 0.229, -0.007, 0.018, 0.02),
        Row(.computing, mean: 0.071, -0.017, -0.025, -0.13),
        Row(.humanities, mean: 0.225, 0.128, -0.2, -0.061),
        Row(.mind, mean: 0.148, 0.161, 0.049, 0.164),
        Row(.everyday, mean: 0.275, -0.038, -0.139, -0.086),
        Row(.exam, mean: 0.61, -0.111, -0.086, -0.078),
        Row(.statements, mean: 0.078, -0.262, 0.02, 0.048),
        Row(.codeWords, mean: 0.184, 0.083, 0.045, 0.092),
        Row(.openWords, mean: 0.054, 0.402, 0.271, 0.077),
        Row(.isChoice, mean: 0.717, 0.82, 0.106, 0.376),
        Row(.isWordProblem, mean: 0.084, 1.451, 1.312, 0.952),
        Row(.isMathematics, mean: 0.028, -1.117, -0.642, -0.264),
        Row(.isCode, mean: 0.031, -1.265, 0.495, 0.288),
        Row(.isShortQuestion, mean: 0.074, -0.074, -0.565, -0.876),
        Row(.isPassage, mean: 0.021, 0.023, -0.988, -0.433),
        Row(.choiceLength, mean: 1.59, 0.085, 0.411, -0.02),
        Row(.choiceNumbers, mean: 0.774, 0.045, 0.087, -0.007),
        Row(.wordProblemLength, mean: 0.145, -0.48, 0.223, -0.095),
        Row(.wordProblemNumbers, mean: 0.126, 0.126, -0.206, -0.116),
        Row(.mathematicsLength, mean: 0.045, -0.046, 0.165, -0.227),
        Row(.codeLength, mean: 0.066, 0.563, -0.143, 0.119),
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
    /// The same for a phrase of a few plain words without further demands.
    static let shortTransformation = QualityCurve(cheap: 0.93, mid: 0.95, strong: 0.95)
}

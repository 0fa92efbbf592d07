import RouterKit
import Testing
import Wire

@Suite("Heuristic classifier")
struct ClassifyHeuristicTests {
    private let classifier = HeuristicClassifier()

    private func assess(_ prompt: String) throws -> Assessment {
        classifier.assess(try RequestView(asking: prompt))
    }

    /// Whether a policy may save on this prompt: the prediction is trusted and a cheap model is nearly as good.
    private func maySave(_ assessment: Assessment) -> Bool {
        assessment.support >= 0.5 && assessment.quality.strong - assessment.quality.cheap <= 0.10
    }

    @Test func keepsTheContract() throws {
        try checkComplexityClassifier(classifier)
    }

    @Test(
        arguments: [
            "Hi!", "hello, how are you?", "Thanks, that was great!", "good morning", "What is the capital of France?",
            "Who wrote Romeo and Juliet?", "What color is the sky?", "Where do penguins live?",
            "Translate 'good morning' into Spanish.", "Give me a synonym for happy.",
        ])
    func savesOnTrivialAsks(_ prompt: String) throws {
        let assessment = try assess(prompt)
        #expect(maySave(assessment), "\(assessment)")
    }

    /// The trap of keyword scorers: none of their words occurs, so they call these simple.
    @Test(
        arguments: [
            "Prove that the square root of 2 is irrational.",
            "Show that every finite group of order 15 is cyclic.",
            """
            A 58-year-old man presents with crushing chest pain radiating to the left arm and ST elevation in leads \
            II, III and aVF. Which coronary artery is most likely occluded and what do you give first?
            """,
            """
            A buyer accepts goods with a latent defect under an output contract that disclaims implied warranties in \
            fine print. Under the UCC, can she revoke acceptance, and what must she show?
            """,
            """
            Which product dominates when trans-2-methylcyclohexyl tosylate undergoes E2 elimination with potassium \
            tert-butoxide, and why is Zaitsev's rule not followed?
            """,
            "Design a lock-free bounded queue for many producers and one consumer and argue that it is linearizable.",
            "Find all positive integers n such that n^2 + 1 divides n^3 + 2023.",
            "Draft a merger agreement clause that allocates antitrust risk between the parties.",
            #"Let $f$ be entire with $|f(z)| \le C|z|^{3/2}$ for large $z$. Show that $f$ is a polynomial of degree 1."#,
            "Write a limerick in which every line is an anagram of the first.",
        ])
    func doesNotSaveOnHardAsks(_ prompt: String) throws {
        let assessment = try assess(prompt)
        #expect(!maySave(assessment), "\(assessment)")
    }

    @Test(
        arguments: [
            "Quelle est la différence entre une liste et un tuple en Python ?", "请解释一下量子力学的基本原理。",
            "Как доказать теорему Пифагора?", "Wie beweise ich, dass es unendlich viele Primzahlen gibt?",
            "¿Cuál es la capital de Francia?", "yksi kaksi kolme neljä viisi kuusi",
        ])
    func doesNotTrustItselfInOtherLanguages(_ prompt: String) throws {
        #expect(try assess(prompt).support < 0.5)
    }

    /// The fitted questions have one short answer; what is asked here does not.
    @Test(
        arguments: [
            "How can I become a better listener?", "What are some tips for a first job interview?",
            "Is a verbal contract enforceable in Texas?", "What is the treatment for hyperkalemia with ECG changes?",
            "Summarise the plot of War and Peace in one paragraph.", "Write me a poem in the style of Neruda.",
        ])
    func doesNotTrustItselfOnOpenOrSpecialistAsks(_ prompt: String) throws {
        let assessment = try assess(prompt)
        #expect(assessment.support < 0.5, "\(assessment)")
        #expect(assessment.signals.last?.weight == 0)
    }

    @Test func followUpsInheritTheirTask() throws {
        let request = try view(
            #"""
            {"model":"m","messages":[{"role":"user","content":"Prove that the square root of 2 is irrational."},
             {"role":"assistant","content":"Shall I?"},{"role":"user","content":"yes"}]}
            """#)
        let assessment = classifier.assess(request)
        #expect(assessment.quality == (try assess("Prove that the square root of 2 is irrational.")).quality)
        #expect(!maySave(assessment))
        let stored = try view(#"{"model":"m","input":"yes","previous_response_id":"resp_1"}"#, .responses)
        #expect(classifier.assess(stored).support < 0.5)
    }

    @Test func whatTheRowsNeverHadLowersSupport() throws {
        let plain = try assess("What is the capital of France?")
        let ask = #"{"role":"user","content":[{"type":"text","text":"What is the capital of France?"}"#
        let image = try view(#"{"model":"m","messages":[\#(ask),{"type":"image_url"}]}]}"#)
        let tools = try view(#"{"model":"m","tools":[{}],"messages":[\#(ask)]}]}"#)
        #expect(classifier.assess(image).support < plain.support)
        #expect(classifier.assess(tools).support < plain.support)
        #expect(classifier.assess(image).quality == plain.quality)
    }

    @Test func saysWhy() throws {
        let maths = try assess(#"Compute $\sum_{k=1}^{n} \frac{1}{k(k+1)}$ and prove your formula by induction."#)
        #expect(!maths.signals.isEmpty)
        #expect(try assess("Bonjour tout le monde, ça va bien ?").signals.last?.name == "unfamiliar-language")
        #expect(try assess("").signals.map(\.name) == ["no-text"])
    }

    @Test func moreChoicesAreHarder() throws {
        let stem = "Which of the following is the best definition of elasticity of demand?\n"
        let options = [
            "A. its slope", "B. its height", "C. a ratio", "D. a price", "E. a tax", "F. a cost", "G. a sum",
        ]
        let four = try assess(stem + options.prefix(4).joined(separator: "\n"))
        let seven = try assess(stem + options.joined(separator: "\n"))
        #expect(seven.difficulty > four.difficulty)
    }
}

@Suite("Assessments")
struct ClassifyAssessmentTests {
    @Test func curvesStayInRangeAndMayFall() {
        let curve = QualityCurve(cheap: 0.7, mid: 0.2, strong: .nan)
        #expect([curve.cheap, curve.mid, curve.strong] == [0.7, 0.2, 0])
        #expect(QualityCurve(cheap: -3, mid: 0.5, strong: 9)[.strong] == 1)
        #expect(QualityCurve(cheap: -3, mid: 0.5, strong: 9)[.cheap] == 0)
    }

    @Test func brokenNumbersMeanNotKnowing() {
        let curve = QualityCurve(cheap: 0, mid: 0, strong: 0)
        let assessment = Assessment(difficulty: .nan, quality: curve, support: .nan, signals: [])
        #expect(assessment.difficulty == 1)
        #expect(assessment.support == 0)
        #expect(Assessment.unknown("x").support == 0)
    }

    @Test func aModelKnownByNameIsJudgedByItsName() {
        var models = ModelPredictions(names: .init(["known", "other"]))
        models.set(0, 0.75)
        models.set(1, .nan)
        #expect(models["known"] == 0.75)
        #expect(models["other"] == 0)
        #expect(models["stranger"] == nil)
        let assessment = Assessment(
            difficulty: 0, quality: QualityCurve(cheap: 0.25, mid: 0.5, strong: 1), models: models, support: 1,
            signals: [])
        func quality(_ name: String, _ tier: CapabilityTier) -> Double {
            assessment.quality(of: ModelCard(name: name, tier: tier, contextWindowTokens: 1, deployments: []))
        }
        #expect(quality("known", .strong) == 0.75)
        #expect(quality("stranger", .mid) == 0.5)
    }

    @Test func aReceiptKeepsAHandfulOfSignals() {
        var signals = SignalList()
        for index in 0..<(SignalList.capacity + 3) {
            signals.append(Signal(name: "maths", weight: Double(index), value: 1))
        }
        #expect(signals.map(\.weight) == [0, 1, 2, 3, 4, 5])
        #expect(signals != [])
    }

    @Test func tiersHaveNamesAndAnOrder() {
        for tier in CapabilityTier.allCases { #expect(CapabilityTier(name: tier.name) == tier) }
        #expect(CapabilityTier(name: "Strong") == nil)
        #expect(CapabilityTier.allCases.sorted() == [.cheap, .mid, .strong])
    }
}

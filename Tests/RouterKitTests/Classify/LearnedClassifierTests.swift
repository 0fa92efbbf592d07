import CAllocations
import Testing
import Wire

@testable import RouterKit

@Suite struct LearnedClassifierTests {
    private let known = LearnedClassifier().bound(
        to: LearnedClassifier.largestPool(of: .shipped).enumerated().map {
            ModelCard(
                name: $1, tier: CapabilityTier(rawValue: min(2, $0))!, contextWindowTokens: 1_000_000, deployments: [])
        })
    private let choice =
        "Which of the following is the capital budgeting method that a firm should use?\nA. payback\nB. net present value\n"
        + "C. average return\nD. profit"

    @Test func knownModelsArePredictedByName() throws {
        let assessment = known.assess(try RequestView(asking: choice))
        #expect(assessment.models.count == LearnedClassifier.largestPool(of: .shipped).count)
        for name in LearnedClassifier.largestPool(of: .shipped) {
            #expect((0...1).contains(try #require(assessment.models[name])))
        }
    }

    @Test func modelsThatNobodyMeasuredGetNoSupport() throws {
        let card = ModelCard(name: "nobody-knows", tier: .cheap, contextWindowTokens: 1_000, deployments: [])
        let assessment = LearnedClassifier().bound(to: [card]).assess(try RequestView(asking: choice))
        #expect(assessment.support < 0.5)
        #expect(assessment.models.count == 0)
        #expect(assessment.signals.contains { $0.name == "unknown-models" })
        #expect(assessment.quality.cheap <= assessment.quality.strong)
    }

    @Test func theStandardLearnsOnlyAboutModelsItKnows() {
        let known = LearnedClassifier.largestPool(of: .shipped).map {
            ModelCard(name: $0, tier: .cheap, contextWindowTokens: 1_000, deployments: [])
        }
        #expect(StandardClassifier().bound(to: known).version == LearnedClassifier().version)
        let mixed = known + [ModelCard(name: "mine", tier: .strong, contextWindowTokens: 1_000, deployments: [])]
        #expect(StandardClassifier().bound(to: mixed).version == HeuristicClassifier().version)
        #expect(StandardClassifier().bound(to: []).version == HeuristicClassifier().version)
    }

    @Test(arguments: ["", " \n\t", "?!", "\u{1}\u{2}\u{3}\u{7F}", "解释", String(repeating: "\u{FFFD}", count: 300)])
    func whatCannotBeJudgedGetsNoSupport(_ text: String) throws {
        #expect(known.assess(try RequestView(asking: text)).support < 0.5)
    }

    @Test func longAndBinaryTextsAreScanned() throws {
        var random = SeededRandom(seed: 5)
        let noise = (0..<4_096).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        for length in [0, 1, 2, 3, 100, 4_096] {
            let scan = PromptScan(Array(noise[..<length]).span)
            #expect(scan.bucketsCount <= PromptScan.mostBuckets)
            #expect((0..<64).allSatisfy { scan.counts[$0].isFinite })
        }
        let long = try RequestView(asking: String(repeating: "word ", count: 2_000_000))
        #expect(known.assess(long).support < 0.5)
    }

    @Test func moreWordsThanBucketsAreBounded() {
        let words = (0..<3_000).map { "w" + String($0, radix: 2).map { $0 == "1" ? "x" : "y" } }.joined(separator: " ")
        #expect(PromptScan(Array(words.utf8).span).bucketsCount == PromptScan.mostBuckets)
    }

    #if DEBUG || TSAN
        private static let isOptimised = false
    #else
        private static let isOptimised = true
    #endif

    /// `make bench-classifier` counts the same in every run and fails when it is not 0.
    @Test(.enabled(if: isOptimised, "vectors are boxed in debug builds: run with -c release, or make bench-classifier"))
    func classifyingAllocatesNothing() throws {
        let request = try RequestView(asking: choice)
        _ = known.assess(request)
        let before = callocations_count()
        for _ in 0..<20 { _ = known.assess(request) }
        #expect(callocations_count() == before)
        // The counter works: a new array is one more.
        let array = [UInt8](repeating: UInt8(truncatingIfNeeded: before), count: 4_000)
        #expect(callocations_count() > before, "\(array.count)")
    }

    @Test func differencesSurviveTheShiftIntoRange() {
        var expert = LearnedWeights.shipped.experts[0]
        expert.models = ["a", "b"]
        let quality = LearnedClassifier.qualities(expert, SIMD16([1.2, 0.3] + [Float](repeating: 0, count: 14)))
        #expect(abs(quality[1] - quality[0] - 0.3) < 1e-6)
        #expect(quality[1] <= 1)
        let low = LearnedClassifier.qualities(expert, SIMD16([0.1, 0.3] + [Float](repeating: 0, count: 14)))
        #expect(abs(low[1] - low[0] - 0.3) < 1e-6)
        #expect(low[0] >= 0)
    }
}

@Suite struct LearnedWeightsFileTests {
    private let bytes = LearnedWeights.shipped.fileBytes()

    private func error(_ bytes: [UInt8]) -> LearnedWeightsError? {
        do throws(LearnedWeightsError) {
            _ = try LearnedWeights.parse(bytes)
            return nil
        } catch { return error }
    }

    @Test func theShippedFileIsSmallAndReadsBack() throws {
        #expect(bytes.count <= 1_000_000)
        #expect(try LearnedWeights.parse(bytes).version == LearnedWeights.shipped.version)
        #expect(LearnedWeights.shipped.families.last == "")
    }

    @Test(arguments: [0, 5, 8, 15, 47, 48, 5_000]) func truncatedFilesAreRefused(_ count: Int) {
        #expect([.notWeights, .wrongLength].contains(error(Array(bytes[..<count]))?.code))
    }

    @Test func aNewerFormatIsRefusedWithBothVersions() throws {
        var newer = bytes
        newer[8] = 9
        let found = try #require(error(newer))
        #expect(found.code == .otherFormat)
        #expect(found.detail.contains("format 9") && found.detail.contains("format \(LearnedWeights.format)"))
    }

    @Test func aChangedByteIsFound() {
        var changed = bytes
        changed[bytes.count / 2] ^= 1
        #expect(error(changed)?.code == .wrongChecksum)
    }

    @Test func aFileThatIsNotThereIsNamed() {
        #expect(throws: LearnedWeightsError.self) { try LearnedWeights.read(path: "/nonexistent/w") }
    }
}

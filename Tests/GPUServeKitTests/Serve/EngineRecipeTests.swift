import Testing

@testable import GPUServeKit

@Suite struct EngineRecipeTests {
    @Test(
        arguments: [
            ([], 6), (["--parallel", "8"], 10), (["-np", "2"], 4), (["--threads-http", "3"], 1),
            (["--threads-http=12", "--parallel=1"], 10), (["--threads-http", "-1"], 6), (["--threads-http", "1"], 1),
        ] as [([String], Int)])
    func `llama.cpp is asked by no more connections than it has threads for`(words: [String], limit: Int) {
        #expect(EngineRecipe.of(.llamaCpp).inFlightLimit(concurrency: 4, extraArguments: words) == limit)
    }

    @Test(arguments: EngineKind.allCases.filter { $0 != .llamaCpp })
    func `others see to it themselves`(kind: EngineKind) {
        #expect(EngineRecipe.of(kind).inFlightLimit(concurrency: 4, extraArguments: []) == nil)
    }
}

import DemoSupport
import Foundation
import RouterKit
import Testing

@testable import router

@Suite struct LearnVerbsTests {
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)

    private static let tiers = """
        {"tiers": {"mine": ["small", null, "big"]}, "prices": {"small": [0.05, 0.08], "big": [2.5, 10]}}
        """

    private func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    /// The small model fails on proofs and on nothing else.
    private func prepare(_ rowCount: Int) throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let lines = (0..<rowCount).map { number in
            let isHard = number.isMultiple(of: 3)
            return #"{"id":"\#(number)","source":"mine","prompt":"\#(Self.ask(number, isHard: isHard))","#
                + #""models":{"small":\#(isHard ? 0 : 1),"big":1}}"#
        }
        try lines.joined(separator: "\n").write(toFile: path("rows.jsonl"), atomically: true, encoding: .utf8)
        try Self.tiers.write(toFile: path("tiers.json"), atomically: true, encoding: .utf8)
    }

    private static func ask(_ number: Int, isHard: Bool) -> String {
        let words = ["river", "market", "garden", "bridge", "customer", "violin", "index", "glacier"]
        let filler = (1...6).map { words[(number * 31 / $0 + $0 * $0) % 8] }.joined(separator: " ")
        return "\(isHard ? "Prove the theorem" : "Tell me") about the \(filler) \(number)"
    }

    private func train(_ out: String) throws {
        try Train.run(
            try Arguments(
                ["--data", path("rows.jsonl"), "--tiers", path("tiers.json"), "--out", path(out)],
                options: ["data", "tiers", "out", "weights"]))
    }

    @Test func `own outcomes become weights and a policy that belong together`() throws {
        try prepare(400)
        try train("weights.bin")
        try Calibrate.run(
            try Arguments(
                [
                    "--data", path("rows.jsonl"), "--tiers", path("tiers.json"), "--weights", path("weights.bin"),
                    "--out",
                    path("policy.json"),
                ], options: ["data", "tiers", "out", "weights", "promise", "confidence"]))
        let weights = try LearnedWeights.read(path: path("weights.bin"))
        let table = try PolicyTable.read(path: path("policy.json"))
        #expect(table.classifierVersion == LearnedClassifier(weights).version)
        let pool = try #require(table.pools.first)
        #expect(pool.rowCount == 400)
        #expect(pool.guarantees.first?.trade != nil && pool.guarantees[0].saved > 0.5)
        #expect(pool.modes[.balanced]!.saved > 0.5)

        let configuration = try configuration(weights: "weights.bin", policy: "policy.json")
        let router = try Assembly(transport: RefusingTransport(), metrics: nil).router(configuration, withLog: false)
        let easy = try router.route(RouterCall(try RequestView(asking: Self.ask(205, isHard: false))))
        let hard = try router.route(RouterCall(try RequestView(asking: Self.ask(206, isHard: true))))
        #expect(easy.chosenModel == "small" && hard.chosenModel == "big")
        #expect(easy.classifierVersion == table.classifierVersion)
    }

    @Test func `a weights file that cannot be used leaves what is in use alone`() throws {
        try prepare(60)
        try train("weights.bin")
        let assembly = Assembly(transport: RefusingTransport(), metrics: nil)
        let router = try assembly.router(try configuration(weights: "weights.bin", policy: nil), withLog: false)
        let version = router.configuration.classifier.version
        let bytes = try Data(contentsOf: directory.appendingPathComponent("weights.bin"))
        try bytes.prefix(bytes.count / 2).write(to: directory.appendingPathComponent("cut.bin"))
        var broken = try configuration(weights: "cut.bin", policy: nil)
        broken.cards[0].contextWindowTokens = 1
        #expect(throws: LearnedWeightsError.self) { try assembly.router(broken, replacing: router, withLog: false) }
        #expect(router.configuration.pool.cards[0].contextWindowTokens == 4096)
        #expect(router.configuration.classifier.version == version)
        let back = try assembly.router(
            try configuration(weights: "weights.bin", policy: nil), replacing: router, withLog: false)
        #expect(back.configuration.classifier.version == version)
    }

    private func configuration(weights: String, policy: String?) throws -> GatewayConfiguration {
        func model(_ name: String, _ tier: String, _ price: String) -> String {
            #"{"name":"\#(name)","tier":"\#(tier)","price":\#(price),"context_window":4096,"#
                + #""deployments":[{"base_url":"http://127.0.0.1:9/v1"}]}"#
        }
        let policy = policy.map { #","policy":"\#(path($0))","guarantee":{"loss_points":1}"# } ?? ""
        let text = """
            {"weights":"\(path(weights))"\(policy),"models":[
            \(model("small", "cheap", #"{"input":0.05,"output":0.08}"#)),\(model("big", "strong", #"{"input":2.5,"output":10}"#))]}
            """
        return try GatewayConfiguration.load(file: "router.json", bytes: Array(text.utf8))
    }
}

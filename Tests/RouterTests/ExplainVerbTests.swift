import DemoSupport
import Foundation
import RouterKit
import Testing

@testable import router

@Suite struct ExplainVerbTests {
    private func explain(_ prompt: String, _ more: [String] = []) throws -> Explanation {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: file) }
        func model(_ name: String, _ tier: String, _ price: Double) -> String {
            #"{"name":"\#(name)","tier":"\#(tier)","price":{"input":\#(price),"output":\#(price)},"#
                + #""context_window":100000,"deployments":[{"base_url":"http://127.0.0.1:9/v1"}]}"#
        }
        let models = [
            model("Meta-Llama-3.1-8B-Instruct", "cheap", 0.1), model("gemini-1.5-flash-002", "mid", 0.3),
            model("gemini-1.5-pro-002", "strong", 5),
        ]
        try #"{"models":[\#(models.joined(separator: ","))]}"#.write(to: file, atomically: true, encoding: .utf8)
        return try Explain.explain(
            try Arguments(["--config", file.path, prompt] + more, options: Explain.options, flags: ["json"]))
    }

    @Test func `a person reads what spoke and what would change it`() throws {
        let prompt =
            "Which of these is a prime number?\nA. 21\nB. 27\nC. 29\nD. 33\nE. 39\nF. 49\nG. 51\nH. 57\nI. 63\nJ. 69"
        let explanation = try explain(prompt)
        let text = Explain.text(explanation)
        #expect(text.contains("model    \(explanation.decision.chosenModel)"))
        #expect(text.contains("support  ") && text.contains("like what was learned"))
        #expect(text.contains("an average prompt"))
        #expect(text.contains("edits tried"))
        // 640 and 0.25, not 640.000000.
        #expect(!text.contains("00000"))
        let evidence = try #require(explanation.evidence)
        #expect(evidence.stronger == "gemini-1.5-pro-002")
        #expect(evidence.parts.contains { $0.kind == .word } && evidence.parts.contains { $0.kind == .count })
    }

    @Test func `a prompt cannot move the terminal's cursor`() throws {
        let text = Explain.text(try explain("erase\u{1B}[2J the\u{7} screen. And more\u{1B}[H of it."))
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || $0.value == 0x7F })
    }

    @Test func `an unknown mode is named`() throws {
        #expect(throws: UsageError.self) { try explain("hello", ["--mode", "fast"]) }
        #expect(try explain("hello", ["--mode", "quality"]).decision.mode == .quality)
    }

    @Test func `weights that are not there are an error`() {
        #expect(throws: LearnedWeightsError.self) { try explain("hello", ["--weights", "/nonexistent/weights"]) }
        #expect(throws: LearnFileError.self) { try explain("hello", ["--policy", "/nonexistent/policy"]) }
    }
}

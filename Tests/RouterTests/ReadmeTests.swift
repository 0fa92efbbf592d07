import Foundation
import Testing

/// What the README shows is what the build compiles.
@Suite struct ReadmeTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test func theEmbeddingExampleIsTheQuickstartDemo() throws {
        let source = try String(
            contentsOf: Self.root.appending(path: "Sources/Demos/quickstart/main.swift"), encoding: .utf8)
        let readme = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
        let start = try #require(source.range(of: "// BEGIN README\n"))
        let end = try #require(source.range(of: "// END README"))
        let snippet = String(source[start.upperBound..<end.lowerBound])
        #expect(readme.contains("```swift\nimport RouterKit\n\n\(snippet)```"))
        #expect(snippet.split(separator: "\n").count <= 20, "the README promises 20 lines")
    }

    @Test(arguments: ["make demo", "make test", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
    func theReadmeNames(_ text: String) throws {
        let readme = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
        #expect(readme.contains(text))
    }
}

import Foundation
import Testing

/// The rules hold for what is checked in.
@Suite struct TidyTests {
    static let sources = SourceTree.files(under: ["Sources", "Tests", "Benchmarks", "Scripts"])

    @Test func `the sources are found`() {
        #expect(Self.sources.contains { $0.path == "Tests/Tidy/TidyTests.swift" })
        #expect(Self.sources.contains { $0.path.hasPrefix("Sources/Support/Wire/") })
    }

    @Test func `the package depends on no other package`() throws {
        let manifest = try #require(SourceTree.file("Package.swift"))
        #expect(Rules.packageDependencies(manifest) == [])
    }

    @Test func `floors import only downward and no Foundation`() {
        #expect(Self.sources.flatMap(Rules.imports) == [])
    }

    @Test func `no file is longer than one concern needs`() {
        #expect(Self.sources.flatMap(Rules.length) == [])
    }

    @Test func `the demo model server can be read in one sitting`() {
        let files = Self.sources.filter { $0.path.hasPrefix("Sources/Demos/custom-model-server/") }
        let counts = files.map { (path: $0.path, lines: $0.lines.count - 1) }
        #expect(files.count > 20 && counts.reduce(0) { $0 + $1.lines } < 2500)
        #expect(counts.filter { $0.lines > 400 }.map(\.path) == [])
    }

    @Test func `nothing unfinished is checked in`() {
        #expect(Self.sources.flatMap(Rules.unfinished) == [])
    }

    @Test func `tests do not sleep`() {
        #expect(
            Self.sources.filter { $0.path.hasSuffix(".swift") || $0.path.hasSuffix(".py") }.flatMap(Rules.sleeps) == [])
    }

    @Test func `every limit bounds something`() {
        guard let table = SourceTree.file("Sources/Support/Wire/Limits.swift") else { return }
        let users = Self.sources.filter { $0.path.hasPrefix("Sources/") && $0.path.hasSuffix(".swift") }
        #expect(Rules.unusedLimits(table: table, users: users) == [])
    }

    /// Foundation is 84 MB of shared libraries; the programs are to run without it. A GPU's driver is found at run time.
    @Test(arguments: ["router", "gpuserve"])
    func `the built programs load neither Foundation nor a GPU's driver`(program: String) throws {
        let built = ["debug", "release"].map { SourceTree.root.appendingPathComponent(".build/\($0)/\(program)") }
            .filter { FileManager.default.isExecutableFile(atPath: $0.path) }
        if built.isEmpty { print("not checked: no built '\(program)' under .build") }
        for binary in built {
            let libraries = try sharedLibraries(of: binary)
            #expect(libraries.contains("libc.so"), "ldd names no C library, so its answer cannot be trusted")
            #expect(!libraries.contains("libFoundation"), "\(binary.path) loads Foundation")
            #expect(!libraries.contains("libcuda"), "\(binary.path) loads the CUDA driver at its start")
        }
    }

    private func sharedLibraries(of binary: URL) throws -> String {
        let ldd = Process()
        ldd.executableURL = URL(fileURLWithPath: "/usr/bin/ldd")
        ldd.arguments = [binary.path]
        let output = Pipe()
        ldd.standardOutput = output
        try ldd.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        ldd.waitUntilExit()
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Each rule finds what it is for: a checker that cannot fail checks nothing.
@Suite struct RulesTests {
    private func file(_ path: String, _ text: String) -> SourceFile { SourceFile(path: path, text: text) }

    @Test(arguments: [
        ("Sources/Support/Wire/A.swift", "import Glibc", "Glibc"),
        ("Sources/Support/Wire/A.swift", "@preconcurrency public import Synchronization", "Synchronization"),
        ("Sources/Support/Transport/A.swift", "internal import RouterKit", "RouterKit"),
        ("Sources/Support/Transport/A.swift", "public import FoundationEssentials", "FoundationEssentials"),
        ("Sources/RouterKit/Pool/A.swift", "import struct Foundation.Data", "Foundation"),
        ("Sources/RouterKit/Pool/A.swift", "import GPUServeKit", "GPUServeKit"),
        ("Sources/GPUServeKit/A.swift", "@testable import RouterKit", "RouterKit"),
    ])
    func `an upward import is found`(path: String, line: String, module: String) throws {
        let found = Rules.imports(file(path, "// first\n\(line)\n"))
        #expect(found.map(\.line) == [2])
        #expect(try #require(found.first).message.hasPrefix("imports \(module);"))
    }

    @Test func `a downward import and a sentence about importing pass`() {
        let text =
            "public import Wire\nimport Synchronization\n/// To import weights, call this.\nlet note = \"import Foundation\"\n"
        #expect(Rules.imports(file("Sources/Support/Transport/A.swift", text)) == [])
        #expect(Rules.imports(file("Sources/Demos/router/A.swift", "import Foundation\n")) == [])
    }

    @Test func `a package dependency is found`() {
        let manifest = file("Package.swift", "dependencies: [\n    .package(url: \"x\", from: \"1.0.0\")\n]\n")
        #expect(Rules.packageDependencies(manifest).map(\.line) == [2])
    }

    @Test func `a file one line too long is found, the longest allowed one passes`() {
        let line = "x\n"
        #expect(Rules.length(file("a.swift", String(repeating: line, count: Rules.longestFile))) == [])
        #expect(Rules.length(file("a.swift", String(repeating: line, count: Rules.longestFile + 1))).count == 1)
    }

    @Test(arguments: ["// TO" + "DO: later", "# FIX" + "ME", "fatalError(\"un" + "implemented\")"])
    func `unfinished work is found`(line: String) {
        #expect(Rules.unfinished(file("a.swift", "let a = 1\n\(line)\n")).map(\.line) == [2])
    }

    @Test(arguments: ["sle" + "ep(1)", "  await Task.sle" + "ep(for: x)", "time.sle" + "ep(1)", "usle" + "ep(10)"])
    func `a test that sleeps is found`(line: String) {
        #expect(Rules.sleeps(file("Tests/A.swift", "\n\(line)\n")).map(\.line) == [2])
        #expect(Rules.sleeps(file("Sources/A.swift", "\n\(line)\n")) == [])
    }

    @Test func `names that only contain the word pass`() {
        #expect(!Rules.callsSleep("func test_wakes_after_asleep(x)"))
        #expect(!Rules.callsSleep("deep_sleep(3)"))
        #expect(!Rules.callsSleep("try await model.sleep()"))
        #expect(!Rules.callsSleep("#expect(state == .leaving(.sleep(.images)))"))
    }

    @Test func `a limit that nothing reads is found`() {
        let table = file(
            "Sources/Support/Wire/Limits.swift",
            "public struct Limits {\n    public var headBytes: Int = 1\n    public var headBytesMax: Int = 2\n}\n")
        let user = file("Sources/A.swift", "if count > limits.headBytesMax { throw tooLong }\n")
        #expect(Rules.unusedLimits(table: table, users: [table, user]).map(\.line) == [2])
    }
}

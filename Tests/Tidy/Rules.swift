/// A broken rule, where it is broken and what to do about it.
struct Violation: Sendable, CustomStringConvertible, Hashable {
    let path: String
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }
}

/// The project's rules that a machine can read off the sources. Each is a pure function of files, so that the tests
/// can show on planted text that it finds what it is for.
enum Rules {
    /// What each floor may import. A folder that is not listed is free to import anything.
    static let floors: [(folder: String, mayImport: Set<String>)] = [
        ("Sources/Support/Wire/", []),
        ("Sources/Support/Transport/", ["Glibc", "Synchronization", "Wire", "CCurl", "CPosix"]),
        ("Sources/Support/Tokens/", ["Wire"]),
        ("Sources/Support/ModelFiles/", ["GPUServeKit", "Glibc", "Tokens", "Wire"]),
        ("Sources/RouterKit/", ["Glibc", "Synchronization", "Wire", "Transport", "CPosix", "CWeights"]),
        ("Sources/GPUServeKit/", ["Glibc", "Synchronization", "Wire", "Transport", "CCuda", "CHash", "CPosix"]),
    ]

    static let longestFile = 600

    /// Floors import only downward, and none of them imports Foundation.
    static func imports(_ file: SourceFile) -> [Violation] {
        guard let floor = floors.first(where: { file.path.hasPrefix($0.folder) }) else { return [] }
        return numbered(file).compactMap { number, line in
            guard let module = importedModule(line), !floor.mayImport.contains(module) else { return nil }
            let allowed = floor.mayImport.isEmpty ? "nothing" : floor.mayImport.sorted().joined(separator: ", ")
            return Violation(
                path: file.path, line: number, message: "imports \(module); \(floor.folder) may import \(allowed)")
        }
    }

    /// The package names no other package.
    static func packageDependencies(_ manifest: SourceFile) -> [Violation] {
        numbered(manifest).compactMap { number, line in
            line.contains(".package(")
                ? Violation(path: manifest.path, line: number, message: "a package dependency; there are to be none")
                : nil
        }
    }

    /// One concern a file: past this length it is two.
    static func length(_ file: SourceFile) -> [Violation] {
        let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
        guard count > longestFile else { return [] }
        return [Violation(path: file.path, line: count, message: "\(count) lines; split it (at most \(longestFile))")]
    }

    /// Nothing that says "later" is committed. The words are written in two parts here so that this file passes.
    static func unfinished(_ file: SourceFile) -> [Violation] {
        let words = ["TO" + "DO", "FIX" + "ME", "fatalError(\"un" + "implemented", "fatalError(\"not im" + "plemented"]
        return numbered(file).compactMap { number, line in
            words.first { line.contains($0) }
                .map { Violation(path: file.path, line: number, message: "unfinished: \($0)") }
        }
    }

    /// Tests wait for conditions, never for time.
    static func sleeps(_ file: SourceFile) -> [Violation] {
        guard file.path.hasPrefix("Tests/") else { return [] }
        return numbered(file).compactMap { number, line in
            callsSleep(line)
                ? Violation(path: file.path, line: number, message: "sleeps; wait for a condition instead") : nil
        }
    }

    /// Every bound in the limits table bounds something.
    static func unusedLimits(table: SourceFile, users: [SourceFile]) -> [Violation] {
        let texts = users.filter { $0.path != table.path }.map(\.text)
        return numbered(table).compactMap { number, line in
            guard let name = declaredProperty(line) else { return nil }
            let isUsed = texts.contains { mentionsMember(name, in: $0) }
            return isUsed ? nil : Violation(path: table.path, line: number, message: "limit '\(name)' bounds nothing")
        }
    }

    // MARK: Reading lines

    private static func numbered(_ file: SourceFile) -> [(Int, Substring)] {
        file.lines.enumerated().map { ($0.offset + 1, $0.element) }
    }

    /// The module of an import declaration, whatever attributes and access level stand before it.
    static func importedModule(_ line: Substring) -> String? {
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard let position = words.firstIndex(of: "import"), position + 1 < words.count else { return nil }
        let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
        guard words[..<position].allSatisfy({ modifiers.contains($0) || $0.hasPrefix("@") }) else { return nil }
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        let name = kinds.contains(words[position + 1]) ? words[position + 2] : words[position + 1]
        return name.split(separator: ".").first.map { String($0) }
    }

    /// A call of `sleep`, `usleep`, `nanosleep`, `Task.sleep` or one of Python's; not of `asleep` or `sleeps`, nor of
    /// `model.sleep()`, which says no time, nor of a case that is called so.
    static func callsSleep(_ line: Substring) -> Bool {
        let calls = ["sleep", "usleep", "nanosleep", "clock_nanosleep"].map { $0 + "(" }
        for call in calls {
            for range in line.ranges(of: call) {
                guard range.lowerBound > line.startIndex else { return true }
                let place = line.index(before: range.lowerBound)
                let before = line[place]
                if before == "." {
                    let owner = place > line.startIndex ? line[line.index(before: place)] : " "
                    if owner == "(" || owner == " " || line[range.upperBound...].hasPrefix(")") { continue }
                }
                if !before.isLetter && !before.isNumber && before != "_" && before != "\"" { return true }
            }
        }
        return false
    }

    /// The name in `public var name: Int = ...`, of a stored property only.
    static func declaredProperty(_ line: Substring) -> String? {
        let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
        guard words.count > 2, words[0] == "public", words[1] == "var", !line.hasSuffix("{") else { return nil }
        return String(words[2])
    }

    private static func mentionsMember(_ name: String, in text: String) -> Bool {
        text.ranges(of: "." + name).contains { range in
            guard range.upperBound < text.endIndex else { return true }
            let after = text[range.upperBound]
            return !after.isLetter && !after.isNumber && after != "_"
        }
    }
}

import Foundation

/// One file of the repository, read whole.
struct SourceFile: Sendable {
    /// Path from the top of the repository, with `/`.
    let path: String
    let text: String

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
}

/// The checked-in sources, found from this file's own place.
enum SourceTree {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Swift, C, Python and shell files under `folders`, leaving out build products and hidden folders.
    static func files(under folders: [String], extensions: Set<String> = ["swift", "c", "h", "py", "sh"])
        -> [SourceFile]
    {
        folders.flatMap { folder -> [SourceFile] in
            let base = root.appendingPathComponent(folder)
            guard let walker = FileManager.default.enumerator(at: base, includingPropertiesForKeys: nil) else {
                return []
            }
            var found: [SourceFile] = []
            for case let url as URL in walker {
                if url.lastPathComponent.hasPrefix(".") || url.lastPathComponent == "__pycache__" {
                    walker.skipDescendants()
                } else if extensions.contains(url.pathExtension), let file = read(url) {
                    found.append(file)
                }
            }
            return found.sorted { $0.path < $1.path }
        }
    }

    static func file(_ path: String) -> SourceFile? { read(root.appendingPathComponent(path)) }

    private static func read(_ url: URL) -> SourceFile? {
        guard let text = try? String(contentsOf: url, encoding: .utf8) else { return nil }
        let path = url.standardizedFileURL.path.dropFirst(root.standardizedFileURL.path.count + 1)
        return SourceFile(path: String(path), text: text)
    }
}

import Glibc
import Testing

@testable import RouterKit

@Suite struct WholeFileTests {
    private func names(_ directory: TemporaryDirectory) throws -> Set<String> {
        let handle = try #require(opendir(directory.path))
        defer { closedir(handle) }
        var names: Set<String> = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.insert(name) }
        }
        return names
    }

    @Test func `what was there before is kept, but not when it is the same`() throws {
        let directory = try #require(TemporaryDirectory())
        let path = directory.path + "/w"
        for text in ["one", "two", "two"] {
            try WholeFile.write(Array(text.utf8), to: path, mode: 0o640, keepsPrevious: true)
        }
        #expect(directory.read("w") == "two" && directory.read("w.previous") == "one")
        try WholeFile.write(Array("three".utf8), to: path, mode: 0o640)
        #expect(directory.read("w") == "three" && directory.read("w.previous") == "one")
        #expect(try names(directory) == ["w", "w.previous"])
        var info = stat()
        #expect(stat(path, &info) == 0 && info.st_mode & 0o777 == 0o640)
    }

    @Test func `two writers do not meet`() async throws {
        let directory = try #require(TemporaryDirectory())
        let path = directory.path + "/w"
        await withTaskGroup(of: Bool.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    let bytes = [UInt8](repeating: 0x61 + UInt8(writer), count: 60_000)
                    return (0..<50).allSatisfy { _ in
                        (try? WholeFile.write(bytes, to: path, mode: 0o600, keepsPrevious: true)) != nil
                    }
                }
            }
            for await isDone in group { #expect(isDone) }
        }
        for name in ["w", "w.previous"] {
            let bytes = try WholeFile.read("\(directory.path)/\(name)", mostBytes: 1 << 20)
            #expect(bytes.count == 60_000 && Set(bytes).count == 1, "no file is a mixture")
        }
        #expect(try names(directory) == ["w", "w.previous"])
    }

    @Test func `what cannot be written leaves nothing behind`() throws {
        let directory = try #require(TemporaryDirectory())
        mkdir(directory.path + "/d", 0o700)
        defer { rmdir(directory.path + "/d") }
        let error = #expect(throws: LearnFileError.self) {
            try WholeFile.write([1], to: directory.path + "/d", mode: 0o600)
        }
        #expect(error?.detail.hasPrefix("cannot be written") == true)
        #expect(throws: LearnFileError.self) { try WholeFile.write([1], to: directory.path + "/no/w", mode: 0o600) }
        #expect(try names(directory) == ["d"])
    }
}

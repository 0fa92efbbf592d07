import Glibc
import Testing

@testable import RouterKit

@Suite struct LogWriterTests {
    private let files = FakeLogFiles()

    private func writer(maxFileBytes: Int = 1_000_000, kept: Int = 3) throws -> LogWriter {
        try LogWriter(path: "log", maxFileBytes: maxFileBytes, keptFilesCount: kept, files: files)
    }

    private func write(_ writer: inout LogWriter, _ text: String) throws {
        writer.take(Array(text.utf8))
        try writer.write()
        _ = writer.reclaim()
    }

    @Test func linesArriveAsTheyAre() throws {
        var writer = try writer()
        try write(&writer, "a\nb\n")
        try write(&writer, "c\n")
        #expect(files.text("log") == "a\nb\nc\n")
    }

    @Test func shortWritesAreContinued() throws {
        files.with { $0.longestWrite = 3 }
        var writer = try writer()
        try write(&writer, "abcdefgh\nij\n")
        #expect(files.text("log") == "abcdefgh\nij\n")
    }

    @Test func aFullFileIsMovedAwayBetweenLines() throws {
        var writer = try writer(maxFileBytes: 6)
        try write(&writer, "aa\nbb\ncc\ndd\nee\n")
        #expect(files.text("log.2") == "aa\nbb\n")
        #expect(files.text("log.1") == "cc\ndd\n")
        #expect(files.text("log") == "ee\n")
        #expect(writer.rotationsCount == 2)
    }

    @Test func onlySoManyFilesAreKept() throws {
        var writer = try writer(maxFileBytes: 3, kept: 2)
        for line in ["aa", "bb", "cc", "dd", "ee"] { try write(&writer, line + "\n") }
        #expect(files.text("log") == "ee\n")
        #expect(files.text("log.1") == "dd\n")
        #expect(files.text("log.2") == "cc\n")
        #expect(files.text("log.3") == nil)
    }

    @Test func aLineLongerThanAFileGetsAFileOfItsOwn() throws {
        var writer = try writer(maxFileBytes: 4)
        try write(&writer, "a\nlong line\nb\n")
        #expect(files.text("log.2") == "a\n")
        #expect(files.text("log.1") == "long line\n")
        #expect(files.text("log") == "b\n")
    }

    @Test func afterAFullDiskItGoesOnAtTheSameByte() throws {
        var writer = try writer()
        files.with { $0.room = 5 }
        writer.take(Array("abc\ndef\nghi\n".utf8))
        #expect(throws: LogError.self) { try writer.write() }
        #expect(files.text("log") == "abc\nd")
        #expect(writer.backlogLinesCount == 2)
        #expect(throws: LogError.self) { try writer.write() }
        files.with { $0.room = .max }
        try writer.write()
        #expect(files.text("log") == "abc\ndef\nghi\n")
        #expect(!writer.hasBacklog)
    }

    @Test func aFileThatVanishesInTheMiddleOfALineGetsTheLineAgainInFull() throws {
        var writer = try writer()
        files.with { $0.room = 5 }
        writer.take(Array("abc\ndef\nghi\n".utf8))
        #expect(throws: LogError.self) { try writer.write() }
        files.with { state in
            state.room = .max
            state.files["log"] = nil
        }
        try writer.write()
        #expect(files.text("log") == "def\nghi\n")
        #expect(files.with { $0.open.count } == 1)
    }

    @Test func aFileMovedByAnotherProgramIsFollowedByANewOne() throws {
        var writer = try writer()
        try write(&writer, "a\n")
        files.with { state in state.files["moved"] = state.files.removeValue(forKey: "log") }
        try write(&writer, "b\n")
        #expect(files.text("moved") == "a\n")
        #expect(files.text("log") == "b\n")
    }

    @Test func aCutEndOfAnEarlierRunIsClosedOff() throws {
        files.with { $0.files["log"] = .init(bytes: Array("a\n{\"cut".utf8), inode: 99) }
        var writer = try writer()
        try write(&writer, "b\n")
        try write(&writer, "c\n")
        #expect(files.text("log") == "a\n{\"cut\nb\nc\n")
    }

    @Test func aFailedRotationKeepsWritingAndIsTriedAgainWithTheNextBatch() throws {
        var writer = try writer(maxFileBytes: 3)
        files.with { $0.failing[.rotate] = EACCES }
        try write(&writer, "aa\nbb\ncc\n")
        #expect(files.text("log") == "aa\nbb\ncc\n")
        #expect(writer.rotationError?.systemError == EACCES)
        files.with { $0.failing = [:] }
        try write(&writer, "dd\n")
        #expect(files.text("log.1") == "aa\nbb\ncc\n")
        #expect(files.text("log") == "dd\n")
        #expect(writer.rotationError == nil)
    }

    @Test func closingSyncsAndGivesTheDescriptorBack() throws {
        var writer = try writer()
        try write(&writer, "a\n")
        try writer.close()
        #expect(files.with { $0.syncsCount } == 1)
        #expect(files.with { $0.open.isEmpty })
    }

    /// Whichever call fails, no line is lost, doubled or out of order, and no descriptor leaks.
    @Test func everyCallMayFailOnce() throws {
        let lines = (0..<20).map { "line \($0)\n" }
        var reached = 0
        for failing in 2...100 {
            let files = FakeLogFiles()
            files.with { state in
                state.failingCalls = [failing]
                state.longestWrite = 7
            }
            var writer = try LogWriter(path: "log", maxFileBytes: 24, keptFilesCount: 50, files: files)
            for line in lines {
                writer.take(Array(line.utf8))
                while writer.hasBacklog {
                    do { try writer.write() } catch { reached += 1 }
                }
                _ = writer.reclaim()
            }
            let rotated = (1...50).reversed().compactMap { files.text("log.\($0)") }.joined()
            #expect(rotated + files.text("log")! == lines.joined(), "call \(failing) failed")
            #expect(files.with { $0.open.count } == 1)
        }
        #expect(reached > 20)
    }
}

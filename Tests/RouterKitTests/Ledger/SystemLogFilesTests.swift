import Glibc
import Testing

@testable import RouterKit

@Suite struct SystemLogFilesTests {
    @Test func theFileIsPrivateAppendedToAndRotated() throws {
        let directory = try #require(TemporaryDirectory())
        let path = directory.path + "/log"
        for line in ["one\n", "two\n"] {
            var writer = try LogWriter(path: path, maxFileBytes: 5, keptFilesCount: 2, files: SystemLogFiles())
            writer.take(Array(line.utf8))
            try writer.write()
            try writer.close()
        }
        #expect(directory.read("log") == "two\n")
        #expect(directory.read("log.1") == "one\n")
        var info = stat()
        #expect(stat(path, &info) == 0)
        #expect(info.st_mode & 0o777 == 0o600)
    }

    @Test func aCutEndIsSeen() throws {
        let directory = try #require(TemporaryDirectory())
        let files = SystemLogFiles()
        let path = directory.path + "/log"
        let first = try files.open(path)
        #expect(!first.endsMidLine)
        let bytes = Array("cut".utf8)
        let count = try files.write(bytes.span, to: first, path: path)
        #expect(count == 3)
        files.close(first)
        let second = try files.open(path)
        #expect(second.endsMidLine)
        #expect(second.sizeBytes == 3)
        #expect(second.identity == first.identity)
        #expect(files.identity(of: path) == first.identity)
        files.close(second)
        #expect(files.identity(of: path + ".absent") == nil)
        #expect(throws: LogError.self) { try files.rename(path + ".absent", to: path) }
    }

    @Test func aFullDeviceIsAnError() throws {
        let files = SystemLogFiles()
        let full = try files.open("/dev/full")
        defer { files.close(full) }
        let bytes = Array("x\n".utf8)
        do {
            _ = try files.write(bytes.span, to: full, path: "/dev/full")
            Issue.record("/dev/full took a byte")
        } catch {
            #expect(error.systemError == ENOSPC)
        }
    }
}

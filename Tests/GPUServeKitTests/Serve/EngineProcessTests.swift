import Glibc
import Testing

@testable import GPUServeKit

/// What a program finds that is started as an engine.
@Suite struct EngineProcessTests {
    /// Runs a program to its end; what it printed and how it ended.
    private func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], hasIOUring: Bool = true
    ) async throws -> (text: String, ending: String) {
        let scratch = try ScratchDirectory()
        let process = try await EngineProcess.start(
            program: program, arguments: arguments, environment: environment, logPath: scratch.path + "/log",
            directory: scratch.path, hasIOUring: hasIOUring, on: try EngineHost())
        #expect(await process.waitForEnd(limit_ms: 60_000))
        let text = String(decoding: ScratchDirectory.read(scratch.path + "/log"), as: UTF8.self)
        return (text, process.ending?.text ?? "lives")
    }

    @Test func `it gets no descriptor, no variable and no mask of signals`() async throws {
        // Something to inherit.
        let descriptor = open("/dev/null", O_RDONLY)
        defer { close(descriptor) }
        signal(SIGPIPE, SIG_IGN)
        setenv("SECRET_OF_THE_TESTS", "never", 1)
        let script = "ls /proc/$$/fd; env; exit 7"
        let variables = ["PATH": "/usr/bin:/bin", "A": "b"]
        let (text, ending) = try await run("/bin/sh", ["-c", script], environment: variables)
        #expect(ending == "exit status 7")
        let lines = text.split(separator: "\n").map { String($0) }
        #expect(Array(lines.prefix(3)) == ["0", "1", "2"])
        #expect(lines.contains("A=b"))
        #expect(!text.contains("SECRET_OF_THE_TESTS"))
        // No shell: it blocks signals of its own while it starts a program.
        let masks = try await run("/usr/bin/grep", ["-E", "^Sig(Blk|Ign)", "/proc/self/status"]).text
        let blocked = masks.split(separator: "\n").compactMap { UInt64($0.suffix(16), radix: 16) }
        // Signals 32 and 33 are the C library's, which ignores them in what it spawned, so perhaps in this very process.
        #expect(blocked.map { $0 & ~0x1_8000_0000 } == [0, 0], "\(masks)")
    }

    @Test func `it leads a session of its own`() async throws {
        let (text, _) = try await run("/bin/sh", ["-c", "cut -d' ' -f1,6 /proc/$$/stat"])
        let numbers = text.split(whereSeparator: { $0.isWhitespace })
        #expect(numbers.count == 2 && numbers[0] == numbers[1], "\(text)")
    }

    @Test func `a program that is not there is named`() async throws {
        await #expect {
            _ = try await run("/no/such/program", [])
        } throws: {
            ($0 as? ReplicaFailure)?.code == .programMissing && "\($0)".contains("/no/such/program")
        }
    }

    @Test func `one that avoids io_uring finds none, and others find it`() async throws {
        let disabled = ProcessStat.read("/proc/sys/kernel/io_uring_disabled", limit: 8)?.first
        let script = "syscall(425, 1, 0); print $!+0"
        let without = try await run("/usr/bin/perl", ["-e", script], hasIOUring: false)
        #expect(without.text == "\(ENOSYS)")
        guard disabled == UInt8(ascii: "0") else {
            return print("not compared with a program that may use io_uring: this kernel has it switched off")
        }
        let with = try await run("/usr/bin/perl", ["-e", script])
        #expect(with.text == "\(EFAULT)", "it is there, and there is nothing at address 0")
    }
}

import Glibc

/// A program with pipes to its standard input and output; killed when the value goes.
final class ChildProcess {
    private let pid: pid_t
    private let input: Int32
    private let output: Int32

    struct CannotStart: Error {
        let path: String
        let status: Int32
    }

    /// `environment` is added to this process's own; what is secret goes there, since arguments can be read by everyone.
    init(_ words: [String], environment: [String: String] = [:]) throws {
        var (toChild, fromChild): ([Int32], [Int32]) = ([0, 0], [0, 0])
        _ = pipe(&toChild)
        _ = pipe(&fromChild)
        // Or the other children of this process would keep them open.
        for end in toChild + fromChild { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0 + "=" + $1) }
        var inherited = environ
        while let variable = inherited.pointee {
            variables.append(strdup(variable))
            inherited += 1
        }
        variables.append(nil)
        defer { for text in arguments + variables { free(text) } }
        var child = pid_t()
        let status = posix_spawn(&child, words[0], &actions, nil, &arguments, &variables)
        close(toChild[0])
        close(fromChild[1])
        input = toChild[1]
        output = fromChild[0]
        pid = child
        guard status == 0 else { throw CannotStart(path: words[0], status: status) }
    }

    deinit {
        close(input)
        close(output)
        kill()
    }

    /// Waits for that many bytes of output; what there was when it ended early.
    func read(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: count)
        while bytes.count < count {
            let got = Glibc.read(output, &piece, count - bytes.count)
            guard got > 0 else { break }
            bytes += piece[..<got]
        }
        return bytes
    }

    /// Waits for a line; what there was when the output ended early.
    func readLine() -> String {
        var line: [UInt8] = []
        while let byte = read(1).first, byte != UInt8(ascii: "\n") { line.append(byte) }
        return String(decoding: line, as: UTF8.self)
    }

    /// What is left of its output once it has ended; a last line that was cut is not in it.
    func rest() -> String {
        var text = ""
        while case let line = read(1), let byte = line.first {
            var bytes = [byte]
            while bytes.last != UInt8(ascii: "\n"), let next = read(1).first { bytes.append(next) }
            if bytes.last == UInt8(ascii: "\n") { text += String(decoding: bytes, as: UTF8.self) }
        }
        return text
    }

    /// Ends it at once and waits for its end. Harmless the second time.
    func kill() {
        guard waitpid(pid, nil, WNOHANG) == 0 else { return }
        Glibc.kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// The folder of the test runner, where the package's other programs are.
    static var productFolder: String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let runner = String(decoding: buffer[..<max(count, 0)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return runner.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
    }
}

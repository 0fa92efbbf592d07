import Glibc
import Synchronization
import Transport

@testable import RouterKit

/// A file system in memory in which any call can be made to fail.
final class FakeLogFiles: LogFiles {
    struct File: Sendable {
        var bytes: [UInt8]
        let inode: UInt64
    }

    struct State: Sendable {
        var files: [String: File] = [:]
        /// Descriptor to inode.
        var open: [Int32: UInt64] = [:]
        var nextInode: UInt64 = 1
        var nextDescriptor: Int32 = 3
        var callsCount = 0
        /// Calls, counted from 1, that fail.
        var failingCalls: Set<Int> = []
        /// Operations that fail as long as they are in here.
        var failing: [LogError.Operation: Int32] = [:]
        /// Bytes that the disk has room for; writes are cut to it and then fail.
        var room = Int.max
        /// Longest single write.
        var longestWrite = Int.max
        var syncsCount = 0
    }

    private let state = Lock(State())

    func with<Result: Sendable>(_ body: (inout State) -> Result) -> Result { state.withLock { body(&$0) } }

    /// The text of the file with that name.
    func text(_ path: String) -> String? {
        with { $0.files[path].map { String(decoding: $0.bytes, as: UTF8.self) } }
    }

    private func call<Success: Sendable>(
        _ operation: LogError.Operation, _ path: String, _ body: (inout State) -> Result<Success, LogError>
    ) throws(LogError) -> Success {
        try with { state -> Result<Success, LogError> in
            state.callsCount += 1
            if state.failingCalls.contains(state.callsCount) {
                return .failure(LogError(operation, path, systemError: EIO))
            }
            if let code = state.failing[operation] { return .failure(LogError(operation, path, systemError: code)) }
            return body(&state)
        }.get()
    }

    func open(_ path: String) throws(LogError) -> OpenLogFile {
        try call(.open, path) { state in
            if state.files[path] == nil {
                state.files[path] = File(bytes: [], inode: state.nextInode)
                state.nextInode += 1
            }
            let file = state.files[path]!
            state.nextDescriptor += 1
            state.open[state.nextDescriptor] = file.inode
            return .success(
                OpenLogFile(
                    descriptor: state.nextDescriptor, sizeBytes: file.bytes.count,
                    endsMidLine: file.bytes.last.map { $0 != UInt8(ascii: "\n") } ?? false,
                    identity: FileIdentity(device: 1, inode: file.inode)))
        }
    }

    func write(_ bytes: Span<UInt8>, to file: OpenLogFile, path: String) throws(LogError) -> Int {
        let copy = bytes.indices.map { bytes[$0] }
        return try call(.write, path) { state in
            let count = min(copy.count, state.room, state.longestWrite)
            guard count > 0 else { return .failure(LogError(.write, path, systemError: ENOSPC)) }
            guard let inode = state.open[file.descriptor] else {
                return .failure(LogError(.write, path, systemError: EBADF))
            }
            state.room -= count
            // A file without a name takes bytes that nobody will see, as on a real disk.
            if let name = state.files.first(where: { $0.value.inode == inode })?.key {
                state.files[name]!.bytes += copy[..<count]
            }
            return .success(count)
        }
    }

    func rename(_ path: String, to target: String) throws(LogError) {
        try call(.rotate, path) { state -> Result<Void, LogError> in
            guard let file = state.files.removeValue(forKey: path) else {
                return .failure(LogError(.rotate, path, systemError: ENOENT))
            }
            state.files[target] = file
            return .success(())
        }
    }

    func identity(of path: String) -> FileIdentity? {
        with { $0.files[path].map { FileIdentity(device: 1, inode: $0.inode) } }
    }

    func sync(_ file: OpenLogFile, path: String) throws(LogError) {
        try call(.sync, path) { state -> Result<Void, LogError> in
            state.syncsCount += 1
            return .success(())
        }
    }

    func close(_ file: OpenLogFile) {
        with { _ = $0.open.removeValue(forKey: file.descriptor) }
    }
}

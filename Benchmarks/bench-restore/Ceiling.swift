import BenchSupport
import Foundation
import GPUServeKit
import Synchronization

/// Hands out 0, 1, ... to threads.
private final class Counter: Sendable {
    private let next = Atomic<Int>(0)
    func take() -> Int { next.wrappingAdd(1, ordering: .relaxed).oldValue }
}

/// What the machine itself can do: plain reads, copies, and `dd`.
enum Ceiling {
    /// Runs `body` on so many threads and returns the time until all have ended, in milliseconds.
    static func time_ms(threads: Int, _ body: @escaping @Sendable (Int) -> Void) -> Double {
        let start = monotonicNanoseconds()
        DispatchQueue.concurrentPerform(iterations: threads) { body($0) }
        return Double(monotonicNanoseconds() - start) / 1e6
    }

    /// GB/s of plain `pread` of whole files into memory that is present, in pieces of 1 MiB shared out among threads.
    static func pread_gbps(_ files: [String], into window: HostWindow, threads: Int) -> Double {
        var pieces: [(file: Int32, offset: Int, place: Int, count: Int)] = []
        var place = 0
        let descriptors = files.map { open($0, O_RDONLY) }
        for (file, path) in zip(descriptors, files) {
            let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
            for offset in stride(from: 0, to: size, by: 1 << 20) where place < window.byteCount {
                let count = min(1 << 20, size - offset, window.byteCount - place)
                pieces.append((file, offset, place, count))
                place += count
            }
        }
        let next = Counter()
        let work = pieces
        let time = time_ms(threads: threads) { _ in
            while true {
                let index = next.take()
                guard index < work.count else { return }
                let piece = work[index]
                _ = pread(piece.file, window.base + piece.place, piece.count, off_t(piece.offset))
            }
        }
        for file in descriptors { close(file) }
        return Double(place) / time / 1e6
    }

    /// GB/s of memcpy between two pieces of present memory.
    static func memcpy_gbps(from source: HostWindow, to target: HostWindow, threads: Int) -> Double {
        let count = min(source.byteCount, target.byteCount)
        let piece = 4 << 20
        let next = Counter()
        let time = time_ms(threads: threads) { _ in
            while true {
                let offset = next.take() * piece
                guard offset < count else { return }
                memcpy(target.base + offset, source.base + offset, min(piece, count - offset))
            }
        }
        return Double(count) / time / 1e6
    }

    /// GB/s of `dd iflag=direct` over the files, one after the other.
    static func dd_gbps(_ files: [String], blockSize: String) throws -> Double {
        var bytes = 0
        let start = monotonicNanoseconds()
        for file in files {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/dd")
            process.arguments = ["if=\(file)", "of=/dev/null", "bs=\(blockSize)", "iflag=direct"]
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            bytes += (try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int) ?? 0
        }
        return Double(bytes) / Double(monotonicNanoseconds() - start)
    }

    /// Drops the files from the page cache, as far as anyone may who owns them.
    static func dropFromCache(_ files: [String]) {
        for path in files {
            let file = open(path, O_RDONLY)
            fdatasync(file)
            posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
            close(file)
        }
    }

    /// Brings the files into the page cache.
    static func warm(_ files: [String]) {
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        for path in files {
            let file = open(path, O_RDONLY)
            while read(file, buffer, 1 << 20) > 0 {}
            close(file)
        }
    }

    /// A line of /proc/self/status in MiB.
    static func status_mb(_ name: String) -> Double {
        let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
        return (line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Double($0) } ?? 0)
            / 1024
    }

    /// Makes the peak of resident memory begin anew.
    static func resetPeak() {
        let file = open("/proc/self/clear_refs", O_WRONLY)
        _ = write(file, "5", 1)
        close(file)
    }
}

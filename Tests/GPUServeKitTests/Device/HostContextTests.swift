import Glibc
import Testing

@testable import GPUServeKit

/// The host as a device.
@Suite struct HostContextTests {
    @Test(arguments: ContextConformance.checks)
    func `a host context is a GPU context`(check: ContextConformance.Check) async throws {
        try await check.run(HostContext(pool: HostMemoryPool()))
    }

    @Test func `a landing is the destination itself and its copy moves nothing`() async throws {
        let context = try HostContext(pool: HostMemoryPool())
        let arena = try await context.makeArena(byteCount: 4096)
        let window = try await context.landing(for: arena.range)
        #expect(UInt64(UInt(bitPattern: window.base)) == arena.range.address)
        let direct = try #require(try context.hostWindow(of: arena.range.slice(100, 8)))
        #expect(direct.base == window.base + 100)
    }

    @Test func `a window outlives its buffer`() async throws {
        let pool = HostMemoryPool()
        let context = try HostContext(pool: pool)
        let arena = try await context.makeArena(byteCount: 4096)
        let window = try await context.landing(for: arena.range)
        try await context.free(arena)
        window.withBytes { $0[0] = 1 }
        #expect(pool.heldBytes == HostPages.alignment)
    }

    @Test func `a landing given back late is not handed out meanwhile`() async throws {
        let context = try HostContext(pool: HostMemoryPool())
        let arena = try await context.makeArena(byteCount: 4096)
        let window = try await context.landing(for: arena.range)
        try await context.free(arena)
        let next = try await context.makeArena(byteCount: 4096)
        #expect(next.range.address != UInt64(UInt(bitPattern: window.base)))
    }

    @Test func `contexts clone from each other`() async throws {
        let pool = HostMemoryPool()
        let one = try HostContext(ordinal: 0, pool: pool)
        let two = try HostContext(ordinal: 1, pool: pool)
        let source = try await one.makeArena(byteCount: 100)
        let target = try await two.makeArena(byteCount: 100)
        let stream = try await one.makeStream()
        _ = try await one.fill(source.range, with: 9, on: stream)
        let other = try await two.makeStream()
        _ = try await two.clone(source.range, of: one, to: target.range, on: other)
        #expect(try await two.checksum(of: target.range, on: other) == one.checksum(of: source.range, on: stream))
        await ContextConformance.refuses(.outOfBounds) {
            _ = try await two.clone(source.range, to: target.range, on: other)
        }
    }

    @Test func `copies within one arena may overlap`() async throws {
        let context = try HostContext(pool: HostMemoryPool())
        let arena = try await context.makeArena(byteCount: 32 << 20)
        let stream = try await context.makeStream()
        let window = try await context.landing(for: arena.range)
        window.withBytes {
            for index in stride(from: 0, to: $0.count, by: 4096) { $0[index] = UInt8(index >> 12 & 0xFF) }
        }
        let length = (32 << 20) - 4096
        let expected = ContextConformance.bytes(try window.slice(0, length))
        _ = try await context.clone(arena.range.slice(0, length), to: arena.range.slice(4096, length), on: stream)
        #expect(ContextConformance.bytes(try window.slice(4096, length)) == expected)
    }

    @Test func `many contexts work at once and free all they took`() async throws {
        let pool = HostMemoryPool()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for ordinal in 0..<8 {
                group.addTask {
                    let context = try HostContext(ordinal: ordinal, pool: pool)
                    let stream = try await context.makeStream()
                    for round in 0..<20 {
                        let arena = try await context.makeArena(byteCount: 3 << 20)
                        let byte = UInt8(truncatingIfNeeded: ordinal * 20 + round)
                        _ = try await context.fill(arena.range, with: byte, on: stream)
                        let window = try #require(try context.hostWindow(of: arena.range))
                        #expect(
                            stride(from: 0, to: window.byteCount, by: 1009).allSatisfy {
                                window.base.load(fromByteOffset: $0, as: UInt8.self) == byte
                            })
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(pool.heldBytes == 0)
    }
}

/// Memory that is kept and reused.
@Suite struct HostMemoryPoolTests {
    private func pool(capacity: Int = 1 << 30, idle: Int = 1 << 30) -> HostMemoryPool {
        var configuration = HostMemoryPool.Configuration()
        configuration.capacityBytes = capacity
        configuration.idleBytes = idle
        return HostMemoryPool(configuration)
    }

    @Test func `memory given back is reused, present as it was`() throws {
        let pool = pool()
        let first = try pool.lease(byteCount: 5 << 20, at: nil).pages.base
        #expect(pool.heldBytes == 0)
        #expect(pool.idleBytes == 6 << 20)
        let faults = pageFaults()
        let again = try pool.lease(byteCount: 6 << 20, at: nil)
        again.window(byteCount: 6 << 20).withBytes { bytes in
            for offset in stride(from: 0, to: bytes.count, by: 4096) { bytes[offset] = 1 }
        }
        #expect(again.pages.base == first)
        // 1,536 pages of 4 KiB were written; other tests' threads may fault meanwhile, hence this thread's count.
        #expect(pageFaults() - faults < 100)
    }

    @Test func `an arena far smaller than what is idle does not take it`() throws {
        let pool = pool()
        try pool.prepare(byteCount: 64 << 20)
        let small = try pool.lease(byteCount: 2 << 20, at: nil)
        #expect(small.pages.byteCount == 2 << 20)
        #expect(pool.idleBytes == 64 << 20)
    }

    @Test func `preparing twice maps once`() throws {
        let pool = pool()
        try pool.prepare(byteCount: 8 << 20)
        try pool.prepare(byteCount: 8 << 20)
        #expect(pool.idleBytes == 8 << 20)
        pool.drain()
        #expect(pool.idleBytes == 0)
    }

    @Test func `idle memory is bounded, the oldest goes first`() throws {
        let pool = pool(idle: 6 << 20)
        var leases = try (0..<4).map { _ in try pool.lease(byteCount: 2 << 20, at: nil) }
        let bases = leases.map(\.pages.base)
        while !leases.isEmpty { leases.removeFirst() }
        #expect(pool.idleBytes == 6 << 20)
        let kept = try (0..<3).map { _ in try pool.lease(byteCount: 2 << 20, at: nil) }
        #expect(Set(kept.map(\.pages.base)) == Set(bases.dropFirst()))
    }

    @Test func `idle memory makes way for what is needed, held memory does not`() throws {
        let pool = pool(capacity: 16 << 20)
        try pool.prepare(byteCount: 12 << 20)
        let first = try pool.lease(byteCount: 16 << 20, at: nil)
        #expect(pool.idleBytes == 0)
        let error = #expect(throws: DeviceError.self) { try pool.lease(byteCount: 1, at: nil) }
        #expect(error?.code == .outOfMemory)
        #expect(error?.detail.contains("capacity") == true)
        withExtendedLifetime(first) {}
    }

    @Test func `a refused lease books nothing`() throws {
        let pool = pool(capacity: 8 << 40)
        #expect(throws: DeviceError.self) { try pool.lease(byteCount: 4 << 40, at: nil) }
        #expect(throws: DeviceError.self) { try pool.lease(byteCount: .max, at: nil) }
        #expect(throws: DeviceError.self) { try pool.lease(byteCount: 1 << 20, at: 0x1000) }
        let held = try pool.lease(byteCount: 1, at: nil)
        #expect(throws: DeviceError.self) { try pool.lease(byteCount: 1, at: held.pages.address) }
        #expect(pool.heldBytes == 2 << 20)
    }

    @Test func `an address under idle memory is free for the asking`() throws {
        let pool = pool()
        // Far from where the kernel puts mappings of its own choice, so that no other test can take it meanwhile.
        let address: UInt64 = 0x2A00_0000_0000
        #expect(try pool.lease(byteCount: 8 << 20, at: address).pages.address == address)
        #expect(pool.idleBytes == 8 << 20)
        // Inside the idle mapping, so that it cannot simply be reused.
        let inner = try pool.lease(byteCount: 2 << 20, at: address + 2 << 20)
        #expect(inner.pages.address == address + 2 << 20)
        #expect(pool.idleBytes == 0)
    }

    /// Minor faults of the calling thread.
    private func pageFaults() -> Int {
        var usage = rusage()
        getrusage(1, &usage)  // RUSAGE_THREAD, which Glibc leaves out
        return usage.ru_minflt
    }
}

/// Pieces of one job on several threads.
@Suite struct ThreadsTests {
    @Test(arguments: [(0, 4), (1, 4), (7, 1), (1000, 3), (5, 0)])
    func `every piece is done once`(pieceCount: Int, threadCount: Int) {
        let window = try? HostMemoryPool.shared.window(byteCount: 1024)
        window?.withBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: 0) }
        Threads.run(pieceCount, threadCount: threadCount) { piece in window?.withBytes { $0[piece] += 1 } }
        #expect(window?.withBytes { $0.prefix(pieceCount).allSatisfy { $0 == 1 } } == true)
        #expect(window?.withBytes { $0.dropFirst(pieceCount).allSatisfy { $0 == 0 } } == true)
    }
}

/// The checksum that finds accidents.
@Suite struct DeviceChecksumTests {
    private func checksum(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { DeviceChecksum.of($0) } }

    @Test func `pieces in any order add up to the whole`() {
        let bytes = (0..<8000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let sums = stride(from: 0, to: 8000, by: 800).map { start in
            bytes[start..<start + 800].withUnsafeBytes { DeviceChecksum.sum($0, firstWord: start / 8) }
        }
        let whole = DeviceChecksum.finish(sums.reversed().reduce(0, &+), byteCount: 8000)
        #expect(whole == checksum(bytes))
    }

    @Test func `every flipped bit changes it`() {
        var bytes = (0..<259).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let right = checksum(bytes)
        for bit in 0..<(259 * 8) {
            bytes[bit / 8] ^= 1 << (bit % 8)
            #expect(checksum(bytes) != right)
            bytes[bit / 8] ^= 1 << (bit % 8)
        }
    }

    @Test func `swapped words, other lengths and zeros at the end change it`() {
        let bytes = (0..<64).map { UInt8($0) }
        let swapped = Array(bytes[8..<16] + bytes[0..<8] + bytes[16...])
        let all = [bytes, swapped, bytes + [0], Array(bytes.dropLast()), [], [0], [0, 0]]
        #expect(Set(all.map(checksum)).count == all.count)
    }

    /// Fixed by this project; a kernel on a device must give the same.
    @Test func `its values are pinned`() {
        #expect(checksum([]) == 0)
        #expect(checksum(Array("GPUServeKit".utf8)) == 12_228_605_016_923_164_213)
    }
}

import Testing

@testable import GPUServeKit

/// The kit's use of the driver on a real GPU. Left out, with the reason, where there is none.
@Suite(.serialized, .enabled(if: RealGPU.driver != nil, Comment(rawValue: RealGPU.reason)))
struct RealGPUTests {
    private func context() async throws -> CUDAContext {
        let driver = try #require(RealGPU.driver)
        return try await CUDAContext.make(driver: driver)
    }

    @Test(arguments: ContextConformance.checks)
    func `a CUDA context is a GPU context`(check: ContextConformance.Check) async throws {
        let context = try await context()
        try await check.run(context)
        try await context.close()
    }

    /// Lengths around the kernel's words, threads and blocks.
    @Test(arguments: [1, 7, 8, 9, 4095, 256 * 8, 256 * 8 + 3, 1 << 20, (1 << 20) + 5, 300_000_007])
    func `the device's checksum is the host's`(byteCount: Int) async throws {
        let context = try await context()
        let arena = try await context.makeArena(byteCount: byteCount)
        let window = try ContextConformance.pattern(byteCount, seed: UInt64(byteCount))
        let stream = try await context.makeStream()
        _ = try await context.copyIn(window, to: arena.range, on: stream)
        let found = try await context.checksum(of: arena.range, on: stream)
        #expect(found == window.withBytes { DeviceChecksum.of(UnsafeRawBufferPointer($0)) })
        try await context.free(arena)
        try await context.close()
    }

    @Test func `an arena comes back at its address, and pinned landings carry it in`() async throws {
        let context = try await context()
        let first = try await context.makeArena(byteCount: 64 << 20)
        let address = first.range.address
        try await context.free(first)
        let again = try await context.makeArena(byteCount: 64 << 20, at: address)
        #expect(again.range.address == address)
        try await context.prepareStaging(slotBytes: 4 << 20, count: 4)
        let stream = try await context.makeStream()
        let pattern = try ContextConformance.pattern(64 << 20, seed: 3)
        for offset in stride(from: 0, to: 64 << 20, by: 4 << 20) {
            let range = try again.range.slice(offset, 4 << 20)
            let landing = try await context.landing(for: range)
            landing.base.copyMemory(from: pattern.base + offset, byteCount: 4 << 20)
            _ = try await context.copyIn(landing, to: range, on: stream)
        }
        let found = try await context.checksum(of: again.range, on: stream)
        #expect(found == pattern.withBytes { DeviceChecksum.of(UnsafeRawBufferPointer($0)) })
        try await context.free(again)
        try await context.close()
    }

    @Test func `a restore, a clone and a switch are bit-exact on the device`() async throws {
        let setup = try await ResidentTests.Setup()
        let context = try await context()
        let restorer = Restorer(store: setup.fixture.disk, devices: [context])
        let resident = try await restorer.restore(setup.fixture.snapshot.id)
        try await resident.expect(setup.fixture.regions)
        let clone = try await restorer.restore(setup.fixture.snapshot.id, RestoreOptions(mayAttach: false))
        #expect(clone.report.choice == .clone)
        try await clone.switch(to: setup.variant)
        try await clone.expect(setup.variantRegions)
        try await resident.expect(setup.fixture.regions)
        try await clone.close()
        try await resident.close()
        try await context.close()
    }

    @Test func `memory that was given back is free again`() async throws {
        let context = try await context()
        try await context.free(context.makeArena(byteCount: 1 << 30))
        let before = try await context.memoryUse().freeBytes
        for _ in 0..<20 { try await context.free(context.makeArena(byteCount: 1 << 30)) }
        #expect(try await context.memoryUse().freeBytes >= before - (64 << 20))
        try await context.close()
    }

    @Test func `a module that does not compile says what the compiler said`() async throws {
        let context = try await context()
        let image = ModuleImage(name: "broken.ptx", code: .ptx(Array("syntax error".utf8)))
        let error = await ContextConformance.refuses(.moduleRejected) { _ = try await context.load(image) }
        #expect(error?.detail.contains("broken.ptx") == true)
        try await context.close()
    }

    @Test func `more memory than there is is refused by name, and nothing is kept`() async throws {
        let context = try await context()
        let total = context.device.totalBytes
        await ContextConformance.refuses(.outOfMemory) { _ = try await context.makeArena(byteCount: 2 * total) }
        #expect(try await context.memoryUse().heldBytes == 0)
        try await context.close()
    }

    @Test func `a pool of contexts hands them out and takes them back`() async throws {
        let driver = try #require(RealGPU.driver)
        let pool = try ContextPool(.cuda(driver), count: 2)
        await pool.fill()
        for _ in 0..<10 {
            let lease = try await pool.take()
            let context = lease.warm.context
            try await context.free(context.makeArena(byteCount: 4 << 20))
            _ = consume lease
        }
        await pool.close()
    }
}

/// The first GPU of this machine, or why there is none.
enum RealGPU {
    private static let cuda = DeviceCatalog.discover().cuda

    static let driver: CUDADriver? = try? cuda.get()

    static let reason: String = {
        guard case .failure(let error) = cuda else { return "there is a GPU" }
        return "no GPU to test on: \(error)"
    }()
}

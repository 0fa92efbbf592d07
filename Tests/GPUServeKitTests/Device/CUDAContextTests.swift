import CFakeCuda
import Glibc
import Synchronization
import Testing
import Transport
import Wire

@testable import GPUServeKit

extension FakeDriverTests {
    /// The kit's use of the driver, over the fake.
    @Suite struct CUDAContextTests {
        @Test(arguments: ContextConformance.checks)
        func `a CUDA context is a GPU context`(check: ContextConformance.Check) async throws {
            let context = try await CUDAContext.make(driver: start())
            try await check.run(context)
            try await end(context)
        }

        @Test func `an old driver is refused with both versions`() {
            reset { $0.driver_version = 10_020 }
            let error = #expect(throws: DeviceError.self) { try open() }
            #expect(error?.code == .driverTooOld)
            #expect(error?.detail.contains("CUDA 10.2, 11.0 is needed") == true)
        }

        @Test func `a driver without a device says so`() {
            reset { $0.device_count = 0 }
            let error = #expect(throws: DeviceError.self) { try open() }
            #expect(error?.code == .noDevice)
            #expect(error?.detail.contains("cuInit returned CUDA_ERROR_NO_DEVICE (100)") == true)
        }

        @Test func `devices are described`() throws {
            let devices = try start().devices()
            #expect(devices.map(\.id) == [DeviceID(.cuda, 0), DeviceID(.cuda, 1)])
            #expect(devices[1].name == "Fake GPU 1")
            #expect(devices[1].uuid == "GPU-10111213-1415-1617-1819-1a1b1c1d1e1f")
            #expect(devices[1].pciBusID == "0000:11:00.0")
            #expect(devices[1].computeCapability?.description == "9.0")
            #expect(devices[1].totalBytes == 1 << 30)
            #expect(devices[1].hasFixedAddresses)
        }

        @Test func `a device that is not there is named`() async throws {
            let driver = try start()
            for ordinal in [2, -1, Int.max] {
                await ContextConformance.refuses(.noDevice) {
                    _ = try await CUDAContext.make(driver: driver, ordinal: ordinal)
                }
            }
            expectTidyEnd()
        }

        @Test func `without virtual memory there are no arenas and plain memory works`() async throws {
            let context = try await CUDAContext.make(driver: start { $0.has_vmm = 0 })
            await ContextConformance.refuses(.notSupported) { _ = try await context.makeArena(byteCount: 1) }
            do { _ = try await context.allocate(byteCount: 1) }
            try await end(context)
        }

        @Test func `a copy keeps its window until it has run`() async throws {
            let pool = HostMemoryPool()
            let context = try await CUDAContext.make(driver: start())
            let buffer = try await context.allocate(byteCount: 4096)
            let stream = try await context.makeStream()
            let token: CompletionToken
            do {
                let window = try pool.window(byteCount: 4096)
                window.withBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: 3) }
                token = try await context.copyIn(window, to: buffer.range, on: stream)
            }
            #expect(fake_cuda_queued_count() == 2)
            #expect(pool.heldBytes > 0)
            try await context.completed(token)
            #expect(pool.heldBytes == 0)
            try await context.free(buffer)
            try await end(context)
        }

        @Test func `a dropped buffer lives until its work has run`() async throws {
            let context = try await CUDAContext.make(driver: start())
            let stream = try await context.makeStream()
            let token: CompletionToken
            do {
                let arena = try await context.makeArena(byteCount: 4096)
                token = try await context.fill(arena.range, with: 1, on: stream)
            }
            #expect(fake_cuda_live().mappings == 1)
            try await context.completed(token)
            _ = try await context.memoryUse()
            #expect(fake_cuda_live().mappings == 0)
            try await end(context)
        }

        @Test func `landings wait for a slot and get it when a copy has run`() async throws {
            let context = try await CUDAContext.make(driver: start())
            try await context.prepareStaging(slotBytes: 5000, count: 2)
            #expect(try await context.memoryUse().stagingBytes == 2 * 8192)
            let arena = try await context.makeArena(byteCount: 64 * 4096)
            let stream = try await context.makeStream()
            // 64 readers share two slots.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<64 {
                    let range = try arena.range.slice(index * 4096, 4096)
                    group.addTask {
                        let window = try await context.landing(for: range)
                        window.withBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: UInt8(index)) }
                        _ = try await context.copyIn(window, to: range, on: stream)
                    }
                }
                try await group.waitForAll()
            }
            let back = try HostMemoryPool.shared.window(byteCount: 64 * 4096)
            try await context.completed(context.copyOut(arena.range, to: back, on: stream))
            #expect(
                (0..<64).allSatisfy { index in back.base.load(fromByteOffset: index * 4096, as: UInt8.self) == index })
            try await context.free(arena)
            try await end(context)
        }

        @Test func `landings without slots, or too long for one, are refused`() async throws {
            let context = try await CUDAContext.make(driver: start())
            let arena = try await context.makeArena(byteCount: 1 << 20)
            await ContextConformance.refuses(.invalidArgument) { _ = try await context.landing(for: arena.range) }
            try await context.prepareStaging(slotBytes: 4096, count: 1)
            await ContextConformance.refuses(.invalidArgument) { _ = try await context.landing(for: arena.range) }
            await ContextConformance.refuses(.limitReached) {
                try await context.prepareStaging(slotBytes: 1 << 40, count: 1 << 40)
            }
            let range = try arena.range.slice(0, 4096)
            do {
                let window = try await context.landing(for: range)
                await ContextConformance.refuses(.invalidArgument) {
                    try await context.prepareStaging(slotBytes: 4096, count: 2)
                }
                withExtendedLifetime(window) {}
            }
            try await context.free(arena)
            try await end(context)
        }

        @Test func `a cancelled landing gives its place to the next`() async throws {
            let context = try await CUDAContext.make(driver: start())
            try await context.prepareStaging(slotBytes: 4096, count: 1)
            let arena = try await context.makeArena(byteCount: 4096)
            let range = arena.range
            var held: HostWindow? = try await context.landing(for: range)
            let first = Task { try await context.landing(for: range) }
            while await context.stagingWaiterCount != 1 { await Task.yield() }
            // Gives back the number of bytes, because a task keeps what it returned.
            let second = Task { try await context.landing(for: range).byteCount }
            while await context.stagingWaiterCount != 2 { await Task.yield() }
            first.cancel()
            await ContextConformance.refuses(.cancelled) { _ = try await first.value }
            #expect(held != nil)
            held = nil
            #expect(try await second.value == 4096)
            try await context.free(arena)
            try await end(context)
        }

        @Test func `a landing held over the end keeps its memory`() async throws {
            let context = try await CUDAContext.make(driver: start())
            try await context.prepareStaging(slotBytes: 4096, count: 1)
            do {
                let arena = try await context.makeArena(byteCount: 4096)
                let window = try await context.landing(for: arena.range)
                try await context.close()
                window.withBytes { $0[4095] = 1 }
                #expect(fake_cuda_live().pinned == 1)
                #expect(fake_cuda_live().contexts == 1)
            }
            await context.settle()
            expectTidyEnd()
        }

        @Test func `waiting is cancelled, the work is not`() async throws {
            let context = try await CUDAContext.make(driver: start())
            let buffer = try await context.allocate(byteCount: 4096)
            let stream = try await context.makeStream()
            let token = try await context.fill(buffer.range, with: 1, on: stream)
            let waiting = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await context.completed(token)
            }
            // Either it saw the cancellation first or the completion; both are right, and nothing hangs.
            do { try await waiting.value } catch { #expect((error as? DeviceError)?.code == .cancelled) }
            try await context.completed(token)
            try await context.free(buffer)
            try await end(context)
        }

        /// The executor may run other jobs between a question to the driver and the wait that its answer leads to. Here it is
        /// made to: the work ends exactly then.
        @Test func `a wait that begins while its work ends is over at once`() async throws {
            let context = try await CUDAContext.make(driver: start())
            let buffer = try await context.allocate(byteCount: 4096)
            let stream = try await context.makeStream()
            for _ in 0..<20 {
                let token = try await context.fill(buffer.range, with: 1, on: stream)
                let isOver = await context.finishes {
                    try await context.completed(token)
                } when: {
                    try? $0.synchronize()
                }
                try #require(isOver, "it waits for work that has finished")
            }
            try await context.free(buffer)
            try await end(context)
        }

        @Test func `a landing wanted while a slot comes back gets it`() async throws {
            let context = try await CUDAContext.make(driver: start())
            try await context.prepareStaging(slotBytes: 4096, count: 1)
            let arena = try await context.makeArena(byteCount: 4096)
            let range = arena.range
            for _ in 0..<20 {
                let held = Held(try await context.landing(for: range))
                let isOver = await context.finishes {
                    _ = try await context.landing(for: range)
                } when: { _ in
                    held.drop()
                }
                try #require(isOver, "it waits although a slot is free")
            }
            try await context.free(arena)
            try await end(context)
        }

        @Test func `a kernel that traps loses the context, and everyone is told`() async throws {
            let context = try await CUDAContext.make(driver: start())
            let buffer = try await context.allocate(byteCount: 4096)
            let stream = try await context.makeStream()
            let module = try await context.load(ModuleImage(name: "trap", code: .ptx(Array(".entry trap(".utf8))))
            let kernel = try await context.kernel("trap", in: module)
            let token = try await context.launch(kernel, LaunchShape(blocks: 1, threads: 1), [], on: stream)
            let error = await ContextConformance.refuses(.contextLost) { try await context.completed(token) }
            #expect(error?.detail.contains("CUDA_ERROR_LAUNCH_FAILED (719)") == true)
            await ContextConformance.refuses(.contextLost) {
                _ = try await context.fill(buffer.range, with: 0, on: stream)
            }
            await ContextConformance.refuses(.contextLost) { try await context.close() }
            await context.settle()
            let live = fake_cuda_live()
            #expect(live.contexts == 0 && live.linear == 0 && live.streams == 0 && live.events == 0)
        }

        @Test func `a module that does not compile says what the compiler said`() async throws {
            let context = try await CUDAContext.make(driver: start())
            let image = ModuleImage(name: "broken.ptx", code: .ptx(Array("syntax error".utf8)))
            let error = await ContextConformance.refuses(.moduleRejected) { _ = try await context.load(image) }
            #expect(error?.detail.contains("broken.ptx") == true)
            #expect(error?.detail.contains("fake ptxas: line 1") == true)
            try await end(context)
        }

        @Test func `devices clone from each other and open arenas to each other`() async throws {
            let driver = try start()
            let one = try await CUDAContext.make(driver: driver, ordinal: 0)
            let two = try await CUDAContext.make(driver: driver, ordinal: 1)
            let source = try await one.makeArena(byteCount: 100_000)
            let target = try await two.makeArena(byteCount: 100_000)
            let stream = try await one.makeStream()
            try await one.completed(one.fill(source.range, with: 5, on: stream))
            let other = try await two.makeStream()
            _ = try await two.clone(source.range, of: one, to: target.range, on: other)
            #expect(try await two.checksum(of: target.range, on: other) == one.checksum(of: source.range, on: stream))
            #expect(one.canReach(two.device.id))
            try await one.allowAccess(to: source, from: two.device.id)
            await ContextConformance.refuses(.notSupported) {
                try await one.allowAccess(to: source, from: DeviceID(.host, 0))
            }
            let plain = try await one.allocate(byteCount: 16)
            await ContextConformance.refuses(.notSupported) {
                try await one.allowAccess(to: plain, from: two.device.id)
            }
            try await one.free(source)
            try await one.free(plain)
            try await two.free(target)
            try await one.close()
            await one.settle()
            try await end(two)
        }

        @Test func `a host arena is cloned onto a device`() async throws {
            let host = try HostContext(pool: HostMemoryPool())
            let context = try await CUDAContext.make(driver: start())
            let source = try await host.makeArena(byteCount: 4096)
            let target = try await context.allocate(byteCount: 4096)
            let hostStream = try await host.makeStream()
            _ = try await host.fill(source.range, with: 8, on: hostStream)
            let stream = try await context.makeStream()
            _ = try await context.clone(source.range, of: host, to: target.range, on: stream)
            #expect(
                try await context.checksum(of: target.range, on: stream)
                    == host.checksum(of: source.range, on: hostStream))
            await ContextConformance.refuses(.notSupported) {
                _ = try await host.clone(target.range, of: context, to: source.range, on: hostStream)
            }
            try await context.free(target)
            try await end(context)
        }

        @Test func `two contexts on one device share it and end apart`() async throws {
            let driver = try start()
            let one = try await CUDAContext.make(driver: driver)
            let two = try await CUDAContext.make(driver: driver)
            try await one.close()
            let buffer = try await two.allocate(byteCount: 16)
            try await two.free(buffer)
            try await end(two)
        }

        @Test func `work in flight is bounded`() async throws {
            var limits = Limits()
            limits.deviceInFlightCount = 3
            let context = try await CUDAContext.make(driver: start(), limits: limits)
            let buffer = try await context.allocate(byteCount: 16)
            let stream = try await context.makeStream()
            // The fake does one piece of work a question, so ten submissions in a row overtake it.
            await ContextConformance.refuses(.limitReached) {
                for _ in 0..<10 { _ = try await context.fill(buffer.range, with: 0, on: stream) }
            }
            try await context.free(buffer)
            try await end(context)
        }

        @Test func `an unaligned checksum is refused before a kernel could trap`() async throws {
            let context = try await CUDAContext.make(driver: start())
            let buffer = try await context.allocate(byteCount: 64)
            let stream = try await context.makeStream()
            await ContextConformance.refuses(.invalidArgument) {
                _ = try await context.checksum(of: buffer.range.slice(4, 8), on: stream)
            }
            try await context.free(buffer)
            try await end(context)
        }
    }
}

/// A window that can be let go of from anywhere.
private final class Held: Sendable {
    private let window: Lock<HostWindow?>

    init(_ window: HostWindow) { self.window = Lock(window) }

    func drop() { window.withLock { $0 = nil } }
}

extension CUDAContext {
    /// Starts `first` so that its job and then `second` lie on the context's thread, one right behind the other, and
    /// returns when `first` has ended, or false when it waits for something that nobody will do any more.
    fileprivate nonisolated func finishes(
        _ first: @escaping @Sendable () async throws -> Void,
        when second: @escaping @Sendable (isolated CUDAContext) -> Void
    ) async -> Bool {
        let (hold, end) = (Gate(), Gate())
        onThread { _ in while !hold.isOpen { sched_yield() } }
        let before = thread.loop.foreignEnqueueCount
        Task.detached {
            try? await first()
            end.open()
        }
        while thread.loop.foreignEnqueueCount == before { await Task.yield() }
        onThread(second)
        hold.open()
        while !end.isOpen {
            if await isStuck { return false }
            await Task.yield()
        }
        return true
    }

    /// Somebody waits for work although there is none, or for a slot although one is free.
    private var isStuck: Bool {
        !waiters.isEmpty && watched == nil && fake_cuda_queued_count() == 0
            || staging.map { !$0.queue.waiters.isEmpty && !$0.queue.freeSlots.isEmpty } ?? false
    }
}

/// Opens once.
private final class Gate: Sendable {
    private let state = Atomic<Bool>(false)
    var isOpen: Bool { state.load(ordering: .acquiring) }
    func open() { state.store(true, ordering: .releasing) }
}

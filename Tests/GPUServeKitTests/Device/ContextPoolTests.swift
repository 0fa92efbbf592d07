import CFakeCuda
import Testing
import Wire

@testable import GPUServeKit

/// The pool's bookkeeping, without contexts.
@Suite struct ContextPoolStateTests {
    private let failure = DeviceError(.outOfMemory, "the test's")

    @Test func `every missing context is made once`() {
        var state = ContextPoolState(slotCount: 2, waiterLimit: 9)
        #expect(state.fill() == [.make(0), .make(1)])
        #expect(state.fill() == [])
        #expect(state.made(1) == [])
        #expect(state.take(1) == [.hand(1, 1)])
        #expect(state.warmCount == 0 && state.leasedCount == 1 && state.makingCount == 1)
    }

    @Test func `who comes first is served first, also before one who finds a warm context`() {
        var state = ContextPoolState(slotCount: 1, waiterLimit: 9)
        #expect(state.take(1) == [.make(0)])
        #expect(state.take(2) == [])
        #expect(state.made(0) == [.hand(1, 0)])
        #expect(state.giveBack(0, isGood: true) == [.hand(2, 0)])
        #expect(state.giveBack(0, isGood: true) == [])
        #expect(state.take(3) == [.hand(3, 0)])
    }

    @Test func `a failure is told to waiters only when nothing else can serve them`() {
        var state = ContextPoolState(slotCount: 2, waiterLimit: 9)
        #expect(state.take(1) == [.make(0), .make(1)])
        #expect(state.failed(0, failure) == [])
        #expect(state.failed(1, failure) == [.refuse(1, failure)])
        #expect(state.take(2) == [.make(0), .make(1)])
        #expect(state.made(1) == [.hand(2, 1)])
        #expect(state.failed(0, failure) == [])
        #expect(state.take(3) == [.make(0)])
        #expect(state.failed(0, failure) == [])
        #expect(state.giveBack(1, isGood: true) == [.hand(3, 1)])
    }

    @Test func `a broken context is ended and replaced`() {
        var state = ContextPoolState(slotCount: 1, waiterLimit: 9)
        #expect(state.take(1) == [.make(0)])
        #expect(state.made(0) == [.hand(1, 0)])
        #expect(state.giveBack(0, isGood: false) == [.end(0), .make(0)])
    }

    @Test func `waiting is bounded and can be given up`() {
        var state = ContextPoolState(slotCount: 1, waiterLimit: 1)
        #expect(state.take(1) == [.make(0)])
        guard case .refuse(2, let error)? = state.take(2).first else {
            Issue.record("a second waiter was not refused")
            return
        }
        #expect(error.code == .limitReached)
        #expect(state.cancel(1) == [.refuse(1, ContextRules.cancelled)])
        #expect(state.cancel(1) == [])
        #expect(state.made(0) == [])
        #expect(state.warmCount == 1)
    }

    @Test func `closing ends what is warm now, and the rest when it comes back`() {
        var state = ContextPoolState(slotCount: 3, waiterLimit: 9)
        #expect(state.fill().count == 3)
        #expect(state.made(0) == [])
        #expect(state.made(1) == [])
        #expect(state.take(1) == [.hand(1, 0)])
        #expect(state.close() == [.end(1)])
        #expect(state.close() == [])
        #expect(state.made(2) == [.end(2)])
        #expect(state.giveBack(0, isGood: true) == [.end(0)])
        guard case .refuse(4, let error)? = state.take(4).first else {
            Issue.record("a closed pool did not refuse")
            return
        }
        #expect(error.code == .closed)
    }

    /// Thousands of random events: no slot is handed out twice, no waiter is answered twice or forgotten.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `random lives keep their promises`(seed: UInt64) {
        var random = seed
        func next(_ bound: Int) -> Int {
            random = DeviceChecksum.mix(random &+ DeviceChecksum.stride)
            return Int(random % UInt64(bound))
        }
        var state = ContextPoolState(slotCount: 4, waiterLimit: 8)
        var making: Set<Int> = []
        var leased: Set<Int> = []
        var waiting: Set<UInt64> = []
        var lastWaiter: UInt64 = 0
        func apply(_ actions: [ContextPoolState.Action]) {
            for action in actions {
                switch action {
                case .make(let slot): #expect(making.insert(slot).inserted && !leased.contains(slot))
                case .hand(let waiter, let slot):
                    #expect(waiting.remove(waiter) != nil && leased.insert(slot).inserted)
                case .refuse(let waiter, _): #expect(waiting.remove(waiter) != nil)
                case .end(let slot): #expect(!leased.contains(slot))
                }
            }
        }
        apply(state.fill())
        for step in 0..<2000 {
            switch next(6) {
            case 0, 1:
                lastWaiter += 1
                waiting.insert(lastWaiter)
                apply(state.take(lastWaiter))
            case 2:
                guard let slot = making.randomElementByOrder(next) else { continue }
                making.remove(slot)
                apply(next(3) == 0 ? state.failed(slot, failure) : state.made(slot))
            case 3, 4:
                guard let slot = leased.randomElementByOrder(next) else { continue }
                leased.remove(slot)
                apply(state.giveBack(slot, isGood: next(4) > 0))
            default: if step.isMultiple(of: 7), let waiter = waiting.min() { apply(state.cancel(waiter)) }
            }
            #expect(state.waiterCount == waiting.count && state.leasedCount == leased.count)
        }
        apply(state.close())
        #expect(waiting.isEmpty)
    }
}

extension Set where Element: Comparable {
    /// An element that depends on nothing but the set's content and `next`.
    fileprivate func randomElementByOrder(_ next: (Int) -> Int) -> Element? {
        isEmpty ? nil : sorted()[next(count)]
    }
}

/// Pools of host contexts.
@Suite struct ContextPoolTests {
    @Test func `a context has what its recipe says, before anyone asks`() async throws {
        var recipe = ContextRecipe.host(pool: HostMemoryPool())
        recipe.streamCount = 3
        recipe.modules = [ContextConformance.doubler(for: .host)]
        recipe.arenaBytes = 4 << 20
        let pool = try ContextPool(recipe, count: 2)
        await pool.fill()
        while await pool.warmCount < 2 { await Task.yield() }
        do {
            let lease = try await pool.take()
            #expect(lease.warm.streams.count == 3)
            _ = try await lease.warm.context.kernel("double_bytes", in: lease.warm.modules[0])
            #expect(try await lease.warm.context.memoryUse().idleBytes >= 4 << 20)
            #expect(await pool.leasedCount == 1)
        }
        while await pool.leasedCount > 0 { await Task.yield() }
        #expect(await pool.warmCount == 2)
        await pool.close()
        await ContextConformance.refuses(.closed) { _ = try await pool.take() }
    }

    @Test func `many users share few contexts, and each has one alone`() async throws {
        let pool = try ContextPool(.host(pool: HostMemoryPool()), count: 2)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    let lease = try await pool.take()
                    #expect(await pool.leasedCount <= 2)
                    _ = try await lease.warm.context.memoryUse()
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func `a closed context that comes back is replaced`() async throws {
        let pool = try ContextPool(.host(pool: HostMemoryPool()), count: 1)
        do { try await pool.take().warm.context.close() }
        let lease = try await pool.take()
        _ = try await lease.warm.context.memoryUse()
    }

    @Test func `what cannot be made says why, and is tried again`() async throws {
        let refusal = DeviceError(.noDevice, "the test's")
        let pool = try ContextPool(
            ContextRecipe { () async throws(DeviceError) -> any GPUContext in throw refusal }, count: 2)
        for _ in 0..<3 {
            let error = await ContextConformance.refuses(.noDevice) { _ = try await pool.take() }
            #expect(error == refusal)
        }
        #expect(await pool.failure == refusal)
    }

    @Test func `a recipe that fails half way leaves no context behind`() async throws {
        var recipe = ContextRecipe.host(pool: HostMemoryPool())
        recipe.modules = [ModuleImage(name: "not for hosts", code: .ptx([]))]
        let pool = try ContextPool(recipe, count: 1)
        await ContextConformance.refuses(.moduleRejected) { _ = try await pool.take() }
    }

    @Test func `pools of no contexts, or of too many, are refused`() {
        let recipe = ContextRecipe.host()
        #expect(throws: DeviceError.self) { try ContextPool(recipe, count: 0) }
        #expect(throws: DeviceError.self) { try ContextPool(recipe, count: Limits.standard.devicePoolContextCount + 1) }
    }
}

extension FakeDriverTests {
    @Suite struct ContextPoolOverFakeTests {
        @Test(arguments: [999, 2] as [Int32])
        func `making a warm context with every call failing in turn leaks nothing`(result: Int32) async throws {
            var call = 0
            while true {
                call += 1
                reset()
                fake_cuda_fail_at(call, result)
                var error: DeviceError?
                do {
                    var recipe = ContextRecipe.cuda(try open())
                    recipe.modules = [ContextConformance.doubler(for: .cuda)]
                    recipe.stagingSlotCount = 2
                    recipe.stagingSlotBytes = 4096
                    recipe.arenaBytes = 4 << 20
                    let warm = try await recipe.prepare()
                    try await warm.context.close()
                } catch let failure {
                    error = failure
                }
                let failed = String(cString: fake_cuda_failed_call())
                expectNothingLeft("call \(call), \(failed)")
                if failed.isEmpty { break }
                #expect(error?.driverResult == result && error?.detail.hasPrefix(failed) == true, "call \(call)")
            }
            #expect(call > 20)
        }

        @Test func `contexts of one GPU are warm together and end together`() async throws {
            let pool = try ContextPool(.cuda(start()), count: 3)
            await pool.fill()
            while await pool.warmCount < 3 { await Task.yield() }
            #expect(fake_cuda_live().contexts == 3)
            #expect(fake_cuda_live().streams == 6)
            await pool.close()
            while fake_cuda_live().contexts > 0 { await Task.yield() }
            expectTidyEnd()
        }
    }

    @Suite struct DeviceCatalogTests {
        @Test func `devices of a working driver are listed after the host`() throws {
            reset()
            let catalog = DeviceCatalog.discover { () throws(DeviceError) in try open() }
            #expect(catalog.devices.map(\.id.description) == ["host:0", "cuda:0", "cuda:1"])
            let json = String(decoding: catalog.json(), as: UTF8.self)
            #expect(
                json.hasPrefix(
                    #"{"cuda":{"available":true,"version":12080},"devices":[{"id":"host:0","name":"host memory""#))
            #expect(json.contains(#""pci_bus_id":"0000:10:00.0","compute_capability":"9.0","copy_engine_count":2"#))
        }

        @Test func `a driver that fails when asked for devices is no driver`() {
            reset()
            fake_cuda_fail_at(4, 802)  // version, init, count, then the first device
            let catalog = DeviceCatalog.discover { () throws(DeviceError) in try open() }
            #expect(catalog.devices.map(\.id.kind) == [.host])
            let json = String(decoding: catalog.json(), as: UTF8.self)
            #expect(json.hasPrefix(#"{"cuda":{"available":false,"code":"noDevice","reason":"cuDeviceGet returned"#))
            #expect(json.contains("CUDA_ERROR_SYSTEM_NOT_READY (802): start nvidia-fabricmanager"))
        }
    }
}

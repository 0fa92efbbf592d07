import CFakeCuda
import Testing

@testable import GPUServeKit

extension FakeDriverTests {
    /// Whatever call of the driver fails, the failure is named and nothing is left over.
    @Suite struct FailAtCallTests {
        struct Scenario: Sendable, CustomTestStringConvertible {
            let testDescription: String
            let run: @Sendable (CUDAContext) async throws -> Void

            init(_ name: String, _ run: @escaping @Sendable (CUDAContext) async throws -> Void) {
                testDescription = name
                self.run = run
            }
        }

        static let scenarios = [
            Scenario("make a context and end it") { _ in },
            Scenario("an arena, and one at a fixed address") { context in
                let address = FarAddress.take()
                let arena = try await context.makeArena(byteCount: 5 << 20, at: address)
                try await context.free(arena)
                let again = try await context.makeArena(byteCount: 5 << 20, at: address)
                #expect(again.range.address == address)
                try await context.free(again)
                try await context.free(context.makeArena(byteCount: 5 << 20))
            },
            Scenario("memory left for the end") { context in
                let arena = try await context.makeArena(byteCount: 5 << 20)
                let plain = try await context.allocate(byteCount: 100)
                try await context.close()
                _ = consume arena
                _ = consume plain
            },
            Scenario("memory that is dropped") { context in
                do {
                    _ = try await context.makeArena(byteCount: 5 << 20)
                    _ = try await context.allocate(byteCount: 100)
                }
                _ = try await context.memoryUse()
            },
            Scenario("staging, landings and copies") { context in
                try await context.prepareStaging(slotBytes: 4096, count: 2)
                let arena = try await context.makeArena(byteCount: 8 * 4096)
                let stream = try await context.makeStream()
                var last: CompletionToken?
                for index in 0..<8 {
                    let range = try arena.range.slice(index * 4096, 4096)
                    let window = try await context.landing(for: range)
                    window.withBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: UInt8(index)) }
                    last = try await context.copyIn(window, to: range, on: stream)
                }
                if let last { try await context.completed(last) }
                try await context.free(arena)
                try await context.prepareStaging(slotBytes: 8192, count: 1)
            },
            Scenario("a module, a kernel and a launch") { context in
                let buffer = try await context.allocate(byteCount: 64)
                let stream = try await context.makeStream()
                let module = try await context.load(ContextConformance.doubler(for: .cuda))
                let kernel = try await context.kernel("double_bytes", in: module)
                let token = try await context.launch(
                    kernel, LaunchShape(blocks: 1, threads: 64), [.range(buffer.range), .uint64(64)], on: stream)
                try await context.completed(token)
                try await context.unload(module)
                _ = try await context.load(ContextConformance.doubler(for: .cuda))
                try await context.free(buffer)
            },
            Scenario("a clone, a fill, a wait and a copy out") { context in
                let source = try await context.allocate(byteCount: 4096)
                let target = try await context.makeArena(byteCount: 4096)
                let one = try await context.makeStream(priority: -1)
                let two = try await context.makeStream()
                let filled = try await context.fill(source.range, with: 1, on: one)
                try await context.wait(for: filled, on: two)
                _ = try await context.clone(source.range, to: target.range, on: two)
                let back = try HostMemoryPool.shared.window(byteCount: 4096)
                try await context.completed(context.copyOut(target.range, to: back, on: two))
                try await context.destroy(one)
                try await context.free(source)
                try await context.free(target)
            },
            Scenario("a checksum") { context in
                let arena = try await context.makeArena(byteCount: 4096)
                let stream = try await context.makeStream()
                _ = try await context.fill(arena.range, with: 1, on: stream)
                _ = try await context.checksum(of: arena.range, on: stream)
                try await context.free(arena)
            },
            Scenario("another device") { context in
                let peer = try await CUDAContext.make(driver: context.driver, ordinal: 1)
                var first: (any Error)?
                do {
                    let source = try await peer.makeArena(byteCount: 4096)
                    let target = try await context.makeArena(byteCount: 4096)
                    try await peer.allowAccess(to: source, from: context.device.id)
                    let stream = try await context.makeStream()
                    let token = try await context.clone(source.range, of: peer, to: target.range, on: stream)
                    try await context.completed(token)
                } catch {
                    first = error
                }
                // What reads the peer's memory ends before the peer does.
                do { try await context.close() } catch { first = first ?? error }
                do { try await peer.close() } catch { first = first ?? error }
                await peer.settle()
                if let first { throw first }
            },
        ]

        /// 999 is no failure that the kit knows how to get around; 2 is one that memory calls do return.
        @Test(arguments: scenarios, [999, 2] as [Int32])
        func `every call may fail: the failure is named and nothing leaks`(
            scenario: Scenario, result: Int32
        ) async throws {
            var call = 0
            while true {
                call += 1
                reset()
                fake_cuda_fail_at(call, result)
                let error = await failure(of: scenario)
                let failed = String(cString: fake_cuda_failed_call())
                let note = "call \(call), \(failed)"
                expectNothingLeft(note)
                if failed.isEmpty {
                    #expect(error == nil, "nothing was made to fail: \(note)")
                    break
                }
                let named = try #require(error, "the failure was swallowed: \(note)")
                #expect(named.driverResult == result, "\(note)")
                #expect(named.detail.hasPrefix(failed), "\(named) is not the failure of \(note)")
                try #require(call < 1000)
            }
            #expect(call > 10, "the scenario made \(call - 1) calls, which cannot be all")
        }

        private func failure(of scenario: Scenario) async -> DeviceError? {
            do {
                let context = try await CUDAContext.make(driver: open())
                var first: (any Error)?
                do { try await scenario.run(context) } catch { first = error }
                do { try await context.close() } catch { first = first ?? error }
                await context.settle()
                if let first { throw first }
                return nil
            } catch let error as DeviceError {
                return error
            } catch {
                Issue.record(error)
                return nil
            }
        }
    }
}

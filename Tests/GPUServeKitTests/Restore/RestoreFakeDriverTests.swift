import CFakeCuda
import Testing

@testable import GPUServeKit

extension FakeDriverTests {
    /// Restores through the GPU's path, over the fake driver.
    @Suite struct RestoreFakeDriverTests {
        private func withContexts(_ count: Int, _ body: ([CUDAContext]) async throws -> Void) async throws {
            let driver = try FakeDriverTests.start()
            var contexts: [CUDAContext] = []
            for ordinal in 0..<count { contexts.append(try await CUDAContext.make(driver: driver, ordinal: ordinal)) }
            try await body(contexts)
            for context in contexts { try await context.close() }
            for context in contexts { await context.settle() }
            FakeDriverTests.expectNothingLeft()
        }

        @Test func `a snapshot comes onto a device through staging, is switched, and goes without a trace`()
            async throws
        {
            let setup = try await ResidentTests.Setup()
            try await withContexts(1) { contexts in
                let restorer = Restorer(store: setup.fixture.disk, devices: contexts)
                let resident = try await restorer.restore(setup.fixture.snapshot.id)
                #expect(resident.report.choice == .full)
                #expect(resident.report.verifiedChunkCount == setup.fixture.snapshot.chunkCount)
                try await resident.expect(setup.fixture.regions)
                try await resident.switch(to: setup.variant)
                try await resident.expect(setup.variantRegions)
                let clone = try await restorer.restore(setup.variant, RestoreOptions(mayAttach: false))
                #expect(clone.report.choice == .clone)
                try await clone.expect(setup.variantRegions)
                let hostPart = RestorePlanner.hostChunks(of: setup.fixture.snapshot.manifest, over: nil)
                #expect(clone.report.verifiedChunkCount == hostPart.count, "a device is asked to only when told to")
                try await clone.close()
                let checked = try await restorer.restore(
                    setup.variant, RestoreOptions(verifiesClones: true, mayAttach: false))
                try await checked.expect(setup.variantRegions)
                try await checked.close()
                try await resident.close()
            }
        }

        @Test func `two devices get their shards, and what they hold makes the same snapshot again`() async throws {
            let fixture = try await RestoreFixture()
            let regions = ResidentTests.shardedRegions()
            let made = try await fixture.disk.create(from: MemorySource(regions), RestoreFixture.options)
            try await withContexts(2) { contexts in
                let resident = try await Restorer(store: fixture.disk, devices: contexts).restore(made.id)
                for device in 0..<2 {
                    for (description, bytes) in regions {
                        #expect(
                            try await resident.bytes(of: description.name, on: device)
                                == ResidentTests.part(description, bytes, device, 2), "\(description.name) \(device)")
                    }
                }
                let again = try await fixture.disk.create(from: ResidentSource(resident), RestoreFixture.options)
                #expect(again.storedChunkCount == 0)
                #expect(again.manifest.regions == made.manifest.regions)
                try await resident.close()
            }
        }

        @Test func `a damaged chunk leaves nothing on the device`() async throws {
            let fixture = try await RestoreFixture()
            let chunk = fixture.snapshot.manifest.regions[4].content.chunks[2]
            try fixture.damage(chunk)
            try await withContexts(1) { contexts in
                let restorer = Restorer(store: fixture.disk, devices: contexts)
                let error = await failure { _ = try await restorer.restore(fixture.snapshot.id) }
                #expect(error?.code == .chunkCorrupt && error?.chunk == chunk.hash)
                let use = try await contexts[0].memoryUse()
                #expect(use.heldBytes == 0)
            }
        }

        @Test(arguments: [999, 2] as [Int32])
        func `whichever call fails, the error is the driver's and nothing is left`(result: Int32) async throws {
            let setup = try await ResidentTests.Setup()
            var call = 0
            while true {
                call += 1
                FakeDriverTests.reset()
                fake_cuda_fail_at(call, result)
                let error = await outcome(setup)
                let failed = String(cString: fake_cuda_failed_call())
                FakeDriverTests.expectNothingLeft("call \(call), \(failed)")
                if failed.isEmpty {
                    #expect(error == nil, "\(String(describing: error)) though nothing was made to fail")
                    break
                }
                let named = try #require(error, "the failure of call \(call), \(failed), was swallowed")
                #expect(named.driverResult == result, "call \(call), \(failed): \(named)")
                try #require(call < 2000)
            }
            #expect(call > 20, "only \(call - 1) calls were made")
        }

        /// A restore, a switch and the end of both; the first failure that the driver is to blame for.
        private func outcome(_ setup: ResidentTests.Setup) async -> DeviceError? {
            var first: DeviceError?
            func note(_ error: any Error) {
                let device = (error as? DeviceError) ?? (error as? RestoreError)?.device
                if device == nil { Issue.record("not the driver's failure: \(error)") }
                first = first ?? device
            }
            do {
                let context = try await CUDAContext.make(driver: FakeDriverTests.open())
                do {
                    let restorer = Restorer(store: setup.fixture.disk, devices: [context])
                    let resident = try await restorer.restore(
                        setup.fixture.snapshot.id, RestoreOptions(parallelCount: 1))
                    do {
                        try await resident.switch(to: setup.variant, RestoreOptions(parallelCount: 1))
                    } catch {
                        #expect(error.base == .putBack || error.base == .untouched || error.base == .lost)
                        note(error)
                    }
                    do { try await resident.close() } catch { note(error) }
                } catch {
                    note(error)
                }
                do { try await context.close() } catch { note(error) }
                await context.settle()
            } catch {
                note(error)
            }
            return first
        }
    }
}

import Testing

@testable import GPUServeKit

/// Host memory that cannot be had, at whichever call: a named failure, and nothing kept.
@Suite struct HostPageFaultTests {
    /// Runs `body` on a pool whose n-th call of a kind fails, for every n until none does.
    private func atEveryCall(
        _ fault: FaultyPages.Fault, _ body: (HostMemoryPool) async throws -> Void,
        _ check: (any Error) -> Void
    ) async throws -> Int {
        for call in 0... {
            let faulty = FaultyPages(fault, failingAfter: call)
            let pool = HostMemoryPool(HostMemoryPool.Configuration(), calls: faulty.calls)
            var failure: (any Error)?
            do { try await body(pool) } catch { failure = error }
            await pool.expectEmpty()
            pool.drain()
            #expect(faulty.mappedBytes == 0, "\(fault) \(call)")
            guard faulty.hasFailed else {
                #expect(failure == nil)
                return call
            }
            if let failure { check(failure) } else { #expect(faulty.wasHuge, "\(fault) \(call) was swallowed") }
            try #require(call < 200)
        }
        return 0
    }

    private static func code(of error: any Error) -> DeviceError.Code? {
        (error as? DeviceError)?.code ?? (error as? RestoreError)?.device?.code
    }

    @Test(arguments: FaultyPages.Fault.allCases)
    func `arenas fail by name and leak nothing`(fault: FaultyPages.Fault) async throws {
        let address = FarAddress.take()
        let calls = try await atEveryCall(fault) { pool in
            let context = try HostContext(pool: pool)
            // The second and the third are longer than what is idle, so they are mapped.
            try await context.free(context.makeArena(byteCount: 2 << 20))
            let fixed = try await context.makeArena(byteCount: 4 << 20, at: address)
            #expect(fixed.range.address == address)
            try await context.free(fixed)
            do { _ = try await context.makeArena(byteCount: 70 << 20) }
            try await context.close()
        } _: { error in
            #expect(Self.code(of: error) == (fault == .taken ? .addressTaken : .outOfMemory), "\(error)")
        }
        #expect(calls >= (fault == .taken ? 1 : 4))
    }

    /// Calls of a restore, a switch to a variant and a clone.
    @Test(arguments: [FaultyPages.Fault.map, .populate])
    func `a restore fails by name and leaves nothing`(fault: FaultyPages.Fault) async throws {
        let fixture = try await RestoreFixture()
        let changed = RestoreFixture.variant(of: fixture.regions, [(0, 5), (4, 30_000)])
        let variant = try await fixture.disk.create(
            from: RestoreFixture.source(changed), RestoreFixture.options
        ).id
        let calls = try await atEveryCall(fault) { pool in
            let restorer = Restorer(store: fixture.disk, devices: [try HostContext(pool: pool)])
            let resident = try await restorer.restore(fixture.snapshot.id)
            do {
                let copy = try await restorer.restore(fixture.snapshot.id, RestoreOptions(mayAttach: false))
                try await copy.close()
                try await resident.switch(to: variant)
            } catch {
                try await resident.close()
                throw error
            }
            try await resident.close()
        } _: { error in
            #expect(Self.code(of: error) == .outOfMemory, "\(error)")
        }
        #expect(calls >= 2)
    }
}

import CCuda
import CFakeCuda
import Testing

@testable import GPUServeKit

/// The parent of all tests over the fake driver: it has one state for the process, so they run one at a time.
@Suite(.serialized) enum FakeDriverTests {
    /// A fresh fake, and the kit's driver over it.
    static func start(_ change: (inout fake_cuda_options) -> Void = { _ in }) throws(DeviceError) -> CUDADriver {
        reset(change)
        return try open()
    }

    static func reset(_ change: (inout fake_cuda_options) -> Void = { _ in }) {
        var options = fake_cuda_standard_options()
        change(&options)
        fake_cuda_reset(options)
    }

    static func open() throws(DeviceError) -> CUDADriver {
        var table = ccuda_table()
        fake_cuda_table(&table)
        return try CUDADriver(table: table)
    }

    /// Everything that was made is gone, and nothing was given back while work still used it.
    static func expectNothingLeft(_ note: String = "", sourceLocation: SourceLocation = #_sourceLocation) {
        let live = fake_cuda_live()
        let counts = [
            live.contexts, live.linear, live.reservations, live.physical, live.mappings, live.pinned, live.streams,
            live.events, live.modules,
        ]
        #expect(counts.allSatisfy { $0 == 0 }, "left over: \(live) \(note)", sourceLocation: sourceLocation)
        #expect(fake_cuda_hazard_count() == 0, "given back while in use \(note)", sourceLocation: sourceLocation)
    }

    /// Closes a context of which nothing may be left.
    static func end(_ context: CUDAContext, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await context.close()
        await context.settle()
        expectTidyEnd(sourceLocation: sourceLocation)
    }

    /// The same, and nobody relied on the context's end to clean up.
    static func expectTidyEnd(_ note: String = "", sourceLocation: SourceLocation = #_sourceLocation) {
        expectNothingLeft(note, sourceLocation: sourceLocation)
        #expect(fake_cuda_reclaimed_count() == 0, "forgotten \(note)", sourceLocation: sourceLocation)
    }
}

extension CUDAContext {
    /// Returns when a closed context has let go of the driver: its watcher may still have been waiting for an event.
    func settle() async { while !isOver { await Task.yield() } }
    var stagingWaiterCount: Int { staging?.queue.waiters.count ?? 0 }
}

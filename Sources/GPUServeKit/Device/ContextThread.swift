import Synchronization
import Transport

/// What every context starts with: a thread of its own as the actor's executor, and a number nobody else has.
struct ContextThread: Sendable {
    private static let lastNumber = Atomic<UInt64>(0)

    /// Tells tokens of one context from another's.
    let number: UInt64
    let loop: EventLoop

    /// - Throws: `system` when the process is out of descriptors.
    init(name: String) throws(DeviceError) {
        number = Self.lastNumber.wrappingAdd(1, ordering: .relaxed).newValue
        do throws(TransportError) {
            loop = try EventLoop(name: name)
        } catch {
            throw DeviceError(.system, "a context's thread: \(error.detail)")
        }
        loop.start()
    }
}

/// Refuses what no context can do, before anything is asked of a device.
enum ContextRules {
    static let cancelled = DeviceError(.cancelled, "the waiting task was cancelled; the device's work goes on")

    static func checkLengths(_ source: Int, _ destination: Int) throws(DeviceError) {
        guard source == destination else {
            throw DeviceError(.invalidArgument, "a copy of \(source) bytes into \(destination); slice one of them")
        }
    }

    static func check(_ shape: LaunchShape) throws(DeviceError) {
        let block = [shape.block.x, shape.block.y, shape.block.z].map { Int($0) }
        let grid = [shape.grid.x, shape.grid.y, shape.grid.z].map { Int($0) }
        guard (block + grid).allSatisfy({ $0 > 0 }), block[0] <= 1024, block[1] <= 1024, block[2] <= 1024,
            block.reduce(1, *) <= 1024
        else {
            throw DeviceError(
                .invalidArgument, "a launch of \(grid) blocks of \(block) threads; 1 to 1024 threads make a block")
        }
    }
}

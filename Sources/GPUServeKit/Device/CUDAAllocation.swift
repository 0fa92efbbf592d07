import CCuda
import Synchronization
import Transport

/// Memory of a CUDA device, as the driver has it.
enum CUDAMemory: Sendable {
    /// From cuMemAlloc.
    case linear(ccuda_address)
    /// From the virtual memory functions: an address range, and the physical memory mapped to all of it.
    case arena(address: ccuda_address, byteCount: Int, physical: UInt64)

    var address: UInt64 {
        switch self {
        case .linear(let address), .arena(let address, _, _): address
        }
    }
}

/// The owner of memory that a CUDA context handed out. The memory goes back once: by `free`, by `close`, or when the last
/// reference goes away (buffer and running work), on the context's thread.
final class CUDAAllocation: DeviceAllocation {
    private let memory: Lock<CUDAMemory?>
    private let context: CUDAContext

    init(_ memory: CUDAMemory, context: CUDAContext) {
        self.memory = Lock(memory)
        self.context = context
    }

    /// What is to be freed; nil when somebody else has taken that on.
    func take() -> CUDAMemory? {
        memory.withLock { memory in
            defer { memory = nil }
            return memory
        }
    }

    /// The memory, while nobody has taken it to be freed.
    var current: CUDAMemory? { memory.withLock { $0 } }

    deinit {
        guard let memory = take() else { return }
        context.onThread { $0.releaseDropped(memory) }
    }
}

/// A slot of a staging pool while somebody uses it.
final class StagingLease: Sendable {
    private let slot: Int
    private let context: CUDAContext

    init(slot: Int, context: CUDAContext) {
        self.slot = slot
        self.context = context
    }

    deinit {
        let slot = slot
        context.onThread { $0.slotCameBack(slot) }
    }
}

/// An ordered queue of work on a device. A token: the context owns the real thing.
public struct DeviceStream: Sendable, Hashable {
    let context: UInt64
    let number: UInt32
}

/// A point in a stream: reached when everything submitted before it has finished. A plain value that holds nothing, so
/// any number may be kept, copied and asked about at any time, long after the work.
public struct CompletionToken: Sendable, Hashable {
    let stream: DeviceStream
    let sequence: UInt64
}

/// Code for a device, as a file or a compiler gave it.
public struct ModuleImage: Sendable {
    /// The forms of code.
    public enum Code: Sendable {
        /// PTX text; the driver compiles it for the device (and caches the result on disk).
        case ptx([UInt8])
        /// A cubin or fatbin, ready to run on the architectures it was built for.
        case binary([UInt8])
        /// Functions of this process, for `HostContext`.
        case host([String: HostKernel])
    }

    /// What errors call it.
    public let name: String
    /// The code.
    public let code: Code

    /// Names code.
    public init(name: String, code: Code) {
        self.name = name
        self.code = code
    }
}

/// A kernel that runs on the host: called once a launch, with the ranges among its arguments resolved to memory.
public typealias HostKernel = @Sendable (LaunchShape, [HostKernelArgument]) -> Void

/// What a host kernel sees of a `KernelArgument`.
public enum HostKernelArgument: Sendable {
    /// The memory of a range.
    case memory(HostWindow)
    /// A number; narrower ones are widened, floats are bit patterns.
    case bits(UInt64)
}

/// A loaded module. A token: the context owns the real thing.
public struct DeviceModule: Sendable, Hashable {
    let context: UInt64
    let number: UInt32
}

/// A function of a loaded module, found and made ready to launch. Valid until its module is unloaded.
public struct DeviceKernel: Sendable, Hashable {
    /// Its name in the module.
    public let name: String
    let module: DeviceModule
    let number: UInt32
}

/// How many threads a kernel is launched with.
public struct LaunchShape: Sendable, Hashable {
    /// Blocks along x, y and z; at least 1 each.
    public var grid: (x: UInt32, y: UInt32, z: UInt32) {
        get { (gridX, gridY, gridZ) }
        set { (gridX, gridY, gridZ) = newValue }
    }
    /// Threads of a block along x, y and z; at least 1 each, at most 1024 together.
    public var block: (x: UInt32, y: UInt32, z: UInt32) {
        get { (blockX, blockY, blockZ) }
        set { (blockX, blockY, blockZ) = newValue }
    }
    /// Dynamic shared memory of a block.
    public var sharedBytes: UInt32
    private var gridX, gridY, gridZ, blockX, blockY, blockZ: UInt32

    /// A shape in one dimension.
    public init(blocks: UInt32, threads: UInt32, sharedBytes: UInt32 = 0) {
        (gridX, gridY, gridZ) = (blocks, 1, 1)
        (blockX, blockY, blockZ) = (threads, 1, 1)
        self.sharedBytes = sharedBytes
    }
}

/// One argument of a kernel.
public enum KernelArgument: Sendable, Hashable {
    /// The address of memory of this context; it is checked to be alive when the launch is submitted.
    case range(DeviceRange)
    /// A 32-bit number.
    case uint32(UInt32)
    /// A 64-bit number.
    case uint64(UInt64)
    /// A single-precision number.
    case float(Float)
}

/// Which device: its kind and its number among those of its kind.
public struct DeviceID: Sendable, Hashable, CustomStringConvertible {
    /// What the memory is made of.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The host's own memory, behind the same protocol as a GPU's.
        case host
        /// An NVIDIA GPU.
        case cuda
    }

    /// The kind of device.
    public let kind: Kind
    /// 0, 1, ... in the order the driver counts them (`CUDA_VISIBLE_DEVICES` applies); free to choose for hosts.
    public let ordinal: Int

    /// Names a device; it need not exist.
    public init(_ kind: Kind, _ ordinal: Int) {
        self.kind = kind
        self.ordinal = ordinal
    }

    /// `cuda:0`.
    public var description: String { "\(kind.rawValue):\(ordinal)" }
}

/// What is known of a device before anything is made on it.
public struct DeviceInfo: Sendable, Hashable {
    /// Which device.
    public var id: DeviceID
    /// The maker's name of the model.
    public var name: String
    /// All its memory.
    public var totalBytes: Int
    /// `GPU-` and the identifier's hexadecimal digits, as nvidia-smi prints it; nil for hosts and old drivers.
    public var uuid: String?
    /// `0000:3b:00.0`; nil for hosts.
    public var pciBusID: String?
    /// The architecture: 9.0 for Hopper; nil for hosts.
    public var computeCapability: ComputeCapability?
    /// How many copies can run at once beside kernels; 0 when copies are the processor's own work.
    public var copyEngineCount: Int
    /// True when memory can be placed at an address of the caller's choice.
    public var hasFixedAddresses: Bool

    /// The version of an architecture. Code built for one runs on the same major version and a minor at least as high.
    public struct ComputeCapability: Sendable, Hashable, CustomStringConvertible {
        /// The generation.
        public var major: Int
        /// The step within it.
        public var minor: Int
        /// `9.0`.
        public var description: String { "\(major).\(minor)" }

        /// Names an architecture.
        public init(major: Int, minor: Int) {
            self.major = major
            self.minor = minor
        }
    }

    /// Describes a device; what is left out is what a host has.
    public init(
        id: DeviceID, name: String, totalBytes: Int, uuid: String? = nil, pciBusID: String? = nil,
        computeCapability: ComputeCapability? = nil, copyEngineCount: Int = 0, hasFixedAddresses: Bool = true
    ) {
        self.id = id
        self.name = name
        self.totalBytes = totalBytes
        self.uuid = uuid
        self.pciBusID = pciBusID
        self.computeCapability = computeCapability
        self.copyEngineCount = copyEngineCount
        self.hasFixedAddresses = hasFixedAddresses
    }
}

/// How much memory of a device is in use.
public struct MemoryUse: Sendable, Hashable {
    /// All memory of the device, or what a host context was allowed.
    public var totalBytes: Int
    /// What can still be allocated now, other users of the device considered.
    public var freeBytes: Int
    /// What buffers and arenas of this context hold, rounded up as the device does.
    public var heldBytes: Int
    /// Memory of ours that is ready for the next arena; it counts as free.
    public var idleBytes: Int
    /// Pinned host memory that this context keeps for copies.
    public var stagingBytes: Int

    /// Collects the figures.
    public init(totalBytes: Int, freeBytes: Int, heldBytes: Int, idleBytes: Int, stagingBytes: Int) {
        self.totalBytes = totalBytes
        self.freeBytes = freeBytes
        self.heldBytes = heldBytes
        self.idleBytes = idleBytes
        self.stagingBytes = stagingBytes
    }
}

/// What a machine has that models can be put into.
public struct MachineMemory: Sendable, Hashable {
    /// One GPU.
    public struct Device: Sendable, Hashable {
        /// The maker's name of the model.
        public var name: String
        /// All its memory.
        public var totalBytes: Int

        /// A GPU.
        public init(name: String, totalBytes: Int) {
            self.name = name
            self.totalBytes = totalBytes
        }
    }

    /// The host's memory, or what the control group of this process may use.
    public var hostBytes: Int
    /// Its GPUs.
    public var devices: [Device]
    /// Why there are none, where there are none.
    public var deviceProblem: String?

    /// A machine.
    public init(hostBytes: Int, devices: [Device], deviceProblem: String? = nil) {
        self.hostBytes = hostBytes
        self.devices = devices
        self.deviceProblem = deviceProblem
    }

    /// This machine. Asks the CUDA driver, if there is one: seconds where there are many GPUs.
    public static func discover() -> MachineMemory {
        let catalog = DeviceCatalog.discover()
        var problem: String?
        if case .failure(let error) = catalog.cuda { problem = error.detail }
        let devices = catalog.devices.filter { $0.id.kind == .cuda }
        return MachineMemory(
            hostBytes: HostMemory.totalBytes,
            devices: devices.map { Device(name: $0.name, totalBytes: $0.totalBytes) }, deviceProblem: problem)
    }

    /// What deployments may hold when nobody says: nine tenths of each kind, so that the system and the page cache that
    /// weights come from have room.
    public var standardBudget: MemorySize {
        MemorySize(hostBytes: hostBytes / 10 * 9, gpuBytes: devices.reduce(0) { $0 + $1.totalBytes / 10 * 9 })
    }
}

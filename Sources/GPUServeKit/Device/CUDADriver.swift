import CCuda

/// The CUDA driver, opened at run time and initialised; every call through it is checked and named.
///
/// Its functions act on the context that is current to the calling thread, as the driver's do; `CUDAContext` gives each
/// context a thread of its own. The table is written once, before the driver is shared, hence Sendable.
public struct CUDADriver: @unchecked Sendable {
    /// The functions. Those that the table calls required are never nil.
    let table: ccuda_table
    /// The CUDA version the driver speaks: 1000 * major + 10 * minor, for example 12020.
    public let version: Int

    /// The oldest version that has everything the table requires: 11.0.
    public static let oldestVersion = 11_000

    /// Opens, checks and initialises the driver. Takes 0.1 s to seconds on a machine with GPUs (`cuInit`); do it early.
    ///
    /// - Parameter library: what the dynamic linker is asked for; the default is the driver's name on every Linux.
    /// - Throws: `noLibrary`, `symbolMissing`, `driverTooOld`, `noDevice`, or what `cuInit` said.
    public init(library: String = "libcuda.so.1") throws(DeviceError) {
        var table = ccuda_table()
        var report = ccuda_load_report()
        let status = ccuda_load(library, &table, &report)
        let text = withUnsafeBytes(of: &report.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        switch status {
        case CCUDA_LOADED: break
        case CCUDA_NO_LIBRARY:
            throw DeviceError(
                .noLibrary,
                "the CUDA driver cannot be opened (\(text)); install the NVIDIA driver, and in a container give it to"
                    + " the container (for example --gpus all)")
        default:
            throw DeviceError(
                .symbolMissing,
                "\(library) has no \(text), so it is not a CUDA 11.0 or later driver; update the NVIDIA driver")
        }
        try self.init(table: table)
    }

    /// Checks and initialises a driver whose table is filled.
    init(table: ccuda_table) throws(DeviceError) {
        self.table = table
        var version: Int32 = 0
        try Self.check("cuDriverGetVersion", table.driverGetVersion(&version))
        self.version = Int(version)
        guard version >= Self.oldestVersion else {
            throw DeviceError(
                .driverTooOld,
                "the driver speaks CUDA \(Self.text(Int(version))), 11.0 is needed; update the NVIDIA driver")
        }
        try Self.check("cuInit", table.`init`(0))
    }

    /// `12.2` for 12020.
    public var versionText: String { Self.text(version) }

    static func text(_ version: Int) -> String { "\(version / 1000).\(version % 1000 / 10)" }

    /// Turns a result into an error that names the call.
    @inline(__always)
    static func check(_ call: StaticString, _ result: ccuda_result) throws(DeviceError) {
        if result != 0 { throw DeviceError(result: CUDAResult(rawValue: result), call: "\(call)") }
    }
}

/// A result of the CUDA driver (`CUresult` of cuda.h), with its name and what a person can do about it.
struct CUDAResult: RawRepresentable, Sendable, Hashable {
    let rawValue: Int32

    static let success = CUDAResult(rawValue: 0)
    static let notInitialized = CUDAResult(rawValue: 3)
    static let noDevice = CUDAResult(rawValue: 100)
    static let peerAccessAlreadyEnabled = CUDAResult(rawValue: 704)
    static let operatingSystem = CUDAResult(rawValue: 304)
    static let notReady = CUDAResult(rawValue: 600)

    var name: String {
        Self.known[rawValue]?.name ?? Self.names[rawValue].map { "CUDA_ERROR_" + $0 } ?? "CUDA error \(rawValue)"
    }
    var code: DeviceError.Code { Self.known[rawValue]?.code ?? .driverFailed }
    var remedy: String { Self.known[rawValue]?.remedy ?? "look the number up in the driver's cuda.h" }

    private struct Entry {
        let name: String
        let code: DeviceError.Code
        let remedy: String

        init(_ name: String, _ code: DeviceError.Code, _ remedy: String) {
            self.name = "CUDA_ERROR_" + name
            self.code = code
            self.remedy = remedy
        }
    }

    private static let lost = "the context is lost; close it, make a new one and restore into that"
    private static let update = "update the driver, or use a module built for it"

    /// Numbers and names of cuda.h 12.8 and 13.0; the remedies are ours.
    private static let known: [Int32: Entry] = [
        1: Entry("INVALID_VALUE", .invalidArgument, "an argument is out of range; this is a fault of the caller"),
        2: Entry("OUT_OF_MEMORY", .outOfMemory, "free memory on the device, or choose one with more of it"),
        3: Entry("NOT_INITIALIZED", .driverFailed, "cuInit has not run or has failed in this process"),
        4: Entry("DEINITIALIZED", .closed, "the driver is shutting down with the process"),
        34: Entry("STUB_LIBRARY", .noLibrary, "libcuda.so.1 is the toolkit's stub; put the real driver first"),
        46: Entry("DEVICE_UNAVAILABLE", .noDevice, "another process holds the device exclusively"),
        100: Entry("NO_DEVICE", .noDevice, "the driver sees no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES"),
        101: Entry("INVALID_DEVICE", .noDevice, "there is no device of that number"),
        200: Entry("INVALID_IMAGE", .moduleRejected, "the module is neither PTX, cubin nor fatbin, or is damaged"),
        201: Entry("INVALID_CONTEXT", .closed, "the context is not current or already destroyed"),
        205: Entry("MAP_FAILED", .driverFailed, "the driver could not map memory; see the kernel log"),
        209: Entry("NO_BINARY_FOR_GPU", .moduleRejected, "the module has no code for this device's architecture"),
        214: Entry("ECC_UNCORRECTABLE", .contextLost, "the device's memory failed; " + lost),
        217: Entry("PEER_ACCESS_UNSUPPORTED", .notSupported, "these two devices cannot reach each other's memory"),
        218: Entry("INVALID_PTX", .moduleRejected, "the PTX does not compile; the text after it says where"),
        220: Entry("NVLINK_UNCORRECTABLE", .contextLost, "a link between devices failed; " + lost),
        221: Entry("JIT_COMPILER_NOT_FOUND", .moduleRejected, "install libnvidia-ptxjitcompiler, or give a cubin"),
        222: Entry("UNSUPPORTED_PTX_VERSION", .moduleRejected, "the PTX is newer than the driver; " + update),
        223: Entry("JIT_COMPILATION_DISABLED", .moduleRejected, "CUDA_DISABLE_PTX_JIT is set; give a cubin"),
        304: Entry("OPERATING_SYSTEM", .system, "a system call of the driver failed; check permissions and limits"),
        400: Entry("INVALID_HANDLE", .invalidArgument, "a stream, event or module that is not alive"),
        401: Entry("ILLEGAL_STATE", .driverFailed, "the resource is not in the state that the call needs"),
        500: Entry("NOT_FOUND", .functionMissing, "the module has no such name; check the spelling and mangling"),
        600: Entry("NOT_READY", .driverFailed, "work is still running; wait for its completion"),
        700: Entry("ILLEGAL_ADDRESS", .contextLost, "a kernel or copy touched memory that is not mapped; " + lost),
        701: Entry("LAUNCH_OUT_OF_RESOURCES", .launchRefused, "too many threads or registers; use a smaller block"),
        702: Entry("LAUNCH_TIMEOUT", .contextLost, "a kernel ran too long for a display device; " + lost),
        704: Entry("PEER_ACCESS_ALREADY_ENABLED", .driverFailed, "harmless: the access is there already"),
        705: Entry("PEER_ACCESS_NOT_ENABLED", .notSupported, "enable peer access first"),
        709: Entry("CONTEXT_IS_DESTROYED", .closed, "make a new context"),
        710: Entry("ASSERT", .contextLost, "a kernel's assertion failed; " + lost),
        712: Entry("HOST_MEMORY_ALREADY_REGISTERED", .invalidArgument, "the memory is pinned already"),
        713: Entry("HOST_MEMORY_NOT_REGISTERED", .invalidArgument, "the memory is not pinned"),
        714: Entry("HARDWARE_STACK_ERROR", .contextLost, lost),
        715: Entry("ILLEGAL_INSTRUCTION", .contextLost, lost),
        716: Entry("MISALIGNED_ADDRESS", .contextLost, lost),
        717: Entry("INVALID_ADDRESS_SPACE", .contextLost, lost),
        718: Entry("INVALID_PC", .contextLost, lost),
        719: Entry("LAUNCH_FAILED", .contextLost, "a kernel trapped; " + lost),
        800: Entry("NOT_PERMITTED", .notSupported, "the driver does not allow it here; check privileges"),
        801: Entry("NOT_SUPPORTED", .notSupported, "this driver or device lacks the feature"),
        802: Entry("SYSTEM_NOT_READY", .noDevice, "start nvidia-fabricmanager, then try again"),
        803: Entry(
            "SYSTEM_DRIVER_MISMATCH", .driverTooOld, "kernel module and libcuda differ; reload the module or reboot"),
        804: Entry(
            "COMPAT_NOT_SUPPORTED_ON_DEVICE", .driverTooOld, "the forward-compatibility library needs a data-centre GPU"
        ),
        900: Entry("STREAM_CAPTURE_UNSUPPORTED", .invalidArgument, "not allowed while the stream is captured"),
        999: Entry("UNKNOWN", .driverFailed, "see the kernel log (dmesg | grep -i nvrm)"),
    ]

    /// The rest of the names: results that calls of this kit are not known to return.
    private static let names: [Int32: String] = [
        36: "CALL_REQUIRES_NEWER_DRIVER", 102: "DEVICE_NOT_LICENSED", 202: "CONTEXT_ALREADY_CURRENT",
        206: "UNMAP_FAILED", 207: "ARRAY_IS_MAPPED", 208: "ALREADY_MAPPED", 210: "ALREADY_ACQUIRED",
        211: "NOT_MAPPED", 212: "NOT_MAPPED_AS_ARRAY", 213: "NOT_MAPPED_AS_POINTER", 215: "UNSUPPORTED_LIMIT",
        216: "CONTEXT_ALREADY_IN_USE", 219: "INVALID_GRAPHICS_CONTEXT", 224: "UNSUPPORTED_EXEC_AFFINITY",
        225: "UNSUPPORTED_DEVSIDE_SYNC", 226: "CONTAINED", 300: "INVALID_SOURCE", 301: "FILE_NOT_FOUND",
        302: "SHARED_OBJECT_SYMBOL_NOT_FOUND", 303: "SHARED_OBJECT_INIT_FAILED", 402: "LOSSY_QUERY",
        703: "LAUNCH_INCOMPATIBLE_TEXTURING", 708: "PRIMARY_CONTEXT_ACTIVE", 711: "TOO_MANY_PEERS",
        720: "COOPERATIVE_LAUNCH_TOO_LARGE", 721: "TENSOR_MEMORY_LEAK", 805: "MPS_CONNECTION_FAILED",
        806: "MPS_RPC_FAILURE", 807: "MPS_SERVER_NOT_READY", 808: "MPS_MAX_CLIENTS_REACHED",
        809: "MPS_MAX_CONNECTIONS_REACHED", 810: "MPS_CLIENT_TERMINATED", 811: "CDP_NOT_SUPPORTED",
        812: "CDP_VERSION_MISMATCH", 901: "STREAM_CAPTURE_INVALIDATED", 902: "STREAM_CAPTURE_MERGE",
        903: "STREAM_CAPTURE_UNMATCHED", 904: "STREAM_CAPTURE_UNJOINED", 905: "STREAM_CAPTURE_ISOLATION",
        906: "STREAM_CAPTURE_IMPLICIT", 907: "CAPTURED_EVENT", 908: "STREAM_CAPTURE_WRONG_THREAD", 909: "TIMEOUT",
        910: "GRAPH_EXEC_UPDATE_FAILURE", 911: "EXTERNAL_DEVICE", 912: "INVALID_CLUSTER_SIZE",
        913: "FUNCTION_NOT_LOADED", 914: "INVALID_RESOURCE_TYPE", 915: "INVALID_RESOURCE_CONFIGURATION",
        916: "KEY_ROTATION",
    ]
}

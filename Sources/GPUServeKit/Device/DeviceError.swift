/// Why a device, or memory on one, could not do what was asked.
///
/// `code` is bounded and fit for metric labels; `detail` says what happened, in which call, and what to do. An error that
/// came from the CUDA driver also carries the driver's own number.
public struct DeviceError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure. A struct, so that kinds can be added without breaking callers.
    public struct Code: Sendable, Hashable {
        private enum Kind: String, Sendable {
            case noLibrary, symbolMissing, driverTooOld, noDevice, notSupported
            case outOfMemory, addressTaken, outOfBounds, invalidArgument
            case moduleRejected, functionMissing, launchRefused
            case contextLost, driverFailed, system, limitReached, closed, cancelled
        }
        private let kind: Kind
        /// A stable label such as `outOfMemory`; the set is closed, so it is safe as a metric label.
        public var label: String { kind.rawValue }

        /// The driver's library cannot be opened.
        public static let noLibrary = Code(kind: .noLibrary)
        /// The driver's library lacks a function that every supported driver has.
        public static let symbolMissing = Code(kind: .symbolMissing)
        /// The driver is older than CUDA 11.0.
        public static let driverTooOld = Code(kind: .driverTooOld)
        /// The driver works and sees no device, or not the one asked for.
        public static let noDevice = Code(kind: .noDevice)
        /// This device or this kind of context cannot do it.
        public static let notSupported = Code(kind: .notSupported)
        /// Not enough memory, on the device or of the host.
        public static let outOfMemory = Code(kind: .outOfMemory)
        /// The fixed address asked for is in use.
        public static let addressTaken = Code(kind: .addressTaken)
        /// A range that is not wholly inside one live allocation of this context.
        public static let outOfBounds = Code(kind: .outOfBounds)
        /// A size, count or combination that makes no sense.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// The module image does not load on this device.
        public static let moduleRejected = Code(kind: .moduleRejected)
        /// The module has no function of that name.
        public static let functionMissing = Code(kind: .functionMissing)
        /// The kernel's launch was refused; nothing ran.
        public static let launchRefused = Code(kind: .launchRefused)
        /// The context is broken for good (a kernel trapped, the device fell off the bus): make a new one.
        public static let contextLost = Code(kind: .contextLost)
        /// Any other failure of the driver; `detail` has its name.
        public static let driverFailed = Code(kind: .driverFailed)
        /// A system call failed; `detail` names it with its errno.
        public static let system = Code(kind: .system)
        /// A bound of `Limits` is reached.
        public static let limitReached = Code(kind: .limitReached)
        /// The context or pool is closed.
        public static let closed = Code(kind: .closed)
        /// The waiting task was cancelled.
        public static let cancelled = Code(kind: .cancelled)
    }

    /// The kind of failure.
    public let code: Code
    /// What happened, where, and what to do, for people.
    public let detail: String
    /// The driver's own number (`CUresult`) when the failure came from the driver.
    public let driverResult: Int32?

    /// Makes an error that did not come from the driver.
    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
        driverResult = nil
    }

    /// Makes the error of a driver call that returned `result`; the text has the result's name, the call and the remedy.
    init(result: CUDAResult, call: String, log: String = "") {
        code = result.code
        let text = "\(call) returned \(result.name) (\(result.rawValue)): \(result.remedy)"
        detail = log.isEmpty ? text : "\(text): \(log)"
        driverResult = result.rawValue
    }

    /// `label: detail`.
    public var description: String { "\(code.label): \(detail)" }
}

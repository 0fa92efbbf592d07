/// Why a restore was refused, or failed. Nothing that it names is ready.
public struct RestoreError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure: a small closed set, fit for metric labels.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case memoryShort, architectureMismatch, driverTooOld, shardMismatch, chunkMissing, chunkCorrupt
            case snapshotUnavailable, deviceFailed, layoutDiffers, residentLost, residentBusy, cancelled
            case invalidArgument
        }
        private let kind: Kind

        /// A device has not enough free memory. Nothing was moved.
        public static let memoryShort = Code(kind: .memoryShort)
        /// The snapshot's code was made for another architecture. Nothing was moved.
        public static let architectureMismatch = Code(kind: .architectureMismatch)
        /// The snapshot needs a newer driver. Nothing was moved.
        public static let driverTooOld = Code(kind: .driverTooOld)
        /// A region cannot be cut for this number of devices. Nothing was moved.
        public static let shardMismatch = Code(kind: .shardMismatch)
        /// A chunk is in no store; `chunk` names it. When it is known in advance, nothing was moved.
        public static let chunkMissing = Code(kind: .chunkMissing)
        /// A chunk is damaged in every store that has it; `chunk` names it.
        public static let chunkCorrupt = Code(kind: .chunkCorrupt)
        /// The store cannot give the snapshot; `store` says why.
        public static let snapshotUnavailable = Code(kind: .snapshotUnavailable)
        /// A device refused; `device` says why.
        public static let deviceFailed = Code(kind: .deviceFailed)
        /// The snapshot's regions are not those of the resident base, so it cannot take the base's place.
        public static let layoutDiffers = Code(kind: .layoutDiffers)
        /// The resident's memory holds no whole snapshot, or was given back.
        public static let residentLost = Code(kind: .residentLost)
        /// Others use the resident, so it cannot change.
        public static let residentBusy = Code(kind: .residentBusy)
        /// The caller cancelled.
        public static let cancelled = Code(kind: .cancelled)
        /// The caller asked for something that makes no sense.
        public static let invalidArgument = Code(kind: .invalidArgument)

        /// The name of the code, of a fixed set.
        public var label: String { kind.rawValue }
        /// Same as `label`.
        public var description: String { label }
    }

    /// What became of the base that a failed delta was made over.
    public enum Base: String, Sendable, Hashable {
        /// Not a byte of it was changed.
        case untouched
        /// What had changed was put back, from the store and checked: it is ready as before.
        case putBack
        /// It holds no whole snapshot any more: restore in full.
        case lost
    }

    /// The kind of failure.
    public let code: Code
    /// What was wrong and what to do. Holds no secret.
    public let detail: String
    /// The chunk at fault, where there is one.
    public var chunk: ContentHash?
    /// What the store said, when it was the store.
    public var store: SnapshotError?
    /// What the device said, when it was the device.
    public var device: DeviceError?
    /// What became of the base, when the restore was a delta.
    public var base: Base?

    /// An error of kind `code`.
    public init(_ code: Code, _ detail: String, chunk: ContentHash? = nil) {
        self.code = code
        self.detail = detail
        self.chunk = chunk
    }

    init(_ error: SnapshotError, chunk: ContentHash? = nil) {
        let code: Code =
            switch error.code {
            case .chunkMissing: .chunkMissing
            case .chunkCorrupt, .integrity: .chunkCorrupt
            case .cancelled: .cancelled
            default: .snapshotUnavailable
            }
        let name = chunk.map { error.detail.firstRange(of: $0.hex) == nil ? "chunk \($0): " : "" } ?? ""
        self.init(code, name + "\(error)", chunk: chunk)
        store = error
    }

    init(_ error: DeviceError) {
        let code: Code =
            switch error.code {
            case .outOfMemory: .memoryShort
            case .cancelled: .cancelled
            default: .deviceFailed
            }
        self.init(code, "\(error)")
        device = error
    }

    static let cancelled = RestoreError(.cancelled, "the restore was cancelled; what it had made was given back")

    /// The same error, of a delta whose base is now in this state.
    func over(_ base: Base) -> RestoreError {
        let note =
            switch base {
            case .untouched: "the base is untouched"
            case .putBack: "the base was put back and is ready as before"
            case .lost: "the base is lost: restore in full"
            }
        var error = RestoreError(code, "\(detail); \(note)", chunk: chunk)
        (error.store, error.device, error.base) = (store, device, base)
        return error
    }

    /// `label: detail`.
    public var description: String { "\(code.label): \(detail)" }
}

extension Result where Failure == RestoreError {
    /// Catches store failures as failures of a restore.
    static func snapshot(
        chunk: ContentHash? = nil, _ body: () async throws(SnapshotError) -> Success
    ) async -> Result {
        do throws(SnapshotError) { return .success(try await body()) } catch {
            return .failure(RestoreError(error, chunk: chunk))
        }
    }

    /// Catches device failures as failures of a restore.
    static func device(_ body: () async throws(DeviceError) -> Success) async -> Result {
        do throws(DeviceError) { return .success(try await body()) } catch { return .failure(RestoreError(error)) }
    }
}

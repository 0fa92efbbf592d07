/// Why a replica could not start, sleep, wake or go on.
public struct ReplicaFailure: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure: a small closed set, fit for metric labels.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The engine's program is not there or cannot be run.
        case programMissing = "program_missing"
        /// The model's file or directory is not there.
        case modelMissing = "model_missing"
        /// The kernel refused to start a process.
        case cannotSpawn = "cannot_spawn"
        /// The engine ended by itself before it was ready.
        case exitedEarly = "exited_early"
        /// The engine ended by itself while it was in use or asleep.
        case exited
        /// The engine lives and did not become ready in time.
        case neverReady = "never_ready"
        /// The canary got another answer than the one recorded.
        case canaryDiffers = "canary_differs"
        /// The canary got no answer, or one without text.
        case canaryUnanswered = "canary_unanswered"
        /// The engine refused to sleep, or did not do it in time.
        case sleepRefused = "sleep_refused"
        /// The engine or the kernel refused to wake it, or did not do it in time.
        case wakeRefused = "wake_refused"
        /// There is no image to wake from, or it belongs to another kernel, processor, driver or version.
        case imageUnusable = "image_unusable"
        /// The system does not permit what the tier needs; `detail` says which right is missing.
        case notPermitted = "not_permitted"
        /// No room for an image.
        case diskFull = "disk_full"
        /// It needs more memory than all deployments together may have.
        case memoryShort = "memory_short"
        /// It was stopped on purpose.
        case stopped

        /// A name for metrics and error bodies.
        public var label: String { rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened and what to do, in a sentence without the final stop. Holds no secret.
    public let detail: String

    /// A failure of kind `code`.
    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    /// `label: detail`.
    public var description: String { "\(code.label): \(detail)" }

    /// Whether the same will happen again until somebody changes something: no reason to try again soon.
    public var isPermanent: Bool { code == .programMissing || code == .modelMissing || code == .memoryShort }
}

/// How deep a replica sleeps: the deeper, the more it gives back and the longer it takes to wake. In the order in which they
/// are tried.
public enum SleepTier: String, Sendable, Hashable, CaseIterable, Comparable {
    /// The engine's own sleep: the process runs on, its weights leave the device or are dropped.
    case inPlace = "in-place"
    /// The process is frozen. Device memory is moved out by the driver; host memory stays where it is.
    case suspended
    /// The process is an image on disk or in memory, restored as it was.
    case processSnapshot = "process-snapshot"
    /// No process; a new one restores the model from a snapshot of GPUServeKit.
    case kitSnapshot = "kit-snapshot"
    /// Nothing is left but the model's files.
    case cold

    /// A name for labels and headers, of a fixed set.
    public var label: String { rawValue }

    /// Whether the engine's process lives on while asleep.
    public var keepsProcess: Bool { self == .inPlace || self == .suspended }

    /// Faster tiers come first.
    public static func < (left: SleepTier, right: SleepTier) -> Bool { left.depth < right.depth }

    private var depth: Int {
        switch self {
        case .inPlace: 0
        case .suspended: 1
        case .processSnapshot: 2
        case .kitSnapshot: 3
        case .cold: 4
        }
    }
}

import Synchronization

/// Addresses for arenas, far from where the kernel puts mappings of its own choice: between giving an arena back and making
/// it again, no other test's memory can come to lie there.
enum FarAddress {
    private static let next = Atomic<UInt64>(0x1000_0000_0000)

    /// A multiple of 2 MiB with 1 GiB of room, different at each call.
    static func take() -> UInt64 { next.add(1 << 30, ordering: .relaxed).oldValue }
}

import Glibc

/// Anonymous memory of the host at a fixed place: huge pages where the kernel gives them, all of it present unless asked
/// otherwise, so that no later write pays for a page fault. (First writes to fresh 4 KiB pages run at 1.9 GB/s a thread where present pages
/// take 4.2.) Unmapped when it goes away.
///
/// `@unchecked Sendable`: the mapping never moves and lives as long as this object.
final class HostPages: @unchecked Sendable {
    /// The system calls that may fail: a seam, so that each can be made to.
    struct Calls: Sendable {
        /// Maps private anonymous memory: address (exactly there, when one is given), length, further flags. Nil with errno.
        var map: @Sendable (UnsafeMutableRawPointer?, Int, Int32) -> UnsafeMutableRawPointer?
        /// Gives it back.
        var unmap: @Sendable (UnsafeMutableRawPointer, Int) -> Void
        /// Makes pages present: address, length; 0, or an errno.
        var populate: @Sendable (UnsafeMutableRawPointer, Int) -> Int32
    }

    /// Arenas begin and end on multiples of this: a huge page of x86-64, and of AArch64 with 4 KiB pages.
    static let alignment = 2 * 1024 * 1024

    /// What the kernel was asked for and gave.
    enum Kind: Sendable {
        /// Reserved huge pages (vm.nr_hugepages).
        case reservedHuge
        /// Ordinary pages that the kernel may make huge (madvise).
        case advisedHuge
    }

    let base: UnsafeMutableRawPointer
    let byteCount: Int
    let kind: Kind
    private let calls: Calls

    var address: UInt64 { UInt64(UInt(bitPattern: base)) }

    /// Maps at least `byteCount` bytes, at `address` when one is given, and pre-faults them if they are to be present.
    ///
    /// - Throws: `invalidArgument`, `addressTaken`, `outOfMemory` or `system`. The kernel ends processes rather than fail a
    ///   page fault, so the caller has to have looked at how much memory there is.
    init(
        byteCount: Int, at address: UInt64?, threadCount: Int, isPresent: Bool = true, calls: Calls = .system
    ) throws(DeviceError) {
        self.byteCount = try Self.rounded(byteCount)
        self.calls = calls
        try Self.checkArenaAddress(address)
        if isPresent, let huge = calls.map(self.byteCount, at: address, flags: MAP_HUGETLB) {
            base = huge
            kind = .reservedHuge
        } else if let address {
            guard let fixed = calls.map(self.byteCount, at: address, flags: 0) else {
                throw Self.failure(self.byteCount, at: address)
            }
            base = fixed
            kind = .advisedHuge
        } else {
            base = try Self.mapAligned(self.byteCount, calls)
            kind = .advisedHuge
        }
        guard isPresent else { return }
        madvise(base, self.byteCount, MADV_HUGEPAGE)
        let populated = Self.populate(base, self.byteCount, threadCount: threadCount, calls)
        // Unmapped by `deinit`, which runs also when a whole object's initialiser throws.
        guard populated == 0 else {
            throw DeviceError(
                .outOfMemory,
                "the host has no \(self.byteCount) bytes to spare (errno \(populated)); free memory, or ask for less")
        }
    }

    deinit { calls.unmap(base, byteCount) }

    /// `byteCount` in whole pages of `alignment`.
    static func rounded(_ byteCount: Int, to alignment: Int = alignment) throws(DeviceError) -> Int {
        guard byteCount > 0, byteCount <= Int.max - alignment else {
            throw DeviceError(.invalidArgument, "an allocation of \(byteCount) bytes")
        }
        return (byteCount + alignment - 1) / alignment * alignment
    }

    static func checkArenaAddress(_ address: UInt64?) throws(DeviceError) {
        guard let address, address == 0 || address % UInt64(alignment) != 0 else { return }
        throw DeviceError(
            .invalidArgument, "an arena's address must be a multiple of 2 MiB, not 0x\(String(address, radix: 16))")
    }

    static func addressTaken(_ byteCount: Int, at address: UInt64) -> DeviceError {
        DeviceError(
            .addressTaken,
            "\(byteCount) bytes at 0x\(String(address, radix: 16)) overlap memory in use; free that arena first, or"
                + " restore to another address")
    }

    /// Maps one huge page too much and gives back what is outside of the aligned part.
    private static func mapAligned(_ byteCount: Int, _ calls: Calls) throws(DeviceError) -> UnsafeMutableRawPointer {
        guard let whole = calls.map(byteCount + alignment, at: nil, flags: 0) else { throw failure(byteCount, at: nil) }
        let skipped = (alignment - Int(UInt(bitPattern: whole) % UInt(alignment))) % alignment
        if skipped > 0 { calls.unmap(whole, skipped) }
        if skipped < alignment { calls.unmap(whole + skipped + byteCount, alignment - skipped) }
        return whole + skipped
    }

    private static func failure(_ byteCount: Int, at address: UInt64?) -> DeviceError {
        let code = errno
        guard code == EEXIST, let address else {
            return DeviceError(
                code == ENOMEM ? .outOfMemory : .system,
                "mmap of \(byteCount) bytes: errno \(code); free memory, raise vm.max_map_count or the process's limit")
        }
        return addressTaken(byteCount, at: address)
    }

    /// Makes every page present; 0, or an errno.
    private static func populate(
        _ base: UnsafeMutableRawPointer, _ byteCount: Int, threadCount: Int, _ calls: Calls
    ) -> Int32 {
        let pieceBytes = 32 * alignment
        let failures = FirstFailure()
        let start = UInt(bitPattern: base)
        Threads.run((byteCount + pieceBytes - 1) / pieceBytes, threadCount: threadCount) { piece in
            let offset = piece * pieceBytes
            let piece = UnsafeMutableRawPointer(bitPattern: start + UInt(offset))!
            let length = min(pieceBytes, byteCount - offset)
            let code = calls.populate(piece, length)
            if code != 0 { failures.note(code) }
        }
        return failures.code
    }
}

extension HostPages.Calls {
    /// The real calls.
    static let system = HostPages.Calls(
        map: { wanted, byteCount, flags in
            let place = wanted == nil ? 0 : MAP_FIXED_NOREPLACE
            let mapped = mmap(
                wanted, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | place | flags, -1, 0)
            guard let mapped, mapped != MAP_FAILED else { return nil }
            // Kernels before 4.17 do not know MAP_FIXED_NOREPLACE and treat the address as a hint.
            if let wanted, mapped != wanted {
                munmap(mapped, byteCount)
                errno = EEXIST
                return nil
            }
            return mapped
        }, unmap: { munmap($0, $1) },
        populate: { piece, length in
            while madvise(piece, length, MADV_POPULATE_WRITE) != 0 {
                switch errno {
                case EINTR, EAGAIN: continue
                case EINVAL:  // Kernels before 5.14 do not know it: write to every page.
                    for page in stride(from: 0, to: length, by: 4096) {
                        piece.storeBytes(of: 0, toByteOffset: page, as: UInt8.self)
                    }
                    return 0
                case let code: return code
                }
            }
            return 0
        })

    fileprivate func map(_ byteCount: Int, at address: UInt64?, flags: Int32) -> UnsafeMutableRawPointer? {
        map(address.flatMap { UnsafeMutableRawPointer(bitPattern: UInt($0)) }, byteCount, flags)
    }
}

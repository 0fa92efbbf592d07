/// Which pages of a process an image holds, in the order of its file of pages: `pagemap-PID.img` (images/pagemap.proto of CRIU 4).
struct PageMap: Hashable {
    static let pageBytes = 4096

    /// Pages that follow each other.
    struct Run: Hashable {
        var address: UInt64
        var pageCount: UInt64
        /// `PE_...` of criu/include/pagemap.h.
        var flags: UInt64

        /// Whether the pages are in the file of pages.
        var isPresent: Bool { flags & 4 != 0 }
    }

    /// The message that names the file of pages: kept as it is.
    private let head: ArraySlice<UInt8>
    /// `pages-N.img`.
    let pagesID: UInt64
    var runs: [Run] = []

    private static let magic: UInt32 = 0x5608_4025

    /// Nil for anything that is not understood to the last field: then nothing may be changed.
    init?(_ file: [UInt8]) {
        guard let messages = ImageFields.messages(file, magic: Self.magic), let head = messages.first,
            let id = ImageFields(head)?.number(1)
        else { return nil }
        (self.head, pagesID) = (head, id)
        var end: UInt64 = 0
        for message in messages.dropFirst() {
            guard let fields = ImageFields(message), fields.fields.allSatisfy({ [1, 2, 4, 5].contains($0.number) }),
                let address = fields.number(1), let flags = fields.number(4), flags & 1 == 0,
                // Field 2 is the count of older versions.
                let count = fields.number(5) ?? fields.number(2), address % UInt64(Self.pageBytes) == 0, address >= end,
                count > 0, count < 1 << 40, address < 1 << 57
            else { return nil }
            end = address + count * UInt64(Self.pageBytes)
            runs.append(Run(address: address, pageCount: count, flags: flags))
        }
    }

    /// The file; `init` reads the same back.
    var file: [UInt8] {
        let messages = runs.map { run -> ArraySlice<UInt8> in
            var message: [UInt8] = []
            ImageFields.append(1, run.address, to: &message)
            ImageFields.append(2, 0, to: &message)
            ImageFields.append(4, run.flags, to: &message)
            ImageFields.append(5, run.pageCount, to: &message)
            return message[...]
        }
        return ImageFields.file([head] + messages, magic: Self.magic)
    }

    /// How many pages the file of pages has.
    var presentCount: Int { runs.reduce(0) { $0 + ($1.isPresent ? Int($1.pageCount) : 0) } }

    /// Leaves out pages that are all zero and that a new mapping has by itself.
    ///
    /// - Parameters:
    ///   - anonymous: where memory is private and not of a file, in ascending order (`mm-PID.img`).
    ///   - isZero: whether a page of the file of pages is all zero, by its number.
    /// - Returns: the numbers of the pages that stay, in runs.
    mutating func leaveOutZeroes(in anonymous: [Range<UInt64>], isZero: (Int) -> Bool) -> [Range<Int>] {
        var kept: [Range<Int>] = []
        var newRuns: [Run] = []
        var (page, area) = (0, 0)
        for run in runs {
            guard run.isPresent else {
                newRuns.append(run)
                continue
            }
            var isOpen = false
            for index in 0..<run.pageCount {
                let address = run.address + index * UInt64(Self.pageBytes)
                while area < anonymous.count, anonymous[area].upperBound <= address { area += 1 }
                let isNew = area < anonymous.count && anonymous[area].contains(address)
                if isNew, isZero(page) {
                    isOpen = false
                } else if isOpen {
                    newRuns[newRuns.count - 1].pageCount += 1
                    kept[kept.count - 1] = kept[kept.count - 1].lowerBound..<page + 1
                } else {
                    newRuns.append(Run(address: address, pageCount: 1, flags: run.flags))
                    kept.append(page..<page + 1)
                    isOpen = true
                }
                page += 1
            }
        }
        runs = newRuns
        return kept
    }

    /// Where a process has private memory that is not of a file: `mm-PID.img` (images/mm.proto, vma.proto). Nil for what is not
    /// understood.
    static func anonymousRanges(_ file: [UInt8]) -> [Range<UInt64>]? {
        guard let message = ImageFields.messages(file, magic: 0x5749_2820)?.first, let memory = ImageFields(message)
        else {
            return nil
        }
        var found: [Range<UInt64>] = []
        for area in memory.all(14) {
            guard let fields = ImageFields(area), let start = fields.number(1), let end = fields.number(2),
                start <= end,
                start >= found.last?.upperBound ?? 0, let flags = fields.number(6)
            else { return nil }
            // MAP_PRIVATE and MAP_ANONYMOUS.
            if flags & 0x22 == 0x22 { found.append(start..<end) }
        }
        return found
    }
}

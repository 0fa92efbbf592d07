internal import CPosix
internal import Glibc
public import Wire

/// What a ledger adds up to: one line a deployment, key or day.
public struct Bill: Sendable, Hashable {
    /// What the lines are about.
    public enum Grouping: String, Sendable, Hashable, CaseIterable {
        /// The deployment's name.
        case deployment
        /// The name of the client's key; residency belongs to no key and is a line of its own.
        case key
        /// The day (UTC) on which a request or a stretch of time ended.
        case day
        /// The devices that time was spent on; requests belong to none and are a line of their own.
        case device
    }

    /// One line.
    public struct Line: Sendable, Hashable {
        /// The deployment, key or day; empty for what has none.
        public let name: String
        /// Requests that were answered, whole or in part.
        public internal(set) var requestCount = 0
        /// Those of them for which the engine reported no tokens; nothing is charged for them, and `isPartial` is true.
        public internal(set) var unmeasuredCount = 0
        /// Sums over the measured requests.
        public internal(set) var tokens = MeteredTokens(promptCount: 0, answerCount: 0)
        /// Milliseconds by state.
        public internal(set) var residency_ms: [ResidencyState: Int] = [:]
        /// What all of it costs, as far as prices are known.
        public internal(set) var cost = Money.zero
        /// Whether something in it had no known price or count, so that `cost` is a lower bound.
        public internal(set) var isPartial = false

        init(name: String) { self.name = name }
    }

    /// In order of their names.
    public private(set) var lines: [Line] = []
    /// Records that stand twice and were counted once.
    public private(set) var repeatedCount = 0
    /// What is wrong with the ledger's files, a sentence each: damaged lines, missing numbers.
    public private(set) var problems: [String] = []

    /// The bill of the ledger in the folder at `path`, from `start_ms` (inclusive) to `end_ms` (exclusive), both milliseconds
    /// since 1970. May run while the ledger is being written: what is not durable yet is not in it.
    ///
    /// - Throws: `system`; `tooLong` for more than `Limits.billLineCount` lines.
    public static func read(
        path: String, by grouping: Grouping, from start_ms: Int = .min, to end_ms: Int = .max,
        limits: Limits = .standard
    ) throws(LedgerError) -> Bill {
        do throws(SnapshotError) {
            let directory = try Descriptor(openDirectory: path)
            var sum = BillSum(grouping: grouping, range: start_ms..<end_ms)
            let numbers = try directory.names().compactMap { LedgerFileName.number($0) }.sorted()
            for (index, number) in numbers.enumerated() {
                let scan = try LedgerWriter.read(directory, number, limits)
                sum.add(scan, file: LedgerFileName.text(number), isLast: index == numbers.count - 1)
                guard sum.lines.count <= limits.billLineCount else {
                    throw SnapshotError(
                        .tooLarge, "more than \(limits.billLineCount) lines: narrow the time", file: path)
                }
            }
            var bill = Bill()
            bill.lines = sum.lines.values.sorted { $0.name < $1.name }
            bill.repeatedCount = sum.repeatedCount
            bill.problems = sum.problems
            return bill
        } catch {
            throw error.code == .tooLarge
                ? LedgerError(.tooLong, error.detail, path: error.file ?? path) : LedgerError(error, path: path)
        }
    }

    /// The beginning of a day (UTC) written as "2026-11-27", in milliseconds since 1970; nil for anything else.
    public static func dayStart_ms(_ text: String) -> Int? { Day.start_ms(text) }

    /// All lines in one.
    public var total: Line {
        var sum = Line(name: "total")
        for line in lines { sum.add(line) }
        return sum
    }
}

extension Bill.Line {
    mutating func add(_ other: Bill.Line) {
        requestCount += other.requestCount
        unmeasuredCount += other.unmeasuredCount
        add(other.tokens)
        residency_ms.merge(other.residency_ms, uniquingKeysWith: +)
        cost += other.cost
        isPartial = isPartial || other.isPartial
    }

    mutating func add(_ more: MeteredTokens) {
        tokens.promptCount += more.promptCount
        tokens.cachedCount += more.cachedCount
        tokens.answerCount += more.answerCount
    }
}

/// A bill in the making: records in the order of the ledger, each priced by the prices that stood before it.
struct BillSum {
    let grouping: Bill.Grouping
    let range: Range<Int>
    private(set) var lines: [String: Bill.Line] = [:]
    private(set) var repeatedCount = 0
    private(set) var problems: [String] = []
    private var prices: [String: Price] = [:]
    private var seen: Set<String> = []
    private var lastSequence = 0

    init(grouping: Bill.Grouping, range: Range<Int>) {
        self.grouping = grouping
        self.range = range
    }

    mutating func add(_ scan: LedgerScan, file: String, isLast: Bool) {
        problems += scan.damagedOffsets.map { "\(file): the line at byte \($0) is damaged and was left out" }
        if !isLast, scan.tailByteCount > 0 {
            problems.append("\(file): \(scan.tailByteCount) bytes at its end are damaged and were left out")
        }
        for found in scan.records {
            if found.sequence > lastSequence + 1 {
                problems.append(
                    "\(file): records \(lastSequence + 1) to \(found.sequence - 1) are missing before byte "
                        + "\(found.offset)")
            }
            lastSequence = max(lastSequence, found.sequence)
            add(found.record)
        }
    }

    private mutating func add(_ record: LedgerRecord) {
        if let identity = record.identity, !seen.insert(identity).inserted {
            repeatedCount += 1
            return
        }
        switch record {
        case .price(let deployment, let price):
            prices[deployment] = price
        case .request(let request):
            guard range.contains(request.ended_ms) else { return }
            change(record, key: request.key ?? "", device: "", at: request.ended_ms) { line, price in
                line.requestCount += 1
                if let tokens = request.tokens { line.add(tokens) } else { line.unmeasuredCount += 1 }
                if let cost = price?.cost(of: request.tokens) { line.cost += cost } else { line.isPartial = true }
            }
        case .residency(let residency):
            let ended_ms = residency.start_ms + residency.duration_ms
            guard range.contains(ended_ms) else { return }
            change(record, key: "", device: residency.device, at: ended_ms) { line, price in
                line.residency_ms[residency.state, default: 0] += residency.duration_ms
                // Time without a price is free as long as tokens have one: most bill by one or the other.
                if let cost = price?.cost(of: residency.state, residency.duration_ms) { line.cost += cost }
            }
        }
    }

    private mutating func change(
        _ record: LedgerRecord, key: String, device: String, at time_ms: Int, _ body: (inout Bill.Line, Price?) -> Void
    ) {
        let name =
            switch grouping {
            case .deployment: record.deployment
            case .key: key
            case .day: Day.text(time_ms)
            case .device: device
            }
        body(&lines[name, default: Bill.Line(name: name)], prices[record.deployment])
    }
}

/// Days of the Gregorian calendar, UTC.
enum Day {
    /// "2026-11-27" for a time in milliseconds since 1970.
    static func text(_ time_ms: Int) -> String {
        var seconds = time_t(time_ms >= 0 ? time_ms / 1000 : (time_ms - 999) / 1000)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "unknown" }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(Int(parts.tm_year) + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    }

    /// When a day begins; nil for what `text` does not write.
    static func start_ms(_ day: String) -> Int? {
        let numbers = day.split(separator: "-", omittingEmptySubsequences: false).map { Int32($0) }
        guard day.utf8.count == 10, numbers.count == 3, let year = numbers[0], let month = numbers[1],
            let date = numbers[2]
        else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year &- 1900, month &- 1, date)
        let start_ms = Int(timegm(&parts)) &* 1000
        return text(start_ms) == day ? start_ms : nil
    }
}

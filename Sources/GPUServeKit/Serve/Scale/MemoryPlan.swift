/// Who holds the memory of one machine, who waits for some, and who must make room. Pure.
///
/// The rules that it keeps whatever is asked in whatever order:
///
/// - Nobody is granted memory that is not there: what is granted is never more than the capacity less all that is held.
/// - Whoever answers requests stays, and so does whoever has only just come (`MemoryBudget`).
/// - Those who wait are served in the order in which they asked. Who comes later gets only what is left when all before it
///   have theirs, so that small ones do not starve a large one.
/// - Guesses push nobody out and do not wait: they get what is free or nothing.
public struct MemoryPlan: Sendable, Hashable {
    /// One replica of one deployment.
    public struct Key: Sendable, Hashable, Comparable {
        /// The deployment's name.
        public var deployment: String
        /// The replica's number.
        public var replica: Int

        /// Names a replica.
        public init(_ deployment: String, _ replica: Int) {
            self.deployment = deployment
            self.replica = replica
        }

        /// By name, then by number.
        public static func < (left: Key, right: Key) -> Bool {
            (left.deployment, left.replica) < (right.deployment, right.replica)
        }

        /// A name with a slash is no deployment's.
        var text: String { "\(deployment)/\(replica)" }
    }

    /// What a replica holds and what speaks for its staying.
    public struct Holding: Sendable, Hashable {
        /// What it holds.
        public var size: MemorySize
        /// Whether it must stay: it answers requests, is on its way up or down, or was promised.
        public var isBusy: Bool
        /// What its next request would wait for it longer if it had gone.
        public var wake_ms: Int
        /// When its last request came, or it itself.
        public var lastUse_ms: Int
        /// When it became ready; nil for one that sleeps or was woken on a guess, which may go at any time.
        public var came_ms: Int?
        /// How likely its next request comes within `MemoryBudget.horizon_ms`; nil when nobody can tell.
        public var demand: Double?

        /// What a replica holds.
        public init(
            size: MemorySize, isBusy: Bool, wake_ms: Int = 0, lastUse_ms: Int = 0, came_ms: Int? = nil,
            demand: Double? = nil
        ) {
            self.size = size
            self.isBusy = isBusy
            self.wake_ms = wake_ms
            self.lastUse_ms = lastUse_ms
            self.came_ms = came_ms
            self.demand = demand
        }
    }

    /// A replica that is to give its memory back.
    public struct Eviction: Sendable, Hashable {
        /// Which.
        public var key: Key
        /// The kinds of memory that are needed.
        public var kinds: Set<MemorySize.Kind>
    }

    /// Why something has to wait, or never comes.
    public struct Obstacle: Sendable, Hashable {
        /// What is short.
        public var kind: MemorySize.Kind
        /// What was asked for.
        public var wantedBytes: Int
        /// What all together may hold.
        public var capacityBytes: Int
        /// What is held now, or promised to those who asked before.
        public var heldBytes: Int
        /// Deployments that hold it and cannot go now, or are just going.
        public var holders: [String]
        /// When asking again may help.
        public var retry_ms: Int

        /// A sentence without the final stop.
        public var text: String {
            let wanted = "it needs \(MemorySize.text(wantedBytes)) of \(kind.words)"
            guard wantedBytes <= capacityBytes else {
                return "\(wanted), and all deployments together may have \(MemorySize.text(capacityBytes))"
            }
            let whose = holders.isEmpty ? "" : " by \(holders.joined(separator: ", "))"
            return "\(wanted); \(MemorySize.text(heldBytes)) of \(MemorySize.text(capacityBytes)) are held\(whose)"
        }
    }

    /// What comes of asking.
    public enum Answer: Sendable, Hashable {
        /// It is the replica's now.
        case granted
        /// Not yet.
        case wait(Obstacle)
        /// Not in this budget, whoever goes.
        case never(Obstacle)
    }

    private struct Claim: Sendable, Hashable {
        var key: Key
        var size: MemorySize
    }

    /// Bytes that all replicas together may hold, of each kind.
    public var capacity: MemorySize
    /// How long what has come stays at least; see `MemoryBudget.minimumStay_ms`.
    public var minimumStay_ms: Int
    /// What is held. Times are of a clock that never jumps.
    public private(set) var holdings: [Key: Holding] = [:]
    private var leaving: Set<Key> = []
    private var line: [Claim] = []

    /// A machine that nobody uses yet.
    public init(capacity: MemorySize, minimumStay_ms: Int = 2_000) {
        self.capacity = capacity
        self.minimumStay_ms = minimumStay_ms
    }

    /// Those who wait, first come first.
    public var waiting: [Key] { line.map(\.key) }
    /// What is held of each kind.
    public var held: MemorySize {
        MemorySize(hostBytes: heldBytes(.host), gpuBytes: heldBytes(.gpu))
    }

    private func heldBytes(_ kind: MemorySize.Kind) -> Int { holdings.values.reduce(0) { $0 + $1.size[kind] } }

    // MARK: Asking

    /// Asks for the memory that a replica needs when it is up, what it holds already included.
    ///
    /// - Parameter isUrgent: whether requests wait for it, or somebody asked for it: then others make room, and it waits in
    ///   line until it gets its turn or `withdraw` is called.
    /// - Returns: the answer, and who must make room now; each is named once, until `stays` or `hold` is called for it.
    public mutating func ask(
        _ key: Key, _ size: MemorySize, isUrgent: Bool, at now_ms: Int
    ) -> (answer: Answer, evictions: [Eviction]) {
        let kinds = MemorySize.Kind.allCases
        if let kind = kinds.first(where: { size[$0] > capacity[$0] }) {
            withdraw(key)
            return (.never(obstacle(kind, size, [], [], retry_ms: 0)), [])
        }
        let ahead = Array(line.prefix { $0.key != key })
        let isGoing = leaving.contains(key)
        let short = kinds.filter { extra($0, size, key) > capacity[$0] - heldBytes($0) - promised($0, to: ahead) }
        if short.isEmpty, !isGoing {
            withdraw(key)
            holdings[key] = Holding(
                size: larger(size, holdings[key]?.size), isBusy: true, lastUse_ms: now_ms, came_ms: now_ms)
            return (.granted, [])
        }
        guard isUrgent else {
            return (.wait(obstacle(short.first ?? .host, size, ahead, [], retry_ms: minimumStay_ms)), [])
        }
        if ahead.count == line.count { line.append(Claim(key: key, size: size)) }
        var going: [Key: Set<MemorySize.Kind>] = [:]
        for kind in short {
            let budget = MemoryBudget(capacityBytes: capacity[kind], minimumStay_ms: minimumStay_ms)
            let (occupants, keys) = occupants(kind, ahead, except: key, now_ms)
            switch budget.room(for: size[kind], beside: occupants) {
            case .evict(let names): for name in names { going[keys[name]!, default: []].insert(kind) }
            case .wait(let names, let retry_ms):
                return (.wait(obstacle(kind, size, ahead, names, retry_ms: retry_ms)), [])
            case .tooLarge: preconditionFailure("its size was held against the capacity")
            }
        }
        leaving.formUnion(going.keys)
        let evictions = going.map { Eviction(key: $0, kinds: $1) }.sorted { $0.key < $1.key }
        return (.wait(obstacle(short.first ?? .host, size, ahead, leaving.map(\.text), retry_ms: 500)), evictions)
    }

    /// Those who must make room because more is held than there is room for: what a replica needs is known only once it is
    /// up, and grows.
    public mutating func relieve(at now_ms: Int) -> [Eviction] {
        var going: [Key: Set<MemorySize.Kind>] = [:]
        for kind in MemorySize.Kind.allCases {
            let budget = MemoryBudget(capacityBytes: capacity[kind], minimumStay_ms: minimumStay_ms)
            let (occupants, keys) = occupants(kind, [], except: nil, now_ms)
            guard case .evict(let names) = budget.room(for: 0, beside: occupants) else { continue }
            for name in names { going[keys[name]!, default: []].insert(kind) }
        }
        leaving.formUnion(going.keys)
        return going.map { Eviction(key: $0, kinds: $1) }.sorted { $0.key < $1.key }
    }

    /// A replica waits no more.
    public mutating func withdraw(_ key: Key) { line.removeAll { $0.key == key } }

    /// No replica of a deployment waits any more but `kept`.
    public mutating func withdraw(_ deployment: String, but kept: Key?) {
        line.removeAll { $0.key.deployment == deployment && $0.key != kept }
    }

    // MARK: What is so

    /// Says what a replica holds now; one that holds nothing is forgotten. Returns whether there is more room than before.
    @discardableResult
    public mutating func hold(_ key: Key, _ holding: Holding) -> Bool {
        let before = holdings[key]?.size ?? MemorySize()
        let isLess = MemorySize.Kind.allCases.contains { holding.size[$0] < before[$0] }
        // It has gone as far as it goes.
        if isLess { leaving.remove(key) }
        holdings[key] = holding.size.isEmpty ? nil : holding
        return isLess
    }

    /// A replica that was to make room does not: it was needed again before it had gone.
    public mutating func stays(_ key: Key) {
        leaving.remove(key)
        holdings[key]?.isBusy = true
    }

    /// A deployment is gone, and all its replicas.
    public mutating func forget(_ deployment: String) {
        withdraw(deployment, but: nil)
        for key in holdings.keys where key.deployment == deployment { holdings[key] = nil }
        leaving = leaving.filter { $0.deployment != deployment }
    }

    // MARK: Counting

    /// What a replica needs beyond what it holds.
    private func extra(_ kind: MemorySize.Kind, _ size: MemorySize, _ key: Key) -> Int {
        max(0, size[kind] - (holdings[key]?.size[kind] ?? 0))
    }

    private func promised(_ kind: MemorySize.Kind, to ahead: [Claim]) -> Int {
        ahead.reduce(0) { $0 + extra(kind, $1.size, $1.key) }
    }

    private func larger(_ size: MemorySize, _ other: MemorySize?) -> MemorySize {
        guard let other else { return size }
        return MemorySize(
            hostBytes: max(size.hostBytes, other.hostBytes), gpuBytes: max(size.gpuBytes, other.gpuBytes))
    }

    /// All who hold some of a kind and stay for now, and those who were promised some.
    private func occupants(
        _ kind: MemorySize.Kind, _ ahead: [Claim], except own: Key?, _ now_ms: Int
    ) -> (occupants: [MemoryBudget.Occupant], keys: [String: Key]) {
        var found: [MemoryBudget.Occupant] = []
        var keys: [String: Key] = [:]
        let first = Set(ahead.map(\.key))
        for (key, holding) in holdings where key != own && !leaving.contains(key) && holding.size[kind] > 0 {
            keys[key.text] = key
            found.append(
                MemoryBudget.Occupant(
                    name: key.text, byteCount: holding.size[kind], isBusy: holding.isBusy || first.contains(key),
                    wake_ms: holding.wake_ms, idle_ms: max(0, now_ms - holding.lastUse_ms),
                    age_ms: holding.came_ms.map { max(0, now_ms - $0) } ?? .max, demand: holding.demand))
        }
        for claim in ahead {
            let bytes = extra(kind, claim.size, claim.key)
            guard bytes > 0 else { continue }
            found.append(
                MemoryBudget.Occupant(
                    name: "\(claim.key.text)/claim", byteCount: bytes, isBusy: true, wake_ms: 0, idle_ms: 0, age_ms: 0))
        }
        return (found, keys)
    }

    private func obstacle(
        _ kind: MemorySize.Kind, _ size: MemorySize, _ ahead: [Claim], _ names: [String], retry_ms: Int
    ) -> Obstacle {
        let holders = names.isEmpty ? holdings.keys.map(\.deployment) : names.map { String($0.prefix { $0 != "/" }) }
        return Obstacle(
            kind: kind, wantedBytes: size[kind], capacityBytes: capacity[kind],
            heldBytes: heldBytes(kind) + promised(kind, to: ahead), holders: Set(holders).sorted(),
            retry_ms: max(1, retry_ms))
    }
}

import Foundation

/// Requests for ten deployments over an hour: recorded ones, or made up from a seed.
struct Trace {
    struct Request {
        let deployment: Int
        let arrived_ms: Int
        /// How long an engine works on it.
        let service_ms: Int
    }

    static let deploymentCount = 10

    let requests: [Request]
    let length_ms: Int

    private init(_ requests: [Request], length_ms: Int) {
        self.length_ms = length_ms
        self.requests = requests.sorted { ($0.arrived_ms, $0.deployment) < ($1.arrived_ms, $1.deployment) }
    }

    /// The same requests `factor` times as fast, and each as much shorter, and `brevity` times shorter still.
    func squeezed(by factor: Int, brevity: Int = 1) -> Trace {
        Trace(
            requests.map { request in
                Request(
                    deployment: request.deployment, arrived_ms: request.arrived_ms / factor,
                    service_ms: max(1, request.service_ms / (factor * brevity)))
            }, length_ms: length_ms / factor)
    }

    /// What one request takes an engine: half of them under 1.5 s, few many times as much.
    private static func service_ms(_ random: inout Random) -> Int {
        max(100, Int(random.logNormal(median: 1500, spread: 0.8)))
    }
}

extension Trace {
    /// Why a file holds no recorded trace.
    struct Malformed: Error, CustomStringConvertible { let description: String }

    /// Requests as they were counted in each minute (`recorded.csv`). Where in its minute one came, and how long it took, was not
    /// recorded: the seed says it.
    init(recorded text: String, seed: UInt64, length_ms: Int = 3_600_000) throws(Malformed) {
        var random = Random(seed)
        var found: [Request] = []
        var deployment = 0
        for (number, line) in text.split(separator: "\n").enumerated() where !line.hasPrefix("#") {
            let counts = line.split(separator: ",").dropFirst(2).map { Int($0) ?? -1 }
            guard counts.count == 60, counts.allSatisfy({ $0 >= 0 }) else {
                throw Malformed(description: "line \(number + 1) does not hold 60 counts")
            }
            for (minute, count) in counts.enumerated() {
                for _ in 0..<count {
                    let arrived_ms = minute * 60_000 + Int(random.uniform() * 60_000)
                    let service_ms = Self.service_ms(&random)
                    guard arrived_ms < length_ms else { continue }
                    found.append(Request(deployment: deployment, arrived_ms: arrived_ms, service_ms: service_ms))
                }
            }
            deployment += 1
        }
        guard deployment == Self.deploymentCount else {
            throw Malformed(description: "there are \(deployment) deployments, not \(Self.deploymentCount)")
        }
        self.init(found, length_ms: length_ms)
    }
}

extension Trace {
    /// How one deployment is asked.
    enum Kind: String {
        /// Every so often, give or take a little.
        case timer
        /// People: bursts with pauses between, whose lengths are spread over orders of magnitude.
        case bursts
        /// One at a time, with gaps of that kind.
        case sparse
    }

    static let madeUp: [(kind: Kind, mean_s: Double)] = [
        (.bursts, 45), (.bursts, 90), (.timer, 60), (.bursts, 150), (.timer, 120), (.sparse, 90), (.bursts, 300),
        (.timer, 300), (.sparse, 240), (.sparse, 600),
    ]

    /// Requests made up from a seed.
    ///
    /// The shape follows what Shahrad et al. describe of a public cloud ("Serverless in the Wild", USENIX ATC 2020): a few that are
    /// asked often make up most of the requests, many come by a timer, and the gaps of the others vary far more than those of a
    /// Poisson process.
    init(seed: UInt64, length_ms: Int = 3_600_000) {
        var random = Random(seed)
        var found: [Request] = []
        for (index, (kind, mean_s)) in Self.madeUp.enumerated() {
            var now_s = random.uniform() * mean_s
            while now_s * 1000 < Double(length_ms) {
                var count = 1
                if kind == .bursts { count = min(60, Int(random.pareto(least: 1, shape: 1.3))) }
                var at_s = now_s
                for _ in 0..<count {
                    let service_ms = Self.service_ms(&random)
                    if at_s * 1000 < Double(length_ms) {
                        found.append(
                            Request(deployment: index, arrived_ms: Int(at_s * 1000), service_ms: service_ms))
                    }
                    at_s += random.logNormal(median: 3, spread: 1)
                }
                switch kind {
                case .timer: now_s += mean_s * (1 + 0.02 * random.normal())
                // A spread of 1.4 makes the standard deviation two and a half times the mean.
                case .bursts: now_s = at_s + random.logNormal(median: mean_s * exp(-1.4 * 1.4 / 2), spread: 1.4)
                case .sparse: now_s += random.logNormal(median: mean_s * exp(-1.4 * 1.4 / 2), spread: 1.4)
                }
            }
        }
        self.init(found, length_ms: length_ms)
    }
}

/// Numbers of the distributions that a trace needs, the same in every run.
private struct Random {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    /// SplitMix64 (Steele, Lea, Flood 2014), above 0 and below 1.
    mutating func uniform() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return (Double((z ^ (z >> 31)) >> 11) + 0.5) / Double(1 << 53)
    }

    mutating func normal() -> Double { (-2 * log(uniform())).squareRoot() * cos(2 * .pi * uniform()) }
    mutating func logNormal(median: Double, spread: Double) -> Double { median * exp(spread * normal()) }
    mutating func pareto(least: Double, shape: Double) -> Double { least / pow(uniform(), 1 / shape) }
}

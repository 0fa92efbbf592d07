/// Cost of the choice by difficulty: harder prompts should not get cheaper models.
struct CostLadder: Sendable, Hashable {
    private struct Step: Sendable, Hashable {
        var count = 0.0
        var sum = 0.0
        var squares = 0.0
        var low = 0.0
        var high = 0.0

        var mean: Double { sum / count }
        /// Variance of the mean.
        var meanVariance: Double { max(0, squares / count - mean * mean) / count }

        mutating func add(_ other: Step) {
            count += other.count
            sum += other.sum
            squares += other.squares
            high = other.high
        }
    }

    private static let stepsCount = 20
    private var steps = (0..<stepsCount).map { Step(low: Double($0) / 20, high: Double($0 + 1) / 20) }

    /// - Parameters:
    ///   - difficulty: 0...1.
    ///   - relativeCost: cost of the choice as a share of the dearest candidate's, so that length does not count.
    mutating func add(difficulty: Double, relativeCost: Double) {
        let place = min(Self.stepsCount - 1, Int(difficulty * Double(Self.stepsCount)))
        steps[place].count += 1
        steps[place].sum += relativeCost
        steps[place].squares += relativeCost * relativeCost
    }

    /// The worst pair of steps in which the easier one is dearer, beyond chance; `nil` when there is none.
    func inversion() -> String? {
        let steps = merged
        var worst: (easy: Step, hard: Step)?
        for (index, easy) in steps.enumerated() {
            for hard in steps[(index + 1)...] {
                let difference = easy.mean - hard.mean
                let error = (easy.meanVariance + hard.meanVariance).squareRoot()
                // Five points are worth a look, four standard errors are not chance among so few pairs.
                guard difference > 0.05, difference > 4 * error else { continue }
                if let known = worst, known.easy.mean - known.hard.mean >= difference { continue }
                worst = (easy, hard)
            }
        }
        guard let (easy, hard) = worst else { return nil }
        return "prompts of difficulty \(Self.range(easy)) got models at \(Figures.percent(easy.mean)) of the dearest's "
            + "price, harder ones of \(Self.range(hard)) at \(Figures.percent(hard.mean)): easier prompts get dearer models"
    }

    /// Neighbours joined until each holds a twentieth of all requests and at least 30.
    private var merged: [Step] {
        let least = max(30, steps.reduce(0) { $0 + $1.count } / 20)
        var merged: [Step] = []
        var open: Step?
        for step in steps {
            if open == nil { open = step } else { open!.add(step) }
            if let full = open, full.count >= least {
                merged.append(full)
                open = nil
            }
        }
        if let open, open.count > 0, !merged.isEmpty { merged[merged.count - 1].add(open) }
        return merged
    }

    private static func range(_ step: Step) -> String {
        "\(Figures.fixed(step.low, 2))-\(Figures.fixed(step.high, 2))"
    }
}

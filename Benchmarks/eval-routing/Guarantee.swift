import Foundation
import RouterKit
import Synchronization

/// Whether the promise "at most one point lost, with 95 % confidence" is kept by 200 calibrations on fresh samples.
///
/// The dev rows of a pool are taken for the whole world: each calibration draws rows from them with replacement, so
/// they are independent and the true loss of what it promises is known exactly, as the loss over all rows.
struct GuaranteeCheck {
    static let calibrationsCount = 200

    let pool: String
    let rowsCount: Int
    /// Calibrations whose promise was kept; those that promised nothing ask the strongest model, which keeps it.
    let keptCount: Int
    /// Calibrations that found a trade to promise.
    let promisedCount: Int
    /// Mean share of always-strong's cost that the promised trades save on all rows; nothing promised is 0.
    let saved: Double

    init(_ name: String, _ set: CalibrationSet, supportThreshold: Double) {
        let promise = Promise()
        let totals = Mutex((kept: 0, promised: 0, saved: 0.0))
        DispatchQueue.concurrentPerform(iterations: Self.calibrationsCount) { number in
            var random = SeededRandom(seed: UInt64(number) &+ 1)
            let sample = (0..<set.count).map { _ in Int.random(in: 0..<set.count, using: &random) }
            let found = Calibrator.guarantee(
                promise, on: set.selecting(sample), supportThreshold: supportThreshold)
            let effect = found.trade.map { set.effect(of: $0, supportThreshold: supportThreshold) }
            totals.withLock {
                $0.kept += (effect?.loss ?? 0) <= promise.loss ? 1 : 0
                $0.promised += effect == nil ? 0 : 1
                $0.saved += effect?.saved ?? 0
            }
        }
        let sums = totals.withLock { $0 }
        pool = name
        rowsCount = set.count
        keptCount = sums.kept
        promisedCount = sums.promised
        saved = sums.saved / Double(Self.calibrationsCount)
    }
}

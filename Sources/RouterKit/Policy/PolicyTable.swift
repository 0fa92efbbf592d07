/// What calibration found, per pool of models and mode: the numbers that ``TradePolicy`` chooses by.
///
/// A table is made for one set of classifier weights and says which; for other weights its numbers mean nothing and
/// are not used. On disk it is JSON that a person can read, with a checksum (`PolicyTable+Text.swift`).
public struct PolicyTable: Sendable, Hashable {
    /// One model of a calibrated pool.
    public struct Model: Sendable, Hashable {
        /// Its name in the pool.
        public var name: String
        /// Its tier when it was calibrated.
        public var tier: CapabilityTier
        /// Its price when it was calibrated.
        public var price: Price
        /// Mean tokens of its answers.
        public var outputTokens: Int

        /// A model.
        public init(name: String, tier: CapabilityTier, price: Price, outputTokens: Int) {
            self.name = name
            self.tier = tier
            self.price = price
            self.outputTokens = outputTokens
        }
    }

    /// A mode's trade, and what it did on the rows it was chosen on.
    public struct Mode: Sendable, Hashable {
        /// The numbers to choose by.
        public var trade: Trade
        /// The loss that the mode allows, 0...1.
        public var allowedLoss: Double
        /// Estimate of the loss against always-strong, shrunk as ``Calibrator`` says.
        public var estimatedLoss: Double
        /// Share of always-strong's cost saved on the same rows.
        public var saved: Double

        /// A mode's entry.
        public init(trade: Trade, allowedLoss: Double, estimatedLoss: Double, saved: Double) {
            self.trade = trade
            self.allowedLoss = allowedLoss
            self.estimatedLoss = estimatedLoss
            self.saved = saved
        }
    }

    /// A promise, and the trade that keeps it if there were rows enough to tell.
    public struct Guarantee: Sendable, Hashable {
        /// What is promised.
        public var promise: Promise
        /// `nil` when no trade passed the test: then only the strongest model keeps the promise.
        public var trade: Trade?
        /// Labelled prompts that the test had.
        public var rowCount: Int
        /// Labelled prompts below which no test can pass (``Calibrator/neededRowCount(_:)``).
        public var neededRowCount: Int
        /// The test's p-value for `trade`; 1 without one.
        public var pValue: Double
        /// Share of always-strong's cost saved on the same rows.
        public var saved: Double

        /// A guarantee.
        public init(
            promise: Promise, trade: Trade?, rowCount: Int, neededRowCount: Int, pValue: Double, saved: Double
        ) {
            self.promise = promise
            self.trade = trade
            self.rowCount = rowCount
            self.neededRowCount = neededRowCount
            self.pValue = pValue
            self.saved = saved
        }
    }

    /// A pool of models with its numbers.
    public struct Pool: Sendable, Hashable {
        /// At least two, weakest tier first.
        public var models: [Model]
        /// Support below this goes to the strongest tier, 0...1.
        public var supportThreshold: Double
        /// Rows that the modes were calibrated on.
        public var rowCount: Int
        /// Per mode; a mode without an entry uses bands.
        public var modes: [RoutingMode: Mode]
        /// In the order in which they are looked through; the first that covers what is asked for counts.
        public var guarantees: [Guarantee]

        /// A pool.
        public init(
            models: [Model], supportThreshold: Double, rowCount: Int, modes: [RoutingMode: Mode],
            guarantees: [Guarantee] = []
        ) {
            self.models = models
            self.supportThreshold = supportThreshold
            self.rowCount = rowCount
            self.modes = modes
            self.guarantees = guarantees
        }

        /// The model of that name.
        public func model(named name: String) -> Model? { models.first { $0.name == name } }
    }

    /// ``ComplexityClassifier/version`` of the classifier whose predictions were calibrated.
    public var classifierVersion: String
    /// The pools, told apart by their sets of model names.
    public var pools: [Pool]

    /// A table.
    public init(classifierVersion: String, pools: [Pool]) {
        self.classifierVersion = classifierVersion
        self.pools = pools
    }

    /// What a table has for a pool of models.
    public enum Fit: Sendable, Hashable {
        /// This entry.
        case calibrated(Pool)
        /// Nothing, and why.
        case missing(Gap)
    }

    /// Why a table has nothing for a pool, or a promise cannot be kept on it.
    public enum Gap: Sendable, Hashable {
        /// There is no table.
        case noTable
        /// It was made for another classifier or other weights.
        case otherWeights
        /// No entry has exactly these models.
        case unknownPool
        /// A model's tier is another, or its price unknown.
        case changedModels
        /// A price is another than the promise was tested at.
        case changedPrices
        /// Nobody calibrated for such a promise.
        case noPromise
        /// Too few labelled prompts: so many are needed at least, so many there are.
        case tooFewRows(needed: Int, have: Int)
        /// Enough labelled prompts, but no trade that saves passed the test.
        case notProven

        /// Stable and bounded.
        public var label: StaticString {
            switch self {
            case .noTable: "no_table"
            case .otherWeights: "other_weights"
            case .unknownPool: "unknown_pool"
            case .changedModels: "changed_models"
            case .changedPrices: "changed_prices"
            case .noPromise: "no_promise"
            case .tooFewRows: "too_few_rows"
            case .notProven: "not_proven"
            }
        }
    }
}

extension PolicyTable.Gap: Error {}

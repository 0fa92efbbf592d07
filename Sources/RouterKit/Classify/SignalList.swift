/// A handful of signals, stored inline: assessing a request must not allocate.
public struct SignalList: Sendable, RandomAccessCollection, ExpressibleByArrayLiteral {
    /// The most signals that are kept; a receipt shows no more.
    public static let capacity = 6

    private var storage = InlineArray<6, Signal>(repeating: Signal(name: "", weight: 0, value: 0))
    /// Signals kept.
    public private(set) var count = 0

    /// No signals.
    public init() {}

    /// The first ``capacity`` of `signals`.
    public init(arrayLiteral signals: Signal...) {
        for signal in signals { append(signal) }
    }

    /// Adds a signal at the end; beyond ``capacity`` it is left out.
    public mutating func append(_ signal: Signal) {
        guard count < Self.capacity else { return }
        storage[count] = signal
        count += 1
    }

    /// 0.
    public var startIndex: Int { 0 }
    /// ``count``.
    public var endIndex: Int { count }

    /// The signal at `index`, which must be below ``count``.
    public subscript(_ index: Int) -> Signal {
        precondition(index >= 0 && index < count, "a signal's index lies below the count")
        return storage[index]
    }
}

extension SignalList: Hashable {
    /// Compares signal by signal.
    public static func == (left: SignalList, right: SignalList) -> Bool { left.elementsEqual(right) }

    /// Feeds what `==` compares.
    public func hash(into hasher: inout Hasher) {
        for signal in self { hasher.combine(signal) }
    }
}

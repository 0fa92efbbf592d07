/// The latest of many values: a new one takes the place of the oldest. No index; looking up walks, newest first.
struct LatestRing<Element> {
    private var elements: [Element] = []
    /// Where the oldest lies once the ring is full.
    private var next = 0
    private let capacity: Int

    init(capacity: Int) {
        precondition(capacity > 0, "a ring needs room for one value")
        self.capacity = capacity
    }

    var count: Int { elements.count }

    /// Keeps `element`, which becomes the one that made room for it, if one had to.
    mutating func insert(_ element: inout Element) {
        guard elements.count == capacity else { return elements.append(element) }
        swap(&elements[next], &element)
        next = (next + 1) % capacity
    }

    /// Where the newest value lies that is as asked for.
    func position(where isWanted: (Element) -> Bool) -> Int? {
        for age in 0..<elements.count {
            let position = (next + elements.count - 1 - age) % elements.count
            if isWanted(elements[position]) { return position }
        }
        return nil
    }

    subscript(position: Int) -> Element {
        get { elements[position] }
        set { elements[position] = newValue }
    }
}

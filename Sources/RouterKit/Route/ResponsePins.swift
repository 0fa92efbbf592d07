import Synchronization
import Transport

/// Which deployment made which Responses answer: `previous_response_id` names state that lives only there.
///
/// Bounded: the oldest pins are forgotten first, after which such a request is routed like any other.
final class ResponsePins: Sendable {
    struct Pin: Sendable, Equatable {
        let model: String
        let deployment: String
    }

    private struct State {
        var pins: [String: Pin] = [:]
        /// Ids in the order they came, as a ring.
        var order: [String] = []
        var next = 0
    }

    private let state = Lock(State())
    private let capacity: Int

    init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
    }

    func remember(_ id: String, _ pin: Pin) {
        state.withLock { state in
            guard state.pins.updateValue(pin, forKey: id) == nil else { return }
            if state.order.count < capacity {
                state.order.append(id)
                return
            }
            state.pins[state.order[state.next]] = nil
            state.order[state.next] = id
            state.next = (state.next + 1) % capacity
        }
    }

    subscript(_ id: String) -> Pin? { state.withLock { $0.pins[id] } }
}

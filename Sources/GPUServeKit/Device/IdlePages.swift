/// Pages that a pool keeps for the next arena, as whoever plans sees them.
struct IdlePages: Sendable, Hashable {
    var address: UInt64
    var byteCount: Int

    /// The ones that an arena of `need` bytes takes: exactly there, or the smallest that wastes at most as much as it gives.
    static func best(of idle: [IdlePages], for need: Int, at address: UInt64?) -> Int? {
        let fitting = idle.indices.filter { index in
            if let address { return idle[index].address == address && idle[index].byteCount >= need }
            return idle[index].byteCount >= need && idle[index].byteCount <= 2 * need
        }
        return fitting.min { idle[$0].byteCount < idle[$1].byteCount }
    }
}

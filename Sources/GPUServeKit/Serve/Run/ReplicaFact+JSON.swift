internal import Glibc
internal import Wire

extension ReplicaFact {
    var json: [UInt8] {
        var object = JSONObjectText()
        object.add("pid", Int(pid))
        object.add("start_ticks", Int(startTicks))
        object.add("boot_id", bootID)
        object.add("port", Int(port))
        if let asleep { object.add("asleep", asleep.rawValue) }
        if let room {
            object.add("room", room.kind.rawValue)
            object.add("keeper_pid", Int(room.keeper.pid))
            object.add("keeper_start_ticks", Int(room.keeper.startTicks))
        }
        return object.bytes
    }

    /// Nil for anything else than what `json` writes: then there is nothing to find again.
    init?(json bytes: [UInt8]) {
        guard let json = try? JSONValue.parse(bytes), let pid = json["pid"]?.int, pid > 1,
            let pid = Int32(exactly: pid), let ticks = json["start_ticks"]?.int, ticks >= 0,
            let boot = json["boot_id"]?.string, let number = json["port"]?.int, let port = UInt16(exactly: number)
        else { return nil }
        self.pid = pid
        startTicks = UInt64(ticks)
        bootID = boot
        self.port = port
        asleep = json["asleep"]?.string.flatMap { SleepTier(rawValue: $0) }
        guard let name = json["room"]?.string else { return }
        guard let kind = EngineRoom.Kind(rawValue: name),
            let keeper = json["keeper_pid"]?.int.flatMap({ Int32(exactly: $0) }), keeper > 1,
            let ticks = json["keeper_start_ticks"]?.int, ticks >= 0
        else { return nil }
        room = Room(kind: kind, keeper: .init(pid: keeper, startTicks: UInt64(ticks)))
    }

    /// Changes at every start of the machine, so that process numbers of an earlier one mean nothing.
    static let thisBoot: String = {
        let bytes = ProcessStat.read("/proc/sys/kernel/random/boot_id", limit: 64) ?? []
        return String(decoding: bytes.prefix { $0 > 0x20 }, as: UTF8.self)
    }()
}

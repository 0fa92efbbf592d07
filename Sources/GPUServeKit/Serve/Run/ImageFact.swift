internal import Wire

/// What is kept of an image of a replica's process, so that the next daemon can restore it.
struct ImageFact: Hashable {
    /// The process that it is of, which comes back under this number; in its room, if it has one.
    var pid: Int32
    /// The port that it listens on.
    var port: UInt16
    /// The start of the machine in which it was made: numbers, files in memory and the kernel are others after the next.
    var bootID: String
    /// What the processes had to themselves; nil when they share numbers with all others.
    var room: EngineRoom.Kind?

    static func file(_ number: Int) -> String { "image-\(number).json" }

    var json: [UInt8] {
        var object = JSONObjectText()
        object.add("pid", Int(pid))
        object.add("port", Int(port))
        object.add("boot_id", bootID)
        if let room { object.add("room", room.rawValue) }
        return object.bytes
    }

    init(pid: Int32, port: UInt16, bootID: String, room: EngineRoom.Kind? = nil) {
        self.pid = pid
        self.port = port
        self.bootID = bootID
        self.room = room
    }

    /// Nil for anything else than what `json` writes: then the image is as good as none.
    init?(json bytes: [UInt8]) {
        guard let json = try? JSONValue.parse(bytes), let pid = json["pid"]?.int.flatMap({ Int32(exactly: $0) }),
            pid > 1,
            let port = json["port"]?.int.flatMap({ UInt16(exactly: $0) }), let boot = json["boot_id"]?.string
        else { return nil }
        let name = json["room"]?.string
        let room = name.flatMap { EngineRoom.Kind(rawValue: $0) }
        guard name == nil || room != nil else { return nil }
        self.init(pid: pid, port: port, bootID: boot, room: room)
    }
}

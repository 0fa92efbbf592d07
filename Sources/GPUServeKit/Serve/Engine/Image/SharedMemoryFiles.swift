internal import Glibc

/// The files in memory (`/dev/shm`) of an engine's room: CRIU keeps which of them its processes have open, and counts on finding
/// them where they were. They go with the room, so a copy is kept beside the image: each restore finds what the dump left.
enum SharedMemoryFiles {
    /// The copy, in the directory of images.
    private static let file = "shared-memory.tar"
    /// Names that CRIU gives to files whose own name is gone.
    private static let remapped = "link_remap."

    /// Removes what an earlier dump or restore left: CRIU uses the names again, and refuses those that are there.
    static func removeRemapped(in room: EngineRoom?) {
        guard let room, room.kind == .numbersAndMemory else { return }
        for name in names(room) where name.hasPrefix(remapped) { unlink("\(room.memoryPath)/\(name)") }
    }

    /// Copies the files of a room into a directory of images.
    static func save(_ room: EngineRoom?, to directory: String, on host: EngineHost) async throws(ReplicaFailure) {
        guard let room, room.kind == .numbersAndMemory, !names(room).isEmpty else { return }
        try await tar(
            ["--create", "--sparse", "--file", "\(directory)/\(file)", "--directory", room.memoryPath, "."], directory,
            on: host, failing: .sleepRefused)
    }

    /// Puts the files of an image into a room.
    static func load(_ room: EngineRoom?, from directory: String, on host: EngineHost) async throws(ReplicaFailure) {
        guard let room, access("\(directory)/\(file)", F_OK) == 0 else { return }
        try await tar(
            ["--extract", "--preserve-permissions", "--file", "\(directory)/\(file)", "--directory", room.memoryPath],
            directory, on: host, failing: .imageUnusable)
    }

    private static func names(_ room: EngineRoom) -> [String] {
        guard let number = try? Descriptor(openDirectory: room.memoryPath) else { return [] }
        return (try? number.names()) ?? []
    }

    /// A program of every system, which knows holes, links and rights.
    private static func tar(
        _ words: [String], _ directory: String, on host: EngineHost, failing code: ReplicaFailure.Code
    ) async throws(ReplicaFailure) {
        let helper = ImageHelper(
            name: "tar of the files in memory", program: try ProgramFinder.find(["tar"]), directory: directory,
            room: nil,
            code: code)
        guard let ending = try await helper.run(words, on: host) else { return }
        let said = String(decoding: ProcessStat.read(helper.logPath, limit: 4096) ?? [], as: UTF8.self)
        throw ReplicaFailure(
            said.contains("No space left") ? .diskFull : code,
            "\(helper.name) ended with \(ending): \(said.suffix(300))")
    }
}

internal import Wire

/// A program that runs once, on the same memory and devices as the deployments.
public struct JobSpec: Sendable, Hashable {
    /// What bills call it; see `DeploymentSpec.problem(withName:)`. Several jobs may have one name.
    public var name: String
    /// The program: a path, or a name to look for in PATH.
    public var program: String
    /// Its words.
    public var arguments: [String]
    /// Where it runs; an absolute path.
    public var directory: String
    /// Devices that it is meant to use; named in bills.
    public var gpuCount: Int
    /// What it reserves while it runs.
    public var memory: MemorySize
    /// Variables of the daemon that it gets besides the usual ones, by name.
    public var environmentNames: [String]

    /// A job; see `problem` for what is allowed.
    public init(
        name: String = "job", program: String, arguments: [String] = [], directory: String = "/", gpuCount: Int = 0,
        memory: MemorySize = MemorySize(), environmentNames: [String] = []
    ) {
        self.name = name
        self.program = program
        self.arguments = arguments
        self.directory = directory
        self.gpuCount = gpuCount
        self.memory = memory
        self.environmentNames = environmentNames
    }

    /// A sentence about the first thing that is wrong; nil when nothing is. Whether the program is there is asked when it starts.
    public var problem: String? {
        if let problem = DeploymentSpec.problem(withName: name) { return problem }
        if program.isEmpty { return "a job needs a program" }
        if !directory.hasPrefix("/") { return "directory is \"\(directory)\"; it must be an absolute path" }
        if !(0...64).contains(gpuCount) { return "gpus is \(gpuCount); it must be 0 to 64" }
        if ![memory.hostBytes, memory.gpuBytes].allSatisfy((0...1 << 50).contains) {
            return "memory must be 0 to 2^50 bytes"
        }
        if arguments.count > 4096 { return "\(arguments.count) arguments; 4,096 are allowed" }
        for text in [program, directory] + arguments + environmentNames where text.utf8.contains(0) {
            return "a value holds a zero byte"
        }
        return nil
    }

    /// Reads a job. Unknown members are refused, so that a slip is not taken for a wish.
    init(json bytes: [UInt8], limits: Limits) throws(ServeError) {
        let json: JSONValue
        do throws(WireError) {
            json = try JSONValue.parse(bytes, limits: limits)
        } catch {
            throw ServeError(.invalidSpec, "the body is not JSON: \(error)")
        }
        guard let members = json.members, let program = json["program"]?.string else {
            throw ServeError(.invalidSpec, "a job is an object with at least a program")
        }
        self.init(program: program)
        for member in members {
            let (key, value) = (member.key, member.value)
            let isTaken =
                switch key {
                case "program": true
                case "name": value.string.map { name = $0 } != nil
                case "directory": value.string.map { directory = $0 } != nil
                case "gpus": value.int.map { gpuCount = $0 } != nil
                case "memory_bytes": value.int.map { memory.hostBytes = $0 } != nil
                case "gpu_memory_bytes": value.int.map { memory.gpuBytes = $0 } != nil
                case "arguments": Self.texts(value).map { arguments = $0 } != nil
                case "environment": Self.texts(value).map { environmentNames = $0 } != nil
                default: throw ServeError(.invalidSpec, "there is no setting called '\(key)'")
                }
            guard isTaken else { throw ServeError(.invalidSpec, "\(key) must not be \(value.kindName)") }
        }
        if let problem { throw ServeError(.invalidSpec, problem) }
    }

    private static func texts(_ value: JSONValue) -> [String]? {
        let texts = value.elements?.map(\.string)
        return texts.flatMap { $0.contains(nil) ? nil : $0.compactMap { $0 } }
    }

    /// The text of a job; `init(json:)` reads the same back.
    public var json: [UInt8] {
        var object = JSONObjectText()
        object.add("name", name)
        object.add("program", program)
        object.add("arguments", arguments)
        object.add("directory", directory)
        object.add("gpus", gpuCount)
        object.add("memory_bytes", memory.hostBytes)
        object.add("gpu_memory_bytes", memory.gpuBytes)
        object.add("environment", environmentNames)
        return object.bytes
    }
}

/// How a job is going.
public struct JobStatus: Sendable, Hashable {
    /// What it does.
    public enum State: String, Sendable, Hashable {
        /// It waits for memory.
        case waiting
        /// Its program runs.
        case running
        /// Its program has ended, or never began: see `ending`.
        case ended
    }

    /// Names it to the daemon.
    public var id: String
    /// What bills call it.
    public var name: String
    /// What it does.
    public var state = State.waiting
    /// How it ended, or why it never began; what it waits for while it waits.
    public var ending = ""
    /// The program's status; 128 and the signal's number when one ended it; nil before that, and when it never began.
    public var exitStatus: Int?

    var object: JSONObjectText {
        var object = JSONObjectText()
        object.add("id", id)
        object.add("name", name)
        object.add("state", state.rawValue)
        object.add("ending", ending)
        if let exitStatus { object.add("exit_status", exitStatus) }
        return object
    }
}

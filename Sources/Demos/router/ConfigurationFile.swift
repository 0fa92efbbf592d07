import RouterKit

/// Reads configuration files.
enum ConfigurationFile {
    /// A configuration larger than this is surely the wrong file.
    static let mostBytes = 4 << 20

    static func load(_ path: String) throws(ConfigurationError) -> GatewayConfiguration {
        try GatewayConfiguration.load(file: path, bytes: try read(path))
    }

    static func read(_ path: String) throws(ConfigurationError) -> [UInt8] {
        do {
            return try WholeFile.read(path, mostBytes: mostBytes)
        } catch {
            throw ConfigurationError(file: path, line: 1, column: 1, message: "the file \(error.detail)")
        }
    }
}

public import Wire

extension PolicyTable {
    /// The table that comes with the program, made for the weights that come with it.
    public static let shipped: PolicyTable = {
        do {
            return try PolicyTable(PackageResources.shipped_policy_json)
        } catch { preconditionFailure("the shipped policy is damaged: \(error)") }
    }()

    /// Reads the file at `path`.
    ///
    /// - Throws: when it cannot be read, or for the reasons of ``PolicyTableError``.
    public static func read(path: String, limits: Limits = .standard) throws(LearnFileError) -> PolicyTable {
        let bytes = try WholeFile.read(path, mostBytes: limits.policyFileBytes)
        do {
            return try PolicyTable(bytes, limits: limits)
        } catch { throw LearnFileError(path: path, detail: error.detail) }
    }

    /// Puts the file in the place of `path`, so that a reader never sees half of it.
    ///
    /// - Parameter keepsPrevious: what was there stays as `path.previous`, unless it is the same.
    public func write(path: String, keepsPrevious: Bool = false) throws(LearnFileError) {
        try WholeFile.write(Array(fileText().utf8), to: path, mode: 0o644, keepsPrevious: keepsPrevious)
    }
}

/// A mistake on the command line; `message` says what to write instead.
package struct UsageError: Error, CustomStringConvertible {
    package let message: String
    package var description: String { message }

    package init(message: String) { self.message = message }
}

/// The words of one verb, split into options (`--name value`), flags (`--name`) and the rest. `--` ends the options.
package struct Arguments {
    private var options: [String: [String]] = [:]
    private var flags: Set<String> = []
    package private(set) var words: [String] = []

    /// - Parameters:
    ///   - arguments: what follows the verb.
    ///   - optionNames: names that take a value, without dashes.
    ///   - flagNames: names that take none.
    package init(_ arguments: [String], options optionNames: [String], flags flagNames: [String] = [])
        throws(UsageError)
    {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            if word == "--" {
                words += rest
                break
            }
            guard word.hasPrefix("--") else {
                words.append(word)
                continue
            }
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            if optionNames.contains(name) {
                guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
                    throw UsageError(message: "--\(name) needs a value")
                }
                options[name, default: []].append(value)
            } else if flagNames.contains(name) {
                flags.insert(name)
            } else {
                let known = (optionNames + flagNames).map { "--\($0)" }
                let hint = Suggestion.nearest(to: "--\(name)", in: known).map { "; did you mean \($0)?" } ?? ""
                throw UsageError(message: "unknown option --\(name)\(hint)")
            }
        }
    }

    /// The last value of an option.
    package subscript(option name: String) -> String? { options[name]?.last }
    /// Every value of an option that may be repeated.
    package func all(_ name: String) -> [String] { options[name] ?? [] }
    package func has(_ flag: String) -> Bool { flags.contains(flag) }

    package func required(_ name: String) throws(UsageError) -> String {
        guard let value = self[option: name] else { throw UsageError(message: "--\(name) is required") }
        return value
    }
}

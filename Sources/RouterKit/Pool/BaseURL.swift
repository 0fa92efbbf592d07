/// The check that an address can have a path appended and be sent to (RFC 3986, `http` and `https` only).
enum BaseURL {
    /// What is wrong, worded to follow the address in a sentence; `nil` when it is fine.
    static func fault(in text: String) -> String? {
        let bytes = Array(text.utf8)
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return "holds a space, a control character or a character outside ASCII"
        }
        let lowered = text.lowercased()
        let rest: Substring
        if lowered.hasPrefix("http://") {
            rest = text.dropFirst("http://".count)
        } else if lowered.hasPrefix("https://") {
            rest = text.dropFirst("https://".count)
        } else {
            return "does not start with http:// or https://"
        }
        if rest.contains("?") || rest.contains("#") { return "has a query or a fragment; give the address without it" }
        let authority = rest.prefix { $0 != "/" }
        if authority.contains("@") { return "holds a user name; give keys under \"keys\"" }
        return authorityFault(authority)
    }

    private static func authorityFault(_ authority: Substring) -> String? {
        var host = authority
        var port: Substring?
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return "has an unclosed IPv6 address" }
            host = authority[...end]
            let tail = authority[authority.index(after: end)...]
            if tail.hasPrefix(":") {
                port = tail.dropFirst()
            } else if !tail.isEmpty {
                return "has text after its IPv6 address"
            }
            if host.utf8.count <= 2 { host = "" }
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            port = authority[authority.index(after: colon)...]
        }
        if host.isEmpty { return "names no host" }
        if let port {
            guard port.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(port),
                (1...65_535).contains(number)
            else { return "has the port \"\(port)\"; give 1 to 65535" }
        }
        return nil
    }
}

public import Wire

/// Why a policy file was refused. Nothing of a refused file is used.
public struct PolicyTableError: Error, Sendable, Hashable {
    /// The kind of obstacle.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// Not JSON.
        case invalidJSON = "invalid_json"
        /// A member is missing, unknown, of another type, or out of range.
        case invalidMember = "invalid_member"
        /// Written by a newer version of the program.
        case newerFormat = "newer_format"
        /// The checksum does not match the contents.
        case wrongChecksum = "wrong_checksum"

        /// Stable and bounded.
        public var label: String { rawValue }
    }

    /// The kind of obstacle.
    public let code: Code
    /// What was wrong, where, and what to do.
    public let detail: String
}

extension PolicyTableError: CustomStringConvertible {
    /// The sentence.
    public var description: String { detail }
}

extension PolicyTable {
    /// The version of the file's format that this program writes and reads.
    public static let format = 1

    /// SHA-256 over ``fileText()`` without its checksum: what the numbers are, however the file is laid out.
    public var checksum: String { SHA256.hexHash(Array(body.utf8)) }

    /// The file: JSON, one number a line, the checksum last.
    public func fileText() -> String { body + "  \"sha256\": \"\(checksum)\"\n}\n" }

    private var body: String {
        var text =
            "{\n  \"format\": \(Self.format),\n  \"classifier\": \(Self.quoted(classifierVersion)),\n  \"pools\": ["
        for (index, pool) in pools.enumerated() { text += (index == 0 ? "\n" : ",\n") + Self.text(pool) }
        return text + (pools.isEmpty ? "],\n" : "\n  ],\n")
    }

    private static func text(_ pool: Pool) -> String {
        let models = pool.models.map { model in
            "        {\"name\": \(quoted(model.name)), \"tier\": \"\(model.tier.name)\", \"input\": "
                + "\(number(model.price.inputPerMTok)), \"output\": \(number(model.price.outputPerMTok)), "
                + (model.price.cachedInputPerMTok.map { "\"cached_input\": \(number($0)), " } ?? "")
                + "\"output_tokens\": \(model.outputTokens)}"
        }
        let modes = RoutingMode.allCases.compactMap { mode -> String? in
            guard let entry = pool.modes[mode] else { return nil }
            return
                "        \"\(mode.rawValue)\": {\(text(entry.trade)), \"allowed_loss\": \(number(entry.allowedLoss)), "
                + "\"estimated_loss\": \(number(entry.estimatedLoss)), \"saved\": \(number(entry.saved))}"
        }
        let guarantees = pool.guarantees.map { guarantee in
            "        {\"loss\": \(number(guarantee.promise.loss)), \"confidence\": "
                + "\(number(guarantee.promise.confidence)), \"rows\": \(guarantee.rowCount), "
                + "\"needed_rows\": \(guarantee.neededRowCount), \"p_value\": \(number(guarantee.pValue)), "
                + "\"saved\": \(number(guarantee.saved))"
                + (guarantee.trade.map { ", \(text($0))" } ?? "") + "}"
        }
        return "    {\n      \"models\": [\n\(models.joined(separator: ",\n"))\n      ],\n"
            + "      \"support\": \(number(pool.supportThreshold)),\n      \"rows\": \(pool.rowCount),\n"
            + "      \"modes\": {\n\(modes.joined(separator: ",\n"))\n      },\n"
            + "      \"guarantees\": [\n\(guarantees.joined(separator: ",\n"))\n      ]\n    }"
    }

    private static func text(_ trade: Trade) -> String {
        "\"cost_weight_per_usd\": \(number(trade.costWeight_perUSD)), \"margin\": \(number(trade.margin))"
    }

    private static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        JSONText.appendQuoted(text, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The shortest text that reads back as the same number: the checksum must survive a round trip.
    private static func number(_ value: Double) -> String {
        var bytes: [UInt8] = []
        JSONText.appendDouble(value, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension PolicyTable {
    /// Reads a file's bytes.
    ///
    /// - Throws: `PolicyTableError`; a file of a newer format is refused before anything else is looked at.
    public init(_ bytes: [UInt8], limits: Limits = .standard) throws(PolicyTableError) {
        let root: JSONValue
        do {
            root = try JSONValue.parse(bytes, limits: limits)
        } catch {
            throw PolicyTableError(code: .invalidJSON, detail: "The policy file is not JSON: \(error.detail).")
        }
        let reader = PolicyFileReader(bytes: bytes)
        let format = try reader.int(root, "format", 1...1_000_000)
        guard format == Self.format else {
            throw PolicyTableError(
                code: .newerFormat,
                detail: "The policy file has format \(format), this program reads format \(Self.format): "
                    + "use a newer program, or calibrate again with this one.")
        }
        self = try reader.table(root, limits)
        guard try reader.string(root, "sha256") == checksum else {
            throw PolicyTableError(
                code: .wrongChecksum,
                detail: "The policy file's sha256 does not match its contents: it was cut, changed by hand, or "
                    + "damaged. Calibrate again, or put an older file back.")
        }
    }
}

/// Reads members with their ranges; errors name line, column and member.
private struct PolicyFileReader {
    let bytes: [UInt8]

    func table(_ root: JSONValue, _ limits: Limits) throws(PolicyTableError) -> PolicyTable {
        try only(root, ["format", "classifier", "pools", "sha256"])
        var table = PolicyTable(classifierVersion: try string(root, "classifier"), pools: [])
        for entry in try array(root, "pools", atMost: limits.policyPoolCount) {
            let pool = try pool(entry, limits)
            let names = Set(pool.models.map(\.name))
            guard !table.pools.contains(where: { Set($0.models.map(\.name)) == names }) else {
                throw error(at: entry, "the same models are given twice")
            }
            table.pools.append(pool)
        }
        return table
    }

    private func pool(_ entry: JSONValue, _ limits: Limits) throws(PolicyTableError) -> PolicyTable.Pool {
        try only(entry, ["models", "support", "rows", "modes", "guarantees"])
        var models: [PolicyTable.Model] = []
        for model in try array(entry, "models", atMost: limits.poolModelsCount) {
            try only(model, ["name", "tier", "input", "output", "cached_input", "output_tokens"])
            guard let tier = CapabilityTier(name: try string(model, "tier")) else {
                throw error(at: model, "tier must be cheap, mid or strong")
            }
            let price = Price(
                inputPerMTok: try number(model, "input", 0...1e6), outputPerMTok: try number(model, "output", 0...1e6),
                cachedInputPerMTok: model["cached_input"] == nil ? nil : try number(model, "cached_input", 0...1e6))
            models.append(
                PolicyTable.Model(
                    name: try string(model, "name"), tier: tier, price: price,
                    outputTokens: try int(model, "output_tokens", 0...1_000_000_000)))
        }
        guard models.count >= 2, Set(models.map(\.name)).count == models.count else {
            throw error(at: entry, "models needs at least two different names")
        }
        var pool = PolicyTable.Pool(
            models: models, supportThreshold: try number(entry, "support", 0...1),
            rowCount: try int(entry, "rows", 0...1_000_000_000), modes: [:])
        guard let modes = entry["modes"]?.members else { throw error(at: entry, "modes must be an object") }
        for member in modes {
            guard let mode = RoutingMode(rawValue: member.key), pool.modes[mode] == nil else {
                throw error(at: member.value, "\(member.key) is not a mode, or is given twice")
            }
            try only(member.value, ["cost_weight_per_usd", "margin", "allowed_loss", "estimated_loss", "saved"])
            pool.modes[mode] = PolicyTable.Mode(
                trade: try trade(member.value), allowedLoss: try number(member.value, "allowed_loss", 0...1),
                estimatedLoss: try number(member.value, "estimated_loss", -1...1),
                saved: try number(member.value, "saved", -1e6...1))
        }
        for guarantee in try array(entry, "guarantees", atMost: limits.policyPoolCount) {
            pool.guarantees.append(try self.guarantee(guarantee))
        }
        return pool
    }

    private func guarantee(_ entry: JSONValue) throws(PolicyTableError) -> PolicyTable.Guarantee {
        try only(
            entry,
            [
                "loss", "confidence", "rows", "needed_rows", "p_value", "saved", "cost_weight_per_usd", "margin",
            ])
        let confidence = try number(entry, "confidence", 0...1)
        guard confidence > 0, confidence < 1 else { throw error(at: entry, "confidence must lie between 0 and 1") }
        let trade = entry["cost_weight_per_usd"] == nil && entry["margin"] == nil ? nil : try trade(entry)
        let pValue = try number(entry, "p_value", 0...1)
        guard trade == nil || pValue <= 1 - confidence + 1e-12 else {
            throw error(at: entry, "p_value is above what the confidence allows")
        }
        return PolicyTable.Guarantee(
            promise: Promise(loss: try number(entry, "loss", 0...1), confidence: confidence), trade: trade,
            rowCount: try int(entry, "rows", 0...1_000_000_000),
            neededRowCount: try int(entry, "needed_rows", 0...1_000_000_000_000), pValue: pValue,
            saved: try number(entry, "saved", -1e6...1))
    }

    private func trade(_ entry: JSONValue) throws(PolicyTableError) -> Trade {
        Trade(
            costWeight_perUSD: try number(entry, "cost_weight_per_usd", 0...1e12),
            margin: try number(entry, "margin", -2...2))
    }

    // MARK: Members

    func int(_ value: JSONValue, _ key: String, _ range: ClosedRange<Int>) throws(PolicyTableError) -> Int {
        guard let found = value[key]?.int, range.contains(found) else {
            throw error(
                at: value[key] ?? value,
                "\(key) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return found
    }

    private func number(
        _ value: JSONValue, _ key: String, _ range: ClosedRange<Double>
    ) throws(PolicyTableError) -> Double {
        guard let found = value[key]?.double, range.contains(found) else {
            throw error(
                at: value[key] ?? value, "\(key) must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return found
    }

    func string(_ value: JSONValue, _ key: String) throws(PolicyTableError) -> String {
        guard let found = value[key]?.string, !found.isEmpty else {
            throw error(at: value[key] ?? value, "\(key) must be a text")
        }
        return found
    }

    private func array(_ value: JSONValue, _ key: String, atMost count: Int) throws(PolicyTableError) -> [JSONValue] {
        guard let found = value[key]?.elements, found.count <= count else {
            throw error(at: value[key] ?? value, "\(key) must be an array of at most \(count)")
        }
        return found
    }

    /// What nobody reads would not be under the checksum.
    private func only(_ value: JSONValue, _ keys: [String]) throws(PolicyTableError) {
        guard let members = value.members else { throw error(at: value, "an object was expected") }
        for (index, member) in members.enumerated() {
            guard keys.contains(member.key), !members[..<index].contains(where: { $0.key == member.key }) else {
                throw error(at: member.value, "\(member.key) is not known here, or is given twice")
            }
        }
    }

    private func error(at value: JSONValue, _ message: String) -> PolicyTableError {
        let place = JSONText.lineAndColumn(of: value.offset, in: bytes)
        return PolicyTableError(
            code: .invalidMember, detail: "The policy file, line \(place.line), column \(place.column): \(message).")
    }
}

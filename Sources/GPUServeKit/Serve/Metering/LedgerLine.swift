internal import Wire

/// A record as a line of text: CRC-64/NVME of the rest in 16 hexadecimal digits, a blank, a JSON object, a line feed.
enum LedgerLine {
    /// 16 digits and a blank.
    static let prefixBytes = 17

    static func encode(_ record: LedgerRecord, sequence: Int) -> [UInt8] {
        var json: [UInt8] = []
        json.reserveCapacity(256)
        json += "{\"seq\":".utf8
        json.append(decimal: sequence)
        switch record {
        case .request(let request):
            text("kind", "request")
            text("id", request.id)
            number("ended_ms", request.ended_ms)
            text("deployment", request.deployment)
            text("variant", request.variant)
            text("key", request.key)
            text("outcome", request.outcome.rawValue)
            number("prompt_tokens", request.tokens?.promptCount)
            number("cached_tokens", request.tokens?.cachedCount)
            number("answer_tokens", request.tokens?.answerCount)
        case .residency(let residency):
            text("kind", "residency")
            text("deployment", residency.deployment)
            text("replica", residency.replica)
            text("device", residency.device)
            text("state", residency.state.label)
            number("start_ms", residency.start_ms)
            number("duration_ms", residency.duration_ms)
        case .price(let deployment, let price):
            text("kind", "price")
            text("deployment", deployment)
            number("prompt_token_picodollars", price.promptTokenPicodollars)
            number("cached_token_picodollars", price.cachedTokenPicodollars)
            number("answer_token_picodollars", price.answerTokenPicodollars)
            for state in ResidencyState.allCases {
                number("\(state.label)_ms_picodollars", price.residency[state])
            }
        }
        json.append(UInt8(ascii: "}"))
        var line: [UInt8] = []
        line.reserveCapacity(prefixBytes + json.count + 1)
        line += Hex.text(checksum(json[...])).utf8
        line.append(UInt8(ascii: " "))
        line += json
        line.append(UInt8(ascii: "\n"))
        return line

        func text(_ name: String, _ value: String?) {
            guard let value else { return }
            begin(name)
            JSONText.appendQuoted(value, to: &json)
        }
        func number(_ name: String, _ value: Int?) {
            guard let value else { return }
            begin(name)
            json.append(decimal: value)
        }
        func begin(_ name: String) {
            json += ",\"".utf8
            json += name.utf8
            json += "\":".utf8
        }
    }

    /// The record of a line without its line feed; nil when a byte of it is not as it was written, or when it makes no sense.
    static func decode(_ line: ArraySlice<UInt8>) -> (record: LedgerRecord, sequence: Int)? {
        guard line.count > prefixBytes, line[line.startIndex + prefixBytes - 1] == UInt8(ascii: " "),
            let sum = Hex.word(line.prefix(prefixBytes - 1)), sum == checksum(line.dropFirst(prefixBytes)),
            let fields = try? Fields(Array(line.dropFirst(prefixBytes))), let sequence = fields.int("seq"),
            let deployment = fields.string("deployment")
        else { return nil }
        return record(fields, deployment).map { ($0, sequence) }
    }

    private static func record(_ fields: Fields, _ deployment: String) -> LedgerRecord? {
        switch fields.string("kind") {
        case "request":
            guard let id = fields.string("id"), let ended_ms = fields.int("ended_ms"),
                let outcome = fields.string("outcome").flatMap({ MeteredRequest.Outcome(rawValue: $0) })
            else { return nil }
            var tokens: MeteredTokens?
            if let prompt = fields.int("prompt_tokens"), let answer = fields.int("answer_tokens") {
                tokens = MeteredTokens(
                    promptCount: prompt, cachedCount: fields.int("cached_tokens") ?? 0, answerCount: answer)
            }
            return .request(
                MeteredRequest(
                    id: id, ended_ms: ended_ms, deployment: deployment, variant: fields.string("variant"),
                    key: fields.string("key"), outcome: outcome, tokens: tokens))
        case "residency":
            guard let replica = fields.string("replica"), let device = fields.string("device"),
                let state = fields.string("state").flatMap({ ResidencyState(rawValue: $0) }),
                let start_ms = fields.int("start_ms"), let duration_ms = fields.int("duration_ms")
            else { return nil }
            return .residency(
                MeteredResidency(
                    deployment: deployment, replica: replica, device: device, state: state, start_ms: start_ms,
                    duration_ms: duration_ms))
        case "price":
            var residency: [ResidencyState: Int] = [:]
            for state in ResidencyState.allCases {
                residency[state] = fields.int("\(state.label)_ms_picodollars")
            }
            return .price(
                deployment: deployment,
                Price(
                    prompt: fields.int("prompt_token_picodollars"), cached: fields.int("cached_token_picodollars"),
                    answer: fields.int("answer_token_picodollars"), residency: residency))
        default:
            return nil
        }
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.withUnsafeBytes { Checksum.crc64(Memory($0)) }
    }

    /// The members of an object by name.
    private struct Fields {
        private var values: [String: JSONValue] = [:]

        init(_ json: [UInt8]) throws(WireError) {
            for member in try JSONValue.parse(json).members ?? [] { values[member.key] = member.value }
        }

        func string(_ name: String) -> String? { values[name]?.string }
        func int(_ name: String) -> Int? { values[name]?.int }
    }
}

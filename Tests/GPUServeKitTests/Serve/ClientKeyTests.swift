import Glibc
import Testing
import Wire

@testable import GPUServeKit

/// Keys of clients: shown once, kept as hashes, recognized or refused.
@Suite struct ClientKeyTests {
    private func bearer(_ key: String) throws -> HTTPFields {
        var fields = HTTPFields()
        try fields.append("Authorization", "Bearer \(key)")
        return fields
    }

    @Test func `without keys everybody may ask, and from the first one on nobody without one`() throws {
        let scratch = try ScratchDirectory()
        let directory = try StateDirectory(path: scratch.path + "/state")
        let keys = try ClientKeys(directory, limits: .standard)
        #expect(keys.verdict(HTTPFields()) == .open)
        let first = try keys.add("team-a")
        let second = try keys.add("team-b")
        #expect(keys.verdict(HTTPFields()) == .missing)
        #expect(keys.verdict(try bearer(first)) == .known("team-a"))
        #expect(keys.verdict(try bearer(first + "x")) == .wrong)
        var other = HTTPFields()
        try other.append("x-api-key", second)
        #expect(keys.verdict(other) == .known("team-b"))
        try keys.revoke("team-a")
        #expect(keys.verdict(try bearer(first)) == .wrong)
        try keys.revoke("team-b")
        #expect(keys.verdict(HTTPFields()) == .missing, "revoking the last one opens nothing")
        #expect(throws: ServeError.self) { try keys.add("team-a") }
        #expect(throws: ServeError.self) { try keys.revoke("team-c") }
        // They outlive the daemon, and the key itself is nowhere.
        #expect(try ClientKeys(directory, limits: .standard).verdict(try bearer(second)) == .wrong)
        let file = ScratchDirectory.read(directory.path + "/keys.json")
        #expect(!String(decoding: file, as: UTF8.self).contains(first))
        var info = stat()
        #expect(stat(directory.path + "/keys.json", &info) == 0 && info.st_mode & 0o777 == 0o600)
    }

    @Test(arguments: [
        "", "{}", "[]", #"{"keys":[{}]}"#, #"{"keys":[{"id":"a","made_ms":1,"sha256":"00"}]}"#,
        #"{"keys":[{"id":"../a","made_ms":1,"sha256":"\#(String(repeating: "0", count: 64))"}]}"#,
    ]) func `a file that is not whole is refused, not read as far as it goes`(text: String) {
        #expect(throws: ServeError.self) { try [ClientKey](keyFile: Array(text.utf8)) }
    }

    @Test func `prices are read as they were written`() throws {
        let price = try Price(dollars: [
            "prompt": 0.15, "cached": 0.075, "answer": 0.6, "awake": 0.000306, "in-place": 1,
        ])
        #expect(try Price(json: try JSONValue.parse(price.object.bytes)) == price)
        #expect(throws: ServeError.self) { try Price(dollars: ["promt": 1]) }
        #expect(throws: ServeError.self) { try Price(dollars: ["prompt": -1]) }
        #expect(throws: ServeError.self) { try Price(json: try JSONValue.parse(Array(#"{"prompt":"1"}"#.utf8))) }
        let day_ms = 1_764_201_600_000
        #expect(Bill.dayStart_ms("2025-11-27") == day_ms && Day.text(day_ms) == "2025-11-27")
        for wrong in ["", "2025-11", "2025-13-01", "2025-02-30", "25-11-27", "x-y-z"] {
            #expect(Bill.dayStart_ms(wrong) == nil)
        }
    }
}

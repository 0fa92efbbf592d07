import Testing
import Wire

@testable import RouterKit

@Suite struct TierTableTests {
    private func parse(_ text: String) throws(LearnFileError) -> TierTable {
        try TierTable.parse(Array(text.utf8), path: "tiers.json")
    }

    @Test func `pools come in the order of the file with their prices`() throws {
        let table = try parse(
            #"""
            {"tiers": {"z": ["small", null, "big"], "a": ["small", "middle", "big"]},
             "prices": {"small": [0.1, 0.2, "L"], "big": [1, 2]}, "note": 1}
            """#)
        #expect(table.pools.map(\.source) == ["z", "a"])
        let pool = try #require(table["a"])
        #expect(pool.members.map(\.name) == ["small", "middle", "big"])
        #expect(pool.members.map(\.tier) == [.cheap, .mid, .strong])
        #expect(pool.members[0].price == Price(inputPerMTok: 0.1, outputPerMTok: 0.2))
        #expect(pool.members[1].price == nil && pool.strongest.price == Price(inputPerMTok: 1, outputPerMTok: 2))
        #expect(table["z"]?.members.map(\.tier) == [.cheap, .strong])
        #expect(table["none"] == nil)
    }

    @Test(arguments: [
        ("{", "tiers.json:1:2: "),
        ("[]", "tiers.json:1:1: the table must be an object"),
        (#"{"prices": {}}"#, #"tiers.json:1:1: "tiers" is missing"#),
        (#"{"tiers": {}}"#, #"tiers.json:1:1: "prices" is missing"#),
        (#"{"tiers": 1, "prices": {}}"#, #"tiers.json:1:11: "tiers" must be an object, not a number"#),
        (#"{"tiers": {}, "tiers": {}, "prices": {}}"#, #""tiers" is there twice"#),
        ("{\"tiers\": {\n  \"s\": [\"a\", \"b\"]}, \"prices\": {}}", #"tiers.json:2:8: tiers."s" must be [cheap"#),
        (#"{"tiers": {"s": [null, "b", "c"]}, "prices": {}}"#, #"tiers."s"[0] must be a model's name, not null"#),
        (#"{"tiers": {"s": ["a", 1, "c"]}, "prices": {}}"#, #"tiers."s"[1] must be a model's name, not a number"#),
        (#"{"tiers": {"s": ["a", null, "a"]}, "prices": {}}"#, #"tiers."s"[2] is there twice"#),
        (#"{"tiers": {"s": ["a", null, ""]}, "prices": {}}"#, #"tiers."s"[2] must be a model's name"#),
        (#"{"tiers": {"s": ["a", null, "b"], "s": ["a", null, "b"]}, "prices": {}}"#, #"tiers."s" is there twice"#),
        (#"{"tiers": {}, "prices": {"m": [1]}}"#, #"prices."m" must be [USD"#),
        (#"{"tiers": {}, "prices": {"m": [-1, 2]}}"#, #"prices."m"[0] must be a price"#),
        (#"{"tiers": {}, "prices": {"m": [1, 1e300]}}"#, #"prices."m"[1] must be a price"#),
        (#"{"tiers": {}, "prices": {"m": [1, 2, 3]}}"#, #"prices."m"[2] must be a string"#),
        (#"{"tiers": {}, "prices": {"m": [1, 2], "m": [1, 2]}}"#, #"prices."m" is there twice"#),
    ])
    func `a mistake is named with its key`(text: String, message: String) {
        #expect {
            _ = try parse(text)
        } throws: {
            "\($0)".contains(message)
        }
    }

    @Test func `a table that is too long is not read`() throws {
        let directory = try #require(TemporaryDirectory())
        directory.write(#"{"tiers": {}, "prices": {}}"#, to: "t")
        var limits = Limits()
        limits.tierTableBytes = 10
        #expect(throws: LearnFileError(path: directory.path + "/t", detail: "is longer than 10 bytes")) {
            _ = try TierTable.read(path: directory.path + "/t", limits: limits)
        }
        #expect(try TierTable.read(path: directory.path + "/t").pools == [])
    }
}

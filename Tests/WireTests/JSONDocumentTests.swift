import Testing
import Wire

@Suite struct JSONDocumentTests {
    @Test func membersComeInOrderWithTheirPlaces() throws {
        let source = #" { "mod\u0065l" : "x" , "a":[1, {"b":null}],"n":-1.50 ,"t":true,"f":false,"z":null,"o":{} } "#
        let document = try JSONDocument(validating: bytes(source))
        #expect(document.kind == .object)
        let members = document.members()
        #expect(members.map(\.key) == ["model", "a", "n", "t", "f", "z", "o"])
        #expect(members.map(\.kind) == [.string, .array, .number, .true, .false, .null, .object])
        let values = members.map { text(document.bytes[$0.valueRange]) }
        #expect(values == ["\"x\"", "[1, {\"b\":null}]", "-1.50", "true", "false", "null", "{}"])
        #expect(text(document.bytes[members[0].keyRange]) == "\"mod\\u0065l\"")
        #expect(document.memberCount == 7)
    }

    @Test func onlyTheOutermostObjectHasMembers() throws {
        let array = try JSONDocument(validating: bytes(#"[{"a":1},{"b":2}]"#))
        #expect(array.kind == .array)
        #expect(array.members().isEmpty)
        let nested = try JSONDocument(validating: bytes(#"{"a":{"b":[{"c":1}]},"d":[{}]}"#))
        #expect(nested.members().map(\.key) == ["a", "d"])
        #expect(try JSONDocument(validating: bytes("7")).memberCount == 0)
    }

    @Test func duplicateKeysStayVisibleHoweverTheyAreWritten() throws {
        let document = try JSONDocument(validating: bytes(#"{"model":1,"x":2,"\u006dodel":3,"MODEL":4}"#))
        #expect(document.members().count == 4)
        #expect(document.members(named: "model").map { text(document.bytes[$0.valueRange]) } == ["1", "3"])
        #expect(document.firstMember("model")?.valueRange == 9..<10)
        #expect(document.firstMember("absent") == nil)
        #expect(document.members(named: "").isEmpty)
    }

    @Test func elementsOfAnArrayHaveTheirPlaces() throws {
        let document = try JSONDocument(validating: bytes(#" [1, "a,]" ,[2],{"b":3} ] "#))
        #expect(
            document.elements().map { text(document.bytes[$0.valueRange]) } == ["1", "\"a,]\"", "[2]", "{\"b\":3}"])
        #expect(document.elements().map(\.kind) == [.number, .string, .array, .object])
        #expect(try JSONDocument(validating: bytes("{}")).elements().isEmpty)
        #expect(try JSONDocument(validating: bytes("[ ]")).elements().isEmpty)
    }

    @Test func theCursorAndTheValidatorAgreeOnGeneratedTexts() throws {
        var generator = JSONGenerator(seed: 6)
        for _ in 0..<500 {
            let source = generator.blank() + generator.object(depth: 4) + generator.blank()
            let document = try JSONDocument(validating: bytes(source))
            var cursor = JSONCursor(document)
            var places: [Range<Int>] = []
            let members = document.members()
            let isObject = cursor.enterObject()
            #expect(isObject)
            while cursor.nextKey() {
                let member = try #require(members.count > places.count ? members[places.count] : nil)
                #expect(cursor.keyRange == member.keyRange)
                #expect(cursor.key == member.key)
                #expect(cursor.keyEquals(member.key))
                #expect(cursor.kind == member.kind)
                places.append(cursor.skipValue())
            }
            #expect(places == members.map(\.valueRange))
            #expect(cursor.offset == document.range.upperBound)
            for member in members {
                let inner = try JSONDocument(validating: document.bytes, in: member.valueRange)
                #expect(inner.range == member.valueRange)
                #expect(inner.kind == member.kind)
            }
        }
    }
}

@Suite struct JSONCursorTests {
    @Test func aChatBodyIsWalkedToItsLastMessage() throws {
        let source =
            #"{"stream":true,"messages":[{"role":"user","content":"one"},{"content":[{"type":"text","text":"tw\u006f"}],"#
            + #""role":"user","extra":{"role":"no"}}],"n":2,"temperature":0.5}"#
        let document = try JSONDocument(validating: bytes(source))
        var cursor = JSONCursor(document)
        var roles: [String] = []
        var texts: [String] = []
        var facts: [String] = []
        _ = cursor.enterObject()
        while cursor.nextKey() {
            if cursor.keyEquals("messages"), cursor.enterArray() {
                while cursor.nextElement() {
                    guard cursor.enterObject() else { continue }
                    while cursor.nextKey() {
                        if cursor.keyEquals("role"), let role = cursor.string() { roles.append(role) }
                        guard cursor.keyEquals("content"), cursor.offset > 0 else { continue }
                        texts.append("\(cursor.offset)")
                    }
                }
            } else if cursor.keyEquals("stream") {
                facts.append("\(cursor.bool() ?? false)")
            } else if cursor.keyEquals("n") {
                facts.append("\(cursor.int() ?? 0)")
            } else if cursor.keyEquals("temperature") {
                facts.append("\(cursor.double() ?? 0)")
            }
        }
        #expect(roles == ["user", "user"])
        #expect(texts.count == 2)
        #expect(facts == ["true", "2", "0.5"])
    }

    @Test func aWrongGuessMovesNothing() throws {
        let document = try JSONDocument(validating: bytes(#"{"a":"text","b":1.5,"c":[true]}"#))
        var cursor = JSONCursor(document)
        let guesses: [Bool] = [cursor.enterArray(), cursor.string() != nil, cursor.int() != nil, cursor.bool() != nil]
        #expect(guesses == [false, false, false, false])
        _ = cursor.enterObject()
        _ = cursor.nextKey()
        let wrong = cursor.enterObject() || cursor.int() != nil || cursor.double() != nil
        #expect(!wrong)
        let value = cursor.string()
        #expect(value == "text")
        let again = cursor.string()
        #expect(again == nil)
        _ = cursor.nextKey()
        let notWhole = cursor.int()
        #expect(notWhole == nil)
        let fraction = cursor.double()
        #expect(fraction == 1.5)
        _ = cursor.nextKey()
        #expect(cursor.keyEquals("c"))
        let more = cursor.nextKey()
        #expect(!more)
        #expect(cursor.offset == document.range.upperBound)
    }

    @Test func aCopyStopsEarlyWithoutDisturbingTheWalk() throws {
        let document = try JSONDocument(validating: bytes(#"{"a":{"x":1,"y":2,"z":3},"b":4}"#))
        var cursor = JSONCursor(document)
        _ = cursor.enterObject()
        _ = cursor.nextKey()
        var inner = cursor
        _ = inner.enterObject()
        _ = inner.nextKey()
        let x = inner.int()
        #expect(x == 1)
        let found = cursor.nextKey()
        #expect(found)
        #expect(cursor.key == "b")
    }

    @Test func aCursorCanStartAtAMember() throws {
        let document = try JSONDocument(validating: bytes(#"{"a":[1,2,3]}"#))
        let member = try #require(document.firstMember("a"))
        var cursor = JSONCursor(document, at: member.valueRange.lowerBound)
        var sum = 0
        _ = cursor.enterArray()
        while cursor.nextElement() { sum += cursor.int() ?? 100 }
        #expect(sum == 6)
    }

    @Test func bracketsInStringsAndEscapedQuotesAreNotStructure() throws {
        let document = try JSONDocument(validating: bytes(#"[{"a":"}]\"{[","b\"":["\\"]},"end"]"#))
        #expect(document.elements().map(\.valueRange) == [1..<28, 29..<34])
    }
}

@Suite struct JSONSpliceTests {
    @Test func editsAreMadeInAnyOrderOfGiving() {
        var splice = JSONSplice()
        #expect(splice.isEmpty)
        splice.insert(bytes("E"), at: 5)
        splice.replace(1..<3, with: bytes("XYZ"))
        splice.remove(3..<4)
        splice.insert(bytes("0"), at: 0)
        splice.insert(bytes("1"), at: 0)
        splice.insert(bytes("<"), at: 1)
        #expect(text(splice.apply(to: bytes("abcde"))) == "01a<XYZeE")
    }

    @Test func noEditsGiveTheSameBytes() {
        #expect(JSONSplice().apply(to: bytes("abc")) == bytes("abc"))
        #expect(JSONSplice().apply(to: []) == [])
    }

    @Test func overlappingEditsAreOurBug() async {
        await #expect(processExitsWith: .failure) {
            var splice = JSONSplice()
            splice.replace(0..<2, with: [])
            splice.replace(1..<3, with: [])
            _ = splice.apply(to: [1, 2, 3])
        }
    }

    @Test func anEditBeyondTheEndIsOurBug() async {
        await #expect(processExitsWith: .failure) {
            var splice = JSONSplice()
            splice.insert([1], at: 4)
            _ = splice.apply(to: [1, 2, 3])
        }
    }

    @Test func splicingAModelNameLeavesAllOtherBytesAlone() throws {
        var generator = JSONGenerator(seed: 7)
        for _ in 0..<500 {
            let disguised = generator.disguised("model")
            let source = bytes(generator.blank() + generator.object(depth: 4, extra: [disguised]) + generator.blank())
            let document = try JSONDocument(validating: source)
            let member = try #require(document.firstMember("model"))
            var splice = JSONSplice()
            splice.replace(member.valueRange, with: bytes("\"upstream/é\""))
            let edited = splice.apply(to: source)
            #expect(edited.starts(with: source[..<member.valueRange.lowerBound]))
            #expect(edited.reversed().starts(with: source[member.valueRange.upperBound...].reversed()))
            #expect(edited.count == source.count - member.valueRange.count + 13)
            let again = try JSONDocument(validating: edited)
            let served = try #require(again.firstMember("model"))
            #expect(text(edited[served.valueRange]) == "\"upstream/é\"")
            #expect(again.members().map(\.key) == document.members().map(\.key))
        }
    }
}

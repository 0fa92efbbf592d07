import Testing
import Wire

@Suite struct SHA256Tests {
    /// FIPS 180-4 examples (NIST, "Secure Hash Standard, Examples with Intermediate Values") and NIST CAVS vectors.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
    ])
    func knownTextsHaveKnownHashes(text: String, hash: String) {
        #expect(SHA256.hexHash(bytes(text)) == hash)
    }

    @Test func aMillionLettersHaveAKnownHash() {
        var hasher = SHA256()
        let thousand = [UInt8](repeating: 0x61, count: 1000)
        for _ in 0..<1000 { hasher.update(thousand.span) }
        #expect(
            SHA256.hex(hasher.finalized()) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func bytesOfAnyValueAreHashed() {
        #expect(SHA256.hexHash([0xBD]) == "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b")
        #expect(
            SHA256.hexHash([0xC9, 0x8C, 0x8E, 0x55])
                == "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504")
        #expect(
            SHA256.hexHash([UInt8](repeating: 0, count: 55))
                == "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7")
        #expect(
            SHA256.hexHash([UInt8](repeating: 0, count: 64))
                == "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b")
    }

    @Test func thePiecesDoNotMatter() {
        let message = (0..<300).map { UInt8($0 & 255) }
        for cut in 0...message.count {
            var hasher = SHA256()
            hasher.update(message.span.extracting(0..<cut))
            _ = hasher.finalized()
            hasher.update(message.span.extracting(cut..<message.count))
            #expect(hasher.finalized() == SHA256.hash(message))
        }
    }

    @Test func secretsAreComparedInFull() {
        #expect(ConstantTime.equal([], []))
        #expect(ConstantTime.equal([1, 2], [1, 2]))
        #expect(!ConstantTime.equal([1, 2], [1, 3]))
        #expect(!ConstantTime.equal([0, 2], [1, 2]))
        #expect(!ConstantTime.equal([1], [1, 2]))
    }
}

@Suite struct HTTPDateTests {
    @Test(
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"), (-62_167_219_200, "Sat, 01 Jan 0000 00:00:00 GMT"),
        ] as [(Int64, String)])
    func aTimeIsWrittenAndReadBack(seconds: Int64, date: String) {
        #expect(text(HTTPDate.format(unixSeconds: seconds)) == date)
        #expect(HTTPDate.parse(date) == seconds)
    }

    @Test func randomTimesComeBack() {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<5000 {
            let seconds = Int64.random(in: -62_167_219_200...253_402_300_799, using: &random)
            let written = HTTPDate.format(unixSeconds: seconds)
            #expect(written.count == 29)
            #expect(HTTPDate.parse(text(written)) == seconds)
        }
    }

    @Test func timesBeyondFourDigitYearsAreClamped() {
        #expect(text(HTTPDate.format(unixSeconds: .max)) == "Fri, 31 Dec 9999 23:59:59 GMT")
        #expect(text(HTTPDate.format(unixSeconds: .min)) == "Sat, 01 Jan 0000 00:00:00 GMT")
    }

    @Test(arguments: [
        "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 GMT",
    ])
    func allThreeFormsOfTheRFCAreRead(date: String) {
        #expect(HTTPDate.parse(date) == 784_111_777)
    }

    @Test func aLeapSecondIsTheNextMinute() {
        #expect(HTTPDate.parse("Sat, 31 Dec 2016 23:59:60 GMT") == HTTPDate.parse("Sun, 01 Jan 2017 00:00:00 GMT"))
    }

    @Test(arguments: [
        "", "120", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Apr 1994 08:49:37 GMT", "Sun, 29 Feb 1900 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov +994 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 08:49:37 94", "é",
    ])
    func whatIsNoDateIsNil(date: String) {
        #expect(HTTPDate.parse(date) == nil)
    }
}

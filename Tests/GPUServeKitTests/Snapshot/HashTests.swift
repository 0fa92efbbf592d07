import CHash
import GPUServeKit
import Testing

/// SHA-256 and CRC-64/NVME against their published vectors, and each form against its portable twin.
@Suite struct HashTests {
    private func sha256(_ bytes: [UInt8]) -> String { ContentHash(of: bytes).hex }

    private func crc64(_ bytes: [UInt8], continuing crc: UInt64 = 0) -> UInt64 {
        bytes.withUnsafeBytes { Checksum.crc64(Memory($0), continuing: crc) }
    }

    /// FIPS 180-4's examples (NIST, "SHA256.pdf") and the empty message.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `SHA-256 has its published values`(text: String, hex: String) {
        #expect(sha256(Array(text.utf8)) == hex)
    }

    @Test func `a million times a`() {
        #expect(
            sha256([UInt8](repeating: 0x61, count: 1_000_000))
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    /// NVM Express NVM Command Set Specification, 64b CRC test cases, and the catalogue's check value.
    @Test func `CRC-64 has its published values`() {
        #expect(crc64(Array("123456789".utf8)) == 0xAE8B_1486_0A79_9888)
        #expect(crc64([UInt8](repeating: 0, count: 4096)) == 0x6482_D367_EB22_B64E)
        #expect(crc64([UInt8](repeating: 0xFF, count: 4096)) == 0xC0DD_BA73_02EC_A3AC)
        #expect(crc64((0..<4096).map { UInt8(truncatingIfNeeded: $0) }) == 0x3E72_9F5F_6750_449C)
        #expect(crc64((0..<4096).map { UInt8(truncatingIfNeeded: 255 - $0) }) == 0x9A2D_F64B_8E9E_517E)
    }

    @Test func `every form gives what the portable one gives, at every length and alignment`() {
        print("forms in use: CRC-64 level \(chash_crc64_level()), SHA-256 level \(chash_sha256_level())")
        let bytes = TestBytes.random(count: 5_000, seed: 1)
        bytes.withUnsafeBytes { buffer in
            for count in Array(0...700) + [1023, 1024, 1025, 2048, 4095, 4096, 4900] {
                let base = buffer.baseAddress! + count % 17
                #expect(chash_crc64(7, base, count) == chash_crc64_portable(7, base, count), "length \(count)")
                expectCopy(base, count, "length \(count)")
                var (one, other) = ([UInt8](repeating: 0, count: 32), [UInt8](repeating: 0, count: 32))
                chash_sha256_of(base, count, &one)
                chash_sha256_of_portable(base, count, &other)
                #expect(one == other, "length \(count)")
            }
        }
    }

    @Test func `a copy that is summed is a copy, at every length and alignment`() {
        let bytes = TestBytes.random(count: 300_000, seed: 4)
        bytes.withUnsafeBytes { buffer in
            for count in [4095, 4096, 4127, 4128, 4224, 5000, 65_536, 131_072, 299_000] {
                for shift in [0, 1, 16, 31] { expectCopy(buffer.baseAddress! + shift, count, "\(count) from \(shift)") }
            }
        }
    }

    /// Into the middle of a longer buffer, whose other bytes must stay.
    private func expectCopy(_ base: UnsafeRawPointer, _ count: Int, _ note: Comment) {
        var target = [UInt8](repeating: 0xA5, count: count + 128)
        let shift = count % 64
        let crc = target.withUnsafeMutableBytes { chash_copy_crc64(7, $0.baseAddress! + shift, base, count) }
        #expect(crc == chash_crc64_portable(7, base, count), note)
        #expect(target[shift..<shift + count].elementsEqual(UnsafeRawBufferPointer(start: base, count: count)), note)
        #expect(
            target[..<shift].allSatisfy { $0 == 0xA5 } && target[(shift + count)...].allSatisfy { $0 == 0xA5 }, note)
    }

    @Test func `a checksum in pieces is that of the whole`() {
        let bytes = TestBytes.random(count: 3_000, seed: 2)
        let whole = crc64(bytes)
        for cut in [0, 1, 63, 64, 255, 256, 511, 2_999, 3_000] {
            #expect(crc64(Array(bytes[cut...]), continuing: crc64(Array(bytes[..<cut]))) == whole, "cut at \(cut)")
        }
    }

    @Test func `a hash in pieces is that of the whole`() {
        let bytes = TestBytes.random(count: 1_000, seed: 3)
        for step in [1, 3, 63, 64, 65, 500] {
            var hash = chash_sha256()
            chash_sha256_begin(&hash)
            for start in stride(from: 0, to: bytes.count, by: step) {
                let piece = Array(bytes[start..<min(start + step, bytes.count)])
                chash_sha256_update(&hash, piece, piece.count)
            }
            var digest = [UInt8](repeating: 0, count: 32)
            chash_sha256_end(&hash, &digest)
            #expect(ContentHash(bytes: digest) == ContentHash(of: bytes), "step \(step)")
        }
    }

    @Test func `a hash is written and read back`() throws {
        let hash = ContentHash(of: [1, 2, 3])
        #expect(ContentHash(hex: hash.hex) == hash)
        #expect(ContentHash(bytes: hash.bytes) == hash)
        for wrong in ["", "ab", hash.hex.uppercased(), hash.hex + "0", "../" + hash.hex.dropFirst(3)] {
            #expect(ContentHash(hex: wrong) == nil)
            #expect(throws: SnapshotError.self) { try SnapshotID(wrong) }
        }
    }
}

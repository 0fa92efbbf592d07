import Testing
import Wire

@testable import GPUServeKit

/// Signatures against the published examples.
@Suite struct SigV4Tests {
    static let signer = SigV4(
        credentials: S3Credentials(
            accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        region: "us-east-1")
    static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    static let host = ("Host", "examplebucket.s3.amazonaws.com")

    private func signature(_ request: SigV4.Request) -> String {
        let headers = Self.signer.sign(request, unixSeconds: 1_369_353_600)
        return headers.last?.1.split(separator: "Signature=").last.map { String($0) } ?? ""
    }

    /// Amazon S3 API reference, "Signature Calculations for the Authorization Header", the four examples.
    @Test func `the four published requests have their signatures`() {
        #expect(
            signature(
                .init(
                    method: "GET", path: "/test.txt", headers: [Self.host, ("Range", "bytes=0-9")],
                    payloadHash: Self.empty))
                == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        #expect(
            signature(
                .init(
                    method: "PUT", path: "/test$file.text",
                    headers: [
                        Self.host, ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
                        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                    ], payloadHash: SHA256.hexHash(Array("Welcome to Amazon S3.".utf8))))
                == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
        #expect(
            signature(
                .init(
                    method: "GET", path: "/", query: [("lifecycle", "")], headers: [Self.host], payloadHash: Self.empty)
            )
                == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        #expect(
            signature(
                .init(
                    method: "GET", path: "/", query: [("prefix", "J"), ("max-keys", "2")], headers: [Self.host],
                    payloadHash: Self.empty)) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    /// RFC 4231, test cases 1, 2, 3 and 6.
    @Test func `HMAC has its published values`() {
        func hmac(_ key: [UInt8], _ text: [UInt8]) -> String { SHA256.hex(HMAC.sha256(key, text)) }
        #expect(
            hmac([UInt8](repeating: 0x0B, count: 20), Array("Hi There".utf8))
                == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        #expect(
            hmac(Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            hmac([UInt8](repeating: 0xAA, count: 20), [UInt8](repeating: 0xDD, count: 50))
                == "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe")
        #expect(
            hmac(
                [UInt8](repeating: 0xAA, count: 131),
                Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8))
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test func `times are written in both forms`() {
        #expect(SigV4.timestamp(1_369_353_600) == "20130524T000000Z")
        #expect(SigV4.isoTime(784_111_777) == "1994-11-06T08:49:37")
    }

    @Test func `a secret is never shown`() {
        let credentials = S3Credentials(accessKey: "AK", secretKey: "very-secret", sessionToken: "very-token")
        var shown = ""
        print(credentials, to: &shown)
        debugPrint(credentials, to: &shown)
        #expect(!shown.contains("very"))
    }
}

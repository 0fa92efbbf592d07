import Testing
import Wire

@Suite struct WireErrorTests {
    @Test func labelsNameTheCodeAndNothingElse() {
        let error = WireError(.invalidJSON, "a secret from the client", offset: 7)
        #expect(error.code.label == "invalidJSON")
        #expect("\(error.code)" == "invalidJSON")
        #expect("\(error)" == "invalidJSON at byte 7: a secret from the client")
        #expect("\(WireError(.eventTooLarge, "long"))" == "eventTooLarge: long")
    }

    @Test(arguments: [
        (WireError.Code.bodyTooLarge, 413), (.targetTooLong, 414), (.headTooLarge, 431), (.tooManyFields, 431),
        (.trailerTooLarge, 431), (.unsupportedVersion, 505), (.unsupportedTransferCoding, 501),
        (.unsupportedMethod, 501),
        (.expectationFailed, 417), (.conflictingFraming, 400), (.eventTooLarge, 502), (.malformedChunk, 400),
    ])
    func eachCodeHasItsStatus(code: WireError.Code, status: Int) {
        #expect(code.httpStatus == status)
    }
}

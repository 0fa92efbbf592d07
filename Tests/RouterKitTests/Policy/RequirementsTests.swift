import RouterKit
import Testing
import Wire

@Suite struct RequirementsTests {
    private let chat = Requirements(dialect: .chatCompletions, inputTokens: 100)

    private func rejection(of card: ModelCard, _ change: (inout Requirements) -> Void = { _ in }) -> Reason? {
        var requirements = chat
        change(&requirements)
        return requirements.rejection(of: card)
    }

    @Test func aPlainRequestFitsAPlainCard() {
        #expect(rejection(of: Fixture.card("m")) == nil)
    }

    @Test func everyFilterNamesItself() {
        let plain = Fixture.card("m", tools: false, jsonMode: false, schema: false)
        #expect(rejection(of: plain) { $0.dialect = .messages } == .dialectNotSpoken(.messages))
        #expect(rejection(of: plain) { $0.modalities = [.text, .image] } == .modalityNotTaken(.image))
        #expect(rejection(of: plain) { $0.modalities = [.audio, .file] } == .modalityNotTaken([.audio, .file]))
        #expect(rejection(of: plain) { $0.needsTools = true } == .toolsNotSupported)
        #expect(rejection(of: plain) { $0.needsJSONMode = true } == .jsonModeNotSupported)
        #expect(rejection(of: plain) { $0.needsJSONSchema = true } == .jsonSchemaNotSupported)
    }

    @Test func aModelThatFollowsSchemasHasJSONMode() {
        #expect(rejection(of: Fixture.card("m", jsonMode: false, schema: true)) { $0.needsJSONMode = true } == nil)
    }

    @Test func theWindowHoldsPromptAndAnswer() {
        let card = Fixture.card("m", window: 200)
        #expect(rejection(of: card) { $0.maxOutputTokens = 100 } == nil)
        #expect(
            rejection(of: card) { $0.maxOutputTokens = 101 }
                == .contextTooSmall(neededTokens: 201, windowTokens: 200))
        #expect(rejection(of: card) { $0.inputTokens = 199 } == nil)
        #expect(
            rejection(of: card) { $0.inputTokens = 200 } == .contextTooSmall(neededTokens: 201, windowTokens: 200))
        #expect(
            rejection(of: card) { $0.maxOutputTokens = .max }
                == .contextTooSmall(neededTokens: .max, windowTokens: 200))
    }

    @Test func aBoundOnTheAnswerIsKept() {
        let card = Fixture.card("m", maxOutput: 50)
        #expect(rejection(of: card) { $0.maxOutputTokens = 50 } == nil)
        #expect(
            rejection(of: card) { $0.maxOutputTokens = 51 } == .outputTooLong(askedTokens: 51, boundTokens: 50))
        #expect(rejection(of: card) == nil)
    }

    @Test func expectedTokensKeepEveryBound() {
        let expected = ExpectedOutput()
        var requirements = chat
        #expect(expected.tokens(for: requirements, from: Fixture.card("m")) == 400)
        #expect(expected.tokens(for: requirements, from: Fixture.card("m", isReasoning: true)) == 1_200)
        #expect(expected.tokens(for: requirements, from: Fixture.card("m", maxOutput: 30)) == 30)
        requirements.maxOutputTokens = 7
        #expect(expected.tokens(for: requirements, from: Fixture.card("m", isReasoning: true)) == 7)
        requirements.dialect = .embeddings
        #expect(expected.tokens(for: requirements, from: Fixture.card("m")) == 0)
    }
}

@Suite struct ReasonTests {
    static let all: [Reason] = [
        .bestQuality, .cheapestInBand(band: 0.02), .strongestForLowSupport(support: 0.1), .pinned,
        .belowBand(shortBy: 0.1), .dearer(by_usd: 0.001), .tied, .priceUnknown, .weakerTier, .notAllowed,
        .notRequested, .dialectNotSpoken(.messages), .modalityNotTaken([.image, .audio]), .toolsNotSupported,
        .jsonSchemaNotSupported, .jsonModeNotSupported, .contextTooSmall(neededTokens: 2, windowTokens: 1),
        .outputTooLong(askedTokens: 2, boundTokens: 1), .saturated, .coolingDown(retryAfter_ms: 5),
    ]

    @Test(arguments: all)
    func everyReasonHasTextThatIsSafeInHeadersAndJSON(_ reason: Reason) {
        let text = reason.description
        #expect(!text.isEmpty)
        #expect(
            text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") })
    }

    @Test func labelsAreDistinct() {
        #expect(Set(Self.all.map { "\($0.label)" }).count == Self.all.count)
    }

    @Test func textsHoldTheFigures() {
        #expect("\(Reason.cheapestInBand(band: 0.02))" == "cheapest within 0.02 of the best predicted quality")
        #expect("\(Reason.modalityNotTaken([.image, .audio]))" == "does not take image audio")
        #expect("\(Reason.dearer(by_usd: 0.0125))" == "dearer by $0.0125")
    }
}

import RouterKit
import Wire

/// Cards for tests, with every member that a test does not care about filled in.
enum Fixture {
    static func deployment(
        _ id: String = "a", weight: Int = 1, keys: [String] = [], maxConcurrent: Int? = nil,
        baseURL: String = "http://127.0.0.1:8080/v1"
    ) -> Deployment {
        Deployment(
            id: id, baseURL: baseURL, upstreamModel: "up", weight: weight,
            keys: keys.map { APIKey(label: $0, value: "sk-\($0)") }, authentication: keys.isEmpty ? .none : .bearer,
            maxConcurrent: maxConcurrent)
    }

    static func card(
        _ name: String, tier: CapabilityTier = .mid, price: (Double, Double)? = (1, 2), window: Int = 8_192,
        maxOutput: Int? = nil, modalities: Modalities = .text, tools: Bool = true, jsonMode: Bool = true,
        schema: Bool = true, isReasoning: Bool = false, dialects: Set<Dialect> = [.chatCompletions],
        deployments: [Deployment] = [Fixture.deployment()]
    ) -> ModelCard {
        ModelCard(
            name: name, tier: tier, price: price.map { Price(inputPerMTok: $0.0, outputPerMTok: $0.1) },
            contextWindowTokens: window, maxOutputTokens: maxOutput, modalities: modalities, supportsTools: tools,
            supportsJSONMode: jsonMode, supportsJSONSchema: schema, isReasoning: isReasoning, dialects: dialects,
            deployments: deployments)
    }
}

/// The same cases in every run, so that a failure can be repeated.
typealias SplitMix64 = SeededRandom

extension UInt64 {
    /// Milliseconds as nanoseconds, for injected clocks.
    static func ms(_ value: Int) -> UInt64 { UInt64(value) * 1_000_000 }
}

import RouterKit

// The embedding example of the README, kept compiling by the build and equal to the README by a test.
// BEGIN README
let small = ModelCard(
    name: "small", tier: .cheap, price: Price(inputPerMTok: 0.05, outputPerMTok: 0.08), contextWindowTokens: 8_192,
    deployments: [Deployment(id: "local", baseURL: "http://127.0.0.1:9001/v1", upstreamModel: "SmolLM2")])
let large = ModelCard(
    name: "large", tier: .strong, price: Price(inputPerMTok: 2.5, outputPerMTok: 10), contextWindowTokens: 128_000,
    deployments: [Deployment(id: "hosted", baseURL: "http://127.0.0.1:9002/v1", upstreamModel: "big")])

let router = Router(try .init(pool: try ModelPool(cards: [small, large])))
let call = RouterCall(try RequestView(asking: "Prove that the square root of 2 is irrational."))

let decision = try router.route(call)  // decides only, in microseconds
print(decision.chosenModel, "because", decision.reason)

if CommandLine.arguments.contains("--call") {
    let reply = try await router.respond(call)  // decides, calls, fails over
    if case .complete(let body) = reply.body { print(String(decoding: body, as: UTF8.self)) }
}
// END README

import Synchronization
import Testing
import Wire

@testable import Transport

/// Looking names up off the loop: once for many, remembered for a while.
@Suite(.timeLimit(.minutes(1))) struct PlainResolverTests {
    private static let local = SocketAddress(numeric: "127.0.0.1", port: 0)!
    private static let unknown = TransportError(.dnsFailure, "unknown")

    private func resolve(_ resolver: PlainResolver, _ host: String) async -> (PlainResolver.Answer, remembered: Bool) {
        await withCheckedContinuation { continuation in
            let remembered = resolver.addresses(of: host) { continuation.resume(returning: ($0, false)) }
            if let remembered { continuation.resume(returning: (.success(remembered), true)) }
        }
    }

    @Test func anAnswerIsRememberedAndAFailureIsNot() async {
        let asked = Lock<[String]>([])
        let resolver = PlainResolver(limits: .standard) { host in
            asked.withLock { $0.append(host) }
            return host == "good" ? .success([Self.local]) : .failure(Self.unknown)
        }
        for round in 0..<2 {
            let good = await resolve(resolver, "good")
            #expect(good.0 == .success([Self.local]))
            #expect(good.remembered == (round == 1))
            #expect(await resolve(resolver, "bad").0 == .failure(Self.unknown))
        }
        #expect(asked.withLock { $0 } == ["good", "bad", "bad"])
    }

    @Test func anAnswerIsForgottenWhenItsTimeIsOver() async {
        let asked = Lock(0)
        let resolver = PlainResolver(limits: .with { $0.resolvedHost_ms = 0 }) { _ in
            asked.withLock { $0 += 1 }
            return .success([Self.local])
        }
        for _ in 0..<3 { #expect(await resolve(resolver, "a").remembered == false) }
        #expect(asked.withLock { $0 } == 3)
    }

    @Test func manyWhoAskForOneNameShareOneLookup() async {
        let asked = Lock(0)
        let gate = FakeGate()
        let resolver = PlainResolver(limits: .standard) { _ in
            asked.withLock { $0 += 1 }
            gate.wait()
            return .success([Self.local])
        }
        let answered = FakeGate()
        for _ in 0..<10 {
            #expect(resolver.addresses(of: "a") { _ in answered.open() } == nil)
        }
        gate.open()
        for _ in 0..<10 { #expect(await answered.opened()) }
        #expect(asked.withLock { $0 } == 1)
    }

    @Test func lookupsAtOnceAndNamesKeptAreBounded() async {
        let running = Lock((now: 0, most: 0))
        let gate = FakeGate()
        let resolver = PlainResolver(
            limits: .with {
                $0.resolverThreadCount = 2; $0.resolvedHostCount = 3
            }
        ) { _ in
            running.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
            gate.wait()
            running.withLock { $0.now -= 1 }
            return .success([Self.local])
        }
        let answered = FakeGate()
        for number in 0..<6 { _ = resolver.addresses(of: "host\(number)") { _ in answered.open() } }
        for _ in 0..<6 {
            gate.open()
            #expect(await answered.opened())
        }
        #expect(running.withLock { $0.most } <= 2)
        for _ in 0..<6 { gate.open() }
        var remembered = 0
        for number in 0..<6 where resolver.addresses(of: "host\(number)", then: { _ in }) != nil { remembered += 1 }
        #expect(remembered <= 3)
    }

    @Test func theSystemKnowsLocalhostAndNoInvalidNames() {
        guard case .success(let addresses) = PlainResolver.systemLookup("localhost") else {
            Issue.record("localhost does not resolve")
            return
        }
        #expect(!addresses.isEmpty)
        guard case .failure(let error) = PlainResolver.systemLookup("no-such-host.invalid") else {
            Issue.record("a name under .invalid resolves")
            return
        }
        #expect(error.code == .dnsFailure)
    }
}

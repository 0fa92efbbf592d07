import Testing

@Test func TransportTestsBuilds() {}

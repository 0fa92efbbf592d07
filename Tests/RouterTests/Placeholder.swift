import Testing

@Test func RouterTestsBuilds() {}

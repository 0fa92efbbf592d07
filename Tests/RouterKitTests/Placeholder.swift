import Testing

@Test func RouterKitTestsBuilds() {}

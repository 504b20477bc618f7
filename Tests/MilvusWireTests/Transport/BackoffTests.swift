internal import Testing

@testable internal import MilvusWire

@Suite struct BackoffTests {
  @Test func doublesUpToTheCeiling() {
    var backoff = Backoff(base: .milliseconds(100), ceiling: .seconds(1))
    var limits: [Duration] = []
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<6 {
      limits.append(backoff.nextLimit)
      let limit = backoff.nextLimit
      let wait = backoff.failed(using: &generator)
      #expect(wait >= .zero && wait <= limit)
    }
    #expect(
      limits == [
        .milliseconds(100), .milliseconds(200), .milliseconds(400), .milliseconds(800), .seconds(1),
        .seconds(1),
      ])
    #expect(backoff.failureCount == 6)
  }

  @Test func startsAgainAfterASuccess() {
    var backoff = Backoff(base: .milliseconds(100), ceiling: .seconds(1))
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<4 { _ = backoff.failed(using: &generator) }
    backoff.succeeded()
    #expect(backoff.nextLimit == .milliseconds(100))
    #expect(backoff.failureCount == 0)
  }

  @Test func jitterCoversTheWholeRange() {
    var backoff = Backoff(base: .seconds(1), ceiling: .seconds(8))
    var generator = SeededGenerator(seed: 42)
    var waits: [Duration] = []
    for _ in 0..<200 {
      backoff.succeeded()
      waits.append(backoff.failed(using: &generator))
    }
    #expect(waits.contains { $0 < .milliseconds(100) })
    #expect(waits.contains { $0 > .milliseconds(900) })
    #expect(waits.allSatisfy { $0 <= .seconds(1) })
  }

  @Test func sameSeedSameWaits() {
    func waits(seed: UInt64) -> [Duration] {
      var backoff = Backoff()
      var generator = SeededGenerator(seed: seed)
      return (0..<20).map { _ in backoff.failed(using: &generator) }
    }
    #expect(waits(seed: 5) == waits(seed: 5))
    #expect(waits(seed: 5) != waits(seed: 6))
  }

  @Test func neverOverflowsHoweverOftenItFails() {
    var backoff = Backoff(base: .seconds(3600), ceiling: .seconds(1 << 40))
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<2000 { #expect(backoff.failed(using: &generator) <= .seconds(1 << 40)) }
  }
}

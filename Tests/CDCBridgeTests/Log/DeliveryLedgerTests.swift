import MilvusWire
import TestSupport
import Testing

@testable import CDCBridge

@Suite struct DeliveryLedgerTests {
  private func tick(_ value: Int) -> TimeTick { TimeTick(UInt64(value)) }

  @Test func `a position moves with the longest confirmed prefix`() {
    var ledger = DeliveryLedger<Int>(position: 0, tick: tick(0))
    let numbers = (1...4).map { ledger.add($0, tick: tick($0 * 10), bytes: 100) }
    #expect(ledger.openBytes == 400)
    ledger.done(numbers[1])
    ledger.done(numbers[2])
    #expect(ledger.confirmed == 0)
    #expect(ledger.openBytes == 200)
    ledger.done(numbers[0])
    #expect(ledger.confirmed == 3)
    #expect(ledger.appliedTick == tick(30))
    ledger.done(numbers[0])  // twice is tolerated
    #expect(ledger.openCount == 1)
    ledger.done(numbers[3])
    #expect(ledger.confirmed == 4)
    #expect(ledger.isEmpty && ledger.openBytes == 0)
  }

  @Test func `a proven tick waits for what came before it and moves no position`() {
    var ledger = DeliveryLedger<Int>(position: nil, tick: tick(5))
    let number = ledger.add(1, tick: tick(10), bytes: 1)
    ledger.prove(tick(90))
    #expect(ledger.appliedTick == tick(5))
    ledger.done(number)
    #expect(ledger.appliedTick == tick(90))
    #expect(ledger.confirmed == 1)
    ledger.prove(tick(80))
    #expect(ledger.appliedTick == tick(90), "a tick never goes back")
  }

  @Test(arguments: 0..<20) func `any order of confirmations`(_ seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    var ledger = DeliveryLedger<Int>(position: nil, tick: tick(0))
    var open: [(number: Int, place: Int)] = []
    var isDone: [Bool] = []
    var prefix = 0
    for place in 0..<3_000 {
      open.append((ledger.add(place, tick: tick(place + 1), bytes: place % 7), place))
      isDone.append(false)
      while open.count > Int.random(in: 0...40, using: &random) {
        let chosen = open.remove(at: Int.random(in: 0..<open.count, using: &random))
        ledger.done(chosen.number)
        isDone[chosen.place] = true
        while prefix < isDone.count, isDone[prefix] { prefix += 1 }
        #expect(ledger.confirmed == (prefix == 0 ? nil : prefix - 1))
        #expect(ledger.openCount == isDone.count - prefix)
      }
    }
  }
}

import MilvusWire
import TestSupport
import Testing

@testable import CDCBridge

@Suite struct RelayQueueTests {
  private static func units(_ count: Int) throws -> [RelayUnit] {
    var writer = LogWriter("src-rootcoord-dml_0")
    return try (0..<count).map { number in
      if number % 3 == 2 {
        let messages = try writer.transaction()
        return RelayUnit(messages, position: LogPosition(afterCommit: messages[3], begin: messages[0]))
      }
      let message = try writer.plain()
      return RelayUnit([message], position: LogPosition(after: message))
    }
  }
  private static let start = LogPosition(confirmed: LogMessageID("CAE=", .woodPecker), timeTick: TimeTick(1))

  @Test func `sent and confirmed are two cursors, and only the second moves the position`() throws {
    let units = try Self.units(4)
    var queue = RelayQueue(at: Self.start, targetTick: TimeTick(0))
    for unit in units { queue.add(unit) }
    #expect(queue.count == 4 && queue.hasUnsent && !queue.isInFlight)
    let step1 = queue.takeUnsent(bytesMax: 1)
    #expect(step1?.count == 1)
    let step2 = queue.takeUnsent(bytesMax: 1 << 20)
    #expect(step2?.count == 6, "a transaction goes out whole")
    let step3 = queue.takeUnsent(bytesMax: 1)
    #expect(step3 == nil)
    #expect(queue.confirmed == Self.start && queue.confirmedTick == TimeTick(0))
    let step4 = queue.confirm(units[1].timeTick)
    #expect(step4)
    #expect(queue.count == 2 && queue.sentCount == 2)
    #expect(queue.confirmed == units[1].position && queue.confirmedTick == units[1].timeTick)
    #expect(queue.byteCount == units[2].byteCount + units[3].byteCount)
    let step5 = queue.confirm(units[1].timeTick)
    #expect(!step5)
    queue.streamEnded()
    let step6 = queue.takeUnsent(bytesMax: 1 << 20)
    #expect(step6?.count == 5, "what is not confirmed goes out again, from a begin")
    let step7 = queue.confirm(units[3].timeTick)
    #expect(step7)
    #expect(queue.isEmpty && queue.byteCount == 0 && queue.confirmed == units[3].position)
  }

  @Test func `what is passed over moves the position once everything before it is confirmed`() throws {
    let units = try Self.units(4)
    var queue = RelayQueue(at: Self.start, targetTick: TimeTick(0))
    queue.add(RelayUnit([], position: units[0].position))
    #expect(queue.isEmpty && queue.confirmed == units[0].position && queue.confirmedTick == TimeTick(0))
    queue.add(units[1])
    queue.add(RelayUnit([], position: units[2].position))
    queue.add(RelayUnit([], position: units[3].position))
    #expect(queue.count == 2, "places that follow each other are one")
    let step8 = queue.takeUnsent(bytesMax: 1 << 20)
    #expect(step8?.count == 1)
    #expect(queue.confirmed == units[0].position)
    let step9 = queue.confirm(units[1].timeTick)
    #expect(step9)
    #expect(queue.isEmpty && queue.confirmed == units[3].position && queue.confirmedTick == units[1].timeTick)
  }

  @Test func `many units come and go in order`() throws {
    let units = try Self.units(1_500)
    var queue = RelayQueue(at: Self.start, targetTick: TimeTick(0))
    var sent = 0
    for (number, unit) in units.enumerated() {
      queue.add(unit)
      sent += queue.takeUnsent(bytesMax: 1)?.count ?? 0
      guard number >= 100 else { continue }
      let isReleased = queue.confirm(units[number - 100].timeTick)
      #expect(isReleased)
    }
    #expect(queue.count == 100 && queue.head?.timeTick == units[1_400].timeTick)
    #expect(sent == units.reduce(0) { $0 + $1.messages.count })
  }

  @Test func `a target that dies twice of one message is not sent it again`() {
    var watch = DeathWatch()
    var now = ContinuousClock.now
    let (head, later) = (TimeTick(7), TimeTick(9))
    func absence(_ duration: Duration) {
      watch.refused(at: now)
      now += duration
      watch.refused(at: now)
    }
    watch.broke(head: head, after: .seconds(1))
    // The connection broke and the target was there at once: a cut.
    let cut = watch.answered(TimeTick(5))
    #expect(!cut)
    for round in 1...2 {
      watch.broke(head: head, after: .seconds(1))
      absence(.seconds(2))
      let isKilled = watch.answered(TimeTick(5))
      #expect(isKilled == (round == 2))
    }
    // It took the message meanwhile, or some other one.
    watch = DeathWatch()
    for round in 1...4 {
      watch.broke(head: head, after: .seconds(1))
      absence(.seconds(2))
      if round.isMultiple(of: 2) {
        watch.confirmed()
      } else {
        let isKilled = watch.answered(later)
        #expect(!isKilled)
      }
    }
    // Another message each time, or long after the message was sent.
    watch = DeathWatch()
    for round in 1...4 {
      watch.broke(head: TimeTick(UInt64(round)), after: .seconds(1))
      watch.broke(head: TimeTick(UInt64(round)), after: .seconds(60))
      absence(.seconds(2))
      let isKilled = watch.answered(TimeTick(0))
      #expect(!isKilled)
    }
  }

  @Test func `a network that fails for moments is no target that dies`() {
    var watch = DeathWatch()
    var now = ContinuousClock.now
    for _ in 1...20 {
      watch.broke(head: TimeTick(7), after: .milliseconds(20))
      watch.refused(at: now)
      now += .milliseconds(400)
      watch.refused(at: now)
      // Waiting between the calls is ours, not the target's.
      now += .seconds(9)
      let isKilled = watch.answered(TimeTick(5))
      #expect(!isKilled)
    }
  }
}

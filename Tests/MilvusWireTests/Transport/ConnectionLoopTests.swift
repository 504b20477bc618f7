internal import Testing

@testable internal import MilvusWire

@Suite struct ConnectionLoopTests {
  /// Lives on a loop and says where its code runs.
  private actor Resident {
    nonisolated let loop: ConnectionLoop
    private var calls = 0
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(on loop: ConnectionLoop) { self.loop = loop }

    func call() -> Bool {
      calls += 1
      return loop.isCurrent
    }

    func callThrough(_ other: Resident, count: Int) async -> Bool {
      var stayed = true
      for _ in 0..<count { stayed = await other.call() && loop.isCurrent && stayed }
      return stayed
    }

    /// Whether an operation with a cancellation handler runs here too.
    func callsWithHandler() async -> Bool {
      await withTaskCancellationHandler {
        _ = self
        return loop.isCurrent
      } onCancel: {
      }
    }

    /// Calls made so far, asked for synchronously: only code on the loop may.
    nonisolated var callsAsIsolated: Int { assumeIsolated { $0.calls } }
  }

  @Test func actorsOfALoopRunOnItsThread() async throws {
    let loop = try ConnectionLoop()
    #expect(!loop.isCurrent)
    let first = Resident(on: loop), second = Resident(on: loop)
    #expect(await first.callThrough(second, count: 1000))
    #expect(!loop.isCurrent)
  }

  @Test func aCancellationHandlerThatCapturesItsActorStaysOnTheLoop() async throws {
    #expect(await Resident(on: try ConnectionLoop()).callsWithHandler())
  }

  @Test func callbacksOfTheLoopMayEnterItsActors() async throws {
    let loop = try ConnectionLoop()
    let resident = Resident(on: loop)
    _ = await resident.call()
    let calls = await withCheckedContinuation { continuation in
      loop.execute { continuation.resume(returning: resident.callsAsIsolated) }
    }
    #expect(calls == 1)
  }

  @Test func runsWhatEachThreadSubmitsInOrder() async throws {
    let loop = try ConnectionLoop()
    let seen = (0..<4).map { _ in Recorder<Int>() }
    await withTaskGroup { group in
      for source in 0..<4 {
        group.addTask {
          for number in 0..<500 { loop.execute { seen[source].note(number) } }
          await loop.yield()
        }
      }
    }
    #expect(seen.map(\.events) == Array(repeating: Array(0..<500), count: 4))
  }

  @Test func timersFireInOrderAndNeverEarly() async throws {
    let loop = try ConnectionLoop()
    let start = ContinuousClock.now
    let fired = Recorder<Int>()
    await withCheckedContinuation { continuation in
      for delay in [30, 10, 20] {
        loop.schedule(after: .milliseconds(delay)) {
          if ContinuousClock.now - start < .milliseconds(delay) { Issue.record("early: \(delay)") }
          if fired.note(delay) == 3 { continuation.resume() }
        }
      }
    }
    #expect(fired.events == [10, 20, 30])
  }

  @Test func cancelledTimersNeverFire() async throws {
    let loop = try ConnectionLoop()
    for delay in [Duration.zero, .milliseconds(1), .milliseconds(5)] {
      await withCheckedContinuation { continuation in
        loop.execute {
          let timer = loop.schedule(after: delay) { Issue.record("a cancelled timer fired") }
          timer.cancel()
          timer.cancel()
          loop.schedule(after: .milliseconds(8)) { continuation.resume() }
        }
      }
    }
    // From outside: both the timer and its cancellation travel to the loop, in this order.
    loop.schedule(after: .milliseconds(20)) { Issue.record("a cancelled timer fired") }.cancel()
    try await loop.pause(for: .milliseconds(30))
  }

  @Test func cancellingEndsAPause() async throws {
    let loop = try ConnectionLoop()
    let task = Task { () async -> WireError? in
      do throws(WireError) {
        try await loop.pause(for: .seconds(600))
        return nil
      } catch { return error }
    }
    await loop.yield()
    task.cancel()
    #expect(await task.value?.code == .cancelled)
  }

  @Test func anIdleLoopDoesNotWakeUp() async throws {
    let loop = try ConnectionLoop()
    // A timer far away must not make it look at the clock either.
    loop.schedule(after: .seconds(600)) {}
    func probe() async -> (turn: UInt64, cpuNanoseconds: UInt64) {
      await withCheckedContinuation { continuation in
        loop.execute {
          continuation.resume(returning: (loop.core.turn, ThreadUsage.cpuNanoseconds))
        }
      }
    }
    let before = await probe()
    // Not to synchronise: this is the window that is measured.
    try await Task.sleep(for: .milliseconds(300))
    let after = await probe()
    // The one turn is the second probe's own; another may carry what came right behind the first.
    #expect(after.turn - before.turn <= 2)
    #expect(after.cpuNanoseconds - before.cpuNanoseconds < 2_000_000)
  }

  @Test func theThreadEndsWithItsLoop() async throws {
    weak var core: LoopCore?
    do {
      let loop = try ConnectionLoop()
      core = loop.core
      // A timer that is still set must not keep it.
      loop.schedule(after: .seconds(600)) { Issue.record("a timer fired without its loop") }
      await loop.yield()
    }
    // The thread lets go of its parts last; five seconds are for a very busy machine.
    let limit = ContinuousClock.now + .seconds(5)
    while core != nil && ContinuousClock.now < limit { await Task.yield() }
    #expect(core == nil)
  }

  @Test func aGroupHasAtMostOneLoopForEachCore() throws {
    let group = try ConnectionLoopGroup(loopCountMax: 64)
    #expect(group.loops.count == min(64, ProcessorCount.available))
    let one = try ConnectionLoopGroup(loopCountMax: 1)
    #expect(one.loops.count == 1)
    #expect(one.next() === one.next())
  }

  @Test func aDeadlineClosesWhatItsBodyWaitsFor() async throws {
    let loop = try ConnectionLoop()
    let (client, server) = MemoryStream.pair()
    let error = await #expect(throws: WireError.self) {
      try await loop.withDeadline(.milliseconds(10), "too slow", onExpiry: { client.close() }) {
        () throws(WireError) in
        _ = try await client.read(maxBytes: 1)
      }
    }
    #expect(error == WireError(.timedOut, "too slow"))
    #expect(try await server.read(maxBytes: 1) == [])
  }

  @Test func aDeadlineThatWasKeptDoesNothing() async throws {
    let loop = try ConnectionLoop()
    let (client, server) = MemoryStream.pair()
    try await server.write([7])
    let bytes = try await loop.withDeadline(
      .seconds(1), "too slow", onExpiry: { client.close() }
    ) { () throws(WireError) in
      try await client.read(maxBytes: 1)
    }
    #expect(bytes == [7])
    try await loop.pause(for: .milliseconds(1200))
    try await server.write([8])
    #expect(try await client.read(maxBytes: 1) == [8])
  }

  @Test func whatABodyReturnsAtItsDeadlineIsEitherRefusedOrLeftOpen() async throws {
    let loop = try ConnectionLoop()
    var returned = 0
    for round in 0..<400 {
      let (client, server) = MemoryStream.pair()
      let pause = Duration.microseconds(400 + round)
      do {
        try await loop.withDeadline(.microseconds(600), "too slow", onExpiry: { client.close() }) {
          () throws(WireError) in
          try await loop.pause(for: pause)
        }
      } catch {
        #expect(error == WireError(.timedOut, "too slow"))
        continue
      }
      returned += 1
      // Timers that were due have fired when the loop has turned.
      try await loop.pause(for: .microseconds(100))
      try await server.write([1])
      #expect(try await client.read(maxBytes: 1) == [1])
    }
    // The last bodies are late, however fast the machine is.
    #expect(returned < 400)
  }
}

@Suite struct TimerHeapTests {
  @Test func givesTimersBackInOrderWhateverIsRemoved() throws {
    let loop = try ConnectionLoop()
    var generator = SeededGenerator(seed: 3)
    let start = ContinuousClock.now
    var heap = TimerHeap()
    var timers = (0..<500).map { _ in
      LoopTimer(
        deadline: start + .milliseconds(Int.random(in: 0..<200, using: &generator)), core: loop.core,
        action: {})
    }
    for timer in timers { heap.insert(timer) }
    timers.shuffle(using: &generator)
    for timer in timers.prefix(250) {
      heap.remove(timer)
      heap.remove(timer)
    }
    var deadlines: [ContinuousClock.Instant] = []
    while let timer = heap.popExpired(at: start + .seconds(1)) { deadlines.append(timer.deadline) }
    #expect(deadlines == timers.dropFirst(250).map(\.deadline).sorted())
    #expect(heap.count == 0)
  }

  @Test func keepsWhatIsNotDue() throws {
    let loop = try ConnectionLoop()
    let start = ContinuousClock.now
    var heap = TimerHeap()
    heap.insert(LoopTimer(deadline: start + .seconds(1), core: loop.core, action: {}))
    #expect(heap.popExpired(at: start) == nil)
    #expect(heap.popExpired(at: start + .milliseconds(999)) == nil)
    #expect(heap.popExpired(at: start + .seconds(1)) != nil)
    #expect(heap.earliest == nil)
  }
}

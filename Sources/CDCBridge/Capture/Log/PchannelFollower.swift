internal import MilvusWire

/// Reads one pchannel for as long as it runs: one stream at a time, opened again for ever, and questions beside it where the stream is
/// silent. What comes is judged by `PchannelReader`; this is its shell.
///
/// Two tasks work on it. `follow` opens, reads and hands over. `watch` looks at a silent stream: one that does not show its start is
/// looked into (`+Proof`), one that follows is asked whether it is complete. Where something is wrong `watch` only ever ends the
/// stream (`cut`), so that `follow` alone decides about the next one, its pause and what is reported.
actor PchannelFollower {
  /// The stream that is being read.
  struct Live {
    let stream: any DumpStream
    let number: Int
    /// Since when the next message is waited for; nil while the consumer has the turn.
    var silentSince: ContinuousClock.Instant?
  }
  /// How a stream came to its end.
  private enum End {
    /// By itself. An unbounded one never does; a server that shuts down, or a proxy, may end it so.
    case ended
    case call(CallError)
    case fault(LogFault)
    case consumer(BridgeError)
    /// `watch` ended it.
    case cut(Cut)
  }
  struct Cut {
    let error: BridgeError
    let pace: ErrorPolicy.Pace
    let isQuiet: Bool
  }

  let pchannel: String
  let calls: LogCalls
  private let consumer: any LogConsumer
  /// The same one, where it takes what came together at once.
  private let batchConsumer: (any LogBatchConsumer)?
  private let report: @Sendable (LogReport) -> Void
  let policy = ErrorPolicy(sourceIsLite: false, targetIsLite: false)

  var reader: PchannelReader
  private(set) var live: Live?
  private var streamCount = 0
  private var cut: Cut?
  /// When `watch` looked last; the next look is counted from here.
  var lastLook: ContinuousClock.Instant
  var idleInterval: Duration
  /// What someone waits for.
  private(set) var demand: TimeTick?
  /// Streams in a row that were silent although the stored message is in the log.
  var silentStarts = 0
  let bell = Doorbell()
  /// Rings for each message that came, while `watch` waits for one.
  let arrivals = Doorbell()

  /// One delivery at a time, in the order in which they were made.
  private let turn = Turnstile()
  /// The consumer has everything up to here.
  private var handed: TimeTick
  private let waiters = TickWaiters()

  private var backoff = RetryBackoff()
  private var failures = 0
  private var isTroubled = false
  /// Streams in a row that the server refused without a message, with the code that also means "cannot read this id".
  private var refusals = 0
  /// The stream that was read last delivered a message.
  private var showedAnything = false

  var limits: LogLimits { calls.limits }
  var time: RunnerTime { calls.time }
  var operation: String { "read the log of \(pchannel)" }

  init(
    pchannel: String, position: LogPosition, calls: LogCalls, keepsBegins: Bool, consumer: any LogConsumer,
    report: @escaping @Sendable (LogReport) -> Void
  ) {
    self.pchannel = pchannel
    self.calls = calls
    self.consumer = consumer
    batchConsumer = consumer as? any LogBatchConsumer
    self.report = report
    reader = PchannelReader(
      pchannel: pchannel, position: position, transactionBytesMax: calls.limits.transactionBytesMax,
      keepsBegins: keepsBegins)
    handed = reader.provenUpTo
    lastLook = calls.time.now()
    idleInterval = calls.limits.idleAfter
  }

  /// Returns when the task is cancelled, or with what needs a person.
  func run() async -> BridgeError? {
    defer { waiters.end() }
    return await withTaskGroup(of: BridgeError?.self) { group in
      group.addTask { await self.follow() }
      group.addTask { await self.watch() }
      var failure: BridgeError?
      for await end in group {
        if failure == nil { failure = end }
        group.cancelAll()
      }
      return failure
    }
  }

  // MARK: Streams

  private func follow() async -> BridgeError? {
    while !Task.isCancelled {
      let end = await readStream()
      reader.streamEnded()
      live = nil
      if Task.isCancelled { break }
      switch end {
      case .consumer(let error): return error
      case .ended:
        await pause(
          BridgeError(.notReady, side: .source, operation: operation, message: "the source ended the stream"),
          .quick,
          isQuiet: true)
      case .cut(let cut): await pause(cut.error, cut.pace, isQuiet: cut.isQuiet)
      case .fault(let fault):
        let error = BridgeError(
          fault.isFinal ? .logUnusable : .sourceUnreadable, side: .source, operation: operation,
          message: fault.description, hint: fault.hint)
        if fault.isFinal { return error }
        await pause(error, .slow, isQuiet: false)
      case .call(let cause):
        if let final = await judge(cause) { return final }
      }
    }
    return nil
  }

  private func judge(_ cause: CallError) async -> BridgeError? {
    switch policy.decideLog(cause, operation: operation) {
    case .stop(let error): return error
    case .again(let pace, let hint, let isQuiet):
      refusals = cause.rpcCode == .unknown && !showedAnything ? refusals + 1 : 0
      if refusals >= 3, await isPositionRefused() {
        return BridgeError(
          .logUnusable, side: .source, operation: operation,
          message:
            "the source refuses the stored position (\(reader.position.confirmed.kind)) and gives its earliest one: \(cause)",
          hint:
            "The source cannot read the position any more. Create the task again; it then copies and compares from the start.",
          cause: cause)
      }
      var error = BridgeError(cause, side: .source, operation: operation)
      error.hint = hint
      // A stream has an end at last, a client's limit for a whole call too; a peer that does not answer fails again.
      await pause(error, pace, isQuiet: isQuiet || cause.rpcCode == .deadlineExceeded)
      return nil
    }
  }

  /// The first pause is short whatever happened: a stream that was only cut goes on at once.
  private func pause(_ error: BridgeError, _ pace: ErrorPolicy.Pace, isQuiet: Bool) async {
    failures += 1
    let delay = backoff.nextDelay(failures == 1 ? .quick : pace, random: time.random())
    if failures > 1 || !isQuiet { say(error, nextTryIn: delay) }
    _ = await time.sleep(delay)
  }

  func say(_ error: BridgeError, nextTryIn: Duration) {
    isTroubled = true
    report(.trouble(pchannel: pchannel, error, attempt: max(failures, 1), nextTryIn: nextTryIn))
  }

  /// Something new came, or completeness was proved.
  func progressed() {
    failures = 0
    refusals = 0
    backoff.succeeded()
    guard isTroubled else { return }
    isTroubled = false
    report(.recovered(pchannel: pchannel))
  }

  private func readStream() async -> End {
    showedAnything = false
    cut = nil
    let stream: any DumpStream
    do throws(CallError) {
      let now = reader.asksForTime ? try await calls.timestamp() : nil
      stream = try await calls.open(reader.openStream(now: now))
    } catch {
      reader.streamEnded()
      return .call(error)
    }
    streamCount += 1
    live = Live(stream: stream, number: streamCount)
    // `watch` may sleep by the rules of no stream.
    bell.ring()
    let end = await read(stream)
    reader.streamEnded()
    live = nil
    await stream.cancel()
    if let cut, case .call = end { return .cut(cut) }
    return end
  }

  private func read(_ stream: any DumpStream) async -> End {
    while true {
      live?.silentSince = time.now()
      let messages: [LogMessage]
      do throws(CallError) { messages = try await take(from: stream) } catch { return .call(error) }
      live?.silentSince = nil
      guard !messages.isEmpty else { return .ended }
      showedAnything = true
      let wasProving = reader.phase == .proving
      var deliveries: [LogDelivery] = []
      var fault: LogFault?
      do throws(LogFault) {
        for message in messages { try reader.received(message, into: &deliveries) }
      } catch {
        fault = error
      }
      if wasProving, reader.isFollowing, demand != nil { bell.ring() }
      if wasProving, reader.isFollowing { silentStarts = 0 }
      if !deliveries.isEmpty {
        idleInterval = limits.idleAfter
        progressed()
      }
      arrivals.ring()
      do throws(BridgeError) {
        if let batchConsumer {
          try await hand(deliveries, to: batchConsumer)
        } else {
          for delivery in deliveries { try await hand(delivery) }
        }
      } catch {
        return .consumer(error)
      }
      if let fault { return .fault(fault) }
      if Task.isCancelled { return .ended }
    }
  }

  /// One message, or those that are there where the consumer takes many at once; none at the end.
  private func take(from stream: any DumpStream) async throws(CallError) -> [LogMessage] {
    if batchConsumer != nil { return try await stream.next(bytesMax: limits.batchBytesMax) }
    guard let message = try await stream.next() else { return [] }
    return [message]
  }

  /// Ends the stream that is being read, if it is still this one; `follow` opens the next.
  func cutStream(_ number: Int, _ error: BridgeError, pace: ErrorPolicy.Pace = .quick, isQuiet: Bool) async {
    guard let live, live.number == number else { return }
    cut = Cut(error: error, pace: pace, isQuiet: isQuiet)
    await live.stream.cancel()
  }

  // MARK: Deliveries

  func hand(_ delivery: LogDelivery) async throws(BridgeError) {
    guard await turn.enter() else { return }
    defer { turn.leave() }
    let tick: TimeTick?
    switch delivery {
    case .message(_, let position), .transaction(_, _, let position): tick = position.timeTick
    case .proven(let proven):
      // A message with a later tick was quicker and says more.
      guard proven > handed else { return }
      tick = proven
    case .gap: tick = nil
    }
    try await consumer.take(delivery, pchannel: pchannel)
    if let tick { reached(tick) }
  }

  /// The same for what came together; nothing gets between.
  private func hand(_ deliveries: [LogDelivery], to consumer: any LogBatchConsumer) async throws(BridgeError) {
    guard !deliveries.isEmpty, await turn.enter() else { return }
    defer { turn.leave() }
    try await consumer.take(deliveries, pchannel: pchannel)
    for delivery in deliveries.reversed() {
      guard let tick = delivery.position?.timeTick else { continue }
      return reached(tick)
    }
  }

  private func reached(_ tick: TimeTick) {
    guard tick > handed else { return }
    handed = tick
    if let demand, demand <= handed { self.demand = nil }
    waiters.reached(handed)
  }

  // MARK: Demands

  /// Waits until the consumer has everything up to this tick, and has the source asked for it. False where the follower ended or the
  /// task was cancelled first.
  func reach(_ tick: TimeTick) async -> Bool {
    if handed >= tick { return true }
    demand = max(demand ?? tick, tick)
    bell.ring()
    return await waiters.wait(for: tick)
  }
}

internal import MilvusWire

/// What is asked beside a silent stream (`wal-protocol.md` §4.4, §5.6).
///
/// | The stream | Silent for | Question | Answer | Then |
/// |------------|-----------|----------|--------|------|
/// | does not show its start | `undecidedAfter` | the stored message alone | it comes | the stream stands still: cut |
/// | | | | the dump ends | gap, the stream goes on |
/// | | | | nothing | the whole log, from its earliest entry: it ends or begins later ⇒ gap, and reading begins there; nothing again ⇒ cut |
/// | follows | `idleAfter`, or somebody asks | all above the last message, up to a timestamp | the dump ends | everything up to the timestamp is proven |
/// | | | | a message comes | it has to come on the stream within `stuckAfter`, else cut; then the question again |
///
/// No answer within the limit, and an answer that is an error, cut the stream: it is opened again, with growing pauses.
extension PchannelFollower {
  /// Returns when the task is cancelled, or with what needs a person.
  func watch() async -> BridgeError? {
    while true {
      await bell.wait(atMost: untilNextLook, time)
      if Task.isCancelled { return nil }
      let failure = await look()
      if let failure { return failure }
    }
  }

  /// Counted from the last message or the last look, whichever was later.
  private var untilNextLook: Duration {
    guard let live, let silentSince = live.silentSince else { return limits.idleAfter }
    let due: Duration =
      switch reader.phase {
      case .closed: limits.idleAfter
      case .proving: limits.undecidedAfter
      case .following: demand == nil ? idleInterval : .milliseconds(500)
      }
    return max(due - (time.now() - max(silentSince, lastLook)), .milliseconds(10))
  }

  private func look() async -> BridgeError? {
    guard let live else { return nil }
    let silence = live.silentSince.map { time.now() - max($0, lastLook) } ?? .zero
    switch reader.phase {
    case .closed: return nil
    case .proving:
      guard silence >= limits.undecidedAfter else { return nil }
      defer { lastLook = time.now() }
      return await findStart(live.number)
    case .following:
      if let demand {
        defer { lastLook = time.now() }
        return await prove(upTo: demand, live.number)
      }
      guard silence >= idleInterval else { return nil }
      defer { lastLook = time.now() }
      idleInterval = min(idleInterval * 2, max(limits.idleIntervalMax, limits.idleAfter))
      let now: TimeTick
      do throws(CallError) { now = try await calls.timestamp() } catch {
        return await failed(error, live.number)
      }
      return await prove(upTo: now, live.number)
    }
  }

  /// True while the stream with this number is being read and in this phase.
  private func isOpen(_ number: Int, _ phase: PchannelReader.Phase) -> Bool {
    live?.number == number && reader.phase == phase
  }

  // MARK: Completeness

  private func prove(upTo tick: TimeTick, _ number: Int) async -> BridgeError? {
    while !Task.isCancelled {
      // Only a stream that has shown its start, and is open from before the question to behind the answer, says that nothing was lost
      // in between; what the reader knows already needs no question.
      guard isOpen(number, .following), reader.provenUpTo < tick else { return nil }
      let last = reader.position.timeTick
      let answer: LogCalls.Answer
      do throws(CallError) {
        answer = try await calls.ask(reader.proofRequest(upTo: tick), within: limits.proof) { message in
          message.timeTick > last && !message.type.isSelfControlled
        }
      } catch {
        return await failed(error, number)
      }
      switch answer {
      case .end:
        guard isOpen(number, .following) else { return nil }
        guard let proven = reader.proved(tick) else { return nil }
        progressed()
        do throws(BridgeError) { try await hand(proven) } catch { return error }
        return nil
      case .message(let owed):
        guard await arrives(owed.timeTick, number) else {
          await cutStream(
            number,
            BridgeError(
              .sourceUnreadable, side: .source, operation: operation,
              message: "the stream stood still although the log had gone on; it is opened again"),
            isQuiet: false)
          return nil
        }
      }
    }
    return nil
  }

  /// Waits until the stream has delivered up to this tick; false where it stays silent. A consumer that takes its time is no silence.
  private func arrives(_ tick: TimeTick, _ number: Int) async -> Bool {
    let asked = time.now()
    while !Task.isCancelled {
      guard isOpen(number, .following), reader.position.timeTick < tick else { return true }
      var left = limits.stuckAfter
      if let silentSince = live?.silentSince {
        left = limits.stuckAfter - (time.now() - max(silentSince, asked))
        if left <= .zero { return false }
      }
      await arrivals.wait(atMost: left, time)
    }
    return true
  }

  // MARK: The start

  /// The stream should have begun with the stored message and says nothing.
  private func findStart(_ number: Int) async -> BridgeError? {
    let stored = reader.position.timeTick
    let answer: LogCalls.Answer
    do throws(CallError) {
      answer = try await calls.ask(reader.probeRequest, within: limits.proof) { $0.timeTick >= stored }
    } catch {
      if case .rpc(let failure, _) = error, failure.code == .deadlineExceeded, failure.initiator == .local {
        return await searchWholeLog(number)
      }
      return await failed(error, number)
    }
    guard isOpen(number, .proving) else { return nil }
    if case .message(let message) = answer, message.timeTick == stored {
      // It is there, and a stream that starts before it does not deliver it.
      silentStarts += 1
      if silentStarts >= 3 { return await searchWholeLog(number) }
      await cutStream(
        number, silence("the stream delivers nothing although its start is there"), isQuiet: true)
      return nil
    }
    guard let gap = reader.positionIsGone() else { return nil }
    do throws(BridgeError) { try await hand(gap) } catch { return error }
    return nil
  }

  /// The position leads nowhere: is there a log at all?
  private func searchWholeLog(_ number: Int) async -> BridgeError? {
    let stored = reader.position.timeTick
    let answer: LogCalls.Answer
    do throws(CallError) {
      let now = try await calls.timestamp()
      guard let request = reader.wholeLogRequest(upTo: max(now, stored)) else {
        await cutStream(number, silence("the log does not answer"), pace: .slow, isQuiet: false)
        return nil
      }
      answer = try await calls.ask(request, within: limits.wholeLog) { $0.timeTick >= stored }
    } catch {
      return await failed(error, number)
    }
    guard isOpen(number, .proving) else { return nil }
    silentStarts = 0
    let gap: LogDelivery?
    switch answer {
    case .message(let message):
      let isLost = message.timeTick != stored
      gap = reader.restartAtEarliest(isLost: isLost, firstSeen: isLost ? message.timeTick : nil)
    case .end: gap = reader.restartAtEarliest(isLost: true, firstSeen: nil)
    }
    if let gap {
      do throws(BridgeError) { try await hand(gap) } catch { return error }
    }
    await cutStream(
      number, silence("the stored position leads nowhere; reading begins at the earliest entry"),
      isQuiet: true)
    return nil
  }

  private func silence(_ what: String) -> BridgeError {
    BridgeError(.notReady, side: .source, operation: operation, message: what)
  }

  /// A question failed: the stream is no better than the answer, except where the server itself answered that it cannot now.
  private func failed(_ cause: CallError, _ number: Int) async -> BridgeError? {
    if Task.isCancelled { return nil }
    switch policy.decideLog(cause, operation: operation) {
    case .stop(let error): return error
    case .again(let pace, let hint, let isQuiet):
      var error = BridgeError(cause, side: .source, operation: operation)
      error.hint = hint
      if case .status = cause {
        say(error, nextTryIn: idleInterval)
      } else {
        await cutStream(number, error, pace: pace, isQuiet: isQuiet)
      }
      return nil
    }
  }

  /// Whether the server takes its own earliest position and refuses ours, and not just everything for a while. Errors have one code for
  /// both (`wal-protocol.md` §5.2), so it is tried.
  func isPositionRefused() async -> Bool {
    let tick = reader.position.timeTick
    guard let earliest = reader.wholeLogRequest(upTo: tick) else { return false }
    guard await isTaken(earliest), await !isTaken(reader.probeRequest) else { return false }
    return await isTaken(earliest)
  }

  private func isTaken(_ request: DumpRequest) async -> Bool {
    do throws(CallError) {
      _ = try await calls.ask(request, within: limits.proof) { _ in true }
      return true
    } catch {
      return error.rpcCode == .deadlineExceeded
    }
  }
}

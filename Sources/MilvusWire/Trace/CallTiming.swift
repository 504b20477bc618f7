/// When the steps of one call happened, measured where they happen.
package final class CallTiming: WireTracer {
  package struct Reading: Sendable, Equatable {
    /// From the first attempt to connect to the server's first SETTINGS.
    package var connecting: Duration?
    /// From the request's headers to the first header of the answer, and to the first byte of a message.
    package var firstHeader: Duration?
    package var firstByte: Duration?
    /// From the request's headers to the end of the call.
    package var total: Duration?
    package var sentMessages = 0
    package var sentBytes = 0
  }

  private struct State {
    var connectingAt: ContinuousClock.Instant?
    var startedAt: ContinuousClock.Instant?
    var reading = Reading()
  }
  private let state = Locked(State())

  package init() {}

  package var reading: Reading { state.withLock { $0.reading } }

  package func record(_ event: WireEvent) {
    let now = ContinuousClock.now
    state.withLock { state in
      let sinceStart = state.startedAt.map { now - $0 }
      switch event.kind {
      case .connecting: state.connectingAt = state.connectingAt ?? now
      case .connected:
        if state.reading.connecting == nil { state.reading.connecting = state.connectingAt.map { now - $0 } }
      case .sentHeaders: state.startedAt = state.startedAt ?? now
      case .receivedHeaders:
        if state.reading.firstHeader == nil { state.reading.firstHeader = sinceStart }
      case .receivedData:
        if state.reading.firstByte == nil { state.reading.firstByte = sinceStart }
      case .sentMessage(let bytes):
        state.reading.sentMessages &+= 1
        state.reading.sentBytes &+= bytes
      case .finished: state.reading.total = sinceStart
      case .ended, .sentEnd, .receivedReset, .receivedSettings, .receivedGoAway, .sentPing, .sentFrame, .receivedFrame: break
      }
    }
  }
}

/// Shows every event to several tracers, in their order.
package struct TracerGroup: WireTracer {
  private let tracers: [any WireTracer]

  /// nil where there is nobody to show anything.
  package init?(_ tracers: [any WireTracer]) {
    guard !tracers.isEmpty else { return nil }
    self.tracers = tracers
  }

  package var wantsFrames: Bool { tracers.contains { $0.wantsFrames } }

  package func record(_ event: WireEvent) {
    for tracer in tracers { tracer.record(event) }
  }
}

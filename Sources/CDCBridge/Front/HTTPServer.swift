package import MilvusWire

/// An HTTP/1.1 server over byte streams: one task per connection, bounded in number, size and time.
///
/// Shutdown: close the listener and call `drain`; connections that wait for a request are closed at once, the others end after the answer
/// they are working on, then `run` returns. Cancelling `run` ends all of them now.
package final class HTTPServer: Sendable {
  package struct Settings: Sendable {
    /// Further connections are answered 503.
    package var connectionCountMax = 2048
    /// From the first byte of a request (for the first request: from the connection's start) to the end of its fields.
    package var headTimeout: Duration = .seconds(10)
    /// From the end of the fields to the end of the body.
    package var bodyTimeout: Duration = .seconds(30)
    /// Between two requests.
    package var idleTimeout: Duration = .seconds(75)
    /// For one whole answer.
    package var writeTimeout: Duration = .seconds(30)
    /// How long input is read and dropped after a refusal, so that the peer gets to read the answer.
    package var lingerTimeout: Duration = .seconds(2)
    package var limits = HTTPRequestParser.Limits()
    package init() {}
  }
  package typealias Handler = @Sendable (HTTPRequest) async -> HTTPResponse
  /// Makes a connection usable, for example by a TLS handshake; it runs in the connection's own task within `headTimeout`.
  package typealias Preparation = @Sendable (any ByteStream) async throws(WireError) -> any ByteStream

  let settings: Settings
  let timekeeper: any Timekeeper
  let handler: Handler
  private let prepare: Preparation
  private let connections = Locked(Connections())

  private struct Connections {
    var isDraining = false
    var nextID = 0
    var open: Set<Int> = []
    var idle: [Int: any ByteStream] = [:]
    /// Connections that are being told 503.
    var refusedCount = 0
  }
  private enum Admission { case serve(Int), refuse, drop }

  package init(
    settings: Settings = Settings(), timekeeper: any Timekeeper = SystemTimekeeper(),
    prepare: @escaping Preparation = { stream throws(WireError) in stream }, handler: @escaping Handler
  ) {
    self.settings = settings
    self.timekeeper = timekeeper
    self.prepare = prepare
    self.handler = handler
  }

  package var connectionCount: Int { connections.withLock { $0.open.count } }
  package var isDraining: Bool { connections.withLock { $0.isDraining } }

  /// Serves what `accept` gives until it fails with `.closed` or `.cancelled`, then waits for the connections to end.
  /// Any other failure of `accept`, such as too many open files, passes: it is tried again after 100 ms.
  package func run(accept: @escaping @Sendable () async throws(WireError) -> any ByteStream) async {
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled {
        do throws(WireError) {
          let stream = try await accept()
          switch admit() {
          case .serve(let id): group.addTask { await self.serve(stream, id: id) }
          case .refuse: group.addTask { await self.refuse(stream) }
          case .drop: stream.close()
          }
        } catch {
          if error.code == .closed || error.code == .cancelled { break }
          try? await timekeeper.wait(until: timekeeper.now + .milliseconds(100))
        }
      }
    }
  }

  /// No further request is started on any connection.
  package func drain() {
    let idle = connections.withLock { state in
      state.isDraining = true
      defer { state.idle = [:] }
      return Array(state.idle.values)
    }
    for stream in idle { stream.close() }
  }

  private func admit() -> Admission {
    connections.withLock { state in
      if state.isDraining { return .drop }
      if state.open.count < settings.connectionCountMax {
        state.nextID += 1
        state.open.insert(state.nextID)
        return .serve(state.nextID)
      }
      guard state.refusedCount < 64 else { return .drop }
      state.refusedCount += 1
      return .refuse
    }
  }

  private func serve(_ stream: any ByteStream, id: Int) async {
    defer {
      stream.close()
      connections.withLock { state in
        state.open.remove(id)
        state.idle[id] = nil
      }
    }
    let deadline = timekeeper.now + settings.headTimeout
    let prepare = prepare
    let timed = TimedStream(stream: stream, timekeeper: timekeeper)
    guard
      let ready = await timed.run(until: deadline, { stream throws(WireError) in try await prepare(stream) })
    else { return }
    await HTTPConnection(server: self, id: id, stream: TimedStream(stream: ready, timekeeper: timekeeper))
      .run(firstHeadUntil: deadline)
    ready.close()
  }

  private func refuse(_ stream: any ByteStream) async {
    var response = HTTPResponse(.serviceUnavailable, text: "503 too many connections\n")
    response.fields = [HTTPRequest.Field(name: "Retry-After", value: "1")]
    let bytes = HTTPResponseWriter.bytes(
      of: response, isHead: false, keepsAlive: false, minorVersion: 1,
      unixSeconds: timekeeper.unixMilliseconds / 1000)
    let timed = TimedStream(stream: stream, timekeeper: timekeeper)
    // A TLS client cannot read this; the connection is closed either way.
    if await timed.write(bytes, until: timekeeper.now + .seconds(1)) {
      await timed.linger(until: timekeeper.now + .seconds(1))
    }
    stream.close()
    connections.withLock { $0.refusedCount -= 1 }
  }

  /// False while draining: then the connection must end instead of waiting.
  func becameIdle(_ id: Int, _ stream: any ByteStream) -> Bool {
    connections.withLock { state in
      guard !state.isDraining else { return false }
      state.idle[id] = stream
      return true
    }
  }
  func becameBusy(_ id: Int) {
    connections.withLock { $0.idle[id] = nil }
  }
}

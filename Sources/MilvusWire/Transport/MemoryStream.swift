/// What a `MemoryStream` pair does to its bytes. Everything follows from the seed: the same seed, the same faults.
package struct StreamFaults: Sendable {
  /// Chooses split points and pauses.
  package var seed: UInt64
  /// A read returns a random number of bytes from 1 to this; nil: all that is there.
  package var readBytesMax: Int?
  /// Before it returns bytes, a read lets other tasks run for a random number of times from 0 to this.
  package var readPauseCountMax: Int
  /// After this many bytes in one direction both ends fail with `WireError.reset`; nil: never.
  package var resetAfterBytes: Int?

  package init(
    seed: UInt64 = 1, readBytesMax: Int? = nil, readPauseCountMax: Int = 0, resetAfterBytes: Int? = nil
  ) {
    self.seed = seed
    self.readBytesMax = readBytesMax
    self.readPauseCountMax = readPauseCountMax
    self.resetAfterBytes = resetAfterBytes
  }
}

/// One end of a connection that lives in memory: tests of everything above sockets, without sockets.
///
/// It keeps the whole contract of `ByteStream`: writes wait while the window is full, reads wait for bytes, cancelling ends
/// the call, closing ends both ends.
package final class MemoryStream: ByteStream, ImmediateWriting {
  package let peer: String
  private let incoming: MemoryPipe
  private let outgoing: MemoryPipe

  private init(peer: String, incoming: MemoryPipe, outgoing: MemoryPipe) {
    self.peer = peer
    self.incoming = incoming
    self.outgoing = outgoing
  }

  /// Two connected ends. `windowBytes` is what one direction holds before a write waits, as a kernel's buffers would.
  package static func pair(
    windowBytes: Int = 64 << 10, faults: StreamFaults = StreamFaults()
  ) -> (client: MemoryStream, server: MemoryStream) {
    precondition(windowBytes >= 1, "nothing fits into an empty window")
    let up = MemoryPipe(windowBytes: windowBytes, faults: faults)
    let down = MemoryPipe(windowBytes: windowBytes, faults: faults)
    return (
      MemoryStream(peer: "memory-server:1", incoming: down, outgoing: up),
      MemoryStream(peer: "memory-client:2", incoming: up, outgoing: down)
    )
  }

  package func read(maxBytes: Int) async throws(WireError) -> [UInt8] {
    precondition(maxBytes > 0, "a read of nothing looks like the end of the stream")
    while true {
      switch incoming.take(maxBytes: maxBytes) {
      case .bytes(let bytes, let pauseCount):
        for _ in 0..<pauseCount { await Task.yield() }
        return bytes
      case .failed(let error): throw failAll(error)
      case .wait: try await incoming.wait(.reader, "reading from \(peer)")
      }
    }
  }

  package func write(_ bytes: [UInt8]) async throws(WireError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      switch outgoing.put(rest) {
      case .taken(let count): rest = rest.dropFirst(count)
      case .failed(let error): throw failAll(error)
      case .wait: try await outgoing.wait(.writer, "writing to \(peer)")
      }
    }
  }

  package func endWriting() async throws(WireError) { outgoing.end() }

  func writeNow(_ bytes: [UInt8]) { _ = outgoing.put(bytes[...]) }

  /// Like a socket: our own waiting calls fail with `closed`; the peer reads what was written and then the end, and its
  /// writes fail with `reset`.
  package func close() {
    outgoing.closeWriter()
    incoming.closeReader()
  }

  /// A reset concerns both directions.
  private func failAll(_ error: WireError) -> WireError {
    if error.code == .reset {
      incoming.fail(error)
      outgoing.fail(error)
    }
    return error
  }
}

/// One direction of a `MemoryStream` pair.
private final class MemoryPipe: Sendable {
  enum Side { case reader, writer }
  enum Taken { case bytes([UInt8], pauseCount: Int), wait, failed(WireError) }
  enum Put { case taken(Int), wait, failed(WireError) }

  private struct Waiter {
    let id: UInt64
    let continuation: CheckedContinuation<Void, Never>
  }

  private struct State {
    var buffer: [UInt8] = []
    var bytesTotal = 0
    var hasEnded = false
    var readerError: WireError?
    var writerError: WireError?
    var reader: Waiter?
    var writer: Waiter?
    var nextWaiterID: UInt64 = 0
    var generator: SeededGenerator

    /// Takes out who waits on a side; the caller resumes it outside the lock.
    mutating func takeWaiter(_ side: Side) -> Waiter? {
      switch side {
      case .reader:
        defer { reader = nil }
        return reader
      case .writer:
        defer { writer = nil }
        return writer
      }
    }
  }

  private let windowBytes: Int
  private let faults: StreamFaults
  private let state: Locked<State>

  init(windowBytes: Int, faults: StreamFaults) {
    self.windowBytes = windowBytes
    self.faults = faults
    state = Locked(State(generator: SeededGenerator(seed: faults.seed)))
  }

  func take(maxBytes: Int) -> Taken {
    let (taken, writer) = state.withLock { state -> (Taken, Waiter?) in
      if let error = state.readerError { return (.failed(error), nil) }
      guard !state.buffer.isEmpty else {
        return (state.hasEnded ? .bytes([], pauseCount: 0) : .wait, nil)
      }
      var count = min(maxBytes, state.buffer.count)
      if let limit = faults.readBytesMax {
        count = min(count, Int.random(in: 1...limit, using: &state.generator))
      }
      let pauseCount = Int.random(in: 0...faults.readPauseCountMax, using: &state.generator)
      let bytes = Array(state.buffer.prefix(count))
      state.buffer.removeFirst(count)
      return (.bytes(bytes, pauseCount: pauseCount), state.takeWaiter(.writer))
    }
    writer?.continuation.resume()
    return taken
  }

  func put(_ bytes: ArraySlice<UInt8>) -> Put {
    let (put, reader) = state.withLock { state -> (Put, Waiter?) in
      if let error = state.writerError { return (.failed(error), nil) }
      if state.hasEnded { return (.failed(WireError(.closed, "the stream is closed")), nil) }
      var room = windowBytes - state.buffer.count
      if let limit = faults.resetAfterBytes {
        guard state.bytesTotal < limit else {
          return (.failed(WireError(.reset, "connection reset by peer")), nil)
        }
        room = min(room, limit - state.bytesTotal)
      }
      guard room > 0 else { return (.wait, nil) }
      let part = bytes.prefix(room)
      state.buffer += part
      state.bytesTotal += part.count
      return (.taken(part.count), state.takeWaiter(.reader))
    }
    reader?.continuation.resume()
    return put
  }

  func end() {
    state.withLock { state in
      state.hasEnded = true
      return state.takeWaiter(.reader)
    }?.continuation.resume()
  }

  func closeWriter() {
    let waiters = state.withLock { state in
      state.hasEnded = true
      if state.writerError == nil { state.writerError = WireError(.closed, "the stream is closed") }
      return [state.takeWaiter(.reader), state.takeWaiter(.writer)]
    }
    for waiter in waiters { waiter?.continuation.resume() }
  }

  func closeReader() {
    let waiters = state.withLock { state in
      if state.readerError == nil { state.readerError = WireError(.closed, "the stream is closed") }
      if state.writerError == nil {
        state.writerError = WireError(.reset, "connection closed by peer")
      }
      return [state.takeWaiter(.reader), state.takeWaiter(.writer)]
    }
    for waiter in waiters { waiter?.continuation.resume() }
  }

  /// What the other side wrote before it closed is still read, as with a Linux socket.
  func fail(_ error: WireError) {
    let waiters = state.withLock { state in
      if state.readerError == nil, !state.hasEnded { state.readerError = error }
      if state.writerError == nil { state.writerError = error }
      return [state.takeWaiter(.reader), state.takeWaiter(.writer)]
    }
    for waiter in waiters { waiter?.continuation.resume() }
  }

  /// Suspends until the side may look again.
  func wait(_ side: Side, _ doing: String) async throws(WireError) {
    let id = state.withLock { state in
      state.nextWaiterID += 1
      return state.nextWaiterID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if !park(side, Waiter(id: id, continuation: continuation)) { continuation.resume() }
      }
    } onCancel: {
      state.withLock { state in
        let parked = side == .reader ? state.reader : state.writer
        return parked?.id == id ? state.takeWaiter(side) : nil
      }?.continuation.resume()
    }
    if Task.isCancelled { throw WireError.cancelled(doing) }
  }

  /// False when there is no reason to wait any more: something changed since the caller looked, or it was cancelled
  /// before it was parked.
  private func park(_ side: Side, _ waiter: Waiter) -> Bool {
    state.withLock { state in
      if Task.isCancelled { return false }
      switch side {
      case .reader:
        precondition(state.reader == nil, "two reads at once on one stream")
        guard state.buffer.isEmpty, !state.hasEnded, state.readerError == nil else { return false }
        state.reader = waiter
      case .writer:
        precondition(state.writer == nil, "two writes at once on one stream")
        guard state.buffer.count >= windowBytes, state.writerError == nil else { return false }
        state.writer = waiter
      }
      return true
    }
  }
}

/// A small reproducible random generator (SplitMix64). For tests and jitter, not for secrets.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// One open socket on one loop: owns the descriptor, knows what it is ready for, and holds who waits for it.
///
/// `@unchecked Sendable`: everything except `close` is called on the loop's thread (streams and listeners are actors on
/// it); `close` goes there itself. The descriptor is closed exactly once, on the loop, so a number that the system gives
/// out again can never meet an old waiter.
final class WatchedSocket: @unchecked Sendable {
  enum Direction { case read, write }

  /// Why a wait ended.
  enum Wake: Equatable { case ready, closed, cancelled }

  private struct Waiter {
    let id: UInt64
    let resume: (Wake) -> Void
  }

  let loop: ConnectionLoop
  let fd: Int32
  private var token: UInt64 = 0
  private(set) var isClosed = false
  /// False after a call said "would block" or came back short, until the poll set reports otherwise.
  private var isReadable = true
  private var isWritable = true
  /// Sticky: a short receive must not clear readability when the end or an error is already queued behind the bytes,
  /// because an edge is reported only once.
  private var isHungUp = false
  private var reader: Waiter?
  private var writer: Waiter?
  private var nextWaiterID: UInt64 = 0
  private var turn: UInt64 = 0
  private var bytesThisTurn = 0
  /// So much came last time that the next bytes get an array of their own at once, and no copy.
  private var isStreaming = false
  private static let streamingBytesMin = 64 << 10

  /// Takes over `fd`, also when this fails. Runs on the loop.
  init(owning fd: Int32, on loop: ConnectionLoop) throws(WireError) {
    self.loop = loop
    self.fd = fd
    do {
      token = try loop.core.register(self, fd: fd)
    } catch {
      isClosed = true
      SocketCalls.close(fd)
      throw error
    }
  }

  deinit {
    guard !isClosed else { return }
    let (core, fd, token) = (loop.core, self.fd, self.token)
    core.runOrExecute {
      core.unregister(token)
      SocketCalls.close(fd)
    }
  }

  /// Ends everything at once. Any thread, any number of times.
  func close() {
    loop.core.runOrExecute { [self] in
      guard !isClosed else { return }
      isClosed = true
      loop.core.unregister(token)
      SocketCalls.close(fd)
      wake(.read, .closed)
      wake(.write, .closed)
    }
  }

  // MARK: Input and output, never waiting

  func receive(maxBytes: Int) -> ReceiveResult {
    guard isReadable else { return .wouldBlock }
    let result =
      isStreaming
      ? ReceiveBuffer.receiveWhole(from: fd, maxBytes: min(maxBytes, LoopCore.receiveBytesMax))
      : loop.core.receiveBuffer.receive(from: fd, maxBytes: maxBytes)
    switch result {
    case .bytes(let bytes, let isShort):
      bytesThisTurn += bytes.count
      isStreaming = bytes.count >= WatchedSocket.streamingBytesMin
      if isShort && !isHungUp { isReadable = false }
    case .wouldBlock: isReadable = false
    case .failed: break
    }
    return result
  }

  func send(_ bytes: [UInt8], from offset: Int) -> SocketResult {
    guard isWritable else { return .wouldBlock }
    let result = SocketCalls.send(fd, bytes, from: offset)
    switch result {
    case .done(let count): bytesThisTurn += count
    case .wouldBlock: isWritable = false
    case .failed: break
    }
    return result
  }

  func send(_ output: OutputChain, from offset: Int) -> SocketResult {
    guard isWritable else { return .wouldBlock }
    let result = SocketCalls.send(fd, output, from: offset)
    switch result {
    case .done(let count): bytesThisTurn += count
    case .wouldBlock: isWritable = false
    case .failed: break
    }
    return result
  }

  func accept() -> SocketResult {
    let result = SocketCalls.accept(fd)
    if result == .wouldBlock { isReadable = false }
    return result
  }

  // MARK: Waiting

  /// Suspends until the direction may make progress. One wait for each direction at a time.
  ///
  /// `owner` is the actor of this loop that waits. It must be named: the operation of `withTaskCancellationHandler` runs on
  /// the cooperative pool unless it captures an actor, and then a cancellation could overtake the waiter.
  func wait(_ direction: Direction, for owner: isolated any Actor) async -> Wake {
    let id = nextWaiterID
    nextWaiterID += 1
    return await withTaskCancellationHandler {
      _ = owner
      return await withUnsafeContinuation { continuation in
        notify(direction, id: id) { continuation.resume(returning: $0) }
      }
    } onCancel: {
      // Never inline: this may run before the waiter is there. On the loop it always comes after it.
      loop.core.execute { [self] in
        if waiter(direction)?.id == id { wake(direction, .cancelled) }
      }
    }
  }

  /// Calls `resume` once, on the loop: at once when the direction is ready.
  func notify(_ direction: Direction, _ resume: @escaping (Wake) -> Void) {
    let id = nextWaiterID
    nextWaiterID += 1
    notify(direction, id: id, resume)
  }

  private func notify(_ direction: Direction, id: UInt64, _ resume: @escaping (Wake) -> Void) {
    assert(loop.isCurrent, "a socket's waiters live on its loop")
    if isClosed { return resume(.closed) }
    if direction == .read ? isReadable : isWritable { return resume(.ready) }
    precondition(waiter(direction) == nil, "two waits for one direction of one socket")
    setWaiter(direction, Waiter(id: id, resume: resume))
  }

  /// The socket must report writability before it counts as writable: a connect has begun.
  func expectWritability() { isWritable = false }

  /// Gives other sockets of the loop their turn when this one moved a lot in the present turn.
  func yieldIfGreedy() async {
    if loop.core.turn != turn {
      turn = loop.core.turn
      bytesThisTurn = 0
    } else if bytesThisTurn >= LoopCore.bytesPerTurnMax {
      await loop.yield()
    }
  }

  /// Called by the loop with what the poll set reported.
  func received(_ event: Readiness) {
    if event.isHungUp { isHungUp = true }
    if event.isReadable {
      isReadable = true
      wake(.read, .ready)
    }
    if event.isWritable {
      isWritable = true
      wake(.write, .ready)
    }
  }

  private func waiter(_ direction: Direction) -> Waiter? { direction == .read ? reader : writer }

  private func setWaiter(_ direction: Direction, _ waiter: Waiter?) {
    switch direction {
    case .read: reader = waiter
    case .write: writer = waiter
    }
  }

  private func wake(_ direction: Direction, _ reason: Wake) {
    guard let waiter = waiter(direction) else { return }
    setWaiter(direction, nil)
    waiter.resume(reason)
  }
}

import MilvusWire

/// Connections in memory for a server's `accept`.
final class MemoryListener: Sendable {
  private struct State {
    var waiting: [MemoryStream] = []
    var isClosed = false
    var acceptor: CheckedContinuation<Void, Never>?
  }
  private let state = Locked(State())

  func connect(windowBytes: Int = 64 << 10) -> MemoryStream {
    let pair = MemoryStream.pair(windowBytes: windowBytes)
    wake { $0.waiting.append(pair.server) }
    return pair.client
  }
  func close() { wake { $0.isClosed = true } }

  func accept() async throws(WireError) -> any ByteStream {
    while true {
      let (next, isClosed) = state.withLock { state in
        (state.waiting.isEmpty ? nil : state.waiting.removeFirst(), state.isClosed)
      }
      if let next { return next }
      if isClosed { throw WireError(.closed, "closed") }
      await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        state.withLock { state in
          if state.waiting.isEmpty, !state.isClosed {
            state.acceptor = continuation
          } else {
            continuation.resume()
          }
        }
      }
    }
  }

  private func wake(_ change: (inout State) -> Void) {
    state.withLock { state in
      change(&state)
      state.acceptor?.resume()
      state.acceptor = nil
    }
  }
}

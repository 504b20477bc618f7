internal import MilvusWire

/// What goes wrong on demand. Kept apart from the cluster's state: a fault is decided while a call runs.
final class SandboxFaults: Sendable {
  enum Streams: String, Sendable, CaseIterable { case dump, replicate }
  enum Cut: String, Sendable, CaseIterable {
    /// The call ends with UNAVAILABLE.
    case status
    /// The call ends with OK.
    case eof
    /// All connections are reset.
    case tcp
  }
  private struct State {
    var calls = CallFaults()
    /// Pchannel, "" for all: the kinds of stream that stand still.
    var paused: [String: Set<Streams>] = [:]
    var cuts: [(streams: Set<Streams>, how: Cut)] = []
    var connections: [Int: @Sendable () -> Void] = [:]
    var nextConnection = 0
  }
  private let state = Locked(State())

  // MARK: Calls

  func callFault(_ method: String) -> CallFaults.Action? { state.withLock { $0.calls.take(method) } }
  func addCallFault(_ action: CallFaults.Action, method: String?, count: Int?, skip: Int) {
    state.withLock { $0.calls.add(action, method: method, count: count, skip: skip) }
  }
  func clear() {
    state.withLock { state in
      state.calls.removeAll()
      state.paused.removeAll()
    }
  }

  // MARK: Streams

  func isPaused(_ streams: Streams, _ pchannel: String) -> Bool {
    state.withLock { state in
      [pchannel, ""].contains { state.paused[$0]?.contains(streams) ?? false }
    }
  }
  /// nil: on every pchannel.
  func pause(_ streams: Set<Streams>, pchannel: String? = nil) {
    state.withLock { $0.paused[pchannel ?? "", default: []].formUnion(streams) }
  }
  /// nil: everything that was paused.
  func resume(_ streams: Set<Streams>, pchannel: String? = nil) {
    state.withLock { state in
      for name in pchannel.map({ [$0] }) ?? Array(state.paused.keys) { state.paused[name]?.subtract(streams) }
    }
  }

  /// Cuts so far: a stream that began before the next one ends with it.
  func cutCount(_ streams: Streams) -> Int { state.withLock { $0.cuts.count } }
  func cut(_ streams: Streams, since count: Int) -> Cut? {
    state.withLock { state in state.cuts.dropFirst(count).first { $0.streams.contains(streams) }?.how }
  }
  func cut(_ streams: Set<Streams>, _ how: Cut) { state.withLock { $0.cuts.append((streams, how)) } }

  // MARK: Connections

  /// `close` ends a connection at once; the answer is for `remove`.
  func addConnection(_ close: @escaping @Sendable () -> Void) -> Int {
    state.withLock { state in
      state.nextConnection += 1
      state.connections[state.nextConnection] = close
      return state.nextConnection
    }
  }
  func removeConnection(_ id: Int) { state.withLock { $0.connections[id] = nil } }
  func resetConnections() {
    let all = state.withLock { Array($0.connections.values) }
    for close in all { close() }
  }
}

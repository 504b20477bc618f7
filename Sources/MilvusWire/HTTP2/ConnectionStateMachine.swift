/// The life of one client connection: which streams are open, how many more may be opened, and how it ends. Pure.
///
/// | State            | Entered by                                | Exits to                                         |
/// |------------------|-------------------------------------------|--------------------------------------------------|
/// | awaitingSettings | init                                      | ready (first SETTINGS), draining, closed         |
/// | ready            | first SETTINGS (RFC 9113 §3.4)            | draining (GOAWAY, shutdown, ids used up), closed |
/// | draining         | GOAWAY, shutdown, ids used up             | closed (last stream closed, or failure)          |
/// | closed           | failure, last stream closed while draining| —                                                |
///
/// *Tolerated*: SETTINGS at any time and any number of times (a real Milvus 2.3.5 sends two), GOAWAY more than once
/// (a graceful shutdown sends two, RFC 9113 §6.8), the close of a stream that is not open (it raced with ours).
struct ConnectionStateMachine: Equatable {
  enum OnOpen: Equatable {
    case open
    /// The peer's limit of concurrent streams is reached, or its first SETTINGS are not here: wait for `.mayOpen`.
    case wait
    /// No stream can ever be opened here again; another connection can.
    case refuse
  }

  enum OnClose: Equatable {
    case none
    /// One more stream may be opened.
    case mayOpen
    /// Draining is over: nothing is open any more.
    case closeConnection
  }

  struct OnGoAway: Equatable {
    /// Streams that the peer will not answer and has not looked at: their calls may be sent again (RFC 9113 §6.8).
    var unsent: [Int32]
    /// gRFC A8: the peer found our PINGs too frequent.
    var isTooManyPings: Bool
    var closesConnection: Bool
  }

  private enum State: Equatable { case awaitingSettings, ready, draining, closed }

  /// Stream ids are 31 bits and odd for a client (RFC 9113 §5.1.1).
  private static let lastStreamID = Int32.max

  private var state = State.awaitingSettings
  private var openStreams: Set<Int32> = []
  /// Until the first SETTINGS nothing is opened, so this is always the peer's own word. No word means no limit.
  private var concurrentStreamsMax = UInt32.max

  var openStreamCount: Int { openStreams.count }
  var isReady: Bool { state == .ready }

  mutating func receivedSettings(concurrentStreamsMax: UInt32) {
    self.concurrentStreamsMax = concurrentStreamsMax
    switch state {
    case .awaitingSettings: state = .ready
    case .ready, .draining, .closed: break
    }
  }

  func mayOpen() -> OnOpen {
    switch state {
    case .awaitingSettings: .wait
    case .ready: UInt32(clamping: openStreams.count) < concurrentStreamsMax ? .open : .wait
    case .draining, .closed: .refuse
    }
  }

  mutating func opened(_ id: Int32) {
    openStreams.insert(id)
    if id >= ConnectionStateMachine.lastStreamID - 1 && state == .ready { state = .draining }
  }

  mutating func closed(_ id: Int32) -> OnClose {
    guard openStreams.remove(id) != nil else { return .none }
    switch state {
    case .ready: return .mayOpen
    case .draining:
      guard openStreams.isEmpty else { return .none }
      state = .closed
      return .closeConnection
    case .awaitingSettings, .closed: return .none
    }
  }

  mutating func receivedGoAway(lastStreamID: Int32, code: HTTP2ErrorCode, debug: [UInt8]) -> OnGoAway {
    let unsent = openStreams.filter { $0 > lastStreamID }.sorted()
    openStreams.subtract(unsent)
    let isTooManyPings = code == .enhanceYourCalm && debug.elementsEqual("too_many_pings".utf8)
    let closes = drain()
    return OnGoAway(unsent: unsent, isTooManyPings: isTooManyPings, closesConnection: closes)
  }

  /// Opens nothing more; true where nothing is open, so the connection can be closed at once.
  mutating func drain() -> Bool {
    switch state {
    case .awaitingSettings, .ready, .draining:
      state = openStreams.isEmpty ? .closed : .draining
      return openStreams.isEmpty
    case .closed:
      return false
    }
  }

  /// The connection is gone. Returns the streams that were open.
  mutating func failed() -> [Int32] {
    let lost = openStreams.sorted()
    openStreams = []
    state = .closed
    return lost
  }
}

import CDCBridge
import MilvusWire
import Testing

@Suite struct ErrorPolicyTests {
  enum Kind: Sendable, Equatable { case retry, collection, task }

  private func kind(_ error: BridgeError, lite: Bool = false) -> Kind {
    switch ErrorPolicy(sourceIsLite: lite, targetIsLite: lite).decide(error) {
    case .retry: return .retry
    case .stopCollection: return .collection
    case .stopTask: return .task
    }
  }
  private func call(_ cause: CallError) -> BridgeError {
    BridgeError(cause, side: .target, operation: "try")
  }
  private func status(_ code: Int32, _ reason: String = "") -> BridgeError {
    call(.status(MilvusStatus(code: code, reason: reason), method: "Insert"))
  }
  private func rpc(
    _ code: RPCStatusCode, _ message: String = "", _ initiator: RPCError.Initiator = .remote
  ) -> BridgeError {
    call(.rpc(RPCError(code, message, initiator: initiator), method: "Insert"))
  }

  static let statuses: [(Int32, Kind)] = [
    (1, .retry), (2, .retry), (3, .retry), (4, .retry), (5, .retry), (6, .task), (7, .retry), (8, .retry),
    (9, .retry), (10, .collection), (11, .retry), (12, .retry), (100, .retry), (101, .retry),
    (102, .collection), (103, .retry), (105, .collection), (106, .retry), (108, .task), (109, .retry),
    (110, .retry), (200, .retry), (201, .retry), (202, .retry), (300, .collection), (400, .retry),
    (503, .retry), (601, .retry), (700, .retry), (702, .collection), (800, .retry), (801, .collection),
    (802, .collection), (902, .retry), (1000, .retry), (1100, .collection), (1101, .collection),
    (1102, .collection), (1400, .task), (1401, .task), (1600, .retry), (1601, .retry), (1602, .retry),
    (1900, .collection), (10000, .retry), (10001, .retry), (65535, .retry), (31000, .retry),
  ]
  @Test(arguments: statuses) func `every code of Milvus has its decision`(_ code: Int32, _ wanted: Kind) {
    #expect(kind(status(code, "x")) == wanted)
  }

  @Test(
    arguments: [(1, Kind.retry), (6, .collection), (35, .collection), (100, .retry), (101, .retry), (200, .retry), (65535, .retry)]
      as [(Int32, Kind)])
  func `Lite's numbers mean other things`(_ code: Int32, _ wanted: Kind) {
    #expect(kind(status(code), lite: true) == wanted)
  }

  static let codes: [(RPCStatusCode, Kind)] = [
    (.ok, .retry), (.cancelled, .retry), (.unknown, .retry), (.invalidArgument, .retry),
    (.deadlineExceeded, .retry), (.notFound, .retry), (.alreadyExists, .retry), (.permissionDenied, .task),
    (.resourceExhausted, .retry), (.failedPrecondition, .retry), (.aborted, .retry), (.outOfRange, .retry),
    (.unimplemented, .collection), (.internal, .collection), (.unavailable, .retry), (.dataLoss, .retry),
    (.unauthenticated, .task),
  ]
  @Test func `every status of gRPC has its decision`() {
    #expect(Self.codes.map(\.0) == RPCStatusCode.allCases)
    for (code, wanted) in Self.codes { #expect(kind(rpc(code)) == wanted, "\(code)") }
  }

  static let own: [(BridgeError.Code, Kind)] = [
    (.call, .retry), (.schemaConflict, .collection), (.notOwned, .collection), (.sourceUnreadable, .retry),
    (.targetUnsupported, .collection), (.dangerousValue, .collection), (.changedMeanwhile, .retry),
    (.schemaChange, .task), (.logUnusable, .task), (.notReady, .retry), (.storage, .retry), (.invalidInput, .collection),
  ]
  @Test func `every failure of our own has its decision`() {
    #expect(Self.own.map(\.0) == BridgeError.Code.allCases)
    for (code, wanted) in Self.own {
      let error = BridgeError(code, side: .target, operation: "try", message: "m")
      #expect(kind(error) == wanted, "\(code)")
    }
  }

  @Test func `what needs a person in a text is found`() {
    #expect(kind(status(65535, "STREAMING_CODE_REPLICATE_VIOLATION")) == .task)
    #expect(kind(status(1001, "json: cannot unmarshal")) == .collection)
    #expect(kind(status(1001, "disk")) == .retry)
    #expect(kind(rpc(.internal, "stream reset", .connection)) == .retry)
    #expect(kind(call(.malformed(method: "Query", what: "field 2"))) == .retry)
  }

  static let transport: [(WireError.Code, String, Kind)] = [
    (.certificate, "the certificate is for another name", .task),
    (.tls, "the CA file /x holds no PEM certificate", .task), (.tls, "the client key file /x holds no usable PEM key", .task),
    (.tls, "t:1 closed the connection during the TLS handshake (is it a TLS port?)", .retry),
    (.tls, "t:1 speaks cleartext, not TLS", .retry),
    (.closed, "the server closed the connection (does it want a client certificate?)", .retry),
    (.refused, "connection refused", .retry), (.nameNotFound, "no such host", .retry),
  ]
  @Test(arguments: transport.indices) func `certificates need a person, everything else of a connection may pass`(_ at: Int) {
    let (code, message, wanted) = Self.transport[at]
    let error = RPCError(
      .unavailable, message, initiator: .connection, isUnsent: true, transportCode: code)
    #expect(kind(call(.rpc(error, method: "Connect"))) == wanted)
  }

  @Test func `the hint of the place that failed comes first`() {
    let error = BridgeError(.notOwned, side: .target, operation: "o", message: "m", hint: "drop it")
    #expect(ErrorPolicy(sourceIsLite: false, targetIsLite: false).decide(error) == .stopCollection(hint: "drop it"))
  }

  @Test func `a lost connection concerns everybody, a refused row only its collection`() {
    let policy = ErrorPolicy(sourceIsLite: false, targetIsLite: false)
    #expect(policy.concernsWholeCluster(rpc(.unavailable, "", .connection)))
    #expect(policy.concernsWholeCluster(rpc(.unauthenticated)))
    #expect(!policy.concernsWholeCluster(status(1100)))
    #expect(!policy.concernsWholeCluster(status(8)))
  }

  @Test func `waits double up to half a minute and start again after a success`() {
    var backoff = RetryBackoff()
    let waits = (0..<9).map { _ in backoff.nextDelay(.quick, random: 0) }
    #expect(waits == [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000].map { .milliseconds($0) })
    backoff.succeeded()
    #expect(backoff.nextDelay(.quick, random: 0.999) > .milliseconds(249))
    backoff.succeeded()
    #expect(backoff.nextDelay(.quick, random: 1) == .milliseconds(250))
    #expect(backoff.nextDelay(.slow, random: 0) == .seconds(10))
  }
}

import CDCBridge
import MilvusWire
import Testing

/// Feeds a parser and collects what it says, whole, byte by byte or in seeded pieces: the result must not depend on the pieces.
private enum Feed: CaseIterable {
  case whole, bytewise, sevens

  func steps(_ text: String, limits: HTTPRequestParser.Limits = .init()) -> [HTTPRequestParser.Step] {
    let bytes = Array(text.utf8)
    let size =
      switch self {
      case .whole: max(1, bytes.count)
      case .bytewise: 1
      case .sevens: 7
      }
    var parser = HTTPRequestParser(limits: limits)
    var steps: [HTTPRequestParser.Step] = []
    var position = 0
    while true {
      switch parser.next() {
      case .needsBytes:
        guard position < bytes.count else { return steps }
        let end = min(bytes.count, position + size)
        parser.receive(Array(bytes[position..<end]))
        position = end
      case .sendContinue: steps.append(.sendContinue)
      case .request(let request): steps.append(.request(request))
      case .reject(let rejection): return steps + [.reject(rejection)]
      }
    }
  }
}

private func request(
  _ method: String, _ path: String, minor: Int = 1, fields: [(String, String)] = [("host", "a")],
  body: String = "",
  keepsAlive: Bool = true
) -> HTTPRequestParser.Step {
  .request(
    HTTPRequest(
      method: method, path: path, minorVersion: minor, fields: fields.map { .init(name: $0.0, value: $0.1) },
      body: Array(body.utf8), keepsAlive: keepsAlive))
}

private func isRequest(_ step: HTTPRequestParser.Step) -> Bool {
  if case .request = step { true } else { false }
}

@Suite struct HTTPRequestParserTests {
  @Test(arguments: Feed.allCases)
  fileprivate func readsRequestsInOrderHoweverTheyArrive(feed: Feed) {
    let text =
      "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
      + "\r\nPOST /cdc HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n{\r\n}"
      + "POST /cdc HTTP/1.1\r\nhost:a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"
      + "GET http://a.example:8444/cdc?x=1 HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"
    #expect(
      feed.steps(text) == [
        request("GET", "/healthz"),
        request("POST", "/cdc", fields: [("host", "a"), ("content-length", "4")], body: "{\r\n}"),
        request(
          "POST", "/cdc", fields: [("host", "a"), ("transfer-encoding", "Chunked")], body: "abc0123456789"),
        request("GET", "/cdc", fields: [("host", "a"), ("connection", "x, Close")], keepsAlive: false),
      ])
  }

  @Test(arguments: [
    ("GET / HTTP/1.0\r\n\r\n", request("GET", "/", minor: 0, fields: [], keepsAlive: false)),
    (
      "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
      request("GET", "/", minor: 0, fields: [("connection", "Keep-Alive")])
    ),
    ("GET / HTTP/1.7\r\nHost: a\r\n\r\n", request("GET", "/")),
    ("GET /c%64c%2F%C3%A9?q HTTP/1.1\r\nHost: a\r\n\r\n", request("GET", "/cdc/é")),
    ("GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n", request("GET", "/")),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", request("OPTIONS", "*")),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", request("GET", "/", fields: [("host", "")])),
    (
      "GET / HTTP/1.1\r\nHost: [::1]:8444\r\nX-A: \t b c \t\r\n\r\n",
      request("GET", "/", fields: [("host", "[::1]:8444"), ("x-a", "b c")])
    ),
    (
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
      request("GET", "/", fields: [("host", "a"), ("content-length", "0")])
    ),
  ])
  func readsEveryFormOfRequest(text: String, expected: HTTPRequestParser.Step) {
    for feed in Feed.allCases { #expect(feed.steps(text) == [expected]) }
  }

  @Test(arguments: [
    ("GET /\r\n", HTTPStatus.badRequest), ("GET  / HTTP/1.1\r\n", .badRequest),
    (" GET / HTTP/1.1\r\n", .badRequest),
    ("G@T / HTTP/1.1\r\n", .badRequest), ("GET / http/1.1\r\n", .badRequest),
    ("GET / HTTP/1.10\r\n", .badRequest),
    ("GET / HTTP/2.0\r\n", .versionNotSupported), ("PRI * HTTP/2.0\r\n", .versionNotSupported),
    ("GET / HTTP/1.1\n", .badRequest), ("GET / HTTP/1.1\r\nHost: a\n\r\n", .badRequest),
    ("GET / HTTP/1.1\rX\r\n", .badRequest), ("\r\n\r\n\r\nGET / HTTP/1.1\r\n", .badRequest),
    ("GET /\u{7F} HTTP/1.1\r\n", .badRequest), ("GET /é HTTP/1.1\r\n", .badRequest),
    ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
    ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
    ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
    ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
    ("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
    ("GET / HTTP/1.1\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .badRequest),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .badRequest),
    ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", .badRequest),
    ("GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n", .badRequest),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n", .badRequest), ("GET / HTTP/1.1\r\n: a\r\n", .badRequest),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", .badRequest),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", .badRequest),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n", .badRequest),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", .badRequest),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n", .badRequest),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", .badRequest),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n", .badRequest),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", .contentTooLarge),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", .badRequest),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .notImplemented),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", .notImplemented),
    (
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
      .badRequest
    ),
    ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .badRequest),
    ("POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n", .expectationFailed),
  ])
  func refusesWhatIsMalformedOrAmbiguous(text: String, status: HTTPStatus) {
    for feed in Feed.allCases {
      guard case .reject(let rejection)? = feed.steps(text).last else {
        Issue.record("\(feed) took \(text.debugDescription)")
        continue
      }
      #expect(rejection.status == status)
    }
  }

  @Test(arguments: [
    "g\r\n", "\r\n", "-1\r\n", "0x3\r\nabc\r\n", " 3\r\nabc\r\n", "3\nabc\r\n", "3\r\nabcd\r\n",
    "3\r\nabc\n0\r\n", "3x\r\nabc\r\n",
    "ffffffffffffffff\r\n", "fffffffffffffff\r\n", "3;a\u{1}\r\nabc\r\n", "3\r\nabc\r\n0\r\nbad trailer\r\n",
    "3\r\nabc\r\n0\r\nA: b\n\r\n",
  ])
  func refusesMalformedChunks(chunks: String) {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for feed in Feed.allCases {
      guard case .reject? = feed.steps(head + chunks).last else {
        Issue.record("\(feed) took \(chunks.debugDescription)")
        continue
      }
    }
  }

  @Test func keepsItsLimits() {
    var limits = HTTPRequestParser.Limits()
    (limits.requestLineBytesMax, limits.fieldBytesMax, limits.fieldCountMax) = (30, 60, 3)
    (limits.bodyBytesMax, limits.chunkLineBytesMax) = (10, 8)
    func outcome(_ text: String) -> [HTTPStatus?] {
      Feed.allCases.map { feed in
        switch feed.steps(text, limits: limits).last {
        case .reject(let rejection): rejection.status
        case .request: .ok
        case .needsBytes, .sendContinue, nil: nil
        }
      }
    }
    let all = { (status: HTTPStatus) in [HTTPStatus?](repeating: status, count: Feed.allCases.count) }
    let line = { (count: Int) in
      "GET /\(String(repeating: "x", count: count - 14)) HTTP/1.1\r\nHost: a\r\n\r\n"
    }
    #expect(outcome(line(29)) == all(.ok))
    #expect(outcome(line(30)) == all(.ok))
    #expect(outcome(line(31)) == all(.uriTooLong))
    let fields = { (count: Int) in
      "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: count - 10))\r\n\r\n"
    }
    #expect(outcome(fields(59)) == all(.ok))
    #expect(outcome(fields(60)) == all(.ok))
    #expect(outcome(fields(61)) == all(.fieldsTooLarge))
    #expect(outcome("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\n\r\n") == all(.ok))
    #expect(outcome("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\nA: b\r\n\r\n") == all(.fieldsTooLarge))
    let body = { (count: Int) in
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(count)\r\n\r\n\(String(repeating: "x", count: count))"
    }
    #expect(outcome(body(9)) == all(.ok))
    #expect(outcome(body(10)) == all(.ok))
    #expect(outcome(body(11)) == all(.contentTooLarge))
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    #expect(outcome(head + "5\r\n12345\r\n5\r\n12345\r\n0\r\n\r\n") == all(.ok))
    #expect(outcome(head + "5\r\n12345\r\n6\r\n123456\r\n0\r\n\r\n") == all(.contentTooLarge))
    #expect(outcome(head + "1;345678\r\nx\r\n0\r\n\r\n") == all(.ok))
    #expect(outcome(head + "1;3456789\r\nx\r\n0\r\n\r\n") == all(.badRequest))
    let trailer = String(repeating: "T: v\r\n", count: 4)
    #expect(outcome(head + "0\r\n" + trailer + "\r\n") == all(.fieldsTooLarge))
  }

  @Test func asksForTheBodyOnceAndOnlyWhereTheClientWaits() {
    let head = "POST /cdc HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
    var parser = HTTPRequestParser()
    parser.receive(Array(head.utf8))
    #expect(parser.next() == .sendContinue)
    #expect(parser.next() == .needsBytes)
    #expect(parser.phase == .body)
    parser.receive(Array("{".utf8))
    #expect(parser.next() == .needsBytes)
    parser.receive(Array("}".utf8))
    #expect(isRequest(parser.next()))
    #expect(parser.phase == .idle)
    // The body came with the head: nobody waits.
    parser.receive(Array((head + "{}").utf8))
    #expect(isRequest(parser.next()))
    // HTTP/1.0 knows no such answer.
    parser.receive(Array("POST /cdc HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n".utf8))
    #expect(parser.next() == .needsBytes)
  }

  @Test func asksForAChunkedBodyToo() {
    var parser = HTTPRequestParser()
    parser.receive(
      Array("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n".utf8))
    #expect(parser.next() == .sendContinue)
    parser.receive(Array("0\r\n\r\n".utf8))
    #expect(isRequest(parser.next()))
  }

  @Test func everyPrefixOfARequestNeedsMore() {
    let text =
      "POST /cdc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\n"
    for count in 0..<text.utf8.count {
      #expect(Feed.whole.steps(String(decoding: Array(text.utf8).prefix(count), as: UTF8.self)) == [])
    }
    #expect(Feed.whole.steps(text).count == 1)
  }

  @Test func staysRefusedAfterTheFirstRefusal() {
    var parser = HTTPRequestParser()
    parser.receive(Array("BAD\r\n".utf8))
    let first = parser.next()
    parser.receive(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
    #expect(parser.next() == first)
  }

  @Test(arguments: 0..<24 as Range<UInt64>) func damagedRequestsNeverTrapAndDoNotDependOnPieces(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let texts = [
      "POST /cdc HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n{\"a\": [1,2]}",
      "POST /cdc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.0\r\n\r\n",
      "GET http://h/%41?x#y HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    ]
    for _ in 0..<150 {
      var bytes = Array((texts.randomElement(using: &generator) ?? "").utf8)
      for _ in 0..<Int.random(in: 1..<5, using: &generator) where !bytes.isEmpty {
        let position = Int.random(in: bytes.indices, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[position] = UInt8.random(in: 0..<128, using: &generator)
        case 1: bytes.remove(at: position)
        default:
          bytes.insert(Array("\r\n :;,0aF\u{0}".utf8).randomElement(using: &generator) ?? 0, at: position)
        }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      // `100 Continue` depends on whether the body is there yet; everything else must be the same.
      let outcomes = Feed.allCases.map { feed in feed.steps(text).filter { $0 != .sendContinue } }
      #expect(
        outcomes[0] == outcomes[1] && outcomes[1] == outcomes[2], "seed \(seed): \(text.debugDescription)")
    }
  }
}

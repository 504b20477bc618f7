import CDCBridge
import MilvusWire
import Testing

/// A server over memory with a clock that the test moves.
private struct Rig {
  let listener = MemoryListener()
  let clock = ManualTimekeeper()
  let server: HTTPServer

  init(
    settings: HTTPServer.Settings = .init(),
    handler: @escaping HTTPServer.Handler = { request in
      HTTPResponse(text: "\(request.method) \(request.path) \(request.body.count)\n")
    }
  ) {
    server = HTTPServer(settings: settings, timekeeper: clock, handler: handler)
  }

  func run(_ test: (Rig) async throws -> Void) async rethrows {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await server.run { () async throws(WireError) in try await listener.accept() } }
      defer {
        server.drain()
        listener.close()
        group.cancelAll()
      }
      try await test(self)
    }
  }
}

extension MemoryStream {
  func send(_ text: String) async throws { try await write(Array(text.utf8)) }
  /// Reads until `text` has come that often.
  func receive(until text: String, count: Int = 1) async throws -> String {
    var received = ""
    while received.split(separator: text, omittingEmptySubsequences: false).count <= count {
      let bytes = try await read(maxBytes: 4096)
      if bytes.isEmpty { return received }
      received += String(decoding: bytes, as: UTF8.self)
    }
    return received
  }
  func receiveAll() async throws -> String { try await receive(until: "\u{1}never") }
}

@Suite(.timeLimit(.minutes(5))) struct HTTPServerTests {
  @Test func answersInOrderAndKeepsTheConnection() async throws {
    try await Rig().run { rig in
      let client = rig.listener.connect()
      try await client.send(
        "GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
      let both = try await client.receive(until: "/b 3\n")
      #expect(
        both == """
          HTTP/1.1 200 OK\r
          Content-Type: text/plain; charset=utf-8\r
          Content-Length: 9\r
          Date: Sat, 21 Nov 2026 02:33:40 GMT\r
          Server: cdc-bridge/\(bridgeVersion)\r
          X-Content-Type-Options: nosniff\r
          Cache-Control: no-store\r
          \r
          GET /a 0
          HTTP/1.1 200 OK\r
          Content-Type: text/plain; charset=utf-8\r
          Content-Length: 10\r
          Date: Sat, 21 Nov 2026 02:33:40 GMT\r
          Server: cdc-bridge/\(bridgeVersion)\r
          X-Content-Type-Options: nosniff\r
          Cache-Control: no-store\r
          \r
          POST /b 3

          """)
      try await client.send("HEAD /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
      let head = try await client.receiveAll()
      #expect(head.contains("Content-Length: 10\r\n") && head.contains("Connection: close\r\n"))
      #expect(head.hasSuffix("\r\n\r\n"))
    }
  }

  @Test func tellsAnOldClientThatTheConnectionStays() async throws {
    try await Rig().run { rig in
      let client = rig.listener.connect()
      try await client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      #expect(try await client.receive(until: "/a 0\n").contains("Connection: keep-alive\r\n"))
      try await client.send("GET /b HTTP/1.0\r\n\r\n")
      #expect(try await client.receiveAll().contains("Connection: close\r\n"))
    }
  }

  @Test func asksForTheBodyOfAClientThatWaits() async throws {
    try await Rig().run { rig in
      let client = rig.listener.connect()
      try await client.send(
        "POST /b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
      #expect(try await client.receive(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
      try await client.send("abc")
      #expect(try await client.receive(until: "/b 3\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }
  }

  @Test func refusesALargeBodyWithTheEnvelopeAndLetsTheClientReadIt() async throws {
    try await Rig().run { rig in
      // The pipe is small: the refusal must be readable although the body is still being sent.
      let client = rig.listener.connect(windowBytes: 1024)
      try await client.send("POST /cdc HTTP/1.1\r\nHost: h\r\nContent-Length: 4194305\r\n\r\n")
      async let sent: Void = client.send(String(repeating: "x", count: 100_000))
      let answer = try await client.receiveAll()
      try await sent
      #expect(answer.hasPrefix("HTTP/1.1 413 Content Too Large\r\n"))
      #expect(
        answer.hasSuffix(
          "\r\n\r\n{\"code\":413,\"message\":\"the request body is larger than 4194304 bytes\"}\n"))
      client.close()
    }
  }

  @Test func answersMalformedInputOnceAndCloses() async throws {
    try await Rig().run { rig in
      let client = rig.listener.connect()
      try await client.send("GET / HTTP/1.1\r\nHost : h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
      let answer = try await client.receiveAll()
      #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
      #expect(answer.hasSuffix("\r\n\r\n400 malformed header field\n"))
      client.close()
    }
  }

  @Test func cutsAClientThatSendsOneByteAtATime() async throws {
    try await Rig().run { rig in
      let client = rig.listener.connect()
      // One byte per second keeps a connection busy for ever, unless the whole head has a deadline.
      for byte in "GET / HT" {
        try await client.send(String(byte))
        await rig.clock.waitForSleeper(until: .seconds(10))
        rig.clock.advance(by: .seconds(1))
      }
      rig.clock.advance(by: .seconds(3))
      let answer = try await client.receiveAll()
      #expect(answer.hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
    }
  }

  @Test func cutsABodyThatDoesNotComeAndAConnectionThatSaysNothing() async throws {
    var settings = HTTPServer.Settings()
    settings.writeTimeout = .seconds(20)
    try await Rig(settings: settings).run { rig in
      let client = rig.listener.connect()
      try await client.send(
        "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
      _ = try await client.receive(until: "\r\n\r\n")
      try await client.send("a")
      await rig.clock.waitForSleeper(until: .seconds(30))
      rig.clock.advance(by: .seconds(29))
      rig.clock.advance(by: .seconds(2))
      #expect(try await client.receiveAll().hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))

      let silent = rig.listener.connect()
      await rig.clock.waitForSleeper(until: .seconds(41))
      rig.clock.advance(by: .seconds(10))
      #expect(try await silent.receiveAll() == "")
    }
  }

  @Test func closesAnIdleConnectionWithoutAWord() async throws {
    try await Rig().run { rig in
      let client = rig.listener.connect()
      try await client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
      _ = try await client.receive(until: "/a 0\n")
      await rig.clock.waitForSleeper(until: .seconds(75))
      rig.clock.advance(by: .seconds(75))
      #expect(try await client.receiveAll() == "")
    }
  }

  @Test func givesUpOnAClientThatDoesNotRead() async throws {
    let rig = Rig(handler: { _ in HTTPResponse(text: String(repeating: "x", count: 100_000)) })
    try await rig.run { rig in
      let client = rig.listener.connect(windowBytes: 512)
      try await client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
      _ = try await client.read(maxBytes: 1)
      await rig.clock.waitForSleeper(until: .seconds(30))
      rig.clock.advance(by: .seconds(30))
      let rest = try await client.receiveAll()
      #expect(rest.utf8.count < 100_000)
    }
  }

  @Test func refusesMoreConnectionsThanItsLimit() async throws {
    var settings = HTTPServer.Settings()
    settings.connectionCountMax = 2
    try await Rig(settings: settings).run { rig in
      let first = rig.listener.connect()
      let second = rig.listener.connect()
      for client in [first, second] {
        try await client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
        _ = try await client.receive(until: "/a 0\n")
      }
      let third = rig.listener.connect()
      let answer = try await third.receiveAll()
      #expect(answer.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
      #expect(answer.contains("Retry-After: 1\r\n"))
      third.close()
    }
  }

  @Test func drainingFinishesTheRequestUnderWayAndClosesIdleConnections() async throws {
    let (started, startedContinuation) = AsyncStream.makeStream(of: Void.self)
    let (release, releaseContinuation) = AsyncStream.makeStream(of: Void.self)
    let rig = Rig(handler: { request in
      if request.path == "/slow" {
        startedContinuation.yield()
        for await _ in release { break }
      }
      return HTTPResponse(text: "done\n")
    })
    try await rig.run { rig in
      let idle = rig.listener.connect()
      try await idle.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
      _ = try await idle.receive(until: "done\n")
      let busy = rig.listener.connect()
      try await busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\nGET /late HTTP/1.1\r\nHost: h\r\n\r\n")
      for await _ in started { break }
      rig.server.drain()
      #expect(try await idle.receiveAll() == "")
      releaseContinuation.yield()
      let answer = try await busy.receiveAll()
      #expect(answer.contains("Connection: close\r\n") && answer.hasSuffix("\r\n\r\ndone\n"))
      busy.close()
    }
  }

  @Test func formatsDatesOfEveryKind() {
    #expect(CivilTime(unixSeconds: 0).httpDate == "Thu, 01 Jan 1970 00:00:00 GMT")
    #expect(CivilTime(unixSeconds: 951_782_400).httpDate == "Tue, 29 Feb 2000 00:00:00 GMT")
    #expect(CivilTime(unixSeconds: -1).httpDate == "Wed, 31 Dec 1969 23:59:59 GMT")
    #expect(CivilTime(unixMilliseconds: 1_795_228_420_123).rfc3339 == "2026-11-21T02:33:40.123Z")
    for day in stride(from: Int64(-1_000_000), through: 1_000_000, by: 997) {
      let ms = day * 86_400_000 + 4321
      #expect(CivilTime(unixMilliseconds: ms).unixMilliseconds == ms)
    }
  }

  @Test(
    arguments: [
      ("2026-11-21T02:33:40Z", 1_795_228_420_000), ("2026-11-21t02:33:40.5z", 1_795_228_420_500),
      ("2026-11-21T03:33:40.123456+01:00", 1_795_228_420_123),
      ("2026-11-20T21:03:40-05:30", 1_795_228_420_000),
      ("2026-02-29T00:00:00Z", nil), ("2026-13-01T00:00:00Z", nil), ("2026-11-21 02:33:40Z", nil),
      ("2026-11-21T24:00:00Z", nil), ("2026-11-21T02:33:40", nil), ("2026-11-21T02:33:40.Z", nil),
      ("2026-11-21T02:33:40+0100", nil), ("now", nil), ("", nil), ("2026-11-21T02:33:40+99:00", nil),
    ] as [(String, Int64?)])
  func readsTimesOfRFC3339(text: String, expected: Int64?) {
    #expect(CivilTime.unixMilliseconds(rfc3339: text) == expected)
  }
}

import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// The tap between a client and a server over real sockets: what goes in comes out, of every kind of call.
@Suite(.timeLimit(.minutes(10))) struct TapTests {
  private final class Events: TapObserver {
    private let list = Locked<[TapEvent]>([])
    var all: [TapEvent] { list.withLock { $0 } }
    func record(_ event: TapEvent) { list.withLock { $0.append(event) } }
    var ends: [(RPCStatus, TapMeter)] {
      all.compactMap { if case .ended(_, let status, _, let meter) = $0 { (status, meter) } else { nil } }
    }
  }

  /// A server of all four kinds, a tap before it, and a client before that.
  private func scene(
    faults: [String] = [], observer: any TapObserver, _ body: (RPCChannel, Locked<[Metadata]>) async throws -> Void
  ) async throws {
    let seen = Locked<[Metadata]>([])
    let loops = try ConnectionLoopGroup.shared()
    let upstreamListener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    let upstream = RPCServer(listener: upstreamListener, routes: Self.routes(seen))
    let tapListener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    let onward = RPCChannel(
      ClusterConnection(endpoint: Endpoint(host: "127.0.0.1", port: upstreamListener.port)), options: TapProxy.channelOptions)
    let proxy = TapProxy(upstream: onward, faults: TapFaults(faults.compactMap { TapFault($0) }), observer: observer)
    let tap = RPCServer(listener: tapListener, routes: proxy.routes, options: TapProxy.serverOptions)
    let client = RPCChannel(ClusterConnection(endpoint: Endpoint(host: "127.0.0.1", port: tapListener.port), token: Secret("root:Milvus")))
    try await withThrowingTaskGroup { group in
      group.addTask { await upstream.run() }
      group.addTask { await tap.run() }
      let result: Result<Void, any Error>
      do { result = .success(try await body(client, seen)) } catch { result = .failure(error) }
      await client.shutdown()
      await onward.shutdown()
      group.cancelAll()
      try result.get()
    }
  }

  private static func routes(_ seen: Locked<[Metadata]>) -> RPCRoutes {
    var routes = RPCRoutes()
    routes.stream("/t.T/Echo") { call in
      seen.withLock { $0.append(call.metadata) }
      var headers: Metadata = ["x-answer": "early"]
      headers.append("x-raw-bin", bytes: [0, 255])
      try await call.sendInitialMetadata(headers)
      await call.setTrailers(["x-trailer": "late"])
      while let message = try await call.receive() { try await call.send(message) }
    }
    routes.stream("/t.T/Count") { call in
      guard let first = try await call.receive(), let count = first.first else { return }
      for number in 0..<count { try await call.send([number]) }
    }
    routes.stream("/t.T/Sum") { call in
      var sum: UInt8 = 0
      while let message = try await call.receive() { sum &+= message.first ?? 0 }
      try await call.send([sum])
    }
    routes.stream("/t.T/Fail") { call in
      await call.setTrailers(["x-why": "because"])
      throw RPCError(.failedPrecondition, "not now ☃", initiator: .local)
    }
    routes.stream("/t.T/Left") { call in
      seen.withLock { $0.append(["left": "\(call.head.timeout.map { $0 <= .seconds(5) && $0 > .seconds(3) } ?? false)"]) }
      try await call.send([])
    }
    routes.stream("/t.T/Hang") { call in
      do { while try await call.receive() != nil {} } catch {}
      do { try await Task.sleep(for: .seconds(60)) } catch { seen.withLock { $0.append(["hang": "cancelled"]) } }
    }
    routes.stream("/t.T/Flood") { call in
      for _ in 0..<200 {
        try await call.send([UInt8](repeating: 7, count: 1 << 20))
        seen.withLock { $0.append(["flood": "sent"]) }
      }
    }
    return routes
  }

  @Test func `metadata, messages, trailers and status go through unchanged`() async throws {
    let events = Events()
    try await scene(observer: events) { client, seen in
      var metadata: Metadata = ["dbname": "shop"]
      metadata.append("x-trace-bin", bytes: [1, 2, 3])
      let call = try await client.open(path: "/t.T/Echo", metadata: metadata, timeout: .seconds(20), userAgent: "grpc-python/1.60")
      // The server's headers come before any message has been sent.
      let headers = try await call.initialMetadata()
      #expect(headers["x-answer"] == "early")
      #expect(headers.bytes("x-raw-bin") == [0, 255])
      for message in [[1, 2], [], [UInt8](repeating: 9, count: 3 << 20)] as [[UInt8]] {
        try await call.send(message)
        #expect(try await call.receive() == message)
      }
      try await call.closeSend()
      #expect(try await call.receive() == nil)
      let status = try await call.status()
      #expect(status.code == .ok)
      #expect(status.trailers["x-trailer"] == "late")
      let arrived = try #require(seen.withLock { $0.first })
      #expect(arrived["dbname"] == "shop")
      #expect(arrived.bytes("x-trace-bin") == [1, 2, 3])
      #expect(arrived["authorization"] == Base64.encode(Array("root:Milvus".utf8)))
      #expect(arrived["user-agent"] == "grpc-python/1.60")
    }
    let meter = try #require(events.ends.first?.1)
    #expect(meter.requests == 3 && meter.responses == 3 && meter.requestBytes == meter.responseBytes)
  }

  @Test func `all four kinds of calls work, and so does an unknown method`() async throws {
    try await scene(observer: Events()) { client, _ in
      #expect(try await client.unary(path: "/t.T/Sum", message: [5], timeout: .seconds(20)) == [5])
      let down = try await client.open(path: "/t.T/Count", timeout: .seconds(20))
      try await down.send([4])
      try await down.closeSend()
      var numbers: [UInt8] = []
      while let message = try await down.receive() { numbers += message }
      #expect(numbers == [0, 1, 2, 3])
      let up = try await client.open(path: "/t.T/Sum", timeout: .seconds(20))
      for number in 1...10 { try await up.send([UInt8(number)]) }
      try await up.closeSend()
      #expect(try await up.receive() == [55])
      let unknown = try await client.open(path: "/t.T/None", timeout: .seconds(20))
      #expect(try await unknown.status().code == .unimplemented)
    }
  }

  @Test func `a failure has the server's words and trailers`() async throws {
    try await scene(observer: Events()) { client, _ in
      let call = try await client.open(path: "/t.T/Fail", timeout: .seconds(20))
      try await call.closeSend()
      let status = try await call.status()
      #expect(status.code == .failedPrecondition)
      #expect(status.message == "not now ☃")
      #expect(status.trailers["x-why"] == "because")
    }
  }

  @Test func `deadlines are passed on and cancelling reaches the server`() async throws {
    try await scene(observer: Events()) { client, seen in
      _ = try await client.unary(path: "/t.T/Left", message: [], timeout: .seconds(5))
      #expect(seen.withLock { $0.last?["left"] } == "true")
      let call = try await client.open(path: "/t.T/Hang", timeout: .seconds(60))
      try await call.send([1])
      try await call.closeSend()
      await call.cancel()
      while seen.withLock({ $0.last?["hang"] }) == nil { await Task.yield() }
    }
  }

  @Test func `a client that does not read holds the server back`() async throws {
    try await scene(observer: Events()) { client, seen in
      let call = try await client.open(path: "/t.T/Flood", timeout: .seconds(600))
      try await call.closeSend()
      // The server stops once the windows on both sides of the tap are full, long before its 200 MiB.
      var last = -1
      while true {
        let count = seen.withLock { $0.count }
        if count > 0, count == last { break }
        last = count
        try await Task.sleep(for: .milliseconds(300))
      }
      #expect(last < 100)
      var received = 0
      while let message = try await call.receive() { received += message.count }
      #expect(received == 200 << 20)
    }
  }

  @Test func `faults do what they say, to the calls that they name`() async throws {
    let events = Events()
    try await scene(faults: ["Sum=status:UNAVAILABLE:go away/2", "Count=cut:2", "Fail=delay:1ms"], observer: events) { client, _ in
      #expect(try await client.unary(path: "/t.T/Sum", message: [5], timeout: .seconds(20)) == [5])
      do {
        _ = try await client.unary(path: "/t.T/Sum", message: [5], timeout: .seconds(20))
        Issue.record("the second call was not refused")
      } catch let error as RPCError {
        #expect(error.code == .unavailable && error.message.contains("go away"))
      }
      let down = try await client.open(path: "/t.T/Count", timeout: .seconds(20))
      try await down.send([9])
      try await down.closeSend()
      do {
        while try await down.receive() != nil {}
        Issue.record("the connection was not cut")
      } catch let error as RPCError {
        #expect(error.initiator == .connection)
      }
      // The next call gets a new connection.
      #expect(try await client.unary(path: "/t.T/Sum", message: [6], timeout: .seconds(20)) == [6])
    }
    #expect(events.all.contains { if case .fault(_, let fault) = $0 { fault.description == "cut after 2" } else { false } })
  }

  @Test func `faults are read as they are written`() throws {
    #expect(TapFault("Search=delay:1.5s")?.kind == .delay(.milliseconds(1500)))
    #expect(TapFault("*=status:14")?.kind == .status(.unavailable, "a fault that the tap was asked for"))
    #expect(TapFault("*=status:deadline_exceeded:too late/3")?.every == 3)
    #expect(TapFault("Insert=cut")?.kind == .cut(after: 0))
    for text in ["", "Insert", "=cut", "Insert=cut:-1", "Insert=status:OK", "Insert=delay:soon", "Insert=delay:9e99s", "Insert=cut/0"] {
      #expect(TapFault(text) == nil, "\(text)")
    }
  }

  @Test func `the report has a line for each call, hides logins and sums up`() async throws {
    let lines = Locked<[String]>([])
    var options = TapReport.Options()
    options.showsMetadata = true
    options.showsMessages = true
    let report = TapReport(options) { line in lines.withLock { $0.append(line) } }
    try await scene(observer: report) { client, _ in
      _ = try await client.unary(path: "/t.T/Sum", message: [0x08, 0x05], timeout: .seconds(20))
      _ = try? await client.unary(path: "/t.T/Fail", message: [], timeout: .seconds(20))
    }
    let text = lines.withLock { $0 }.joined(separator: "\n")
    #expect(text.contains("#1 /t.T/Sum OK "))
    #expect(text.contains(", 1 sent 2 B, 1 received 1 B"))
    #expect(text.contains("authorization: <redacted>"))
    #expect(!text.contains(Base64.encode(Array("root:Milvus".utf8))))
    #expect(text.contains("> [{\"field\":1,\"type\":\"varint\",\"value\":\"5\"}]"))
    #expect(text.contains("/t.T/Fail failedPrecondition "))
    #expect(report.summary.contains { $0.hasPrefix("1 /t.T/Fail, 1 failed, p50 ") })
  }
}

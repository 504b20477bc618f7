import CDCBridge
import Foundation
import MilvusWire
import Synchronization
import TestSupport
import Testing

/// The whole service over real sockets, with fake runners behind it.
@Suite(.timeLimit(.minutes(5))) struct ServeTests {
  /// Runs a service in a directory of its own and gives its port to the test.
  private func serving(
    factory: FakeFactory = FakeFactory(), directory: String? = nil,
    _ change: (inout BridgeConfig) -> Void = { _ in },
    _ test: @escaping @Sendable (_ port: Int) async throws -> Void
  ) async throws {
    let path =
      directory
      ?? FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-\(UUID().uuidString)").path
    defer { if directory == nil { try? FileManager.default.removeItem(atPath: path) } }
    var config = BridgeConfig(dataDirectory: path)
    config.listen = ListenAddress(host: "127.0.0.1", port: 0)
    config.source = ClusterConnection(endpoint: try Endpoint(parsing: "http://source:1"))
    change(&config)
    let ready = AsyncStream.makeStream(of: Int.self)
    let failure = Mutex<(any Error)?>(nil)
    let code = await Serve.run(
      config, factory: factory, log: Log(sink: { _ in }),
      onReady: { address in
        ready.continuation.yield(Int(address.split(separator: ":").last ?? "") ?? 0)
        ready.continuation.finish()
      }
    ) {
      for await port in ready.stream {
        do { try await test(port) } catch { failure.withLock { $0 = error } }
      }
    }
    #expect(code == 0)
    if let error = failure.withLock({ $0 }) { throw error }
  }

  private func connect(_ port: Int) async throws -> any ByteStream {
    try await Endpoint(host: "127.0.0.1", port: port).connect(
      timeout: .seconds(20), on: try ConnectionLoopGroup.shared().next())
  }
  private static func post(_ body: String, close: Bool = false) -> [UInt8] {
    Array(
      "POST /cdc HTTP/1.1\r\nHost: h\r\n\(close ? "Connection: close\r\n" : "")Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        .utf8)
  }
  private static func read(_ stream: any ByteStream, until end: String, count: Int = 1) async throws -> String {
    var text = ""
    while text.components(separatedBy: end).count <= count {
      let bytes = try await stream.read(maxBytes: 65536)
      if bytes.isEmpty { break }
      text += String(decoding: bytes, as: UTF8.self)
    }
    return text
  }

  @Test func twoHundredConnectionsAreServedAtOnceEachInOrder() async throws {
    try await serving { port in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<200 {
          group.addTask {
            let stream = try await connect(port)
            defer { stream.close() }
            // Five requests sent together; the answers come in their order.
            let ids = (0..<5).map { "c\(number)-\($0)" }
            let bytes = ids.flatMap {
              Self.post(#"{"request_type":"get","request_data":{"task_id":"\#($0)"}}"#)
            }
            try await stream.write(bytes)
            let text = try await Self.read(stream, until: "\"}\n", count: 5)
            let found = text.matches(of: /not found: \[(c\d+-\d)\]/).map { String($0.1) }
            #expect(found == ids)
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func aSlowClientIsCutWhileOthersAreServed() async throws {
    try await serving(factory: FakeFactory()) { config in
      config.server.headTimeout = .seconds(2)
    } _: { port in
      let slow = try await connect(port)
      defer { slow.close() }
      try await slow.write(Array("POST /cdc HT".utf8))
      let other = try await connect(port)
      try await other.write(Self.post(#"{"request_type":"list"}"#, close: true))
      #expect(
        try await Self.read(other, until: "never").hasSuffix("{\"code\":200,\"data\":{\"tasks\":[]}}\n"))
      other.close()
      #expect(try await Self.read(slow, until: "never").hasPrefix("HTTP/1.1 408 "))
    }
  }

  @Test func tooManyConnectionsAreToldAndTheOthersGoOn() async throws {
    try await serving { config in
      config.server.connectionCountMax = 3
    } _: { port in
      var streams: [any ByteStream] = []
      for _ in 0..<3 {
        let stream = try await connect(port)
        try await stream.write(Self.post(#"{"request_type":"list"}"#))
        _ = try await Self.read(stream, until: "}\n")
        streams.append(stream)
      }
      let fourth = try await connect(port)
      #expect(try await Self.read(fourth, until: "never").hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
      fourth.close()
      try await streams[0].write(Self.post(#"{"request_type":"list"}"#))
      #expect(try await Self.read(streams[0], until: "}\n").contains("\"code\":200"))
      for stream in streams { stream.close() }
    }
  }

  @Test func tasksAreThereAfterARestartOfTheService() async throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let create =
      #"{"request_type":"create","request_data":{"milvus_connect_param":{"uri":"http://target:1","token":"a:s3cret"},"collection_infos":[{"name":"a"}],"task_id":"t"}}"#
    let factory = FakeFactory()
    try await serving(factory: factory, directory: path) { port in
      let stream = try await connect(port)
      defer { stream.close() }
      try await stream.write(Self.post(create))
      #expect(
        try await Self.read(stream, until: "}\n").hasSuffix("{\"code\":200,\"data\":{\"task_id\":\"t\"}}\n"))
    }
    #expect(factory.runningCount == 0 && factory.ended.count == factory.started.count)
    let again = FakeFactory()
    try await serving(factory: again, directory: path) { port in
      let stream = try await connect(port)
      defer { stream.close() }
      try await stream.write(Self.post(#"{"request_type":"get","request_data":{"task_id":"t"}}"#))
      let text = try await Self.read(stream, until: "}\n")
      #expect(text.contains(#""state":"Running""#) && !text.contains("s3cret"))
    }
    #expect(again.started.map(\.taskID) == ["t"])
  }

  @Test func randomBytesOnManyConnectionsEndThemAndNothingElse() async throws {
    try await serving { config in
      config.server.headTimeout = .seconds(2)
      config.server.bodyTimeout = .seconds(2)
      config.server.lingerTimeout = .milliseconds(50)
    } _: { port in
      await withTaskGroup(of: Void.self) { group in
        for seed in 0..<40 {
          group.addTask {
            var generator = SeededGenerator(seed: UInt64(seed))
            guard let stream = try? await connect(port) else { return }
            defer { stream.close() }
            let pieces = [
              "GET ", "/cdc", " HTTP/1.1", "\r\n", "Host: a", "Content-Length: 5",
              "Transfer-Encoding: chunked", "5\r\n", "\n", "\0",
            ]
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1..<30, using: &generator) {
              bytes += Array((pieces.randomElement(using: &generator) ?? "").utf8)
              if Bool.random(using: &generator) { bytes.append(UInt8.random(in: 0...255, using: &generator)) }
            }
            _ = try? await stream.write(bytes)
            _ = try? await Self.read(stream, until: "never")
          }
        }
      }
      let stream = try await connect(port)
      defer { stream.close() }
      try await stream.write(Self.post(#"{"request_type":"list"}"#))
      #expect(try await Self.read(stream, until: "}\n").contains("\"code\":200"))
    }
  }

  @Test func anAddressThatIsTakenIsAClearError() async throws {
    try await serving { port in
      let lines = Mutex<[String]>([])
      let path = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-\(UUID().uuidString)")
        .path
      defer { try? FileManager.default.removeItem(atPath: path) }
      var config = BridgeConfig(dataDirectory: path)
      config.listen = ListenAddress(host: "127.0.0.1", port: port)
      let code = await Serve.run(
        config, factory: FakeFactory(), log: Log(sink: { line in lines.withLock { $0.append(line) } }),
        onReady: { _ in Issue.record("it listens") }, until: {})
      #expect(code == 1)
      let text = lines.withLock { $0.joined() }
      #expect(text.contains("cannot listen on 127.0.0.1:\(port)") && text.contains("--listen"))
    }
  }

  /// `curl` and `openssl` are the witnesses here: our own client speaks HTTP/2 only.
  private static func run(_ program: String, _ arguments: [String], in folder: URL) throws -> ProgramRun {
    try ProgramRun(
      URL(filePath: "/usr/bin/env"), [program] + arguments, environment: ["PATH": "/usr/bin:/bin"], in: folder
    )
  }

  @Test func withACertificateItServesHTTPSAndAsksForTheToken() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let made = try Self.run(
      "openssl",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
        "/CN=localhost",
        "-addext", "subjectAltName=IP:127.0.0.1", "-days", "30", "-keyout", "key.pem", "-out", "cert.pem",
      ], in: folder)
    #expect(made.exitCode == 0)
    try await serving { config in
      config.apiToken = Secret("right")
      config.tls = TLSServerSettings(
        certificatePath: folder.appending(path: "cert.pem").path,
        keyPath: folder.appending(path: "key.pem").path,
        applicationProtocols: ["http/1.1"], requiresApplicationProtocol: false)
    } _: { port in
      let request = [
        "-sS", "--max-time", "20", "-d", #"{"request_type":"list"}"#, "https://127.0.0.1:\(port)/cdc",
      ]
      let trusted = ["--cacert", "cert.pem"] + request
      let token = ["-H", "Authorization: Bearer right"]
      let good = try Self.run("curl", token + trusted, in: folder)
      #expect(good.exitCode == 0 && good.output == "{\"code\":200,\"data\":{\"tasks\":[]}}\n")
      #expect(try Self.run("curl", trusted, in: folder).output.hasPrefix("{\"code\":401,"))
      // 60: curl could not verify the certificate.
      #expect(try Self.run("curl", token + request, in: folder).exitCode == 60)
      let cleartext = ["-sS", "--max-time", "20", "http://127.0.0.1:\(port)/healthz"]
      #expect(try Self.run("curl", cleartext, in: folder).exitCode != 0)
    }
  }
}

import MilvusWire
import Testing

@testable import CDCBridge

/// The client against a real HTTP server in this process.
@Suite struct TaskClientTests {
  /// Serves `answer` on a free port while `body` runs.
  private func withServer(
    _ answer: @escaping @Sendable (HTTPRequest) async -> HTTPResponse, _ body: (Endpoint) async throws -> Void
  ) async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: ConnectionLoopGroup.shared())
    let port = try #require(listener.address.split(separator: ":").last.flatMap { Int($0) })
    let server = HTTPServer { await answer($0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await server.run { () async throws(WireError) in try await listener.accept() } }
      do { try await body(Endpoint(host: "127.0.0.1", port: port)) } catch {
        listener.close()
        group.cancelAll()
        throw error
      }
      listener.close()
      group.cancelAll()
    }
  }

  @Test func aRequestIsSentAndItsDataComesBack() async throws {
    try await withServer { request in
      let sent = (try? JSONParser.parse(request.body))?.objectValue ?? JSONObject()
      let token = request.fields.first { $0.name == "authorization" }?.value
      return HTTPResponse(envelope: Envelope.success(["sent": .object(sent), "token": .text(token)]))
    } _: { endpoint in
      let client = TaskClient(endpoint: endpoint, token: Secret("sesame"))
      let answer = try await client.send("get", ["task_id": "t"])
      #expect(answer["sent"] == ["request_type": "get", "request_data": ["task_id": "t"]])
      #expect(answer["token"] == "Bearer sesame")
    }
  }

  @Test func aRefusalIsTheServicesOwnText() async throws {
    try await withServer { _ in
      HTTPResponse(envelope: Envelope.failure(400, "not found: [t]"))
    } _: { endpoint in
      await #expect(throws: TaskClientError(.refused, "not found: [t]")) {
        try await TaskClient(endpoint: endpoint).send("get", ["task_id": "t"])
      }
    }
  }

  @Test func somethingElseOnThatPortIsSaid() async throws {
    try await withServer { _ in
      HTTPResponse(.ok, text: "hello")
    } _: { endpoint in
      let error = await #expect(throws: TaskClientError.self) { try await TaskClient(endpoint: endpoint).send("list") }
      #expect(error?.code == .malformed)
    }
  }

  @Test func aSilentServiceHasADeadline() async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: ConnectionLoopGroup.shared())
    defer { listener.close() }
    let port = try #require(listener.address.split(separator: ":").last.flatMap { Int($0) })
    let client = TaskClient(endpoint: Endpoint(host: "127.0.0.1", port: port), timeout: .milliseconds(200))
    let error = await #expect(throws: TaskClientError.self) { try await client.send("list") }
    #expect(error?.code == .unreachable)
    #expect(error?.message.contains("did not answer within") == true)
  }

  @Test func addressesAreThoseOfAService() throws {
    for (text, authority) in [
      ("http://h", "h:8444"), ("http://h:19530", "h:19530"), ("h:1/cdc", "h:1"), ("http://h/", "h:8444"),
      ("http://[::1]", "[::1]:8444"), ("https://h", "h:8444"), ("http://h:8444/cdc/", "h:8444"),
    ] {
      #expect(try TaskClient.endpoint(parsing: text).authority == authority, "\(text)")
    }
    #expect(try TaskClient.endpoint(parsing: "https://h").tls != nil)
    #expect(throws: EndpointError.self) { try TaskClient.endpoint(parsing: "ftp://h") }
  }

  /// What the client writes is what the service's own decoder reads.
  @Test func aBuiltRequestIsTheOneThatTheServiceUnderstands() throws {
    var selection = ObjectSelection(patterns: [
      .init(database: "shop", collection: "a"), .init(database: "shop", collection: "b"),
    ])
    selection.mappings = [.init(sourceDatabase: "shop", targetDatabase: "store", collections: ["a": "x"])]
    var target = ClusterConnection(endpoint: Endpoint(host: "t", port: 1, tls: TLSSettings(caPath: "/ca")))
    target.token = Secret("root:Milvus")
    let request = TaskRequestBuilder.request(
      target: target, source: ClusterConnection(endpoint: Endpoint(host: "s", port: 2)), selection: selection)
    #expect(
      request == [
        "milvus_connect_param": [
          "uri": "https://t:1", "token": "root:Milvus", "dial_config": ["server_pem_path": "/ca"],
        ], "source_connect_param": ["uri": "http://s:2"],
        "db_collections": ["shop": [["name": "a"], ["name": "b"]]],
        "name_mapping": [["source_db": "shop", "target_db": "store", "collection_mapping": ["a": "x"]]],
      ])
  }
}

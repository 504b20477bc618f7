import CDCBridge
import MilvusWire
import TestSupport
import Testing

@Suite struct ServerProfileTests {
  @Test func `a full 2.3.5 that calls itself lite is Milvus`() async throws {
    let profile = try await ServerProfile.probe(FakeCluster(.milvus235))
    #expect(profile.kind == .milvus)
    #expect(profile.version == ServerProfile.Version(2, 3, 5))
    #expect(profile.hasAllocTimestamp)
    #expect(profile.hasDatabases)
    #expect(!profile.hasDescribeDatabase)
    #expect(!profile.hasAddField)
    #expect(!profile.hasLog)
    #expect(profile.title == "Milvus 2.3.5")
  }

  @Test func `Lite is known by its name`() async throws {
    let profile = try await ServerProfile.probe(FakeCluster(.lite))
    #expect(profile.isLite)
    #expect(profile.version == ServerProfile.Version(3, 2, 2))
    #expect(!profile.hasAllocTimestamp)
    #expect(profile.hasDescribeDatabase)
    #expect(!profile.hasAddField)
  }

  @Test func `a probe only reads`() async throws {
    let cluster = FakeCluster(.lite)
    _ = try await ServerProfile.probe(cluster)
    let reading: Set<String> = [
      "Connect", "GetVersion", "CheckHealth", "ListDatabases", "DescribeDatabase", "AllocTimestamp",
    ]
    #expect(Set(cluster.calls.map(\.method)).subtracting(reading) == [])
  }

  static let answers: [(RPCStatusCode?, Bool)] = [
    (.permissionDenied, true), (.unimplemented, false), (.deadlineExceeded, true), (nil, true),
  ]
  @Test(arguments: answers.indices) func `only UNIMPLEMENTED means that a method is absent`(_ at: Int) async throws {
    let (code, isThere) = Self.answers[at]
    let cluster = FakeCluster(.milvus235)
    cluster.setFaults { call in
      guard call.method == "ListDatabases" else { return nil }
      return code.map { .rpc($0) } ?? .status(MilvusStatus(code: 65535, reason: "broken"))
    }
    #expect(try await ServerProfile.probe(cluster).hasDatabases == isThere)
  }

  @Test(arguments: [RPCStatusCode.unauthenticated, .unavailable])
  func `a server that cannot be asked has no profile`(_ code: RPCStatusCode) async {
    let cluster = FakeCluster(.milvus235)
    cluster.setFaults { _ in .rpc(code) }
    let error = await #expect(throws: CallError.self) { try await ServerProfile.probe(cluster) }
    #expect(error?.rpcCode == code)
  }

  @Test func `something that is no Milvus is an error`() async {
    let cluster = FakeCluster(.milvus235)
    cluster.setFaults { _ in .rpc(.unimplemented) }
    let error = await #expect(throws: CallError.self) { try await ServerProfile.probe(cluster) }
    #expect(error?.isUnimplemented == true)
  }

  @Test(
    arguments: [
      ("v2.3.5-lite", "2.3.5"), ("2.6.23", "2.6.23"), ("milvus_lite-3.2.2", "3.2.2"),
      ("build 7, v3.0.1+x", "3.0.1"), ("2.6", nil), ("", nil), ("cloud", nil), ("1.2.x 4.5.6", "4.5.6"),
      ("99999999999999999999.1.2", nil),
    ] as [(String, String?)])
  func `the number is found in what servers say`(_ text: String, _ number: String?) {
    let found = ServerProfile.parseVersion(text)
    #expect(found?.description == number)
  }

  @Test func `a log is read from 2_6_20 on`() {
    func hasLog(_ text: String) -> Bool {
      ServerProfile.identify(info: ServerInfo(), versionText: text).hasLog
    }
    #expect(!hasLog("2.6.19"))
    #expect(hasLog("2.6.20"))
    #expect(hasLog("v3.0.0"))
    #expect(!hasLog("milvus_lite-3.2.2"))
  }
}

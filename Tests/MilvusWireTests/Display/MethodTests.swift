import MilvusWire
import Testing

/// What `methods`, `describe` and `call --template` know.
@Suite struct MethodTests {
  @Test func everyMethodCanBeCalled() throws {
    for method in Method.all { #expect(MethodCall(method) != nil, "\(method.path)") }
    #expect(Set(Method.all.map(\.kind)) == [.unary, .serverStreaming, .bidirectional])
  }

  @Test(arguments: Method.all.map(\.path))
  func aTemplateIsAValidRequestWithEveryField(path: String) throws {
    let call = try #require(Method.named(path).flatMap(MethodCall.init))
    var form = MessageJSON()
    form.presentation = MilvusPresentation(isFull: true)
    let template = MessageTemplate(presentation: MilvusPresentation(isFull: true)).json(of: call.requestType)
    #expect(throws: Never.self) { try form.bytes(of: template, as: call.requestType) }
    let plain = MessageTemplate().json(of: call.requestType)
    #expect(throws: Never.self) { try MessageJSON().bytes(of: plain, as: call.requestType) }
    // A field is missing only where it is deprecated or another member of its oneof stands for it.
    let keys = Set(template.objectValue?.members.map(\.key) ?? [])
    for field in call.requestType.fields where !field.isDeprecated && !field.isOneofMember {
      #expect(keys.contains(field.name), "\(field.name)")
    }
  }

  @Test func nearMethodsAreFoundByTheirBareName() {
    #expect(MethodCall.nearest(to: "DescribeColection").first == "DescribeCollection")
    #expect(MethodCall.nearest(to: "/milvus.proto.milvus.MilvusService/Qury").first == "Query")
    #expect(MethodCall.nearest(to: "zzzzzzzzzz").isEmpty)
  }

  /// Facts from `public-rpc.md` §8 and `wal-protocol.md` §2, which were not made from the table.
  @Test func releasesAreTheOnesKnownFromElsewhere() {
    let service = "milvus.proto.milvus.MilvusService"
    #expect(VersionHistory.releases(of: "\(service)/DumpMessages") == "2.6.14")
    #expect(VersionHistory.releases(of: "milvus.proto.milvus.DumpMessagesRequest.include_start_message") == "2.6.20")
    #expect(VersionHistory.releases(of: "milvus.proto.common.Status.extra_info") == "2.4.0")
    #expect(VersionHistory.releases(of: "milvus.proto.milvus.QueryResults.primary_field_name") == "2.4.21, 2.5.4")
    #expect(VersionHistory.releases(of: "\(service)/Query") == nil)
    #expect(VersionHistory.releases(of: "milvus.proto.messages.TxnContext") == nil)
  }

  @Test func everyNameOfTheVersionTableExists() {
    let fields = Set(
      MethodTests.members() + Method.all.map { "\($0.service)/\($0.name)" } + TypeIndex.names)
    for name in fields { _ = VersionHistory.releases(of: name) }
    #expect(fields.filter { VersionHistory.releases(of: $0) != nil }.count > 700)
  }

  private static func members() -> [String] {
    TypeIndex.names.flatMap { name -> [String] in
      switch TypeIndex.find(name)[name] {
      case .message(let type): type.fields.map { "\(name).\($0.name)" }
      case .enumeration(let type): type.values.map { "\(name).\($0.name)" }
      case nil: []
      }
    }
  }

  @Test func typesAreFoundByTheEndOfTheirName() {
    #expect(Array(TypeIndex.find("FieldData").keys) == ["milvus.proto.schema.FieldData"])
    #expect(Array(TypeIndex.find("schema.DataType").keys) == ["milvus.proto.schema.DataType"])
    #expect(TypeIndex.find("CreateCollectionRequest").count == 2)
    #expect(TypeIndex.find("ieldData").isEmpty)
    #expect(!TypeIndex.names.contains { $0.hasSuffix("ExtraInfoEntry") })
  }

  @Test func aTypeIsSpelledAsInItsFile() throws {
    let subject = TypeDescription.Subject.type(try #require(TypeIndex.find("common.Status").values.first))
    #expect(
      TypeDescription.text(subject, isRecursive: false) == """
        message milvus.proto.common.Status {
          milvus.proto.common.ErrorCode error_code = 1 [deprecated = true];
          string reason = 2;
          int32 code = 3;                      // since 2.3.0
          bool retriable = 4;                  // since 2.3.4
          string detail = 5;                   // since 2.3.4
          map<string, string> extra_info = 6;  // since 2.4.0
        }
        """)
    let method = TypeDescription.Subject.method(try #require(Method.named("CreateReplicateStream")))
    let text = TypeDescription.text(method, isRecursive: true)
    #expect(text.contains("rpc CreateReplicateStream(stream milvus.proto.milvus.ReplicateRequest) returns (stream "))
    #expect(text.contains("\nmessage milvus.proto.common.ImmutableMessage {"))
    #expect(text.contains("\nenum milvus.proto.common.WALName {"))
  }

  @Test(arguments: [
    ("", "anything", true), ("query", "Query", true), ("uer", "Query", true), ("*uer", "Query", false),
    ("*uery", "Query", true), ("q*y", "Query", true), ("*", "", true), ("q*e*y", "Query", true), ("q*z*y", "Query", false),
    ("***", "Query", true), ("a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
  ])
  func patterns(pattern: String, name: String, matches: Bool) {
    #expect(NamePattern(pattern).matches(name) == matches)
  }
}

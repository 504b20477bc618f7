import MilvusWire
import Testing

/// What protoc-c compiled, against a listing made from the official descriptors (`dev/generate-protos`).
@Suite struct DescriptorTests {
  @Test func compiledDescriptorsEqualTheOfficialOnes() throws {
    let expected = Set(try FixtureFiles.text("descriptors.txt").split(separator: "\n").map(String.init))
    let compiled = Set(listing())
    #expect(expected.count > 2900)
    #expect(expected.subtracting(compiled).sorted() == [])
    #expect(compiled.subtracting(expected).sorted() == [])
  }

  @Test func everyMessageIsFoundByItsFullName() {
    for message in MessageDescriptor.all {
      #expect(MessageDescriptor(named: message.name) == message)
    }
    #expect(MessageDescriptor(named: "") == nil)
    #expect(MessageDescriptor(named: "milvus.proto.common") == nil)
    #expect(MessageDescriptor(named: "milvus.proto.common.Statu") == nil)
    #expect(MessageDescriptor(named: "milvus.proto.common.Statuss") == nil)
    #expect(MessageDescriptor(named: "zzz") == nil)
  }

  @Test func everyMethodNamesMessagesThatExist() {
    #expect(Method.all.count > 100)
    for method in Method.all {
      #expect(MessageDescriptor(named: method.requestType) != nil)
      #expect(MessageDescriptor(named: method.responseType) != nil)
    }
  }

  @Test func aMethodIsFoundByNameByServiceAndByPath() {
    let path = "/milvus.proto.milvus.MilvusService/Query"
    #expect(Method.named("Query")?.path == path)
    #expect(Method.named("milvus.proto.milvus.MilvusService/Query")?.path == path)
    #expect(Method.named(path)?.path == path)
    #expect(Method.named("query") == nil)
    #expect(Method.named("CreateReplicateStream").map { $0.clientStreaming && $0.serverStreaming } == true)
    #expect(Method.named("DumpMessages").map { !$0.clientStreaming && $0.serverStreaming } == true)
  }

  /// The lines of `descriptors.txt`, from the compiled descriptors.
  private func listing() -> [String] {
    var lines: [String] = []
    for message in MessageDescriptor.all {
      lines.append("message \(message.name)")
      for field in message.fields {
        let type = field.message?.name ?? field.enumeration?.name
        var words = ["field \(message.name).\(field.name)", String(field.number)]
        words += [field.isRepeated ? "repeated" : "singular", field.kind.rawValue]
        words += type.map { [$0] } ?? []
        words += field.isPacked ? ["packed"] : []
        words += field.isOneofMember ? ["oneof"] : []
        words += field.isDeprecated ? ["deprecated"] : []
        lines.append(words.joined(separator: " "))
        for value in field.enumeration?.values ?? [] {
          lines.append("value \(field.enumeration?.name ?? "") \(value.name) \(value.number)")
        }
      }
    }
    return lines
  }
}

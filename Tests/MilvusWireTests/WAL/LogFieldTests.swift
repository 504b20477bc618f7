internal import Testing

@testable internal import MilvusWire

/// Every field that the protos have for a type ends in the member that stands for it: messages with all fields set are
/// made from the descriptors, so that no field depends on a recording that uses it.
@Suite struct LogFieldTests {
  /// Without members: rows are looked at elsewhere, a deprecated field of every base, and what a schema has inside.
  private static let left: Set<String> = [
    "InsertRequest.fields_data", "InsertRequest.row_data", "InsertRequest.version",
    "DeleteRequest.primary_keys",
    "DeleteRequest.int64_primary_keys", "DeleteRequest.serialized_expr_plan",
    "CreateCollectionRequest.schema",
    "CreateCollectionMessageHeader.partition_ids", "MsgBase.replicateInfo", "CollectionSchema.fields",
    "CollectionSchema.functions", "CollectionSchema.struct_array_fields", "CollectionSchema.schema_version",
  ]

  @Test(arguments: LogMessageType.all)
  func `every field is read into its member and written from it`(type: LogMessageType) throws {
    let headerType = try #require(MessageDescriptor(named: type.headerProto ?? ""))
    let bodyType = try #require(MessageDescriptor(named: type.bodyProto ?? ""))
    var filler = Filler(left: Self.left)
    let header = filler.json(of: headerType)
    let body = filler.json(of: bodyType)
    var builder = LogMessageBuilder(type, id: LogMessageID("EAE=", .woodPecker), timeTick: TimeTick(1))
    builder.header = try MessageJSON().bytes(of: .object(header), as: headerType)
    builder.payload = try MessageJSON().bytes(of: .object(body), as: bodyType)
    let change = try LogChange(builder.message())
    switch change {
    case .insert(let head, let rows): expectSame([(head, header, headerType), (rows, body, bodyType)])
    case .delete(let head, let rows): expectSame([(head, header, headerType), (rows, body, bodyType)])
    case .flushAll, .commitTxn, .rollbackTxn: #expect(header.isEmpty && body.isEmpty)
    default:
      let content = try #require(Mirror(reflecting: change).children.first?.value)
      let differences = LogReflection.differences(
        of: content, from: [(json: header, type: headerType), (json: body, type: bodyType)])
      #expect(differences.isEmpty, "\(differences)")
    }
    #expect(
      ShortenedJSON.isSame(.object(header), try MessageJSON().json(of: change.encodedHeader, as: headerType)))
    #expect(ShortenedJSON.isSame(.object(body), try MessageJSON().json(of: change.encodedBody, as: bodyType)))
  }

  @Test(arguments: [
    ("messages.TxnContext", TransactionContext() as any LogRecord),
    ("messages.BroadcastHeader", BroadcastHeader()),
    ("messages.ReplicateHeader", ReplicateHeader()), ("messages.CipherHeader", CipherHeader()),
    ("common.ReplicateConfiguration", ReplicateConfiguration()),
    ("milvus.GetReplicateInfoResponse", ReplicateInfo()),
  ])
  func `every field of an auxiliary message has its member`(name: String, empty: any LogRecord) throws {
    let type = try #require(MessageDescriptor(named: "milvus.proto.\(name)"))
    try expectAllFields(of: type, as: empty)
  }

  private func expectAllFields<Record: LogRecord>(of type: MessageDescriptor, as empty: Record) throws {
    var filler = Filler(left: Self.left)
    let json = filler.json(of: type)
    let record = try Record(encoded: MessageJSON().bytes(of: .object(json), as: type))
    #expect(record != empty)
    expectSame([(record, json, type)])
    #expect(ShortenedJSON.isSame(.object(json), try MessageJSON().json(of: record.encoded, as: type)))
  }

  private func expectSame(_ values: [(value: Any, json: JSONObject, type: MessageDescriptor)]) {
    for (value, json, type) in values {
      let differences = LogReflection.differences(of: value, from: [(json: json, type: type)])
      #expect(differences.isEmpty, "\(differences)")
    }
  }

  /// Makes messages with all fields set. A value depends on the name of its field, so that header and body agree.
  private struct Filler {
    let left: Set<String>
    private var numbers: [String: Int] = [:]

    init(left: Set<String>) { self.left = left }

    mutating func json(of type: MessageDescriptor) -> JSONObject {
      var object = JSONObject()
      let typeName = type.name.split(separator: ".").last ?? ""
      for field in type.fields where !left.contains("\(typeName).\(field.name)") {
        if field.isMap, let entry = field.message, let key = entry.field(number: 1),
          let value = entry.field(number: 2)
        {
          let name = scalar(key, field.name).stringValue ?? ""
          object[field.name] = .object(JSONObject([(name, one(value))]))
        } else {
          object[field.name] = field.isRepeated ? .array([one(field), one(field)]) : one(field)
        }
      }
      return object
    }

    private mutating func one(_ field: FieldDescriptor) -> JSONValue {
      guard let inner = field.message else { return scalar(field, field.name) }
      return inner.name.hasSuffix(".FieldMask") ? "dbName,schema" : .object(json(of: inner))
    }

    private mutating func scalar(_ field: FieldDescriptor, _ name: String) -> JSONValue {
      let plain = name.filter { $0 != "_" }.lowercased()
      let number = numbers[plain] ?? numbers.count + 1
      numbers[plain] = number
      switch field.kind {
      case .bool: return .bool(true)
      case .string: return .string("\(plain) \(number)")
      case .bytes: return .string(Base64.encode([UInt8(truncatingIfNeeded: number)]))
      case .enum:
        // The name of some value that is not the default; aliases of one number have only one way back.
        guard let names = field.enumeration, let value = names.values.first(where: { $0.number != 0 }) else {
          return .null
        }
        return .text(names.name(of: value.number))
      case .int64, .uint64, .sint64, .fixed64, .sfixed64: return .string(String(number))
      case .int32, .uint32, .sint32, .fixed32, .sfixed32, .float, .double, .message: return .int(number)
      }
    }
  }
}

internal import CProtobuf

/// The shape of one message type of `protos/`, as protobuf-c compiled it: names, numbers and types, no data.
///
/// `@unchecked Sendable`: descriptors are constants of the binary. Nobody writes them and they live as long
/// as the process, so any thread may read them and a pointer never dangles.
package struct MessageDescriptor: @unchecked Sendable, Hashable {
  let pointer: UnsafePointer<ProtobufCMessageDescriptor>

  init(pointer: UnsafePointer<ProtobufCMessageDescriptor>) { self.pointer = pointer }

  /// By full name, such as `milvus.proto.common.Status`; nil where `protos/` has no such message.
  package init?(named fullName: String) {
    // SAFETY: the C string lives for the call; the registry only compares it.
    guard let found = fullName.withCString({ cdc_message_descriptor($0) }) else { return nil }
    pointer = found
  }

  /// Every message, nested ones and map entries included, in the byte order of full names.
  package static var all: [MessageDescriptor] {
    (0..<cdc_message_descriptor_count()).compactMap { index in
      cdc_message_descriptor_at(index).map(MessageDescriptor.init(pointer:))
    }
  }

  // SAFETY of all members below: a descriptor's strings and arrays are constants that protoc-c wrote with
  // matching counts.

  package var name: String { String(cString: pointer.pointee.name) }
  /// Bytes of the C structure.
  var structureBytes: Int { pointer.pointee.sizeof_message }
  package var fieldCount: Int { Int(pointer.pointee.n_fields) }

  /// In the order of field numbers.
  package var fields: [FieldDescriptor] {
    (0..<fieldCount).compactMap { index in
      pointer.pointee.fields.map { FieldDescriptor(pointer: $0 + index) }
    }
  }

  package func field(number: UInt32) -> FieldDescriptor? {
    protobuf_c_message_descriptor_get_field(pointer, number).map(FieldDescriptor.init(pointer:))
  }

  package func field(named name: String) -> FieldDescriptor? {
    // SAFETY: the C string lives for the call; protobuf-c only compares it.
    name.withCString { protobuf_c_message_descriptor_get_field_by_name(pointer, $0) }
      .map(FieldDescriptor.init(pointer:))
  }
}

/// One field of a message type. `@unchecked Sendable` for the reason given at `MessageDescriptor`.
package struct FieldDescriptor: @unchecked Sendable, Hashable {
  /// The types of proto3, spelled as in a `.proto` file.
  package enum Kind: String, Sendable, CaseIterable {
    case int32, sint32, sfixed32, int64, sint64, sfixed64, uint32, fixed32, uint64, fixed64, float, double,
      bool
    case `enum`, string, bytes, message
  }

  let pointer: UnsafePointer<ProtobufCFieldDescriptor>

  package var name: String { String(cString: pointer.pointee.name) }
  package var number: UInt32 { pointer.pointee.id }
  package var isRepeated: Bool { pointer.pointee.label == PROTOBUF_C_LABEL_REPEATED }
  package var isPacked: Bool { has(PROTOBUF_C_FIELD_FLAG_PACKED) }
  package var isDeprecated: Bool { has(PROTOBUF_C_FIELD_FLAG_DEPRECATED) }
  /// Member of a oneof, the synthetic one of a proto3 `optional` field included.
  package var isOneofMember: Bool { has(PROTOBUF_C_FIELD_FLAG_ONEOF) }
  /// Equal for the members of one oneof of a message.
  package var oneofIdentity: UInt32? { isOneofMember ? pointer.pointee.quantifier_offset : nil }

  package var kind: Kind {
    switch pointer.pointee.type {
    case PROTOBUF_C_TYPE_INT32: .int32
    case PROTOBUF_C_TYPE_SINT32: .sint32
    case PROTOBUF_C_TYPE_SFIXED32: .sfixed32
    case PROTOBUF_C_TYPE_INT64: .int64
    case PROTOBUF_C_TYPE_SINT64: .sint64
    case PROTOBUF_C_TYPE_SFIXED64: .sfixed64
    case PROTOBUF_C_TYPE_UINT32: .uint32
    case PROTOBUF_C_TYPE_FIXED32: .fixed32
    case PROTOBUF_C_TYPE_UINT64: .uint64
    case PROTOBUF_C_TYPE_FIXED64: .fixed64
    case PROTOBUF_C_TYPE_FLOAT: .float
    case PROTOBUF_C_TYPE_DOUBLE: .double
    case PROTOBUF_C_TYPE_BOOL: .bool
    case PROTOBUF_C_TYPE_ENUM: .enum
    case PROTOBUF_C_TYPE_STRING: .string
    case PROTOBUF_C_TYPE_BYTES: .bytes
    // protoc-c knows no other type; a message is the one that is left.
    default: .message
    }
  }

  /// The type of a field of kind `message`.
  package var message: MessageDescriptor? {
    guard kind == .message, let raw = pointer.pointee.descriptor else { return nil }
    // SAFETY: protobuf-c documents `descriptor` of a message field as its ProtobufCMessageDescriptor.
    return MessageDescriptor(pointer: raw.assumingMemoryBound(to: ProtobufCMessageDescriptor.self))
  }

  /// The type of a field of kind `enum`.
  package var enumeration: EnumDescriptor? {
    guard kind == .enum, let raw = pointer.pointee.descriptor else { return nil }
    // SAFETY: protobuf-c documents `descriptor` of an enum field as its ProtobufCEnumDescriptor.
    return EnumDescriptor(pointer: raw.assumingMemoryBound(to: ProtobufCEnumDescriptor.self))
  }

  /// True where the .proto file says `map<K, V>`: a repeated message called like the field, `FooBarEntry` for
  /// `foo_bar`. protobuf-c has no flag for it; the name rule is protoc's own.
  package var isMap: Bool {
    guard isRepeated, let entry = message, entry.fieldCount == 2 else { return false }
    guard entry.name.hasSuffix("." + Self.entryName(of: name)) else { return false }
    return entry.field(number: 1)?.name == "key" && entry.field(number: 2)?.name == "value"
  }

  /// The type as a `.proto` file would name it: `int64`, `milvus.proto.schema.DataType`, `map<string, string>`; without `repeated`.
  package var typeName: String {
    if isMap, let entry = message, let key = entry.field(number: 1), let value = entry.field(number: 2) {
      return "map<\(key.typeName), \(value.typeName)>"
    }
    return message?.name ?? enumeration?.name ?? kind.rawValue
  }

  private static func entryName(of field: String) -> String {
    field.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined() + "Entry"
  }

  private func has(_ flag: ProtobufCFieldFlag) -> Bool {
    pointer.pointee.flags & UInt32(flag.rawValue) != 0
  }
}

/// The values of one enum type. `@unchecked Sendable` for the reason given at `MessageDescriptor`.
package struct EnumDescriptor: @unchecked Sendable, Hashable {
  let pointer: UnsafePointer<ProtobufCEnumDescriptor>

  package var name: String { String(cString: pointer.pointee.name) }

  /// All names, aliases included, in byte order.
  package var values: [(name: String, number: Int32)] {
    guard let names = pointer.pointee.values_by_name, let values = pointer.pointee.values else { return [] }
    return (0..<Int(pointer.pointee.n_value_names)).map { index in
      (String(cString: names[index].name), values[Int(names[index].index)].value)
    }
  }

  package func name(of number: Int32) -> String? {
    protobuf_c_enum_descriptor_get_value(pointer, number).map { String(cString: $0.pointee.name) }
  }

  package func number(of name: String) -> Int32? {
    // SAFETY: the C string lives for the call; protobuf-c only compares it.
    name.withCString { protobuf_c_enum_descriptor_get_value_by_name(pointer, $0) }?.pointee.value
  }
}

internal import CProtobuf

/// Looks through a message before protobuf-c sees a byte of it (D4).
///
/// protobuf-c has no nesting limit: a few kilobytes of nested input overflow its stack. It cuts a string at a
/// NUL and takes bytes that are not UTF-8. So size, nesting, tags, wire types of known fields and strings are
/// checked here, in one walk along the descriptors that allocates nothing. Unknown fields are skipped, as
/// proto3 wants it.
package enum NestingGuard {
  package struct Limits: Sendable, Equatable {
    /// The message itself.
    package var messageBytesMax: Int
    /// Messages inside each other, the outermost included.
    package var depthMax: Int
    /// Memory that protobuf-c may take for the decoded message: empty sub-messages cost 32 times their bytes.
    package var decodedBytesMax: Int

    package init(messageBytesMax: Int = 256 << 20, depthMax: Int = 100, decodedBytesMax: Int = 64 << 20) {
      self.messageBytesMax = messageBytesMax
      self.depthMax = depthMax
      self.decodedBytesMax = decodedBytesMax
    }
  }

  package static func check(_ bytes: [UInt8], as type: MessageDescriptor, limits: Limits = Limits())
    throws(ProtobufError)
  {
    guard bytes.count <= limits.messageBytesMax else {
      throw ProtobufError(
        .tooLarge, "\(type.name): \(bytes.count) bytes, the limit is \(limits.messageBytesMax)")
    }
    try walk(WireReader(bytes), type, depth: 1, depthMax: limits.depthMax)
  }

  private static func walk(_ message: WireReader, _ type: MessageDescriptor, depth: Int, depthMax: Int)
    throws(ProtobufError)
  {
    guard depth <= depthMax else {
      throw ProtobufError(.tooDeep, "\(type.name): more than \(depthMax) messages inside each other")
    }
    var reader = message
    while let field = try next(&reader, type) {
      guard let known = type.field(number: field.number) else { continue }
      guard accepts(field.wireType, known) else {
        throw ProtobufError(.wrongType, "\(type.name).\(known.name) has wire type \(field.wireType.rawValue)")
      }
      guard let range = field.range else { continue }
      switch known.pointer.pointee.type {
      case PROTOBUF_C_TYPE_MESSAGE:
        guard let inner = known.message else { continue }
        try walk(WireReader(reader.bytes, in: range), inner, depth: depth + 1, depthMax: depthMax)
      case PROTOBUF_C_TYPE_STRING:
        guard isText(reader.bytes, range) else {
          throw ProtobufError(.invalidString, "\(type.name).\(known.name) is not UTF-8 or holds a NUL")
        }
      default: break
      }
    }
  }

  private static func next(_ reader: inout WireReader, _ type: MessageDescriptor) throws(ProtobufError)
    -> WireField?
  {
    do { return try reader.next() } catch {
      throw ProtobufError(error.code, "\(type.name): \(error.message)")
    }
  }

  /// A repeated number may come packed or not, whatever was declared (protobuf "Packed repeated fields").
  private static func accepts(_ wireType: WireField.WireType, _ field: FieldDescriptor) -> Bool {
    let own = field.kind.wireType
    return wireType == own || (wireType == .lengthDelimited && field.isRepeated)
  }

  private static func isText(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    guard !range.isEmpty else { return true }
    let span = bytes.span.extracting(range)
    // ASCII without NUL is the common case and needs no second look.
    var seen: UInt8 = 0
    for index in span.indices {
      let byte = span[index]
      if byte == 0 { return false }
      seen |= byte
    }
    return seen < 0x80 || (try? UTF8Span(validating: span)) != nil
  }
}

extension FieldDescriptor.Kind {
  /// How one value of the kind stands on the wire.
  package var wireType: WireField.WireType {
    switch self {
    case .int32, .sint32, .int64, .sint64, .uint32, .uint64, .bool, .enum: .varint
    case .fixed32, .sfixed32, .float: .fixed32
    case .fixed64, .sfixed64, .double: .fixed64
    case .string, .bytes, .message: .lengthDelimited
    }
  }
}

/// A proto message of the log whose fields are listed once, for reading and for writing.
///
/// Reading tolerates unknown fields and refuses a known one of another wire type and texts that are not UTF-8. Texts
/// keep every byte, NUL too, which protobuf-c's structures would not. Writing leaves defaults out and follows the
/// order of the list, which is that of the field numbers, as Milvus's own code does.
package protocol LogRecord: LogFields {
  static var members: [LogMember<Self>] { get }
}

/// A value that lists of `LogMember` read and write.
package protocol LogFields: Sendable, Equatable {
  init()
}

extension LogRecord {
  package init(encoded bytes: [UInt8]) throws(ProtobufError) {
    self.init()
    try read(WireReader(bytes), Self.members)
  }

  package var encoded: [UInt8] { encoded(Self.members) }
}

extension LogFields {
  /// Reads fields into the value; what is not on the wire stays as it is.
  mutating func read(_ message: WireReader, _ members: [LogMember<Self>]) throws(ProtobufError) {
    var reader = message
    while let field = try reader.next() {
      guard let member = members.first(where: { $0.number == field.number }) else { continue }
      guard try member.read(&self, field, reader) else {
        throw ProtobufError(.wrongType, "field \(field.number) of \(Self.self) is a \(field.wireType)")
      }
    }
  }

  func encoded(_ members: [LogMember<Self>]) -> [UInt8] {
    var writer = WireWriter()
    for member in members { member.write(self, &writer) }
    return writer.bytes
  }
}

/// One field of a `LogRecord`: its number, and how it gets into the value and out of it.
package struct LogMember<Record>: Sendable {
  let number: UInt32
  /// False where the wire type is not the field's.
  let read: @Sendable (inout Record, WireField, WireReader) throws(ProtobufError) -> Bool
  let write: @Sendable (Record, inout WireWriter) -> Void

  init(
    _ number: UInt32,
    read: @escaping @Sendable (inout Record, WireField, WireReader) throws(ProtobufError) -> Bool,
    write: @escaping @Sendable (Record, inout WireWriter) -> Void
  ) {
    self.number = number
    self.read = read
    self.write = write
  }
}

/// A type whose values are varints.
package protocol WireNumber: Sendable, Equatable {
  init(wire: UInt64)
  var wire: UInt64 { get }
}
extension Int64: WireNumber {
  package init(wire: UInt64) { self = Int64(truncatingIfNeeded: wire) }
  package var wire: UInt64 { UInt64(truncatingIfNeeded: self) }
}
extension UInt64: WireNumber {
  package init(wire: UInt64) { self = wire }
  package var wire: UInt64 { self }
}
extension Int32: WireNumber {
  package init(wire: UInt64) { self = Int32(truncatingIfNeeded: wire) }
  package var wire: UInt64 { UInt64(truncatingIfNeeded: self) }
}
extension Bool: WireNumber {
  package init(wire: UInt64) { self = wire != 0 }
  package var wire: UInt64 { self ? 1 : 0 }
}
extension TimeTick: WireNumber {
  package init(wire: UInt64) { self.init(wire) }
  package var wire: UInt64 { rawValue }
}
extension LogKind: WireNumber {
  package init(wire: UInt64) { self.init(rawValue: Int32(truncatingIfNeeded: wire)) }
  package var wire: UInt64 { UInt64(truncatingIfNeeded: rawValue) }
}

extension LogMember {
  typealias Path<Value> = any WritableKeyPath<Record, Value> & Sendable

  static func number<Value: WireNumber>(_ number: UInt32, _ path: Path<Value>) -> LogMember {
    LogMember(number) { (record, field, _) throws(ProtobufError) in
      guard let value = field.varint else { return false }
      record[keyPath: path] = Value(wire: value)
      return true
    } write: { record, writer in
      let value = record[keyPath: path].wire
      if value != 0 { writer.varint(number, value) }
    }
  }

  /// `optional` in the proto: absent and 0 differ.
  static func optionalNumber<Value: WireNumber>(_ number: UInt32, _ path: Path<Value?>) -> LogMember {
    LogMember(number) { (record, field, _) throws(ProtobufError) in
      guard let value = field.varint else { return false }
      record[keyPath: path] = Value(wire: value)
      return true
    } write: { record, writer in
      if let value = record[keyPath: path] { writer.varint(number, value.wire) }
    }
  }

  /// A list, packed or not; written packed.
  static func numbers<Value: WireNumber>(_ number: UInt32, _ path: Path<[Value]>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      try reader.appendNumbers(field, to: &record[keyPath: path])
    } write: { record, writer in
      writer.numbersUnlessEmpty(number, record[keyPath: path])
    }
  }

  static func text(_ number: UInt32, _ path: Path<String>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      record[keyPath: path] = try reader.validText(range, "field \(number) of \(Record.self)")
      return true
    } write: { record, writer in
      let text = record[keyPath: path]
      if !text.isEmpty { writer.string(number, text) }
    }
  }

  static func optionalText(_ number: UInt32, _ path: Path<String?>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      record[keyPath: path] = try reader.validText(range, "field \(number) of \(Record.self)")
      return true
    } write: { record, writer in
      if let text = record[keyPath: path] { writer.string(number, text) }
    }
  }

  /// A text that must never be printed.
  static func secret(_ number: UInt32, _ path: Path<Secret>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      record[keyPath: path] = Secret(try reader.validText(range, "field \(number) of \(Record.self)"))
      return true
    } write: { record, writer in
      let secret = record[keyPath: path]
      if !secret.isEmpty { writer.string(number, secret.revealed) }
    }
  }

  static func texts(_ number: UInt32, _ path: Path<[String]>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      record[keyPath: path].append(try reader.validText(range, "field \(number) of \(Record.self)"))
      return true
    } write: { record, writer in
      for text in record[keyPath: path] { writer.string(number, text) }
    }
  }

  static func bytes(_ number: UInt32, _ path: Path<[UInt8]>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      record[keyPath: path] = Array(reader.bytes[range])
      return true
    } write: { record, writer in
      let bytes = record[keyPath: path]
      if !bytes.isEmpty { writer.lengthDelimited(number, bytes) }
    }
  }

  /// A message in the message: present with all defaults and absent differ. One that comes twice is merged.
  static func record<Value: LogRecord>(_ number: UInt32, _ path: Path<Value?>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      var value = record[keyPath: path] ?? Value()
      try value.read(WireReader(reader.bytes, in: range), Value.members)
      record[keyPath: path] = value
      return true
    } write: { record, writer in
      if let value = record[keyPath: path] { writer.lengthDelimited(number, value.encoded) }
    }
  }

  static func records<Value: LogRecord>(_ number: UInt32, _ path: Path<[Value]>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      var value = Value()
      try value.read(WireReader(reader.bytes, in: range), Value.members)
      record[keyPath: path].append(value)
      return true
    } write: { record, writer in
      for value in record[keyPath: path] { writer.lengthDelimited(number, value.encoded) }
    }
  }

  static func messageID(_ number: UInt32, _ path: Path<LogMessageID?>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      record[keyPath: path] = try LogMessageID(WireReader(reader.bytes, in: range))
      return true
    } write: { record, writer in
      if let id = record[keyPath: path] { writer.lengthDelimited(number, id.encoded) }
    }
  }

  /// `repeated common.KeyValuePair`.
  static func pairs(_ number: UInt32, _ path: Path<[KeyValuePair]>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      record[keyPath: path].append(try KeyValuePair(WireReader(reader.bytes, in: range)))
      return true
    } write: { record, writer in
      for pair in record[keyPath: path] {
        writer.lengthDelimited(number, pair.encoded(withDefaults: false))
      }
    }
  }

  /// `map<string, string>`, in the order of the wire; a key that comes twice has its last value. Written in the order
  /// of the list.
  static func map(_ number: UInt32, _ path: Path<[KeyValuePair]>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      let pair = try KeyValuePair(WireReader(reader.bytes, in: range))
      let pairs = record[keyPath: path]
      if let place = pairs.firstIndex(where: { $0.key.utf8.elementsEqual(pair.key.utf8) }) {
        record[keyPath: path][place] = pair
      } else {
        record[keyPath: path].append(pair)
      }
      return true
    } write: { record, writer in
      for pair in record[keyPath: path] { writer.lengthDelimited(number, pair.encoded(withDefaults: true)) }
    }
  }

  /// The key of a map entry: always written.
  static func key<Value: WireNumber>(_ number: UInt32, _ path: Path<Value>) -> LogMember {
    LogMember(number, read: Self.number(number, path).read) { record, writer in
      writer.varint(number, record[keyPath: path].wire)
    }
  }

  static func key(_ number: UInt32, _ path: Path<String>) -> LogMember {
    LogMember(number, read: text(number, path).read) { record, writer in
      writer.string(number, record[keyPath: path])
    }
  }

  /// The value of a map entry: always written.
  static func value<Value: LogRecord>(_ number: UInt32, _ path: Path<Value>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      try record[keyPath: path].read(WireReader(reader.bytes, in: range), Value.members)
      return true
    } write: { record, writer in
      writer.lengthDelimited(number, record[keyPath: path].encoded)
    }
  }

  /// A `schema.CollectionSchema`, through the codec of the public calls.
  static func schema(_ number: UInt32, _ path: Path<CollectionSchema?>) -> LogMember {
    LogMember(number) { (record, field, reader) throws(ProtobufError) in
      guard let range = field.range else { return false }
      record[keyPath: path] = try CollectionSchema(encoded: Array(reader.bytes[range]))
      return true
    } write: { record, writer in
      // Only a text with a NUL cannot be encoded, and one such is not decoded either.
      if let schema = record[keyPath: path], let bytes = try? schema.encoded() {
        writer.lengthDelimited(number, bytes)
      }
    }
  }
}

extension KeyValuePair {
  /// `{key 1, value 2}`: a pair or an entry of a map.
  init(_ message: WireReader) throws(ProtobufError) {
    self.init("", "")
    var reader = message
    while let field = try reader.next() {
      guard field.number <= 2 else { continue }
      guard let range = field.range else {
        throw ProtobufError(.wrongType, "field \(field.number) of a pair")
      }
      let text = try reader.validText(range, "a key or value")
      if field.number == 1 { key = text } else { value = text }
    }
  }

  /// Go writes both fields of a map entry always, of a pair only those that are not empty.
  func encoded(withDefaults: Bool) -> [UInt8] {
    var writer = WireWriter()
    if withDefaults || !key.isEmpty { writer.string(1, key) }
    if withDefaults || !value.isEmpty { writer.string(2, value) }
    return writer.bytes
  }
}

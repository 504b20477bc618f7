/// One field as it stands on the wire, not interpreted (protobuf "Encoding": records).
package struct WireField: Sendable, Equatable {
  /// What a tag announces. Groups (3, 4) do not exist in proto3 and are refused.
  package enum WireType: UInt8, Sendable {
    case varint = 0, fixed64 = 1, lengthDelimited = 2, fixed32 = 5
  }
  package enum Content: Sendable, Equatable {
    case varint(UInt64)
    case fixed64(UInt64)
    case fixed32(UInt32)
    /// Where the content of a string, message, bytes or packed list lies, length excluded.
    case lengthDelimited(Range<Int>)
  }
  package var number: UInt32
  package var content: Content

  package init(number: UInt32, content: Content) {
    self.number = number
    self.content = content
  }
  package var wireType: WireType {
    switch content {
    case .varint: .varint
    case .fixed64: .fixed64
    case .fixed32: .fixed32
    case .lengthDelimited: .lengthDelimited
    }
  }
  /// The range of a length-delimited field, nil for any other.
  package var range: Range<Int>? {
    if case .lengthDelimited(let range) = content { range } else { nil }
  }
  package var varint: UInt64? {
    if case .varint(let value) = content { value } else { nil }
  }
}

/// Walks the fields of one message in place: no copy, no tree, never past its end (D3).
///
/// After an error the reader stands still and `next` must not be called again.
package struct WireReader: Sendable {
  /// 2^29 − 1 (protobuf "Field numbers").
  package static let fieldNumberMax: UInt64 = 0x1FFF_FFFF

  package let bytes: [UInt8]
  private var cursor: WireCursor

  /// `range` is clamped to the bytes.
  package init(_ bytes: [UInt8], in range: Range<Int>? = nil) {
    self.bytes = bytes
    cursor = WireCursor(bytes.span, in: range)
  }

  package var position: Int { cursor.position }
  package var isAtEnd: Bool { cursor.isAtEnd }

  /// The next field, nil at the end.
  package mutating func next() throws(ProtobufError) -> WireField? {
    // The bytes are borrowed as long as the call runs, and with them the reader.
    var cursor = cursor
    defer { self.cursor = cursor }
    return try cursor.next(in: bytes.span)
  }

  /// The next base-128 number, at most ten bytes and 64 bits.
  package mutating func varint() throws(ProtobufError) -> UInt64 {
    var cursor = cursor
    defer { self.cursor = cursor }
    return try cursor.varint(in: bytes.span)
  }

  /// The next four bytes, little endian.
  package mutating func fixed32() throws(ProtobufError) -> UInt32 {
    var cursor = cursor
    defer { self.cursor = cursor }
    return try cursor.fixed32(in: bytes.span)
  }

  /// The next eight bytes, little endian.
  package mutating func fixed64() throws(ProtobufError) -> UInt64 {
    var cursor = cursor
    defer { self.cursor = cursor }
    return try cursor.fixed64(in: bytes.span)
  }

  /// The content that follows a tag of this wire type, or one element of a packed list.
  package mutating func content(_ type: WireField.WireType) throws(ProtobufError) -> WireField.Content {
    var cursor = cursor
    defer { self.cursor = cursor }
    return try cursor.content(type, in: bytes.span)
  }
}

/// The place of a walk through bytes that somebody else holds: a `WireReader` that counts no reference, for messages that are looked at by the
/// hundred thousand. All calls are given the same bytes as `init`.
struct WireCursor {
  private(set) var position: Int
  private let end: Int

  /// `range` is clamped to the bytes.
  @inline(__always)
  init(_ bytes: Span<UInt8>, in range: Range<Int>? = nil) {
    let range = (range ?? 0..<bytes.count).clamped(to: 0..<bytes.count)
    position = range.lowerBound
    end = range.upperBound
  }

  var isAtEnd: Bool { position == end }

  mutating func next(in bytes: Span<UInt8>) throws(ProtobufError) -> WireField? {
    guard position < end else { return nil }
    let start = position
    let tag = try varint(in: bytes)
    let number = tag >> 3
    guard number > 0, number <= WireReader.fieldNumberMax else {
      throw ProtobufError(.malformed, "field number \(number) at byte \(start)")
    }
    guard let type = WireField.WireType(rawValue: UInt8(tag & 7)) else {
      throw ProtobufError(.malformed, "wire type \(tag & 7) of field \(number) at byte \(start)")
    }
    return WireField(number: UInt32(number), content: try content(type, in: bytes))
  }

  @inline(__always)
  mutating func varint(in bytes: Span<UInt8>) throws(ProtobufError) -> UInt64 {
    // One byte: nearly every tag, and the lengths of most texts.
    if position < end {
      let byte = bytes[position]
      if byte < 0x80 {
        position += 1
        return UInt64(byte)
      }
    }
    return try longVarint(in: bytes)
  }

  @inline(never)
  private mutating func longVarint(in bytes: Span<UInt8>) throws(ProtobufError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    let start = position
    while position < end {
      let byte = bytes[position]
      position += 1
      if shift == 63 && byte > 1 { throw ProtobufError(.malformed, "varint over 64 bits at byte \(start)") }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw ProtobufError(.truncated, "message ends inside the varint at byte \(start)")
  }

  mutating func fixed32(in bytes: Span<UInt8>) throws(ProtobufError) -> UInt32 {
    let range = try take(4)
    return range.reversed().reduce(0) { $0 << 8 | UInt32(bytes[$1]) }
  }

  mutating func fixed64(in bytes: Span<UInt8>) throws(ProtobufError) -> UInt64 {
    let range = try take(8)
    return range.reversed().reduce(0) { $0 << 8 | UInt64(bytes[$1]) }
  }

  mutating func content(_ type: WireField.WireType, in bytes: Span<UInt8>) throws(ProtobufError) -> WireField.Content {
    switch type {
    case .varint: return .varint(try varint(in: bytes))
    case .fixed64: return .fixed64(try fixed64(in: bytes))
    case .fixed32: return .fixed32(try fixed32(in: bytes))
    case .lengthDelimited:
      let length = try varint(in: bytes)
      return .lengthDelimited(try take(Int(exactly: length) ?? Int.max))
    }
  }

  private mutating func take(_ count: Int) throws(ProtobufError) -> Range<Int> {
    guard count <= end - position else {
      throw ProtobufError(.truncated, "\(count) bytes announced at byte \(position), \(end - position) left")
    }
    let range = position..<(position + count)
    position = range.upperBound
    return range
  }
}

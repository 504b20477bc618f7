internal import MilvusWire

/// The messages of `Tests/interop/testing.proto` as far as the cases need them, put together field by field.
enum TestMessages {
  /// `EchoStatus`.
  struct EchoStatus: Equatable {
    var code: Int
    var message: String

    var bytes: [UInt8] {
      var writer = WireWriter()
      writer.varint(1, UInt64(clamping: code))
      writer.string(2, message)
      return writer.bytes
    }
  }

  /// `SimpleRequest`.
  static func simpleRequest(responseSize: Int = 0, payloadBytes: Int = 0, status: EchoStatus? = nil)
    -> [UInt8]
  {
    var writer = WireWriter(capacity: payloadBytes + 64)
    writer.varint(2, UInt64(clamping: responseSize))
    writer.lengthDelimited(3, payload(bytes: payloadBytes))
    if let status { writer.lengthDelimited(7, status.bytes) }
    return writer.bytes
  }

  /// `StreamingOutputCallRequest`: one response for each size.
  static func outputRequest(sizes: [Int] = [], payloadBytes: Int = 0, status: EchoStatus? = nil) -> [UInt8] {
    var writer = WireWriter(capacity: payloadBytes + 64)
    for size in sizes {
      var parameters = WireWriter()
      parameters.varint(1, UInt64(clamping: size))
      writer.lengthDelimited(2, parameters.bytes)
    }
    writer.lengthDelimited(3, payload(bytes: payloadBytes))
    if let status { writer.lengthDelimited(7, status.bytes) }
    return writer.bytes
  }

  /// `StreamingInputCallRequest`, and the shape of every response with a payload.
  static func withPayload(bytes count: Int) -> [UInt8] {
    var writer = WireWriter(capacity: count + 16)
    writer.lengthDelimited(1, payload(bytes: count))
    return writer.bytes
  }

  /// Bytes of the payload of a `SimpleResponse` or `StreamingOutputCallResponse`, which must all be zero.
  static func payloadBytes(ofResponse message: [UInt8]) throws -> Int {
    guard let payload = try lengthDelimited(1, of: message, in: nil) else { return 0 }
    guard let body = try lengthDelimited(2, of: message, in: payload) else { return 0 }
    // A sample: every byte of 256 MiB takes a debug build a quarter of a minute. The relay case compares all bytes.
    for index in stride(from: body.lowerBound, to: body.upperBound, by: 509) where message[index] != 0 {
      throw CaseFailure("a payload holds something else than zeros")
    }
    return body.count
  }

  /// `StreamingInputCallResponse.aggregated_payload_size`.
  static func aggregatedSize(of message: [UInt8]) throws -> Int {
    try number(1, of: message)
  }

  /// `Payload`: zeros.
  private static func payload(bytes count: Int) -> [UInt8] {
    var writer = WireWriter(capacity: count + 8)
    writer.lengthDelimited(2, [UInt8](repeating: 0, count: count))
    return writer.bytes
  }

  /// The last field of that number, as proto3 reads a singular field.
  static func lengthDelimited(_ number: UInt32, of message: [UInt8], in range: Range<Int>?) throws -> Range<
    Int
  >? {
    var reader = WireReader(message, in: range)
    var found: Range<Int>?
    while let field = try reader.next() {
      if field.number == number, let range = field.range { found = range }
    }
    return found
  }

  static func number(_ number: UInt32, of message: [UInt8], in range: Range<Int>? = nil) throws -> Int {
    var reader = WireReader(message, in: range)
    var found = 0
    while let field = try reader.next() {
      if field.number == number, let value = field.varint { found = Int(truncatingIfNeeded: value) }
    }
    return found
  }
}

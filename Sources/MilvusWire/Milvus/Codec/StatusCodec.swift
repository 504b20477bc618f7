extension MilvusStatus {
  /// Finds and reads the Status of an answer; success where there is none (`public-rpc.md` §2.1).
  ///
  /// It is read by hand, before and without the rest of the answer: a text that protobuf-c could not hold
  /// must not hide why a call failed. Bytes of texts that are not UTF-8 are replaced.
  package static func read(from answer: [UInt8], of type: MessageDescriptor) throws(ProtobufError) -> MilvusStatus {
    var status = StatusParts()
    if type.name == "milvus.proto.common.Status" {
      try status.read(WireReader(answer))
      return status.status
    }
    guard let number = type.field(named: "status")?.number else { return MilvusStatus() }
    var reader = WireReader(answer)
    while let field = try reader.next() {
      guard field.number == number, let range = field.range else { continue }
      try status.read(WireReader(answer, in: range))
    }
    return status.status
  }
}

extension MilvusStatus {
  /// The Status that fills the reader's range.
  static func read(_ message: WireReader) throws(ProtobufError) -> MilvusStatus {
    var status = StatusParts()
    try status.read(message)
    return status.status
  }
}

/// The members of `common.Status` while they are read; a repeated one replaces the earlier (protobuf "Last
/// one wins").
private struct StatusParts {
  private var code: Int32 = 0
  private var legacyErrorCode: Int32 = 0
  private var reason = ""
  private var isRetriable = false
  private var detail = ""
  private var extraInfo: [String: String] = [:]

  var status: MilvusStatus {
    MilvusStatus(
      code: code, legacyErrorCode: legacyErrorCode, reason: reason, isRetriable: isRetriable, detail: detail,
      extraInfo: extraInfo)
  }

  mutating func read(_ message: WireReader) throws(ProtobufError) {
    var reader = message
    while let field = try reader.next() {
      switch (field.number, field.content) {
      case (1, .varint(let value)): legacyErrorCode = Int32(truncatingIfNeeded: value)
      case (2, .lengthDelimited(let range)): reason = reader.text(range)
      case (3, .varint(let value)): code = Int32(truncatingIfNeeded: value)
      case (4, .varint(let value)): isRetriable = value != 0
      case (5, .lengthDelimited(let range)): detail = reader.text(range)
      case (6, .lengthDelimited(let range)): try readExtraInfo(WireReader(reader.bytes, in: range))
      default: break
      }
    }
  }

  private mutating func readExtraInfo(_ entry: WireReader) throws(ProtobufError) {
    var reader = entry
    var (key, value) = ("", "")
    while let field = try reader.next() {
      guard let range = field.range else { continue }
      if field.number == 1 { key = reader.text(range) }
      if field.number == 2 { value = reader.text(range) }
    }
    extraInfo[key] = value
  }
}

extension WireReader {
  /// The text of a range; what is not UTF-8 is replaced by U+FFFD.
  func text(_ range: Range<Int>) -> String {
    String(decoding: bytes[range.clamped(to: 0..<bytes.count)], as: UTF8.self)
  }
}

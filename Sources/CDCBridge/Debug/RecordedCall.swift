package import MilvusWire

/// Something of a call that went through a tap, as a recording keeps it (docs/RECORDING.md, kind 6). Metadata is not kept: logins stand there.
///
/// ```
/// {1: number of the call, 2: what (1 began, 2 request, 3 answer, 4 ended), 3: path, 4: message, 5: Unix ms, 6: gRPC status, 7: its text, 8: client,
///  9: encoding in which the message went through, where it is kept so}
/// ```
package struct RecordedCall: Sendable, Equatable {
  package enum What: UInt64, Sendable { case began = 1, request, answer, ended }
  package var number: UInt64
  package var what: What
  package var path = ""
  package var message: [UInt8] = []
  package var unixMs: UInt64
  package var status: RPCStatusCode = .ok
  package var text = ""
  package var client = ""
  package var encoding = ""

  package init(number: UInt64, _ what: What, unixMs: UInt64) { (self.number, self.what, self.unixMs) = (number, what, unixMs) }

  package var byteCount: Int { message.count + path.utf8.count + text.utf8.count + 64 }

  var encoded: [UInt8] {
    var writer = WireWriter(capacity: byteCount)
    writer.varint(1, number)
    writer.varint(2, what.rawValue)
    if !path.isEmpty { writer.string(3, path) }
    writer.lengthDelimited(4, message)
    writer.varint(5, unixMs)
    if status != .ok { writer.varint(6, UInt64(clamping: status.rawValue)) }
    if !text.isEmpty { writer.string(7, text) }
    if !client.isEmpty { writer.string(8, client) }
    if !encoding.isEmpty { writer.string(9, encoding) }
    return writer.bytes
  }

  /// nil: of a kind that is not known here.
  package init?(_ bytes: [UInt8], in range: Range<Int>) throws(ProtobufError) {
    var reader = WireReader(bytes, in: range)
    var kind: UInt64 = 0
    var found = RecordedCall(number: 0, .began, unixMs: 0)
    while let field = try reader.next() {
      func text() -> String { field.range.map { String(decoding: bytes[$0], as: UTF8.self) } ?? "" }
      switch field.number {
      case 1: found.number = field.varint ?? 0
      case 2: kind = field.varint ?? 0
      case 3: found.path = text()
      case 4: found.message = field.range.map { Array(bytes[$0]) } ?? []
      case 5: found.unixMs = field.varint ?? 0
      case 6: found.status = RPCStatusCode(rawValue: Int(clamping: field.varint ?? 0)) ?? .unknown
      case 7: found.text = text()
      case 8: found.client = text()
      case 9: found.encoding = text()
      default: break
      }
    }
    guard let what = What(rawValue: kind) else { return nil }
    found.what = what
    self = found
  }
}

/// Recorded calls for a person or a program, one after the other: messages by the types of their methods, secrets replaced.
package struct RecordedCallView: Sendable {
  private let readable: ReadableMessage
  /// Paths of calls that have begun and not ended.
  private var paths: [UInt64: String] = [:]

  package init(_ options: ReadableMessage.Options) { readable = ReadableMessage(options) }

  /// {call, event, method, time, …}.
  package mutating func json(_ call: RecordedCall) -> JSONValue {
    let path = path(of: call)
    var object: JSONObject = [
      "call": .string(String(call.number)), "event": .string("\(call.what)"), "method": .string(TapCall.name(path)),
      "time": .string(CivilTime(unixMilliseconds: Int64(clamping: call.unixMs)).rfc3339),
    ]
    switch call.what {
    case .began: object["client"] = .string(call.client)
    case .request, .answer: object["message"] = message(call, path)
    case .ended:
      object["status"] = .string("\(call.status)")
      if !call.text.isEmpty { object["reason"] = .string(call.text) }
    }
    return .object(object)
  }

  package mutating func line(_ call: RecordedCall, isBrief: Bool) -> String? {
    let path = path(of: call)
    let time = CivilTime(unixMilliseconds: Int64(clamping: call.unixMs)).rfc3339
    switch call.what {
    case .began: return SafeText.line("#\(call.number) \(time) \(TapCall.name(path)) from \(call.client)")
    case .request, .answer:
      if isBrief { return nil }
      return SafeText.line("#\(call.number)     \(call.what == .request ? ">" : "<") \(JSONWriter().text(of: message(call, path)))")
    case .ended:
      return SafeText.line(
        "#\(call.number) \(time) \(call.status == .ok ? "OK" : "\(call.status)")\(call.text.isEmpty ? "" : ": \(call.text)")")
    }
  }

  private mutating func path(of call: RecordedCall) -> String {
    if call.what == .began { paths[call.number] = call.path }
    let path = paths[call.number] ?? ""
    if call.what == .ended { paths[call.number] = nil }
    return path
  }

  private func message(_ call: RecordedCall, _ path: String) -> JSONValue {
    guard call.encoding.isEmpty else { return .string("\(call.message.count) bytes, compressed with \(call.encoding)") }
    let method = Method.named(path)
    let type = (call.what == .request ? method?.requestType : method?.responseType).flatMap { MessageDescriptor(named: $0) }
    if let type, let value = try? readable.json(of: call.message, as: type) { return value }
    return (try? WireTree(call.message))?.json ?? .string("\(call.message.count) bytes that are no message")
  }
}

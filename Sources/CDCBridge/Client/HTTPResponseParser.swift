internal import MilvusWire

/// Reads one HTTP/1.1 response from bytes as they come (RFC 9112 §6.3: by length, in chunks, or up to the end of the stream). Pure.
///
/// | state   | entered by                  | exits to                                    |
/// |---------|-----------------------------|---------------------------------------------|
/// | head    | init                        | body (an empty line), failed                |
/// | body    | head                        | done (all of it), failed                    |
/// | done    | body                        | –                                           |
struct HTTPResponseParser {
  struct Response: Equatable {
    var status: Int
    var body: [UInt8]
  }
  struct Failure: Error, Equatable { var message: String }
  struct Limits {
    var headBytesMax = 64 << 10
    var bodyBytesMax = 64 << 20
  }
  private enum Framing: Equatable { case length(Int), chunked, untilEnd }
  private enum State { case head, body(status: Int, Framing) }

  private let limits: Limits
  private var state = State.head
  private var bytes: [UInt8] = []

  init(limits: Limits = Limits()) { self.limits = limits }

  /// The response, once all of it is here.
  mutating func append(_ more: [UInt8]) throws(Failure) -> Response? {
    bytes += more
    return try advance(isAtEnd: false)
  }

  /// The response, where the end of the stream is its end.
  mutating func finish() throws(Failure) -> Response {
    guard let response = try advance(isAtEnd: true) else {
      throw Failure(message: "the connection ended in the middle of an answer")
    }
    return response
  }

  private mutating func advance(isAtEnd: Bool) throws(Failure) -> Response? {
    if case .head = state {
      guard let end = Self.endOfHead(bytes) else {
        guard bytes.count <= limits.headBytesMax else { throw Failure(message: "the answer's header does not end") }
        return nil
      }
      let (status, framing) = try Self.head(bytes[..<end])
      bytes.removeFirst(end)
      state = .body(status: status, framing)
    }
    guard case .body(let status, let framing) = state else { return nil }
    guard bytes.count <= limits.bodyBytesMax else {
      throw Failure(message: "the answer is longer than \(limits.bodyBytesMax) bytes")
    }
    switch framing {
    case .length(let count):
      guard bytes.count >= count else { return nil }
      return Response(status: status, body: Array(bytes.prefix(count)))
    case .untilEnd: return isAtEnd ? Response(status: status, body: bytes) : nil
    case .chunked: return try Self.unchunked(bytes).map { Response(status: status, body: $0) }
    }
  }

  /// Behind the empty line.
  private static func endOfHead(_ bytes: [UInt8]) -> Int? {
    guard let range = bytes.firstRange(of: [0x0D, 0x0A, 0x0D, 0x0A]) else { return nil }
    return range.upperBound
  }

  private static func head(_ bytes: ArraySlice<UInt8>) throws(Failure) -> (Int, Framing) {
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")
    guard let first = lines.first, first.hasPrefix("HTTP/1."),
      let status = first.split(separator: " ").dropFirst().first.flatMap({ Int($0) }), (100...599).contains(status)
    else { throw Failure(message: "the answer is not HTTP") }
    var framing = Framing.untilEnd
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let value = line[line.index(after: colon)...].trimmingSpace().lowercased()
      switch line[..<colon].lowercased() {
      case "content-length":
        guard let count = Int(value), count >= 0 else { throw Failure(message: "the answer's length is no number") }
        if framing == .untilEnd { framing = .length(count) }
      case "transfer-encoding" where value == "chunked": framing = .chunked
      default: break
      }
    }
    return (status, status == 204 || status == 304 ? .length(0) : framing)
  }

  /// All chunks joined; nil while some are missing (RFC 9112 §7.1).
  private static func unchunked(_ bytes: [UInt8]) throws(Failure) -> [UInt8]? {
    var body: [UInt8] = []
    var rest = bytes[...]
    while true {
      guard let line = rest.firstRange(of: [0x0D, 0x0A]) else { return nil }
      let digits = String(decoding: rest[..<line.lowerBound], as: UTF8.self).prefix { $0 != ";" }
      guard let count = Int(digits.trimmingSpace(), radix: 16), count >= 0, count <= 1 << 30 else {
        throw Failure(message: "a chunk of the answer has no length")
      }
      rest = rest[line.upperBound...]
      if count == 0 { return body }
      guard rest.count >= count + 2 else { return nil }
      body += rest.prefix(count)
      rest = rest.dropFirst(count + 2)
    }
  }
}

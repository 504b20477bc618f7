/// Reads HTTP/1.1 requests (RFC 9112) out of bytes that arrive in any pieces. Pure: no I/O, no clock.
///
/// `receive` takes bytes, `next` gives what they mean; requests that were sent together come out one by one, in order. Lines end with CRLF
/// only: a bare LF is refused everywhere (RFC 9112 §2.2 would allow it), because a proxy in front may read it otherwise.
///
/// | State     | Entered by            | Exits to                                   |
/// |-----------|-----------------------|--------------------------------------------|
/// | start     | init, request ended   | fields (request line), failed              |
/// | fields    | request line          | body, chunkSize, start (no body), failed   |
/// | body      | Content-Length        | start (all bytes here), failed             |
/// | chunkSize | chunked, chunk ended  | chunkData, trailers (size 0), failed       |
/// | chunkData | chunk size            | chunkSize, failed                          |
/// | trailers  | last chunk            | start (empty line), failed                 |
/// | failed    | first refusal         | —                                          |
package struct HTTPRequestParser {
  /// Each with the status that answers more.
  package struct Limits: Sendable {
    /// 414.
    package var requestLineBytesMax = 8 << 10
    /// 431; all field lines of a request together, and those of a trailer.
    package var fieldBytesMax = 32 << 10
    /// 431.
    package var fieldCountMax = 100
    /// 413.
    package var bodyBytesMax = 4 << 20
    /// 400; chunk extensions count.
    package var chunkLineBytesMax = 256
    package init() {}
  }

  package enum Step: Equatable {
    /// All bytes are read; more must come.
    case needsBytes
    /// The client waits for `100 Continue`; given at most once per request, and only when its body has not begun to arrive.
    case sendContinue
    case request(HTTPRequest)
    /// Nothing more is read from this connection; repeated at every further call.
    case reject(HTTPRejection)
  }

  /// What the connection waits for, so that the shell can choose a deadline.
  package enum Phase: Equatable { case idle, head, body }

  private enum State: Equatable {
    case start(emptyLines: Int)
    case fields(HTTPRequestHead, bytes: Int)
    case body(HTTPRequestHead, remaining: Int)
    case chunkSize(HTTPRequestHead)
    case chunkData(HTTPRequestHead, remaining: Int)
    case trailers(HTTPRequestHead, bytes: Int, count: Int)
    case failed(HTTPRejection)
  }

  private let limits: Limits
  private var state = State.start(emptyLines: 0)
  private var buffer: [UInt8] = []
  /// Bytes before are read already; bytes before `scanned` hold no line end.
  private var consumed = 0
  private var scanned = 0
  /// Outside the state so that it grows in place.
  private var body: [UInt8] = []
  private var owesContinue = false

  package init(limits: Limits = Limits()) { self.limits = limits }

  package var phase: Phase {
    switch state {
    case .start: consumed == buffer.count ? .idle : .head
    case .fields: .head
    case .body, .chunkSize, .chunkData, .trailers: .body
    case .failed: .idle
    }
  }

  package mutating func receive(_ bytes: [UInt8]) {
    if consumed > 0 {
      buffer.removeFirst(consumed)
      scanned -= consumed
      consumed = 0
    }
    buffer.append(contentsOf: bytes)
  }

  package mutating func next() -> Step {
    do {
      while true {
        if let step = try advance() { return step }
      }
    } catch {
      state = .failed(error)
      (buffer, body, consumed, scanned) = ([], [], 0, 0)
      return .reject(error)
    }
  }

  /// One transition; nil where another can follow.
  private mutating func advance() throws(HTTPRejection) -> Step? {
    switch state {
    case .start(let emptyLines): return try requestLine(emptyLines: emptyLines)
    case .fields(let head, let bytes): return try fieldLine(head, bytes: bytes)
    case .body(let head, let remaining):
      let rest = take(upTo: remaining)
      guard rest == 0 else {
        state = .body(head, remaining: rest)
        return waitForBody()
      }
      return .request(try finish(head))
    case .chunkSize(let head): return try chunkSize(head)
    case .chunkData(let head, let remaining): return try chunkData(head, remaining: remaining)
    case .trailers(let head, let bytes, let count):
      return try trailer(head, bytes: bytes, count: count)
    case .failed(let rejection): return .reject(rejection)
    }
  }

  /// RFC 9112 §2.2: empty lines before the request line are tolerated, here at most two.
  private mutating func requestLine(emptyLines: Int) throws(HTTPRejection) -> Step? {
    let tooLong = HTTPRejection(.uriTooLong, "the request line is too long")
    guard let line = try takeLine(bytesMax: limits.requestLineBytesMax, tooLong: tooLong) else {
      return .needsBytes
    }
    if line.isEmpty, emptyLines < 2 {
      state = .start(emptyLines: emptyLines + 1)
    } else {
      state = .fields(try HTTPRequestHead(requestLine: line), bytes: 0)
    }
    return nil
  }

  private mutating func fieldLine(_ head: HTTPRequestHead, bytes: Int) throws(HTTPRejection) -> Step? {
    var head = head
    let tooLarge = HTTPRejection(.fieldsTooLarge, "the header fields are too large")
    guard let line = try takeLine(bytesMax: limits.fieldBytesMax - bytes, tooLong: tooLarge) else {
      return .needsBytes
    }
    guard line.isEmpty else {
      guard head.fields.count < limits.fieldCountMax else { throw tooLarge }
      try head.add(fieldLine: line)
      state = .fields(head, bytes: bytes + line.count)
      return nil
    }
    try head.checkHost()
    _ = try head.path()
    let framing = try head.framing()
    let expectsContinue = try head.expectsContinue()
    switch framing {
    case .none, .length(0): return .request(try finish(head))
    case .length(let count):
      guard count <= limits.bodyBytesMax else { throw bodyTooLarge }
      state = .body(head, remaining: count)
    case .chunked: state = .chunkSize(head)
    }
    owesContinue = expectsContinue
    return nil
  }

  /// RFC 9112 §7.1: hexadecimal size, extensions are read over.
  private mutating func chunkSize(_ head: HTTPRequestHead) throws(HTTPRejection) -> Step? {
    let malformed = HTTPRejection(.badRequest, "malformed chunk size")
    guard let line = try takeLine(bytesMax: limits.chunkLineBytesMax, tooLong: malformed) else {
      return waitForBody()
    }
    let digits = line.prefix { HTTPSyntax.hexadecimal($0) != nil }
    let extensions = line[digits.endIndex...].drop { $0 == 0x20 || $0 == 0x09 }
    guard !digits.isEmpty, digits.count <= 15, extensions.isEmpty || extensions.first == UInt8(ascii: ";"),
      extensions.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }),
      let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw malformed }
    guard size <= limits.bodyBytesMax - body.count else { throw bodyTooLarge }
    owesContinue = false
    state = size == 0 ? .trailers(head, bytes: 0, count: 0) : .chunkData(head, remaining: size)
    return nil
  }

  private mutating func chunkData(_ head: HTTPRequestHead, remaining: Int) throws(HTTPRejection) -> Step? {
    let rest = take(upTo: remaining)
    state = .chunkData(head, remaining: rest)
    guard rest == 0, buffer.count - consumed >= 2 else { return .needsBytes }
    guard buffer[consumed] == 0x0D, buffer[consumed + 1] == 0x0A else {
      throw HTTPRejection(.badRequest, "a chunk is longer than its size")
    }
    consumed += 2
    scanned = consumed
    state = .chunkSize(head)
    return nil
  }

  /// Trailer fields are checked and dropped: no field of a trailer has a meaning here.
  private mutating func trailer(_ head: HTTPRequestHead, bytes: Int, count: Int) throws(HTTPRejection)
    -> Step?
  {
    let tooLarge = HTTPRejection(.fieldsTooLarge, "the trailer fields are too large")
    guard let line = try takeLine(bytesMax: limits.fieldBytesMax - bytes, tooLong: tooLarge) else {
      return .needsBytes
    }
    guard !line.isEmpty else { return .request(try finish(head)) }
    guard count < limits.fieldCountMax else { throw tooLarge }
    _ = try HTTPSyntax.field(line)
    state = .trailers(head, bytes: bytes + line.count, count: count + 1)
    return nil
  }

  private mutating func finish(_ head: HTTPRequestHead) throws(HTTPRejection) -> HTTPRequest {
    let request = HTTPRequest(
      method: head.method, path: try head.path(), minorVersion: head.minorVersion, fields: head.fields,
      body: body, keepsAlive: head.keepsAlive)
    body = []
    owesContinue = false
    state = .start(emptyLines: 0)
    return request
  }

  private mutating func waitForBody() -> Step {
    guard owesContinue else { return .needsBytes }
    owesContinue = false
    return body.isEmpty && consumed == buffer.count ? .sendContinue : .needsBytes
  }

  private var bodyTooLarge: HTTPRejection {
    HTTPRejection(.contentTooLarge, "the request body is larger than \(limits.bodyBytesMax) bytes")
  }

  /// Moves body bytes over and tells how many are still missing.
  private mutating func take(upTo count: Int) -> Int {
    let taken = min(count, buffer.count - consumed)
    body.append(contentsOf: buffer[consumed..<consumed + taken])
    consumed += taken
    scanned = consumed
    return count - taken
  }

  /// The next line without its CRLF; nil where it has not ended yet. Each byte is looked at once, however it arrives.
  private mutating func takeLine(
    bytesMax: Int, tooLong: HTTPRejection
  ) throws(HTTPRejection) -> ArraySlice<UInt8>? {
    while scanned < buffer.count {
      switch buffer[scanned] {
      case 0x0A: throw HTTPRejection(.badRequest, "a line ends without a carriage return")
      case 0x0D:
        guard scanned + 1 < buffer.count else { return nil }
        guard buffer[scanned + 1] == 0x0A else {
          throw HTTPRejection(.badRequest, "a carriage return inside a line")
        }
        let line = buffer[consumed..<scanned]
        consumed = scanned + 2
        scanned = consumed
        return line
      default:
        guard scanned - consumed < bytesMax else { throw tooLong }
        scanned += 1
      }
    }
    return nil
  }
}

/// One frame of HTTP/2 as it went over the wire (RFC 9113 §4.1, §6), for a person to read.
package struct FrameView: Sendable, Equatable {
  package enum Content: Sendable, Equatable {
    case data(bytes: Int, padding: Int)
    /// nil: the block goes on in the next frame, or cannot be read (`problem`). Secrets are replaced before a view is made, unless asked.
    case headers(HeaderList?)
    case priority
    case reset(HTTP2ErrorCode)
    case settings([Setting])
    case ping([UInt8])
    case goAway(lastStream: UInt32, HTTP2ErrorCode, debug: [UInt8])
    case windowUpdate(UInt32)
    case preface
    case other
  }
  package struct Setting: Sendable, Equatable {
    package var id: UInt16
    package var value: UInt32
  }
  /// Of the frame's first byte in its direction.
  package var offset: Int
  package var type: UInt8
  package var flags: UInt8
  package var stream: UInt32
  /// Of the payload.
  package var byteCount: Int
  package var content: Content
  /// What about the frame is against the rules or cannot be read.
  package var problem: String?

  package var isAcknowledgement: Bool { flags & 1 != 0 }

  package var name: String {
    if case .preface = content { return "preface" }
    let names = [
      "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION",
    ]
    return Int(type) < names.count ? names[Int(type)] : "frame type \(type)"
  }

  package var flagNames: [String] {
    switch type {
    case 0: named([(1, "END_STREAM"), (8, "PADDED")])
    case 1: named([(1, "END_STREAM"), (4, "END_HEADERS"), (8, "PADDED"), (32, "PRIORITY")])
    case 4, 6: named([(1, "ACK")])
    case 9: named([(4, "END_HEADERS")])
    default: named([])
    }
  }

  private func named(_ names: [(bit: UInt8, name: String)]) -> [String] {
    var rest = flags
    var list: [String] = []
    for (bit, name) in names where flags & bit != 0 {
      list.append(name)
      rest &= ~bit
    }
    return rest == 0 ? list : list + ["0x" + String(rest, radix: 16)]
  }
}

/// Reads one direction of an HTTP/2 connection beside whoever really speaks it: cuts the bytes into frames and opens header blocks.
///
/// Bytes may come in any pieces. Payloads of DATA are passed on and not kept; any other frame is held until it is whole. After the first
/// mistake that leaves the frames without borders nothing more is read.
package struct FrameInspector {
  package struct Limits: Sendable {
    /// Of a frame other than DATA that is held until it is whole, and of a header block. Nobody announces more than 16 KiB by default.
    package var frameBytesMax = 1 << 20
    package init() {}
  }
  package enum Output: Sendable, Equatable {
    case frame(FrameView)
    /// Bytes of a stream's DATA, padding left out, as they came; `isEnd` on the last ones of a frame with END_STREAM.
    case data(stream: UInt32, [UInt8], isEnd: Bool)
    /// Nothing after this can be read.
    case broken(offset: Int, String)
  }

  private static let headBytes = 9
  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private let limits: Limits
  private let showsSecrets: Bool
  private let inflater: HeaderInflater?
  private var buffer: [UInt8] = []
  /// Of `buffer`'s first byte.
  private var offset = 0
  private var mayBePreface: Bool
  private var isBroken = false
  /// The DATA frame whose payload is passing, and how much of it is left.
  private var data: (stream: UInt32, left: Int, padding: Int, isEnd: Bool)?
  /// A header block that goes on in CONTINUATION frames.
  private var block: (stream: UInt32, bytes: [UInt8])?

  /// `mayBePreface`: the bytes are a client's, whose connection begins with a fixed text.
  package init(mayBePreface: Bool = true, showsSecrets: Bool = false, limits: Limits = Limits()) {
    self.limits = limits
    self.showsSecrets = showsSecrets
    self.mayBePreface = mayBePreface
    inflater = HeaderInflater()
  }

  /// Bytes of a frame that has not come whole.
  package var pendingBytes: Int { buffer.count &+ (data?.left ?? 0) }

  package mutating func feed(_ bytes: some Collection<UInt8>) -> [Output] {
    guard !isBroken else { return [] }
    buffer.append(contentsOf: bytes)
    var outputs: [Output] = []
    var position = 0
    while !isBroken, let used = step(from: position, &outputs) { position += used }
    buffer.removeFirst(position)
    offset = offset &+ position
    return outputs
  }

  /// Reads one thing from the buffer and returns how many bytes it took; nil: more is needed.
  private mutating func step(from position: Int, _ outputs: inout [Output]) -> Int? {
    let available = buffer.count - position
    if var data, data.left > 0 {
      guard available > 0 else { return nil }
      let count = min(available, data.left)
      // What is left behind the content is padding.
      let content = max(0, min(count, data.left - data.padding))
      data.left -= count
      self.data = data
      if content > 0 || data.left == 0 {
        outputs.append(.data(stream: data.stream, Array(buffer[position..<position + content]), isEnd: data.isEnd && data.left == 0))
      }
      return count
    }
    if mayBePreface, available > 0 {
      let common = min(available, Self.preface.count)
      guard buffer[position..<position + common].elementsEqual(Self.preface[..<common]) else {
        mayBePreface = false
        return 0
      }
      guard common == Self.preface.count else { return nil }
      mayBePreface = false
      outputs.append(.frame(view(at: position, (0, 0, 0, common), .preface)))
      return common
    }
    guard available >= Self.headBytes else { return nil }
    let head = Array(buffer[position..<position + Self.headBytes])
    let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
    let stream = (UInt32(head[5]) << 24 | UInt32(head[6]) << 16 | UInt32(head[7]) << 8 | UInt32(head[8])) & 0x7FFF_FFFF
    if head[3] == 0 { return beginData(at: position, flags: head[4], stream, length, &outputs) }
    guard length <= limits.frameBytesMax else {
      fail(at: position, "a frame of type \(head[3]) with \(length) bytes", &outputs)
      return nil
    }
    guard available >= Self.headBytes + length else { return nil }
    let payload = Array(buffer[position + Self.headBytes..<position + Self.headBytes + length])
    outputs.append(.frame(read(at: position, (head[3], head[4], stream, length), payload)))
    return Self.headBytes + length
  }

  private mutating func beginData(at position: Int, flags: UInt8, _ stream: UInt32, _ length: Int, _ outputs: inout [Output]) -> Int? {
    var (used, padding) = (Self.headBytes, 0)
    if flags & 8 != 0 {
      guard buffer.count > position + used else { return nil }
      padding = Int(buffer[position + used])
      used += 1
    }
    let left = length - (used - Self.headBytes)
    var frame = view(at: position, (0, flags, stream, length), .data(bytes: max(0, left - padding), padding: padding))
    if padding > left { frame.problem = "more padding than payload" }
    outputs.append(.frame(frame))
    data = (stream, max(0, left), min(padding, max(0, left)), flags & 1 != 0)
    if left <= 0 { outputs.append(.data(stream: stream, [], isEnd: flags & 1 != 0)) }
    return used
  }

  private mutating func fail(at position: Int, _ what: String, _ outputs: inout [Output]) {
    isBroken = true
    outputs.append(.broken(offset: offset &+ position, what))
  }

  private typealias Head = (type: UInt8, flags: UInt8, stream: UInt32, length: Int)

  private func view(at position: Int, _ head: Head, _ content: FrameView.Content) -> FrameView {
    FrameView(
      offset: offset &+ position, type: head.type, flags: head.flags, stream: head.stream, byteCount: head.length, content: content)
  }

  // MARK: Frames other than DATA

  private mutating func read(at position: Int, _ head: Head, _ payload: [UInt8]) -> FrameView {
    var frame = view(at: position, head, .other)
    func number(_ index: Int) -> UInt32 {
      guard index + 4 <= payload.count else { return 0 }
      return payload[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
    func requires(_ count: Int) { if payload.count != count { frame.problem = "\(payload.count) bytes where it has \(count)" } }
    switch head.type {
    case 1, 5, 9: readBlock(head, payload, &frame)
    case 2:
      requires(5)
      frame.content = .priority
    case 3:
      requires(4)
      frame.content = .reset(HTTP2ErrorCode(rawValue: number(0)))
    case 4:
      if payload.count % 6 != 0 { frame.problem = "\(payload.count) bytes are no whole number of settings" }
      frame.content = .settings(
        stride(from: 0, to: payload.count - payload.count % 6, by: 6).map {
          FrameView.Setting(id: UInt16(payload[$0]) << 8 | UInt16(payload[$0 + 1]), value: number($0 + 2))
        })
    case 6:
      requires(8)
      frame.content = .ping(payload)
    case 7:
      if payload.count < 8 { frame.problem = "\(payload.count) bytes where it has at least 8" }
      frame.content = .goAway(
        lastStream: number(0) & 0x7FFF_FFFF, HTTP2ErrorCode(rawValue: number(4)), debug: Array(payload.dropFirst(8)))
    case 8:
      requires(4)
      frame.content = .windowUpdate(number(0) & 0x7FFF_FFFF)
    default: break
    }
    return frame
  }

  /// HEADERS, PUSH_PROMISE and CONTINUATION: padding and priority go, and a block that is whole is opened.
  private mutating func readBlock(_ head: Head, _ payload: [UInt8], _ frame: inout FrameView) {
    var fragment = payload[...]
    if head.type != 9, head.flags & 8 != 0 {
      let padding = Int(fragment.popFirst() ?? 0)
      if padding > fragment.count { frame.problem = "more padding than payload" }
      fragment = fragment.dropLast(padding)
    }
    if head.type == 1, head.flags & 32 != 0 { fragment = fragment.dropFirst(5) }
    if head.type == 5 { fragment = fragment.dropFirst(4) }
    if head.type == 9 {
      if block?.stream != head.stream { frame.problem = "it continues nothing" }
    } else {
      if block != nil { frame.problem = "the header block before it has no end" }
      block = (head.stream, [])
    }
    frame.content = .headers(nil)
    guard (block?.bytes.count ?? 0) &+ fragment.count <= limits.frameBytesMax else {
      frame.problem = "the header block is too large to be shown"
      return
    }
    block?.bytes += fragment
    guard head.flags & 4 != 0, let whole = block else { return }
    block = nil
    do throws(HeaderInflater.Failure) {
      guard let inflater else { throw .malformed }
      let headers = try inflater.headers(of: whole.bytes[...])
      frame.content = .headers(showsSecrets ? headers : headers.redacted)
    } catch {
      switch error {
      case .malformed: frame.problem = "the header block cannot be decoded; a connection's later ones neither"
      case .tooLarge(let bytesMax): frame.problem = "the header block is larger than \(bytesMax) bytes"
      }
    }
  }
}

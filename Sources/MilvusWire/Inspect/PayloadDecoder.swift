/// What bytes of any origin are, one item after the other: the work of `decode`.
///
/// | form | bytes |
/// |---|---|
/// | `message` | one message |
/// | `delimited` | messages, each behind its length as a varint, as protobuf libraries write streams to files |
/// | `grpc` | messages behind gRPC's five bytes: compressed u8, length u32 BE; what gzip and zlib packed is unpacked |
/// | `http2` | one direction of a connection, from its first byte |
///
/// Without a form they are looked at: a client's preface or SETTINGS make a connection, prefixes that fit to the end make the other two.
/// A message has the type that was named, on a connection that of the method; else it is a message of the log if it can be read as one,
/// else wire text. Damage is an item at its offset, and what is whole before it comes.
package struct PayloadDecoder: Sendable {
  package enum Form: String, Sendable, CaseIterable { case message, delimited, grpc, http2 }
  package enum Item: Sendable {
    case log(LogMessage)
    /// `type`: its full name.
    case message(type: String, JSONValue)
    case unknown(WireTree)
    case frame(FrameView)
    /// What cannot be read, and why.
    case problem(String)
  }
  package struct Found: Sendable {
    /// Of the item's first byte in the input.
    package var offset: Int
    package var byteCount: Int
    /// On a connection.
    package var stream: UInt32?
    package var item: Item
  }
  /// Milvus's own limit is 512 MiB.
  private static let messageBytesMax = 1 << 30

  private let type: MessageDescriptor?
  private let view: ReadableMessage

  package init(type: MessageDescriptor? = nil, options: ReadableMessage.Options = ReadableMessage.Options()) {
    self.type = type
    view = ReadableMessage(options)
  }

  /// Everything in `bytes`, in order. `form` nil: as they look.
  package func decode(_ bytes: [UInt8], as form: Form? = nil, _ take: (Found) -> Void) {
    switch form ?? Self.guess(bytes, isTyped: type != nil) {
    case .message: take(Found(offset: 0, byteCount: bytes.count, item: item(bytes, 0..<bytes.count, type)))
    case .delimited: decodeDelimited(bytes, take)
    case .grpc: decodeFramed(bytes, take)
    case .http2: decodeConnection(bytes, take)
    }
  }

  // MARK: Forms

  package static func guess(_ bytes: [UInt8], isTyped: Bool = false) -> Form {
    if bytes.starts(with: "PRI * HTTP/2.0\r\n".utf8) || startsWithSettings(bytes) { return .http2 }
    if let first = framedRanges(bytes)?.first, isTyped || isMessage(bytes, first) { return .grpc }
    if isTyped { return .message }
    if (try? LogMessage(immutableMessage: bytes)) != nil || (try? LogMessage(dumpResponse: bytes)) != nil { return .message }
    if let first = delimitedRanges(bytes)?.first, log(bytes, first) != nil { return .delimited }
    return .message
  }

  /// A server's first frame (RFC 9113 §3.4): a SETTINGS frame of stream 0 with whole settings.
  private static func startsWithSettings(_ bytes: [UInt8]) -> Bool {
    guard bytes.count >= 9, bytes[0] == 0, bytes[1] == 0, bytes[2] % 6 == 0, bytes[3] == 4, bytes[4] == 0 else { return false }
    return bytes[5..<9].allSatisfy { $0 == 0 } && (bytes[2] > 0 || bytes.count > 9)
  }

  private static func isMessage(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    range.isEmpty || log(bytes, range) != nil || (try? WireTree(Array(bytes[range]))) != nil
  }

  /// The messages of gRPC's framing; nil unless it fits to the end.
  private static func framedRanges(_ bytes: [UInt8]) -> [Range<Int>]? {
    var ranges: [Range<Int>] = []
    var position = 0
    while position < bytes.count {
      guard let range = framedRange(bytes, at: position) else { return nil }
      ranges.append(range)
      position = range.upperBound
    }
    return ranges
  }

  private static func framedRange(_ bytes: [UInt8], at position: Int) -> Range<Int>? {
    guard bytes.count - position >= MessageFramer.prefixBytes, bytes[position] <= 1 else { return nil }
    let length = bytes[position + 1..<position + 5].reduce(0) { $0 << 8 | Int($1) }
    let start = position + MessageFramer.prefixBytes
    return length <= bytes.count - start ? start..<start + length : nil
  }

  private static func delimitedRanges(_ bytes: [UInt8]) -> [Range<Int>]? {
    var ranges: [Range<Int>] = []
    var reader = WireReader(bytes)
    while !reader.isAtEnd {
      guard case .lengthDelimited(let range)? = try? reader.content(.lengthDelimited) else { return nil }
      ranges.append(range)
    }
    return ranges
  }

  private func decodeDelimited(_ bytes: [UInt8], _ take: (Found) -> Void) {
    var reader = WireReader(bytes)
    while !reader.isAtEnd {
      let start = reader.position
      guard case .lengthDelimited(let range)? = try? reader.content(.lengthDelimited) else {
        take(
          Found(offset: start, byteCount: bytes.count - start, item: .problem("the file ends inside a message, or its length is damaged")))
        return
      }
      take(Found(offset: start, byteCount: range.upperBound - start, item: item(bytes, range, type)))
    }
  }

  private func decodeFramed(_ bytes: [UInt8], _ take: (Found) -> Void) {
    var position = 0
    while position < bytes.count {
      guard let range = Self.framedRange(bytes, at: position) else {
        let why = "the bytes end inside a message, or its prefix is damaged"
        take(Found(offset: position, byteCount: bytes.count - position, item: .problem(why)))
        return
      }
      take(
        Found(
          offset: position, byteCount: range.upperBound - position, item: framed(bytes, range, isCompressed: bytes[position] == 1, type)))
      position = range.upperBound
    }
  }

  /// The encoding stands in a header that is not here: it is told by the first bytes.
  private func framed(_ bytes: [UInt8], _ range: Range<Int>, isCompressed: Bool, _ type: MessageDescriptor?) -> Item {
    guard isCompressed else { return item(bytes, range, type) }
    let body = Array(bytes[range])
    let encoding = body.starts(with: [0x1F, 0x8B]) ? "gzip" : "deflate"
    guard let plain = (try? Inflate.decompress(body, encoding: encoding, bytesMax: Inflate.shownBytesMax)) ?? nil else {
      return .problem("a message of \(body.count) bytes, compressed with something else than gzip or zlib")
    }
    return item(plain, 0..<plain.count, type)
  }

  private func decodeConnection(_ bytes: [UInt8], _ take: (Found) -> Void) {
    var inspector = FrameInspector(showsSecrets: view.options.showsSecrets)
    var types: [UInt32: MessageDescriptor] = [:]
    var deframers: [UInt32: MessageDeframer] = [:]
    var offset = 0
    for output in inspector.feed(bytes) {
      switch output {
      case .frame(let frame):
        offset = frame.offset
        take(Found(offset: offset, byteCount: frame.byteCount, stream: frame.stream, item: .frame(frame)))
        guard case .headers(let headers?) = frame.content, let path = headers[":path"], let method = Method.named(path) else { continue }
        types[frame.stream] = MessageDescriptor(named: method.requestType)
      case .data(let stream, let part, _):
        var deframer = deframers[stream] ?? MessageDeframer(messageBytesMax: Self.messageBytesMax, keepsPrefix: true)
        do throws(MessageDeframer.Failure) {
          for message in try deframer.feed(part[...]) {
            let body = MessageFramer.prefixBytes..<message.count
            let item = framed(message, body, isCompressed: message[0] == 1, type ?? types[stream])
            take(Found(offset: offset, byteCount: body.count, stream: stream, item: item))
          }
        } catch {
          take(Found(offset: offset, byteCount: part.count, stream: stream, item: .problem(error.rpcError(encoding: nil).message)))
        }
        deframers[stream] = deframer
      case .broken(let place, let what): take(Found(offset: place, byteCount: 0, item: .problem("no HTTP/2 frame: \(what)")))
      }
    }
    if inspector.pendingBytes > 0 {
      take(Found(offset: bytes.count, byteCount: 0, item: .problem("the bytes end inside a frame")))
    }
  }

  // MARK: Messages

  private func item(_ bytes: [UInt8], _ range: Range<Int>, _ type: MessageDescriptor?) -> Item {
    guard let type else {
      if let message = Self.log(bytes, range) { return .log(message) }
      do throws(ProtobufError) { return .unknown(try WireTree(Array(bytes[range]))) } catch {
        return .problem("no message: \(error.message)")
      }
    }
    if type.name == "milvus.proto.common.ImmutableMessage" || type.name == "milvus.proto.milvus.DumpMessagesResponse",
      let message = Self.log(bytes, range)
    {
      return .log(message)
    }
    do throws(ProtobufError) {
      return .message(type: type.name, try view.json(of: bytes, in: range, as: type))
    } catch {
      return .problem("no \(type.name): \(error.message)")
    }
  }

  /// A message of the log, by itself or in the answer of a dump.
  private static func log(_ bytes: [UInt8], _ range: Range<Int>) -> LogMessage? {
    if let message = try? LogMessage(immutableMessage: bytes, in: range) { return message }
    return (try? LogMessage(dumpResponse: Array(bytes[range]))) ?? nil
  }
}

/// How bytes are written down where they are given as text.
package enum ByteNotation: String, Sendable, CaseIterable {
  case raw, hex, base64

  /// The bytes that `input` stands for; nil where it is not in this notation.
  package func bytes(of input: [UInt8]) -> [UInt8]? {
    switch self {
    case .raw: input
    case .hex: HexText.decode(input)
    case .base64: Base64.decode(String(decoding: input.filter { $0 > 0x20 }, as: UTF8.self))
    }
  }

  /// Text of nothing but hexadecimal digits is hexadecimal, text that is base64 is base64, everything else is what it is.
  package static func guess(_ input: [UInt8]) -> ByteNotation {
    guard !input.isEmpty, input.allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }) else { return .raw }
    for notation in [hex, base64] where notation.bytes(of: input)?.isEmpty == false { return notation }
    return .raw
  }
}

package import MilvusWire

/// Reads a recording block by block, in bounded memory, and goes on behind damage.
package struct RecordReader: Sendable {
  package enum Item: Sendable {
    case head(JSONObject)
    /// What stood on the source when the recording began (`LogCatalog`).
    case catalog(JSONValue)
    case message(LogMessage, pchannel: String)
    case note(String)
    /// Something of a call that went through a tap.
    case call(RecordedCall)
    /// The recording was ended in good order.
    case end
    /// So many bytes from here cannot be read, and why. What follows is whole again.
    case damage(bytes: Int, String)
  }
  package struct Found: Sendable {
    /// Of the block in the file.
    package var offset: Int
    package var item: Item
  }
  private static let readBytes = 1 << 20

  /// The file is still being written: where it ends inside a block, the rest is waited for, and `next` may be asked again after nil.
  package var isGrowing = false
  private let read: @Sendable (Int) throws -> [UInt8]
  private var buffer: [UInt8] = []
  /// Of the first byte in `buffer` that has not been taken.
  private var position = 0
  private var offset = 0
  private var isAtEnd = false
  private var ready: [Found] = []
  /// Damage that may go on.
  private var damage: (offset: Int, bytes: Int, why: String)?

  package init(_ file: LocalFile) {
    self.init(read: { try file.read(bytesMax: $0) })
  }

  /// `read` gives the next bytes, at most as many as asked for; none at the end.
  package init(read: @escaping @Sendable (Int) throws -> [UInt8]) { self.read = read }

  /// True where the bytes begin a recording.
  package static func isRecording(_ bytes: some Collection<UInt8>) -> Bool {
    RecordFormat.Head(Array(bytes.prefix(RecordFormat.headBytes))[...]) != nil
  }

  /// True where a recording may be appended to these bytes, which begin a file: there are none, or they begin a recording, whose first
  /// block may be cut off or damaged.
  package static func mayGrow(_ bytes: some Collection<UInt8>) -> Bool {
    zip(bytes, RecordFormat.magic).allSatisfy { $0 == $1 }
  }

  /// The next item; nil at the end.
  package mutating func next() throws -> Found? {
    if isGrowing { isAtEnd = false }
    while ready.isEmpty {
      guard try fill(RecordFormat.headBytes) else {
        if isGrowing, damage == nil { return nil }
        if available > 0, !isGrowing { damaged(available, "the file ends inside a block") }
        endDamage()
        guard !ready.isEmpty else { return nil }
        break
      }
      guard let head = RecordFormat.Head(buffer[position..<position + RecordFormat.headBytes]) else {
        skipToNextBlock("no block begins here, or its head is damaged")
        continue
      }
      if isGrowing, try !fill(RecordFormat.headBytes + Int(head.stored)) { return nil }
      try readBlock(head)
    }
    return ready.removeFirst()
  }

  // MARK: Blocks

  private mutating func readBlock(_ head: RecordFormat.Head) throws {
    let whole = RecordFormat.headBytes + Int(head.stored)
    guard try fill(whole) else {
      // The length is right, its sum says so: the file was cut off. What follows inside is looked at all the same.
      skipToNextBlock("the file ends inside a block of \(whole) bytes")
      return
    }
    let body = buffer[position + RecordFormat.headBytes..<position + whole]
    guard CRC32C.of(body) == head.bodySum else { return skipToNextBlock("the sum of a block is wrong") }
    endDamage()
    let start = offset
    let plain: [UInt8]?
    switch RecordFormat.Encoding(rawValue: head.encoding) {
    case .plain: plain = body.count == Int(head.plain) ? Array(body) : nil
    case .lz4: plain = LZ4Block.decompress(body, count: Int(head.plain))
    case nil: plain = nil
    }
    take(whole)
    guard head.version == RecordFormat.version, let plain else {
      ready.append(
        Found(
          offset: start, item: .damage(bytes: whole, "a block of version \(head.version), encoding \(head.encoding), cannot be unpacked")))
      return
    }
    if let failure = open(plain, kind: head.kind, at: start) {
      ready.append(Found(offset: start, item: .damage(bytes: whole, failure)))
    }
  }

  /// What a block holds, and why it cannot be read to its end.
  private mutating func open(_ body: [UInt8], kind: UInt8, at start: Int) -> String? {
    switch RecordFormat.Kind(rawValue: kind) {
    case .head:
      guard let object = (try? JSONParser.parse(body))?.objectValue else { return "the head of a recording is no JSON" }
      ready.append(Found(offset: start, item: .head(object)))
    case .note:
      let text = (try? JSONParser.parse(body))?.objectValue?["note"]?.stringValue
      ready.append(Found(offset: start, item: .note(text ?? "")))
    case .catalog:
      guard let value = try? JSONParser.parse(body) else { return "the catalogue of a recording is no JSON" }
      ready.append(Found(offset: start, item: .catalog(value)))
    case .end: ready.append(Found(offset: start, item: .end))
    case .messages: return openMessages(body, at: start)
    case .calls: return openCalls(body, at: start)
    case nil: break
    }
    return nil
  }

  private mutating func openMessages(_ body: [UInt8], at start: Int) -> String? {
    do {
      var reader = WireReader(body)
      while let field = try reader.next() {
        guard field.number == 1, let range = field.range else { continue }
        var pchannel = ""
        var message: Range<Int>?
        var entry = WireReader(body, in: range)
        while let part = try entry.next() {
          if part.number == 1, let text = part.range { pchannel = String(decoding: body[text], as: UTF8.self) }
          if part.number == 2 { message = part.range }
        }
        guard let message else { continue }
        // Of its own bytes: a message that is kept must not keep the block.
        ready.append(Found(offset: start, item: .message(try LogMessage(immutableMessage: Array(body[message])), pchannel: pchannel)))
      }
      return nil
    } catch {
      return "a message in a block cannot be read: \(error)"
    }
  }

  private mutating func openCalls(_ body: [UInt8], at start: Int) -> String? {
    do {
      var reader = WireReader(body)
      while let field = try reader.next() {
        guard field.number == 1, let range = field.range, let call = try RecordedCall(body, in: range) else { continue }
        ready.append(Found(offset: start, item: .call(call)))
      }
      return nil
    } catch {
      return "a call in a block cannot be read: \(error)"
    }
  }

  // MARK: Damage

  private mutating func skipToNextBlock(_ why: String) {
    var next = position + 1
    let first = RecordFormat.magic[0]
    while next < buffer.count {
      // A magic may begin in the last bytes that are here.
      if buffer[next] == first, buffer[next...].prefix(4).elementsEqual(RecordFormat.magic.prefix(buffer.count - next)) { break }
      next += 1
    }
    damaged(next - position, why)
  }

  private mutating func damaged(_ count: Int, _ why: String) {
    if damage == nil { damage = (offset, 0, why) }
    damage?.bytes += count
    take(count)
  }

  private mutating func endDamage() {
    guard let damage else { return }
    ready.append(Found(offset: damage.offset, item: .damage(bytes: damage.bytes, damage.why)))
    self.damage = nil
  }

  // MARK: Bytes

  private var available: Int { buffer.count - position }

  private mutating func take(_ count: Int) {
    position += count
    offset += count
  }

  /// False where the file ends before there are so many bytes.
  private mutating func fill(_ count: Int) throws -> Bool {
    while available < count, !isAtEnd {
      if position > 0 {
        buffer.removeFirst(position)
        position = 0
      }
      let more = try read(max(Self.readBytes, count - available))
      isAtEnd = more.isEmpty
      buffer += more
    }
    return available >= count
  }
}

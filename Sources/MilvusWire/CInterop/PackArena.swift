internal import CProtobuf
internal import Glibc

/// Owns everything that the structures of one message point to, until the message has been packed.
final class PackArena {
  private var blocks: [UnsafeMutableRawPointer] = []

  // SAFETY: only `ProtobufMessage.encode` makes an arena, keeps it until the bytes are made and gives its
  // pointers to nobody else.
  deinit { for block in blocks { block.deallocate() } }

  /// A C string; nil for the empty one, which proto3 does not send. `field` names the text in the error.
  func string(_ text: String, _ field: StaticString) throws(ProtobufError) -> UnsafeMutablePointer<CChar>? {
    text.isEmpty ? nil : try terminated(text, field)
  }

  /// A list of C strings, empty ones included: their number and place.
  func strings(_ texts: [String], _ field: StaticString) throws(ProtobufError)
    -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?)
  {
    guard !texts.isEmpty else { return (0, nil) }
    let list = block(UnsafeMutablePointer<CChar>?.self, count: texts.count)
    for (index, text) in texts.enumerated() {
      (list + index).initialize(to: try terminated(text, field))
    }
    return (texts.count, list)
  }

  func bytes(_ content: [UInt8]) -> ProtobufCBinaryData {
    guard !content.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
    let copy = block(UInt8.self, count: content.count)
    for (index, byte) in content.enumerated() { (copy + index).initialize(to: byte) }
    return ProtobufCBinaryData(len: content.count, data: copy)
  }

  func numbers<Number: BitwiseCopyable>(_ values: [Number]) -> (Int, UnsafeMutablePointer<Number>?) {
    guard !values.isEmpty else { return (0, nil) }
    let list = block(Number.self, count: values.count)
    for (index, value) in values.enumerated() { (list + index).initialize(to: value) }
    return (values.count, list)
  }

  /// A sub-message that `fill` completes.
  func message<Structure: ProtobufStructure>(
    _ type: Structure.Type, _ fill: (inout Structure) throws(ProtobufError) -> Void
  ) throws(ProtobufError) -> UnsafeMutablePointer<Structure> {
    let place = block(type, count: 1)
    place.initialize(to: type.empty())
    try fill(&place.pointee)
    return place
  }

  /// A list of sub-messages, one for each item: their number and place.
  func messages<Item, Structure: ProtobufStructure>(
    _ items: [Item], as type: Structure.Type, _ fill: (Item, inout Structure) throws(ProtobufError) -> Void
  ) throws(ProtobufError) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<Structure>?>?) {
    guard !items.isEmpty else { return (0, nil) }
    let list = block(UnsafeMutablePointer<Structure>?.self, count: items.count)
    for (index, item) in items.enumerated() {
      let place = try message(type) { (structure) throws(ProtobufError) in try fill(item, &structure) }
      (list + index).initialize(to: place)
    }
    return (items.count, list)
  }

  private func terminated(_ text: String, _ field: StaticString) throws(ProtobufError)
    -> UnsafeMutablePointer<CChar>
  {
    let place = block(CChar.self, count: text.utf8.count + 1)
    for (index, byte) in text.utf8.enumerated() {
      // protobuf-c measures with strlen: what follows a NUL would be lost.
      guard byte != 0 else { throw ProtobufError(.invalidString, "\(field) holds a NUL") }
      (place + index).initialize(to: CChar(bitPattern: byte))
    }
    (place + text.utf8.count).initialize(to: 0)
    return place
  }

  private func block<Element>(_ type: Element.Type, count: Int) -> UnsafeMutablePointer<Element> {
    let place = UnsafeMutablePointer<Element>.allocate(capacity: count)
    blocks.append(UnsafeMutableRawPointer(place))
    return place
  }
}

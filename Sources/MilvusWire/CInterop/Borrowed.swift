internal import CProtobuf

/// Takes values out of a structure that protobuf-c has decoded.
///
/// SAFETY of all members: the counts and pointers come from one unpacked message, where protobuf-c made them
/// belong together, and they are read while `ProtobufMessage.decode` keeps that message alive. Texts were
/// found to be UTF-8 without NUL before.
enum Borrowed {
  static func text(_ pointer: UnsafeMutablePointer<CChar>?) -> String {
    pointer.map { String(cString: $0) } ?? ""
  }

  static func texts(_ count: Int, _ list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> [String] {
    guard let list else { return [] }
    return (0..<count).map { text(list[$0]) }
  }

  static func numbers<Number: BitwiseCopyable>(_ count: Int, _ list: UnsafeMutablePointer<Number>?)
    -> [Number]
  {
    guard let list else { return [] }
    return (0..<count).map { list[$0] }
  }

  static func bytes(_ data: ProtobufCBinaryData) -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: data.data, count: data.data == nil ? 0 : data.len))
  }

  static func message<Structure, Value>(
    _ pointer: UnsafeMutablePointer<Structure>?, _ convert: (Structure) -> Value
  ) -> Value? {
    pointer.map { convert($0.pointee) }
  }

  static func messages<Structure, Value>(
    _ count: Int, _ list: UnsafeMutablePointer<UnsafeMutablePointer<Structure>?>?,
    _ convert: (Structure) -> Value
  ) -> [Value] {
    guard let list else { return [] }
    return (0..<count).compactMap { message(list[$0], convert) }
  }
}

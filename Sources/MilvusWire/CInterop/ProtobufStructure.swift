internal import CProtobuf

/// A structure that protoc-c generated. `pbc` is its base member (`dev/generate-protos` names it so).
protocol ProtobufStructure {
  init()
  var pbc: ProtobufCMessage { get set }
  static var descriptor: MessageDescriptor { get }
}

extension ProtobufStructure {
  /// The descriptor for a conformance: checks once that name and structure belong together.
  static func describe(_ fullName: String) -> MessageDescriptor {
    guard let descriptor = MessageDescriptor(named: fullName) else {
      preconditionFailure("no message \(fullName) in protos/")
    }
    precondition(descriptor.structureBytes == MemoryLayout<Self>.size, "\(fullName) is not \(Self.self)")
    return descriptor
  }

  /// Empty: all members at the proto3 default.
  ///
  /// protobuf-c's own init is not generated (it is NULL); zeroed memory means the same, NULL strings are
  /// packed as empty ones.
  static func empty() -> Self {
    var structure = Self()
    structure.pbc.descriptor = descriptor.pointer
    return structure
  }
}

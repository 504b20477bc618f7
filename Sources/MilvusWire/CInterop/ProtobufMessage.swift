internal import CProtobuf
internal import Glibc

/// Decodes and encodes control messages through protobuf-c's structures. Rows never come this way (D3).
enum ProtobufMessage {
  /// Checks `bytes`, decodes them and lends the structure to `body`.
  ///
  /// Every pointer in the structure dies when `body` returns: take values out, not pointers.
  static func decode<Structure: ProtobufStructure, Result>(
    _ bytes: [UInt8], as type: Structure.Type, limits: NestingGuard.Limits = NestingGuard.Limits(),
    _ body: (borrowing Structure) throws(ProtobufError) -> Result
  ) throws(ProtobufError) -> Result {
    let descriptor = type.descriptor
    try NestingGuard.check(bytes, as: descriptor, limits: limits)
    let budget = UnsafeMutablePointer<Int>.allocate(capacity: 1)
    budget.initialize(to: limits.decodedBytesMax)
    defer { budget.deallocate() }
    var allocator = ProtobufCAllocator(alloc: allocate, free: release, allocator_data: budget)
    // SAFETY: `bytes` stays alive for the call and protobuf-c copies what it keeps. `budget` outlives the
    // allocator's last use.
    let unpacked = bytes.withUnsafeBufferPointer {
      protobuf_c_message_unpack(descriptor.pointer, &allocator, $0.count, $0.baseAddress ?? emptyInput)
    }
    guard let unpacked else {
      guard budget.pointee >= 0 else {
        let limit = limits.decodedBytesMax
        throw ProtobufError(.tooLarge, "\(descriptor.name) needs more than \(limit) bytes decoded")
      }
      throw ProtobufError(.malformed, "\(descriptor.name): protobuf-c refuses the message")
    }
    defer { protobuf_c_message_free_unpacked(unpacked, &allocator) }
    // SAFETY: protobuf-c allocated `sizeof_message` bytes of this type; `describe` compared the size with
    // Structure's.
    return try unpacked.withMemoryRebound(to: Structure.self, capacity: 1) {
      (structure) throws(ProtobufError) in
      try body(structure.pointee)
    }
  }

  /// Encodes what `fill` puts into the structure. Strings and lists come from the arena, which lives until
  /// the bytes are made.
  static func encode<Structure: ProtobufStructure>(
    _ type: Structure.Type, _ fill: (inout Structure, PackArena) throws(ProtobufError) -> Void
  ) throws(ProtobufError) -> [UInt8] {
    let arena = PackArena()
    // The arena frees its memory when it goes; it must not go before protobuf-c has read the structure.
    defer { withExtendedLifetime(arena) {} }
    let structure = try arena.message(type) { (message) throws(ProtobufError) in try fill(&message, arena) }
    // SAFETY: the base member stands first in every generated structure, and `empty` has set its descriptor.
    return UnsafeRawPointer(structure).withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) { base in
      let size = protobuf_c_message_get_packed_size(base)
      // All threads share the array without capacity.
      guard size > 0 else { return [] }
      return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = buffer.baseAddress.map { protobuf_c_message_pack(base, $0) } ?? 0
      }
    }
  }
}

/// Never read: protobuf-c gets it with length 0 only.
nonisolated(unsafe) private let emptyInput: UnsafePointer<UInt8> = {
  let pointer = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
  pointer.initialize(to: 0)
  return UnsafePointer(pointer)
}()

/// Gives memory while the budget lasts. NULL makes protobuf-c undo what it has built and refuse the message.
private let allocate: @convention(c) (UnsafeMutableRawPointer?, Int) -> UnsafeMutableRawPointer? = {
  data, size in
  guard let budget = data?.assumingMemoryBound(to: Int.self) else { return nil }
  // Neither the budget nor the size is negative here, so the difference cannot overflow.
  guard budget.pointee >= 0 else { return nil }
  budget.pointee -= max(size, 16)
  return budget.pointee < 0 ? nil : malloc(max(size, 1))
}

private let release: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void = {
  _, pointer in
  free(pointer)
}

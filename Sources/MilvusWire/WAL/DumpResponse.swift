/// One `DumpMessagesResponse` (§5.1): `oneof {status 1, message 2}`.
package enum DumpResponse: Sendable {
  case message(LogMessage)
  /// Declared and never seen.
  case status(MilvusStatus)
  /// Neither arm: tolerated, it says nothing.
  case nothing

  /// Where both arms come the last one counts (protobuf "Oneof").
  package init(_ bytes: [UInt8], in range: Range<Int>? = nil) throws(LogMessageError) {
    switch try Self.arm(of: bytes, in: range) {
    case .message(let range): self = .message(try LogMessage(immutableMessage: bytes, in: range))
    case .status(let status): self = .status(status)
    case .nothing: self = .nothing
    }
  }

  fileprivate enum Arm {
    case message(Range<Int>)
    case status(MilvusStatus)
    case nothing
  }

  fileprivate static func arm(of bytes: [UInt8], in range: Range<Int>?) throws(LogMessageError) -> Arm {
    var arm: (number: UInt32, range: Range<Int>)?
    do throws(ProtobufError) {
      var reader = WireReader(bytes, in: range)
      while let field = try reader.next() {
        guard field.number <= 2 else { continue }
        guard let range = field.range else {
          throw ProtobufError(
            .wrongType, "field \(field.number) of DumpMessagesResponse is a \(field.wireType)")
        }
        arm = (field.number, range)
      }
      switch arm {
      case (1, let range)?: return .status(try MilvusStatus.read(WireReader(bytes, in: range)))
      case (2, let range)?: return .message(range)
      case (_, _)?, nil: return .nothing
      }
    } catch {
      throw LogMessageError(.carrier, error.message)
    }
  }
}

extension LogMessage {
  /// The message of a `DumpMessagesResponse`. nil for one that holds none; a status that is not OK is an error with
  /// its text.
  package convenience init?(dumpResponse bytes: [UInt8]) throws(LogMessageError) {
    switch try DumpResponse.arm(of: bytes, in: nil) {
    case .message(let range): try self.init(immutableMessage: bytes, in: range)
    case .status(let status):
      guard status.isSuccess else {
        throw LogMessageError(.status, "Milvus code \(status.decidingCode): \(status.reason)")
      }
      return nil
    case .nothing: return nil
    }
  }
}

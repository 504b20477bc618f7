/// What one side of a call says about the compression of messages (gRPC compression.md). Only a proxy that passes messages on as they are has
/// any; every other call here is `identity`.
package struct MessageEncodings: Equatable, Sendable {
  /// `grpc-encoding`: of its own messages whose flag is set.
  package var used: String?
  /// `grpc-accept-encoding`: what it can unpack.
  package var accepted: String?

  package init() {}

  init(received headers: HeaderList) {
    (used, accepted) = (headers["grpc-encoding"], headers["grpc-accept-encoding"])
  }

  /// Header fields in the place of those that our own calls have. Values that no header may have are left out.
  func write(to headers: inout HeaderList) {
    headers.remove("grpc-accept-encoding")
    for (name, value) in [("grpc-encoding", used), ("grpc-accept-encoding", accepted)] {
      if let value, value.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { headers.append(name, value) }
    }
  }
}

internal import Glibc
internal import MilvusWire

/// How the process ends: 0 done or equal, 1 different or failed, 2 wrong usage, 64 + n for gRPC status n.
struct ExitCode: Equatable {
  var rawValue: Int32
  static let success = ExitCode(rawValue: 0)
  static let failure = ExitCode(rawValue: 1)
  static let usage = ExitCode(rawValue: 2)
  static func rpc(_ status: RPCStatusCode) -> ExitCode { ExitCode(rawValue: 64 + Int32(status.rawValue)) }
}

func exitProcess(_ code: Int32) -> Never { exit(code) }

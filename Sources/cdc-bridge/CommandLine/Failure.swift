internal import CDCBridge
internal import MilvusWire

/// What a person reads when a command fails, and the exit code a script sees.
enum Failure {
  static func report(_ error: any Error, command: String) {
    switch error {
    case let error as BridgeError:
      // The command says already what was tried.
      let isNamed = error.side == .local && error.operation == command
      Console.error("cdc-bridge \(command): \(isNamed ? error.message : error.description)")
      if let hint = error.hint { Console.error("Hint: \(hint)") }
    case let error as TaskStop:
      Console.error("cdc-bridge \(command): \(error.reason)")
      if let hint = error.hint { Console.error("Hint: \(hint)") }
    default:
      Console.error("cdc-bridge \(command): \(error)")
    }
  }

  static func exitCode(of error: any Error) -> ExitCode {
    if let error = error as? RPCError { return .rpc(error.code) }
    let cause: CallError? =
      switch error {
      case let error as BridgeError: error.cause
      case let error as CallError: error
      default: nil
      }
    if case .rpc(let rpc, _) = cause { return .rpc(rpc.code) }
    return .failure
  }
}

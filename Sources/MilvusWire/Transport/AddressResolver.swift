/// Turns host names into addresses on threads of its own: the system's resolver blocks, for seconds when a name server is away.
final class AddressResolver: Sendable {
  /// One for the process: the limit below protects the process.
  static let shared = AddressResolver()

  /// One slow name must not hold up the others.
  private let threads = BlockingThreads(threadCountMax: 8)

  /// Calls `completion` once: at once for a numeric address, otherwise later on another thread.
  func resolve(
    host: String, port: Int, isPassive: Bool = false,
    completion: @escaping @Sendable (Result<[SocketAddress], WireError>) -> Void
  ) {
    if let addresses = try? SocketAddress.lookUp(
      host: host, port: port, isNumeric: true, isPassive: isPassive)
    {
      return completion(.success(addresses))
    }
    threads.run {
      do throws(SocketAddress.LookupFailure) {
        let addresses = try SocketAddress.lookUp(
          host: host, port: port, isNumeric: false, isPassive: isPassive)
        completion(.success(addresses))
      } catch {
        completion(.failure(Self.explain(error, host: host)))
      }
    } noThread: {
      completion(.failure(WireError(.resourceLimit, "no thread to look up \(host)")))
    }
  }

  private static func explain(_ failure: SocketAddress.LookupFailure, host: String) -> WireError {
    switch failure {
    case .noSuchHost: WireError(.nameNotFound, "no such host: \(host)")
    case .failed(let reason): WireError(.nameNotFound, "cannot look up \(host): \(reason)")
    }
  }
}

extension Endpoint {
  /// Connects as the endpoint says, cleartext or TLS with HTTP/2 agreed on. `timeout` is the budget for looking the name up,
  /// TCP and TLS together; the stream lives on `loop`. A server may ignore the question for any other protocol than HTTP/2.
  package func connect(
    timeout: Duration, on loop: ConnectionLoop, applicationProtocols: [String] = ["h2"]
  ) async throws(WireError) -> any ByteStream {
    let deadline = ContinuousClock.now + timeout
    var phase = ""
    do throws(WireError) {
      guard let tls else { return try await SocketStream.connect(self, timeout: timeout, on: loop) }
      // Read first: a wrong path should not need a server to be noticed.
      let context = try await TLSContext.client(
        tls, applicationProtocols: applicationProtocols, requiresApplicationProtocol: applicationProtocols == ["h2"])
      let socket = try await SocketStream.connect(self, timeout: deadline - .now, on: loop)
      phase = " in the TLS handshake"
      return try await TLSStream.client(
        over: socket, context, host: tls.serverName ?? host, timeout: deadline - .now, on: loop)
    } catch {
      // Each step knows only what was left of the budget; a person knows the whole.
      guard error.code == .timedOut else { throw error }
      throw WireError(
        .timedOut, "cannot connect to \(authority): timed out after \(timeout.spelled)\(phase)")
    }
  }
}

internal import Testing

@testable internal import MilvusWire

/// Two engines joined in memory: what one gives out, the other receives in pieces of a chosen size.
private struct EnginePair {
  let client: TLSEngine
  let server: TLSEngine
  var pieceBytes = Int.max

  init(_ clientContext: TLSContext, _ serverContext: TLSContext, host: String = "localhost") throws {
    client = try TLSEngine.client(clientContext, host: host, peer: "the-server:1")
    server = try TLSEngine.server(serverContext, peer: "the-client:2")
  }

  func deliver(_ sender: TLSEngine, to receiver: TLSEngine, _ step: () throws -> Void) throws {
    var rest = sender.takeOutput()[...]
    while !rest.isEmpty {
      receiver.receive(Array(rest.prefix(pieceBytes)))
      rest = rest.dropFirst(pieceBytes)
      try step()
    }
  }

  /// Runs both handshakes to the end, or until one side fails. A side that failed still gives out its alert.
  func shakeHands() throws {
    for _ in 0..<8 where !(client.isFinished && server.isFinished) {
      if !client.isFinished { _ = try client.handshake() }
      try deliver(client, to: server) { if !server.isFinished { _ = try server.handshake() } }
      try deliver(server, to: client) { if !client.isFinished { _ = try client.handshake() } }
    }
    try #require(client.isFinished && server.isFinished)
  }

  /// What went wrong on the server's side, told to the client.
  func failures() -> (client: WireError?, server: WireError?) {
    var failures: (client: WireError?, server: WireError?)
    for _ in 0..<8 {
      do {
        if failures.client == nil {
          if client.isFinished { _ = try client.decrypt(maxBytes: 1) } else { _ = try client.handshake() }
        }
      } catch { failures.client = error }
      server.receive(client.takeOutput())
      do {
        if failures.server == nil {
          if server.isFinished { _ = try server.decrypt(maxBytes: 1) } else { _ = try server.handshake() }
        }
      } catch { failures.server = error }
      client.receive(server.takeOutput())
    }
    return failures
  }
}

@Suite struct TLSEngineTests {
  private let files: TestCertificates

  init() throws { files = try TestCertificates.shared.get() }

  @Test(arguments: [1, 2, 7, 1000, Int.max])
  func carriesTextWhateverThePieces(pieceBytes: Int) async throws {
    var pair = try EnginePair(try await files.client(), try await files.server())
    pair.pieceBytes = pieceBytes
    try pair.shakeHands()
    #expect(pair.client.applicationProtocol == "h2")
    #expect(pair.server.applicationProtocol == "h2")
    #expect(pair.client.version == "TLSv1.3")
    // More than two records, so that text spans them.
    let text = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try pair.client.encrypt(text[...])
    var received: [UInt8] = []
    try pair.deliver(pair.client, to: pair.server) {
      while case .bytes(let bytes) = try pair.server.decrypt(maxBytes: 900) {
        #expect(bytes.count <= 900)
        received += bytes
      }
    }
    #expect(received == text)
  }

  @Test func tellsTheGoodbyeFromSilence() async throws {
    let pair = try EnginePair(try await files.client(), try await files.server())
    try pair.shakeHands()
    #expect(try pair.server.decrypt(maxBytes: 10) == .needsInput)
    try pair.client.encrypt([1, 2, 3])
    pair.client.endWriting()
    pair.server.receive(pair.client.takeOutput())
    #expect(try pair.server.decrypt(maxBytes: 10) == .bytes([1, 2, 3]))
    #expect(try pair.server.decrypt(maxBytes: 10) == .ended)
  }

  @Test(arguments: ["127.0.0.1", "::1", "localhost", "localhost."])
  func acceptsEveryNameOfTheCertificate(host: String) async throws {
    let pair = try EnginePair(try await files.client(), try await files.server(), host: host)
    try pair.shakeHands()
  }

  @Test(arguments: ["example.org", "127.0.0.2", "::2"])
  func refusesACertificateForAnotherHost(host: String) async throws {
    let pair = try EnginePair(try await files.client(), try await files.server(), host: host)
    let failures = pair.failures()
    #expect(failures.client?.code == .certificate)
    #expect(
      failures.client?.message
        == "the TLS handshake with the-server:1 failed: the server's certificate is for localhost, 127.0.0.1, "
        + "0:0:0:0:0:0:0:1, not for \(host) (set the server name if this is right)")
    #expect(failures.server?.code == .certificate)
  }

  @Test func refusesAnAuthorityItDoesNotTrust() async throws {
    let pair = try EnginePair(
      try await files.client(ca: "other-ca.pem"), try await files.server())
    let failures = pair.failures()
    #expect(failures.client?.code == .certificate)
    #expect(
      failures.client?.message
        == "the TLS handshake with the-server:1 failed: the server's certificate is not trusted: "
        + "unable to get local issuer certificate (give the CA file that signed it)")
    #expect(
      failures.server?.message
        == "the TLS handshake with the-client:2 failed: the client does not trust our certificate (unknown CA)")
  }

  @Test func refusesAnAuthorityTheSystemDoesNotTrust() async throws {
    let pair = try EnginePair(try await files.client(ca: nil), try await files.server())
    #expect(pair.failures().client?.code == .certificate)
  }

  @Test func refusesAnExpiredCertificateAndSaysSinceWhen() async throws {
    let pair = try EnginePair(try await files.client(), try await files.server("expired"))
    #expect(
      pair.failures().client?.message
        == "the TLS handshake with the-server:1 failed: the server's certificate expired on 2001-01-01")
  }

  @Test func acceptsAClientWithACertificate() async throws {
    let pair = try EnginePair(
      try await files.client(certificate: "client.pem", key: "client.key"),
      try await files.server(clientCA: "ca.pem"))
    try pair.shakeHands()
    #expect(try pair.server.decrypt(maxBytes: 1) == .needsInput)
  }

  @Test func saysThatTheServerWantsAClientCertificate() async throws {
    let pair = try EnginePair(try await files.client(), try await files.server(clientCA: "ca.pem"))
    let failures = pair.failures()
    // With TLS 1.3 the client has finished by then; the answer arrives with its first read.
    #expect(failures.client?.code == .certificate)
    #expect(
      failures.client?.message
        == "the TLS connection to the-server:1 failed: the server wants a client certificate")
    #expect(
      failures.server?.message
        == "the TLS handshake with the-client:2 failed: the client sent no certificate")
  }

  @Test func refusesAClientOfAnotherAuthority() async throws {
    let pair = try EnginePair(
      try await files.client(certificate: "client.pem", key: "client.key"),
      try await files.server(clientCA: "other-ca.pem"))
    let failures = pair.failures()
    #expect(failures.server?.code == .certificate)
    #expect(
      failures.client?.message
        == "the TLS connection to the-server:1 failed: the server does not accept our client certificate (unknown CA)")
  }

  @Test func refusesAServerWithoutHTTP2() async throws {
    let silent = try EnginePair(
      try await files.client(), try await files.server(protocols: [], requiresProtocol: false))
    #expect(
      silent.failures().client?.message
        == "the-server:1 does not offer HTTP/2 over TLS (no application protocol was agreed on)")
    let other = try EnginePair(
      try await files.client(), try await files.server(protocols: ["http/1.1"]))
    let failures = other.failures()
    #expect(
      failures.client?.message
        == "the TLS handshake with the-server:1 failed: no common application protocol: the server does not offer HTTP/2")
    #expect(
      failures.server?.message
        == "the TLS handshake with the-client:2 failed: the client offers none of our application protocols")
  }

  @Test func serverChoosesByItsOwnOrder() async throws {
    let pair = try EnginePair(
      try await files.client(protocols: ["http/1.1", "h2"]),
      try await files.server(protocols: ["h2", "http/1.1"]))
    try pair.shakeHands()
    #expect(pair.server.applicationProtocol == "h2")
  }

  @Test func saysThatThePeerSpeaksCleartext() async throws {
    let client = try TLSEngine.client(try await files.client(), host: "localhost", peer: "peer:1")
    #expect(try client.handshake() == .needsInput)
    // The SETTINGS frame that an HTTP/2 server without TLS begins with.
    client.receive([0, 0, 0, 4, 0, 0, 0, 0, 0])
    #expect(throws: WireError(.tls, "peer:1 speaks cleartext, not TLS")) { try client.handshake() }

    let server = try TLSEngine.server(try await files.server(), peer: "peer:2")
    server.receive(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8))
    #expect(throws: WireError(.tls, "peer:2 speaks cleartext, not TLS")) { try server.handshake() }
  }

  @Test func brokenRecordsEndTheConnection() async throws {
    let pair = try EnginePair(try await files.client(), try await files.server())
    try pair.shakeHands()
    try pair.client.encrypt(Array("text".utf8)[...])
    var record = pair.client.takeOutput()
    record[record.count - 1] ^= 1
    pair.server.receive(record)
    let error = #expect(throws: WireError.self) { try pair.server.decrypt(maxBytes: 10) }
    #expect(error?.code == .tls)
    // The peer is told: an alert record.
    #expect(!pair.server.takeOutput().isEmpty)
  }

  @Test func honoursTheMinimumVersion() async throws {
    let pair = try EnginePair(
      try await files.client(minimum: .tls13), try await files.server(minimum: .tls13))
    try pair.shakeHands()
    #expect(pair.server.version == "TLSv1.3")
  }

  @Test func neverTrapsOnGarbage() async throws {
    let context = try await files.server()
    var generator = SeededGenerator(seed: 7)
    for length in 1...200 {
      let server = try TLSEngine.server(context, peer: "peer:2")
      // A plausible beginning takes the garbage further inside.
      var bytes: [UInt8] = [22, 3, 1, 0, UInt8(length), 1, 0, 0, UInt8(length)]
      for _ in 0..<length { bytes.append(UInt8.random(in: 0...255, using: &generator)) }
      server.receive(bytes)
      do { _ = try server.handshake() } catch { #expect(error.code == .tls) }
    }
  }
}

@Suite struct TLSContextTests {
  private let files: TestCertificates

  init() throws { files = try TestCertificates.shared.get() }

  /// What a person reads for each wrong file: the file is named, and nothing of its contents.
  @Test func namesTheFileThatCannotBeUsed() async throws {
    func message(_ make: () async throws -> TLSContext) async -> String? {
      do {
        _ = try await make()
        return nil
      } catch {
        return (error as? WireError)?.message
      }
    }
    let missing = files.path("missing.pem"), garbage = files.path("garbage.pem")
    #expect(
      await message { try await files.client(ca: "missing.pem") }
        == "cannot read the CA file \(missing): No such file or directory")
    #expect(
      await message { try await files.client(ca: "garbage.pem") }
        == "the CA file \(garbage) holds no PEM certificate")
    #expect(
      await message { try await files.client(certificate: "missing.pem", key: "client.key") }
        == "cannot read the client certificate file \(missing): No such file or directory")
    #expect(
      await message { try await files.client(certificate: "garbage.pem", key: "client.key") }
        == "the client certificate file \(garbage) holds no usable PEM certificate")
    #expect(
      await message { try await files.client(certificate: "client.pem", key: "garbage.pem") }
        == "the client key file \(garbage) holds no usable PEM key")
    #expect(
      await message { try await files.client(certificate: "client.pem", key: "server.key") }
        == "the client key \(files.path("server.key")) does not belong to the certificate \(files.path("client.pem"))")
    #expect(
      await message { try await files.client(certificate: "client.pem", key: "locked.key") }
        == "the client key \(files.path("locked.key")) is protected by a passphrase; one without is needed")
    #expect(
      await message { try await files.client(certificate: "client.pem") }
        == "a client certificate is set but no client key")
    #expect(
      await message { try await files.client(key: "client.key") }
        == "a client key is set but no client certificate")
    #expect(
      await message { try await files.server(clientCA: "missing.pem") }
        == "cannot read the client CA file \(missing): No such file or directory")
  }
}

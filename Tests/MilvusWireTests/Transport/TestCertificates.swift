internal import Foundation
internal import TestSupport

@testable internal import MilvusWire

/// Certificates made for this run by the `openssl` command, in a temporary folder.
///
/// | file | what |
/// |---|---|
/// | ca.pem | the authority that signs all others |
/// | other-ca.pem | an authority that signed nothing here |
/// | server | for localhost, 127.0.0.1 and ::1 |
/// | expired | like server, ended in 2001 |
/// | client | a client's |
struct TestCertificates: Sendable {
  let folder: URL

  /// Made once and removed when the run ends.
  static let shared = Result { try TestCertificates() }

  func path(_ name: String) -> String { folder.appending(path: name).path }

  private init() throws {
    folder = FileManager.default.temporaryDirectory.appending(
      path: "cdc-bridge-certificates-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    atexit {
      guard case .success(let made) = TestCertificates.shared else { return }
      try? FileManager.default.removeItem(at: made.folder)
    }
    try authority("ca", "cdc-bridge test authority")
    try authority("other-ca", "another authority")
    let names = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"
    try leaf("server", names, ["-days", "30"])
    try leaf("client", "subjectAltName=DNS:client", ["-days", "30"])
    try leaf("expired", names, ["-not_before", "20000101000000Z", "-not_after", "20010101000000Z"])
    try openSSL(
      "ec", "-in", path("server.key"), "-aes128", "-passout", "pass:secret", "-out",
      path("locked.key"))
    try Data("not a certificate".utf8).write(to: folder.appending(path: "garbage.pem"))
  }

  private func authority(_ name: String, _ subject: String) throws {
    try openSSL(
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
      "/CN=\(subject)", "-days", "30", "-keyout", path("\(name).key"), "-out", path("\(name).pem"))
  }

  private func leaf(_ name: String, _ extensions: String, _ validity: [String]) throws {
    try openSSL(
      "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
      "/CN=\(name)", "-keyout", path("\(name).key"), "-out", path("\(name).csr"))
    let extensionFile = folder.appending(path: "\(name).ext")
    try Data(extensions.utf8).write(to: extensionFile)
    guard validity[0] == "-days" else { return try datedLeaf(name, extensionFile, validity) }
    try openSSL(
      [
        "x509", "-req", "-in", path("\(name).csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
        "-extfile", extensionFile.path, "-out", path("\(name).pem"),
      ] + validity)
  }

  /// `openssl x509` of OpenSSL 3.0 cannot set dates; `openssl ca` can, and wants a small data base for it.
  private func datedLeaf(_ name: String, _ extensionFile: URL, _ validity: [String]) throws {
    let configuration = folder.appending(path: "ca.conf")
    let text = """
      [ca]
      default_ca = test
      [test]
      database = \(path("index.txt"))
      new_certs_dir = \(folder.path)
      rand_serial = yes
      default_md = sha256
      policy = any
      [any]
      commonName = supplied
      """
    try Data(text.utf8).write(to: configuration)
    try Data().write(to: folder.appending(path: "index.txt"))
    try openSSL(
      "ca", "-batch", "-config", configuration.path, "-cert", path("ca.pem"), "-keyfile",
      path("ca.key"), "-in", path("\(name).csr"), "-out", path("\(name).pem"), "-notext",
      "-extfile", extensionFile.path, "-startdate", validity[1], "-enddate", validity[3])
  }

  private func openSSL(_ arguments: String...) throws { try openSSL(arguments) }

  private func openSSL(_ arguments: [String]) throws {
    let run = try ProgramRun(URL(filePath: "/usr/bin/openssl"), arguments)
    struct CommandFailure: Error { var text: String }
    guard run.exitCode == 0 else {
      throw CommandFailure(text: "openssl \(arguments): \(run.error)")
    }
  }

  // MARK: Contexts

  func client(
    ca: String? = "ca.pem", certificate: String? = nil, key: String? = nil, protocols: [String] = ["h2"],
    requiresProtocol: Bool = true, minimum: TLSVersion = .tls12
  ) async throws -> TLSContext {
    try await TLSContext.client(
      TLSSettings(
        caPath: ca.map(path), clientCertificatePath: certificate.map(path),
        clientKeyPath: key.map(path)),
      applicationProtocols: protocols, requiresApplicationProtocol: requiresProtocol,
      minimumVersion: minimum)
  }

  func server(
    _ name: String = "server", clientCA: String? = nil, protocols: [String] = ["h2"],
    requiresProtocol: Bool = true, minimum: TLSVersion = .tls12
  ) async throws -> TLSContext {
    try await TLSContext.server(
      TLSServerSettings(
        certificatePath: path("\(name).pem"), keyPath: path("\(name).key"),
        clientCAPath: clientCA.map(path), minimumVersion: minimum, applicationProtocols: protocols,
        requiresApplicationProtocol: requiresProtocol))
  }
}

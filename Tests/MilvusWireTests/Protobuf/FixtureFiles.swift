internal import Glibc

/// Files beside the tests: bytes and listings that other implementations wrote.
enum FixtureFiles {
  struct Missing: Error { var path: String }

  /// Read with stdio: Foundation's `Data(contentsOf:)` leaks 4 KiB for an empty file, which the address
  /// sanitizer reports.
  static func bytes(_ name: String) throws -> [UInt8] {
    let path = folder + name
    guard let file = fopen(path, "rb") else { throw Missing(path: path) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = fread(&buffer, 1, buffer.count, file)
      if count == 0 { return bytes }
      bytes += buffer.prefix(count)
    }
  }

  static func text(_ name: String) throws -> String {
    String(decoding: try bytes(name), as: UTF8.self)
  }

  /// `Tests/MilvusWireTests/Fixtures/`
  private static let folder: String = {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return parts.dropLast(2).joined(separator: "/") + "/Fixtures/"
  }()
}

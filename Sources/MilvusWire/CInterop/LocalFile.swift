internal import Glibc

/// A file of this host that is read from its beginning or written at its end. One user at a time; calls block, so not on a loop.
package final class LocalFile: Sendable {
  /// What went wrong, in words, with the path.
  package struct Failure: Error, Sendable, CustomStringConvertible {
    package var description: String
    /// The same without the path: `is a directory`.
    package var reason: String
    package var isMissing: Bool
  }

  package let path: String
  private let descriptor: CInt
  private let isOwned: Bool

  private init(path: String, descriptor: CInt, isOwned: Bool = true) {
    self.path = path
    self.descriptor = descriptor
    self.isOwned = isOwned
  }

  deinit { if isOwned { _ = Glibc.close(descriptor) } }

  /// `-`: the standard input.
  package static func reading(_ path: String) throws(Failure) -> LocalFile {
    if path == "-" { return LocalFile(path: "standard input", descriptor: STDIN_FILENO, isOwned: false) }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path, "cannot be read") }
    return LocalFile(path: path, descriptor: descriptor)
  }

  /// Whether something has this name.
  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Whether it is a file with bytes on a disk, and no pipe, terminal or directory.
  package static func isRegular(_ path: String) -> Bool {
    var status = stat()
    // SAFETY: `stat` writes one `stat`, which lives for the call.
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// Made where it is missing, for its owner alone. `-`: the standard output.
  package static func appending(_ path: String) throws(Failure) -> LocalFile {
    if path == "-" { return LocalFile(path: "standard output", descriptor: STDOUT_FILENO, isOwned: false) }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure(path, "cannot be written") }
    return LocalFile(path: path, descriptor: descriptor)
  }

  /// The next bytes, at most `count`; none at the end.
  package func read(bytesMax count: Int) throws(Failure) -> [UInt8] {
    while true {
      var result = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: max(0, count)) { buffer, initializedCount in
        // SAFETY: `read` writes at most the buffer's own count.
        result = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        initializedCount = max(0, result)
      }
      if result >= 0 { return bytes }
      guard errno == EINTR else { throw Self.failure(path, "cannot be read") }
    }
  }

  /// All of `bytes`, at the end.
  package func write(_ bytes: [UInt8]) throws(Failure) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { buffer in
        // SAFETY: the buffer is borrowed for the call.
        Glibc.write(descriptor, buffer.baseAddress, buffer.count)
      }
      if written > 0 {
        rest = rest.dropFirst(written)
      } else if written < 0, errno == EINTR || errno == EAGAIN {
        continue
      } else {
        throw Self.failure(path, "cannot be written")
      }
    }
  }

  /// Waits until what was written is on the disk; nothing where the file is a pipe.
  package func sync() throws(Failure) {
    guard fsync(descriptor) != 0, errno != EINVAL, errno != EROFS else { return }
    throw Self.failure(path, "cannot be written")
  }

  private static func failure(_ path: String, _ what: String) -> Failure {
    let code = errno
    let reason = String(cString: strerror(code))
    return Failure(description: "\(path) \(what): \(reason)", reason: reason.lowercased(), isMissing: code == ENOENT)
  }
}

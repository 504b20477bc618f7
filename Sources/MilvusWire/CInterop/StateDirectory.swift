internal import CPlatform
internal import Glibc

/// How a file operation failed. `message` names file and reason.
package struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable { case notFound, inUse, tooLarge, other }
  package var code: Code
  package var message: String
  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
  package var description: String { message }
}

/// One directory of small files that survive a power cut: each is replaced as a whole.
///
/// `write` puts the bytes into a temporary file of the same directory, flushes it, renames it over the old one and flushes the directory,
/// so that a reader after a crash sees the old or the new file, never a mixture. Directory 0700, files 0600. Every call blocks; run them
/// on a thread that may wait (`FileThread`). One process at a time holds the directory (flock).
package final class StateDirectory: Sendable {
  /// Larger files are not ours.
  package static let fileBytesMax = 256 << 20
  private static let temporarySuffix = ".tmp"

  package let path: String
  /// Called before each file operation with its name; a test throws here to stop as a kill would.
  private let beforeOperation: @Sendable (String) throws(FileError) -> Void

  /// Makes the directory (and its parents) where it is missing. Left-over temporary files of a crash are removed.
  package init(
    path: String, beforeOperation: @escaping @Sendable (String) throws(FileError) -> Void = { _ in }
  ) throws(FileError) {
    self.path = path
    self.beforeOperation = beforeOperation
    try Self.makeDirectories(path)
    for name in try names() where name.hasSuffix(Self.temporarySuffix) { _ = unlink(file(name)) }
  }

  /// Names of the files, sorted; temporary ones are not among them after `init`.
  package func names() throws(FileError) -> [String] {
    guard let stream = opendir(path) else { throw Self.failure("cannot list \(path)") }
    defer { closedir(stream) }
    var names: [String] = []
    // SAFETY: the entry and its name are valid until the next call on this stream, which only this loop makes.
    while let entry = unsafe readdir(stream) {
      let name = withUnsafeBytes(of: unsafe entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  package func read(_ name: String) throws(FileError) -> [UInt8] {
    try Self.read(path: file(name), bytesMax: Self.fileBytesMax)
  }

  /// Any small file, such as a token that an operator names.
  package static func read(path: String, bytesMax: Int) throws(FileError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("cannot read \(path)") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      // SAFETY: the kernel writes at most the buffer's own length into it.
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe Glibc.read(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw failure("cannot read \(path)")
      }
      if count == 0 { return bytes }
      bytes.append(contentsOf: buffer[..<count])
      guard bytes.count <= bytesMax else {
        throw FileError(.tooLarge, "\(path) is larger than \(bytesMax) bytes")
      }
    }
  }

  /// Durable when it returns; after a failure the old file is still there.
  package func write(_ bytes: [UInt8], to name: String) throws(FileError) {
    let temporary = name + Self.temporarySuffix
    try beforeOperation("open")
    let descriptor = open(file(temporary), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Self.failure("cannot write \(file(temporary))") }
    do throws(FileError) {
      try beforeOperation("write")
      try Self.writeAll(bytes, to: descriptor, path: file(temporary))
      try beforeOperation("flush")
      guard fsync(descriptor) == 0 else { throw Self.failure("cannot flush \(file(temporary))") }
    } catch {
      close(descriptor)
      throw error
    }
    guard close(descriptor) == 0 else { throw Self.failure("cannot close \(file(temporary))") }
    try beforeOperation("rename")
    guard rename(file(temporary), file(name)) == 0 else {
      throw Self.failure("cannot rename \(file(temporary))")
    }
    try beforeOperation("flush directory")
    try flushDirectory()
  }

  /// Durable when it returns; a missing file is already removed.
  package func remove(_ name: String) throws(FileError) {
    try beforeOperation("remove")
    guard unlink(file(name)) == 0 || errno == ENOENT else {
      throw Self.failure("cannot remove \(file(name))")
    }
    try beforeOperation("flush directory")
    try flushDirectory()
  }

  /// Holds the directory for this process until the result is released or the process ends, however it ends.
  package func lock(_ name: String) throws(FileError) -> DirectoryLock {
    let descriptor = open(file(name), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Self.failure("cannot open \(file(name))") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let isTaken = errno == EWOULDBLOCK
      let failure = Self.failure("cannot lock \(file(name))")
      close(descriptor)
      throw isTaken ? FileError(.inUse, "\(path) is used by another process") : failure
    }
    return DirectoryLock(descriptor)
  }

  private func file(_ name: String) -> String { "\(path)/\(name)" }

  private func flushDirectory() throws(FileError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure("cannot open \(path)") }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw Self.failure("cannot flush \(path)") }
  }

  private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(FileError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      // SAFETY: the pointer is used only inside the closure and only for the slice's own length.
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw failure("cannot write \(path)")
      }
      rest = rest.dropFirst(count)
    }
  }

  private static func makeDirectories(_ path: String) throws(FileError) {
    guard !path.isEmpty else { throw FileError(.other, "the data directory has no name") }
    var prefix = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      prefix += prefix.isEmpty || prefix.hasSuffix("/") ? String(part) : "/\(part)"
      guard mkdir(prefix, 0o700) == 0 || errno == EEXIST || errno == EISDIR else {
        throw failure("cannot make the directory \(prefix)")
      }
    }
    guard let stream = opendir(path) else { throw failure("cannot open the directory \(path)") }
    closedir(stream)
  }

  private static func failure(_ what: String) -> FileError {
    let number = errno
    // SAFETY: strerror gives a text of the C library that stays valid; it is copied at once.
    let reason = unsafe String(cString: strerror(number))
    return FileError(number == ENOENT ? .notFound : .other, "\(what): \(reason)")
  }
}

/// A held lock; released with the object or the process.
package final class DirectoryLock: Sendable {
  /// nil: released.
  private let descriptor: Locked<Int32?>
  fileprivate init(_ descriptor: Int32) { self.descriptor = Locked(descriptor) }
  /// Lets go at once: another thread may hold the object for a moment longer than its owner does.
  package func release() {
    let held = descriptor.withLock { descriptor in
      defer { descriptor = nil }
      return descriptor
    }
    guard let held else { return }
    // Not by closing alone: a child that this process has just begun has the descriptor too, until it runs its own program.
    flock(held, LOCK_UN)
    close(held)
  }
  deinit { release() }
}

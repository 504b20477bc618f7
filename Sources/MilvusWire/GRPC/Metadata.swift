/// Custom metadata of a call: header or trailer fields that are not gRPC's own (gRPC PROTOCOL-HTTP2 "Custom-Metadata").
///
/// A name ending in `-bin` carries bytes, any other printable ASCII. Names and values are checked when the metadata is
/// sent, so that a bad one ends the call with INVALID_ARGUMENT and not the process.
package struct Metadata: Equatable, Sendable, ExpressibleByDictionaryLiteral {
  package enum Content: Equatable, Sendable {
    case text(String)
    case binary([UInt8])
  }

  package struct Entry: Equatable, Sendable {
    package var name: String
    package var value: Content
  }

  /// Entries in order; a name may appear more than once.
  package private(set) var entries: [Entry] = []

  package init() {}

  package init(dictionaryLiteral elements: (String, String)...) {
    for (name, text) in elements { append(name, text) }
  }

  package mutating func append(_ name: String, _ text: String) {
    entries.append(Entry(name: name.lowercased(), value: .text(text)))
  }

  /// `name` must end in `-bin`.
  package mutating func append(_ name: String, bytes: [UInt8]) {
    entries.append(Entry(name: name.lowercased(), value: .binary(bytes)))
  }

  /// The first text value of a name.
  package subscript(name: String) -> String? {
    for entry in entries where entry.name == name {
      if case .text(let text) = entry.value { return text }
    }
    return nil
  }

  /// The first binary value of a name.
  package func bytes(_ name: String) -> [UInt8]? {
    for entry in entries where entry.name == name {
      if case .binary(let bytes) = entry.value { return bytes }
    }
    return nil
  }
}

extension Metadata {
  /// Why metadata cannot be sent or read. Values are never quoted: they may be secrets.
  package enum Failure: Error, Equatable, Sendable {
    case badName(String)
    case reservedName(String)
    case badValue(name: String)
    case tooLarge(bytes: Int, bytesMax: Int)

    package var message: String {
      switch self {
      case .badName(let name): "metadata name \(name.debugDescription) has characters that are not allowed"
      case .reservedName(let name): "metadata name \(name.debugDescription) is reserved"
      case .badValue(let name): "the value of metadata \(name.debugDescription) is malformed"
      case .tooLarge(let bytes, let bytesMax): "metadata of \(bytes) bytes is larger than the limit of \(bytesMax) bytes"
      }
    }
  }

  /// Fields that belong to HTTP/2 or to gRPC itself. Besides these every name that begins with `grpc-` or `:`.
  private static let reservedNames: Set<String> = [
    "content-type", "te", "user-agent", "host", "connection", "keep-alive", "proxy-connection",
    "transfer-encoding", "upgrade", "content-length",
  ]

  private static func isReserved(_ name: String) -> Bool {
    // What a service adds to its status belongs to the service (gRPC "Richer error model").
    if name == "grpc-status-details-bin" { return false }
    return name.hasPrefix("grpc-") || name.hasPrefix(":") || reservedNames.contains(name)
  }

  /// Appends the metadata's fields to a header block. `bytesMax` is for the metadata alone, counted as RFC 9113 §6.5.2 does.
  func appendFields(to headers: inout HeaderList, bytesMax: Int) throws(Failure) {
    var byteCount = 0
    for entry in entries {
      let value = try Metadata.wireValue(of: entry)
      byteCount += HeaderList.byteCount(name: entry.name.utf8.count, value: value.utf8.count)
      headers.append(entry.name, value)
    }
    guard byteCount <= bytesMax else { throw .tooLarge(bytes: byteCount, bytesMax: bytesMax) }
  }

  private static func wireValue(of entry: Entry) throws(Failure) -> String {
    guard !entry.name.isEmpty, entry.name.utf8.allSatisfy(isNameByte) else {
      throw isReserved(entry.name) ? .reservedName(entry.name) : .badName(entry.name)
    }
    guard !isReserved(entry.name) else { throw .reservedName(entry.name) }
    switch entry.value {
    case .text(let text):
      // Spaces at the ends would be stripped on the way, so the other side would see another value.
      guard !entry.name.hasSuffix("-bin"), text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }),
        text.utf8.first != 0x20, text.utf8.last != 0x20
      else { throw .badValue(name: entry.name) }
      return text
    case .binary(let bytes):
      guard entry.name.hasSuffix("-bin") else { throw .badValue(name: entry.name) }
      // Without padding, as the specification asks of senders.
      return Base64.encode(bytes, padded: false)
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  /// Reads the custom metadata of a received block; gRPC's and HTTP/2's own fields are left out, `user-agent` is kept.
  ///
  /// A `-bin` field may hold several values joined by commas, each with or without padding.
  init(received headers: HeaderList) throws(Failure) {
    for field in headers.fields {
      guard field.name == "user-agent" || !Metadata.isReserved(field.name) else { continue }
      guard field.name.hasSuffix("-bin") else {
        append(field.name, field.value)
        continue
      }
      for part in field.value.split(separator: ",", omittingEmptySubsequences: false) {
        guard let bytes = Base64.decode(part.drop { $0 == " " }) else { throw .badValue(name: field.name) }
        append(field.name, bytes: bytes)
      }
    }
  }
}

internal import Testing

@testable internal import MilvusWire

/// Vectors of RFC 4648 §10, and what Milvus and gRPC need beyond them.
@Suite struct Base64Tests {
  static let vectors = [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ]

  @Test(arguments: vectors) func `RFC 4648 vectors go both ways, padded or not`(plain: String, coded: String) {
    let bare = coded.replacing("=", with: "")
    #expect(Base64.encode(plain.utf8) == coded)
    #expect(Base64.encode(plain.utf8, padded: false) == bare)
    #expect(Base64.decode(coded) == Array(plain.utf8))
    #expect(Base64.decode(bare) == Array(plain.utf8))
  }

  @Test(arguments: ["A", "Zg=", "Z===", "Zg==Zg==", "Zm9v!", "Zh==", "Zm-_", "Z g="])
  func `what is not base64 is refused`(text: String) { #expect(Base64.decode(text) == nil) }

  @Test func `every byte survives`() {
    let bytes = (0...255).map { UInt8($0) }
    #expect(Base64.decode(Base64.encode(bytes)) == bytes)
  }
}

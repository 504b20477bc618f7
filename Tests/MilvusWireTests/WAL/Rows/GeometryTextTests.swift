import MilvusWire
import TestSupport
import Testing

/// Well-known binary against well-known text: pairs written down by hand after OGC 06-103r4 §8 and the EWKB notes of PostGIS.
@Suite struct WellKnownGeometryTests {
  struct Pair: Sendable, CustomTestStringConvertible {
    var hex: String
    var text: String
    /// What the text is written back as, where it is not the same bytes: other byte order, EWKB.
    var isCanonical = true
    var testDescription: String { text }
  }

  static let pairs: [Pair] = [
    Pair(hex: "01 01000000 0000000000003e40 0000000000002440", text: "POINT (30 10)"),
    Pair(hex: "00 00000001 403e000000000000 4024000000000000", text: "POINT (30 10)", isCanonical: false),
    Pair(hex: "01 01000000 000000000000f03f 00000000000000c0", text: "POINT (1 -2)"),
    Pair(hex: "01 01000000 9a9999999999b93f 0000000000000080", text: "POINT (0.1 -0)"),
    Pair(hex: "01 01000000 000000000000f87f 000000000000f87f", text: "POINT EMPTY"),
    Pair(hex: "01 e9030000 000000000000f03f 0000000000000040 0000000000000840", text: "POINT Z (1 2 3)"),
    Pair(hex: "01 d1070000 000000000000f03f 0000000000000040 0000000000000840", text: "POINT M (1 2 3)"),
    Pair(hex: "01 b90b0000 000000000000f03f 0000000000000040 0000000000000840 0000000000001040", text: "POINT ZM (1 2 3 4)"),
    Pair(hex: "01 01000080 000000000000f03f 0000000000000040 0000000000000840", text: "POINT Z (1 2 3)", isCanonical: false),
    Pair(hex: "01 01000040 000000000000f03f 0000000000000040 0000000000000840", text: "POINT M (1 2 3)", isCanonical: false),
    Pair(hex: "01 01000020 e6100000 000000000000f03f 0000000000000040", text: "POINT (1 2)", isCanonical: false),
    Pair(hex: "01 02000000 02000000 0000000000000000 0000000000000000 000000000000f03f 0000000000000040", text: "LINESTRING (0 0, 1 2)"),
    Pair(hex: "01 02000000 00000000", text: "LINESTRING EMPTY"),
    Pair(
      hex:
        "01 03000000 01000000 04000000 0000000000000000 0000000000000000 000000000000f03f 0000000000000000 000000000000f03f 000000000000f03f 0000000000000000 0000000000000000",
      text: "POLYGON ((0 0, 1 0, 1 1, 0 0))"),
    Pair(hex: "01 03000000 00000000", text: "POLYGON EMPTY"),
    Pair(
      hex: "01 04000000 02000000 01 01000000 000000000000f03f 0000000000000040 01 01000000 0000000000000840 0000000000001040",
      text: "MULTIPOINT ((1 2), (3 4))"),
    Pair(
      hex: "01 04000000 02000000 00 00000001 3ff0000000000000 4000000000000000 01 01000000 000000000000f87f 000000000000f87f",
      text: "MULTIPOINT ((1 2), EMPTY)", isCanonical: false),
    Pair(
      hex: "01 05000000 01000000 01 02000000 02000000 0000000000000000 0000000000000000 000000000000f03f 0000000000000040",
      text: "MULTILINESTRING ((0 0, 1 2))"),
    Pair(hex: "01 06000000 01000000 01 03000000 00000000", text: "MULTIPOLYGON (EMPTY)"),
    Pair(
      hex: "01 07000000 02000000 01 01000000 000000000000f03f 0000000000000040 01 07000000 00000000",
      text: "GEOMETRYCOLLECTION (POINT (1 2), GEOMETRYCOLLECTION EMPTY)"),
  ]

  private static func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex.utf8.filter { $0 != 0x20 })
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16) ?? 0 }
  }

  @Test(arguments: pairs)
  func `binary has its text, and the text the binary`(pair: Pair) throws {
    let binary = Self.bytes(pair.hex)
    #expect(try WellKnownBinary.text(of: binary) == pair.text)
    let again = try WellKnownText.binary(of: pair.text.utf8)
    if pair.isCanonical { #expect(again == binary) }
    #expect(try WellKnownBinary.text(of: again) == pair.text)
  }

  @Test(arguments: pairs)
  func `no prefix and no changed byte traps, and no prefix is a geometry`(pair: Pair) {
    let binary = Self.bytes(pair.hex)
    for end in 0..<binary.count { #expect((try? WellKnownBinary.text(of: Array(binary[..<end]))) == nil) }
    #expect((try? WellKnownBinary.text(of: binary + [0])) == nil)
    for position in binary.indices {
      for flip: UInt8 in [0x01, 0x10, 0x80, 0xFF] {
        var damaged = binary
        damaged[position] ^= flip
        _ = try? WellKnownBinary.text(of: damaged)
      }
    }
    let text = Array(pair.text.utf8)
    for end in 0..<text.count { _ = try? WellKnownText.binary(of: String(decoding: text[..<end], as: UTF8.self).utf8) }
  }

  @Test(arguments: [
    ("00", "cut off"), ("02 01000000 0000000000003e40 0000000000002440", "byte order"), ("01 08000000 00000000", "type 8"),
    ("01 a10f0000", "type 4001"), ("01 02000000 ffffffff", "cut off"), ("01 07000000 ffffffff", "cut off"),
    ("01 01000000 000000000000f07f 0000000000002440", "finite"), ("01 01000000 000000000000f87f 0000000000002440", "finite"),
    ("01 04000000 01000000 01 02000000 00000000", "a POINT is a LINESTRING"),
    ("01 ec030000 01000000 01 01000000 000000000000f03f 000000000000f03f", "different dimensions"),
  ])
  func `what is no geometry is refused with a reason`(hex: String, reason: String) throws {
    let error = #expect(throws: GeometryError.self) { try WellKnownBinary.text(of: Self.bytes(hex)) }
    #expect(try #require(error).what.contains(reason))
  }

  @Test func `nesting has a limit`() throws {
    func nested(_ depth: Int) -> [UInt8] {
      Array(repeating: [1, 7, 0, 0, 0, 1, 0, 0, 0] as [UInt8], count: depth).flatMap { $0 } + [1, 7, 0, 0, 0, 0, 0, 0, 0]
    }
    for depth in [GeometryError.depthMax - 1, GeometryError.depthMax] { _ = try WellKnownBinary.text(of: nested(depth)) }
    #expect(throws: GeometryError.self) { try WellKnownBinary.text(of: nested(GeometryError.depthMax + 1)) }
    #expect(throws: GeometryError.self) { try WellKnownBinary.text(of: nested(100_000)) }
    let open = String(repeating: "GEOMETRYCOLLECTION(", count: 100_000)
    #expect(throws: GeometryError.self) { try WellKnownText.binary(of: open.utf8) }
  }

  @Test(arguments: [
    ("point(1 2)", "POINT (1 2)"), ("Point Z(1 2 3)", "POINT Z (1 2 3)"), ("POINTZM(1 2 3 4)", "POINT ZM (1 2 3 4)"),
    ("MULTIPOINT (1 2, 3 4)", "MULTIPOINT ((1 2), (3 4))"), ("multipoint z empty", "MULTIPOINT Z EMPTY"),
    ("POINT(1e2 -2.5E-1)", "POINT (100 -0.25)"), (" LINESTRING ( 0 0 ,\n1 1 ) ", "LINESTRING (0 0, 1 1)"),
  ])
  func `texts are read however they are spelled`(text: String, canonical: String) throws {
    #expect(try WellKnownBinary.text(of: try WellKnownText.binary(of: text.utf8)) == canonical)
  }

  @Test(arguments: [
    "", "POINT", "POINT (1)", "POINT (1 2", "POINT (1 2) 3", "CIRCLE (1 2)", "POINT (a b)", "POINT (1 nan)", "POINT (1 1e999)",
    "LINESTRING (1 2,)",
  ])
  func `texts that are no geometry are refused`(text: String) {
    #expect(throws: GeometryError.self) { try WellKnownText.binary(of: text.utf8) }
  }

  @Test func `numbers come back bit for bit, without an exponent`() throws {
    var generator = SeededGenerator(seed: 11)
    var values: [Double] = [
      0, -0.0, 1, -1, 0.1, 1e16, 1e15, 123456789012345680, .leastNonzeroMagnitude, .leastNormalMagnitude, .greatestFiniteMagnitude, 1e300,
      1e-7, 0.0001, 2.5e-5, 100,
      1.5e17,
    ]
    for _ in 0..<2000 {
      let value = Double(bitPattern: .random(in: 0...UInt64.max, using: &generator))
      if value.isFinite { values.append(value) }
    }
    for value in values {
      var writer = WireWriter()
      writer.raw([1, 1, 0, 0, 0])
      writer.rawFixed(value.bitPattern)
      writer.rawFixed(Double(7).bitPattern)
      let text = try WellKnownBinary.text(of: writer.bytes)
      #expect(!text.dropFirst(5).contains { $0 == "e" || $0 == "E" })
      let number = try #require(text.dropFirst(7).split(separator: " ").first)
      #expect(Double(number)?.bitPattern == value.bitPattern, "\(value)")
      #expect(!number.contains(".") || !number.hasSuffix("0"), "\(number)")
    }
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00+00:00"), (-1, "1969-12-31T23:59:59.999999+00:00"), (-500_000, "1969-12-31T23:59:59.500000+00:00"),
      (1_735_660_800_000_000, "2024-12-31T16:00:00+00:00"), (951_782_400_000_000, "2000-02-29T00:00:00+00:00"),
      (-2_203_891_200_000_000, "1900-03-01T00:00:00+00:00"), (-62_167_219_200_000_000, "0000-01-01T00:00:00+00:00"),
      (-62_135_596_800_000_000, "0001-01-01T00:00:00+00:00"), (253_402_300_799_999_999, "9999-12-31T23:59:59.999999+00:00"),
    ] as [(Int64, String)])
  func `instants have their text, also before 1970`(microseconds: Int64, text: String) {
    #expect(InstantText.text(microseconds) == text)
    #expect(InstantText.microseconds(text) == microseconds)
  }

  @Test func `instants beyond four digits of a year have no text`() {
    for value in [-62_167_219_200_000_001, 253_402_300_800_000_000, Int64.min, .max] { #expect(InstantText.text(value) == nil) }
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<2000 {
      let value = Int64.random(in: -62_167_219_200_000_000...253_402_300_799_999_999, using: &generator)
      #expect(InstantText.text(value).flatMap { InstantText.microseconds($0) } == value)
    }
  }
}

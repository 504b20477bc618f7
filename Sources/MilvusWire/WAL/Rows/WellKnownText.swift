/// Well-known text as Insert carries it, written as the log's binary: little endian, ISO type numbers (OGC 06-103r4 §7).
///
/// The other direction of `WellKnownBinary`, for peers that keep a log. Reads what any writer of such texts produces: words in any case,
/// `Z`, `M` and `ZM` after the kind or glued to it, `EMPTY`, points of a MULTIPOINT with and without parentheses. Kinds with curves are refused.
package struct WellKnownText {
  private let text: [UInt8]
  private var position = 0

  package static func binary(of text: some Collection<UInt8>) throws(GeometryError) -> [UInt8] {
    var reader = WellKnownText(text: Array(text))
    var writer = WireWriter()
    try reader.geometry(depth: 0, &writer)
    reader.skipSpaces()
    guard reader.position == reader.text.count else { throw GeometryError("something stands after the geometry") }
    return writer.bytes
  }

  private init(text: [UInt8]) { self.text = text }

  private mutating func geometry(depth: Int, _ writer: inout WireWriter) throws(GeometryError) {
    guard depth <= GeometryError.depthMax else { throw GeometryError("the geometry is nested too deep") }
    let (kind, layout) = try head()
    Self.writeHead(kind, layout, &writer)
    try body(kind, layout, depth, &writer)
  }

  private mutating func head() throws(GeometryError) -> (GeometryKind, GeometryLayout) {
    var name = word()
    var layout = GeometryLayout()
    for (suffix, glued) in [
      ("ZM", GeometryLayout(hasZ: true, hasM: true)), ("Z", GeometryLayout(hasZ: true)), ("M", GeometryLayout(hasM: true)),
    ]
    where name.hasSuffix(suffix) && GeometryKind.allCases.contains(where: { $0.word + suffix == name }) {
      name.removeLast(suffix.utf8.count)
      layout = glued
      break
    }
    guard let kind = GeometryKind.allCases.first(where: { $0.word == name }) else {
      throw GeometryError("the text does not begin with the kind of a geometry")
    }
    let before = position
    switch word() {
    case "Z": layout = GeometryLayout(hasZ: true)
    case "M": layout = GeometryLayout(hasM: true)
    case "ZM": layout = GeometryLayout(hasZ: true, hasM: true)
    default: position = before
    }
    return (kind, layout)
  }

  private static func writeHead(_ kind: GeometryKind, _ layout: GeometryLayout, _ writer: inout WireWriter) {
    writer.raw([1])
    writer.rawFixed(kind.rawValue + (layout.hasZ ? 1000 : 0) + (layout.hasM ? 2000 : 0))
  }

  private mutating func body(_ kind: GeometryKind, _ layout: GeometryLayout, _ depth: Int, _ writer: inout WireWriter)
    throws(GeometryError)
  {
    switch kind {
    case .point:
      if takeEmpty() {
        for _ in 0..<layout.ordinates { writer.rawFixed(Double.nan.bitPattern) }
      } else {
        try expect("(")
        try coordinate(layout, &writer)
        try expect(")")
      }
    case .lineString: try line(layout, &writer)
    case .polygon: try list(&writer) { (reader, writer) throws(GeometryError) in try reader.line(layout, &writer) }
    case .multiPoint:
      try list(&writer) { (reader, writer) throws(GeometryError) in
        Self.writeHead(.point, layout, &writer)
        if reader.peek() == UInt8(ascii: "(") || reader.isAtLetter {
          try reader.body(.point, layout, depth, &writer)
        } else {
          try reader.coordinate(layout, &writer)
        }
      }
    case .multiLineString, .multiPolygon:
      let member: GeometryKind = kind == .multiPolygon ? .polygon : .lineString
      try list(&writer) { (reader, writer) throws(GeometryError) in
        Self.writeHead(member, layout, &writer)
        try reader.body(member, layout, depth, &writer)
      }
    case .collection:
      try list(&writer) { (reader, writer) throws(GeometryError) in try reader.geometry(depth: depth + 1, &writer) }
    }
  }

  private mutating func line(_ layout: GeometryLayout, _ writer: inout WireWriter) throws(GeometryError) {
    try list(&writer) { (reader, writer) throws(GeometryError) in try reader.coordinate(layout, &writer) }
  }

  /// `EMPTY`, or elements in parentheses; their number comes first.
  private mutating func list(
    _ writer: inout WireWriter, _ element: (inout WellKnownText, inout WireWriter) throws(GeometryError) -> Void
  ) throws(GeometryError) {
    var count: UInt32 = 0
    var elements = WireWriter()
    if !takeEmpty() {
      try expect("(")
      repeat {
        try element(&self, &elements)
        count += 1
      } while take(UInt8(ascii: ","))
      try expect(")")
    }
    writer.rawFixed(count)
    writer.raw(elements.bytes)
  }

  private mutating func coordinate(_ layout: GeometryLayout, _ writer: inout WireWriter) throws(GeometryError) {
    for _ in 0..<layout.ordinates { writer.rawFixed(try number().bitPattern) }
  }

  // MARK: Tokens

  private mutating func skipSpaces() {
    while position < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[position]) { position += 1 }
  }
  private mutating func peek() -> UInt8? {
    skipSpaces()
    return position < text.count ? text[position] : nil
  }
  private var isAtLetter: Bool { position < text.count && Self.isLetter(text[position]) }
  private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }

  private mutating func take(_ sign: UInt8) -> Bool {
    guard peek() == sign else { return false }
    position += 1
    return true
  }
  private mutating func expect(_ sign: Character) throws(GeometryError) {
    guard let byte = sign.asciiValue, take(byte) else { throw GeometryError("the text has no \(sign) where one must stand") }
  }

  /// The next word in capitals; empty where something else stands.
  private mutating func word() -> String {
    skipSpaces()
    let start = position
    while position < text.count, Self.isLetter(text[position]) { position += 1 }
    return String(decoding: text[start..<position].map { $0 & 0xDF }, as: UTF8.self)
  }
  private mutating func takeEmpty() -> Bool {
    let before = position
    if word() == "EMPTY" { return true }
    position = before
    return false
  }

  private mutating func number() throws(GeometryError) -> Double {
    skipSpaces()
    let start = position
    while position < text.count, !Self.endsNumber(text[position]) { position += 1 }
    guard position > start, let value = Double(String(decoding: text[start..<position], as: UTF8.self)), value.isFinite else {
      throw GeometryError("the text has no number where one must stand")
    }
    return value
  }
  private static func endsNumber(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "e"),
      UInt8(ascii: "E"):
      false
    default: true
    }
  }
}
